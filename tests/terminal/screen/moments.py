"""Every picture of the till: an idle counter, a full one, each moment of a sale, each form, each refusal."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from msgspec import structs

from protocol.authorise import Refusal, Refused
from protocol.basket import Basket
from protocol.entries import LINES_MAX, NO_LISTS, ListVersions, Operation
from protocol.ids import ChannelId, Epoch, ProductId, Seq, ShiftNo, SiteId, StaffId
from protocol.instants import DAY_MS, BusinessDay, CampusTime, ClockSource, UtcMs
from protocol.money import SALE_CENTS_MAX, Cents
from protocol.price_list import Names, PriceList, Product
from protocol.site_files import StaffRow
from terminal.clerk import Rights
from terminal.derived import ShiftTotals
from terminal.desk import (
    AwaitingCard,
    Charged,
    Done,
    NotDone,
    PaidEarlier,
    Phase,
    PinEntry,
    RepeatAsked,
    Ringing,
    TapAgain,
)
from terminal.enrol_fault import EnrolFault
from terminal.enrolling import Enrolling, Step
from terminal.front import Counter, Form, Front, press, said
from terminal.journal_file import missing
from terminal.offline import Offline, OfflineCause
from terminal.presses import Area, Begin, FormName, Page, Report
from terminal.refund import Sold
from terminal.scene import Scene
from terminal.screens.enrolling import draw_enrolling
from terminal.screens.picture import picture
from terminal.status import Outfit, Status
from terminal.step_draft import Open
from terminal.theme import Metrics, Theme
from terminal.topup import TopUp
from terminal.views import Words, disk_view, several_cards_view, view_of
from tests.terminal.test_views import AT, CARD, MERCHANT, READ, desk, purchase, receipt, sold, status

_DISHES = (
    ("rice", "Rice", "米饭", "米飯", 150, "staples"),
    ("noodles", "Beef noodles", "红烧牛肉面", "紅燒牛肉麵", 1_850, "noodles"),
    ("tofu", "Mapo tofu", "麻婆豆腐", "麻婆豆腐", 900, "dishes"),
    ("egg", "Tomato and egg", "西红柿炒鸡蛋", "番茄炒蛋", 850, "dishes"),
    ("pork", "Twice-cooked pork", "回锅肉", "回鍋肉", 1_500, "dishes"),
    ("fish", "Steamed fish", "清蒸鲈鱼", "清蒸鱸魚", 2_800, "dishes"),
    ("greens", "Greens with garlic", "蒜蓉青菜", "蒜蓉青菜", 600, "dishes"),
    ("soup", "Seaweed and egg soup", "紫菜蛋花汤", "紫菜蛋花湯", 300, "soups"),
    ("milk", "Soy milk", "豆浆", "豆漿", 250, "drinks"),
    ("bun", "Steamed bun with pork", "鲜肉包子", "鮮肉包子", 250, "staples"),
    ("dumplings", "Dumplings, a dozen", "水饺（一打）", "水餃（一打）", 1_200, "staples"),
    ("congee", "Congee", "皮蛋瘦肉粥", "皮蛋瘦肉粥", 500, "staples"),
    ("cola", "Cola", "可乐", "可樂", 350, "drinks"),
    ("apple", "Apple", "苹果", "蘋果", 400, "fruit"),
)
LONG_EN = "The grand opening banquet platter for up to twelve hungry pal"[:60]
LONG_ZH = "开学典礼特供全家福大拼盘配时令蔬菜米饭紫菜蛋花汤及水果沙拉"
PRODUCTS = tuple(
    Product(ProductId(name), Names(en, hans, hant), Cents(price), category=category)
    for name, en, hans, hant, price, category in _DISHES
)
LONG = Product(
    ProductId("long"),
    Names(LONG_EN, LONG_ZH, LONG_ZH),
    Cents(SALE_CENTS_MAX),
    category="Wide-category-name.of-32-letters",
)
MANY = tuple(
    structs.replace(LONG, id=ProductId(f"d{number}"), category=f"category-{number % 9}") for number in range(120)
)
PRICES = PriceList(7, "CNY", PRODUCTS)
STAFF = tuple(
    StaffRow(StaffId(name), shown, "A" * 22, "A" * 43)
    for name, shown in (
        ("wang", "王芳"),
        ("li", "李小明"),
        ("chen", "Chen Wei"),
        ("long", "Maximiliana Featherstonehaugh-Wu"),
    )
)
SHIFT = ShiftTotals(ShiftNo(3), StaffId("wang"), Cents(20_000), 128, Cents(183_350), Cents(1_850), Cents(4_200))
SOLD = tuple(Sold(Seq(900 - 2 * n), CARD, MERCHANT, BusinessDay(1), Cents(1_250 + n), Cents(0)) for n in range(30))


def counter(phase: Phase, words: Words, products: tuple[Product, ...] = PRODUCTS, **more: object) -> Counter:
    """A till at noon, online, with a shift and a price list."""
    at = structs.replace(desk(phase), prices=PriceList(7, "CNY", products))
    known: dict[str, object] = {
        "view": view_of(at, 720, words),
        "status": status(shift=SHIFT),
        "merchant": MERCHANT,
        "basket": phase.basket if isinstance(phase, Ringing) else Basket(at.prices),
        "products": products,
        "minute": 720,
        "rights": Rights(load=True, topup=True),
        "staff": STAFF,
        "sold": SOLD,
    }
    return Counter(**{**known, **more})  # type: ignore[arg-type]


def basket(products: tuple[Product, ...], *quantities: int) -> Basket:
    """So many of each product, from the first on."""
    found = Basket(PriceList(7, "CNY", products))
    for product, qty in zip(products, quantities, strict=False):
        added = found.add(product.id, qty)
        assert isinstance(added, Basket)
        found = added
    return found


def offline(cause: OfflineCause) -> Status:
    """Not as always."""
    return status(Offline(cause, "broker.campus.example"), acked=Seq(0), tip=Seq(4_321), shift=SHIFT)


Moment = tuple[Front, Counter]
_HOST = "broker.north-campus.example:8883"
_OUTFIT = Outfit(
    build="fanka 0.1.0", site=SiteId("north-campus"), epoch=Epoch(2), key_sets=(2, 1),
    certificate_ends=UtcMs(AT.utc_ms + 90 * DAY_MS),
)  # fmt: skip
_VERSIONS = ListVersions(
    **{name: (3 << 32) + 40 + at for at, name in enumerate(("cards", "prices", "limits", "staff", "texts", "config"))}
)
_EMPTY, _SOME = Ringing(Basket(PRICES)), Ringing(basket(PRODUCTS, 2, 1, 1))
_FULL = Ringing(basket(MANY, *([9_999] * LINES_MAX)))
_AGAIN: dict[str, Any] = {"last": ((ProductId("rice"), 1, None),), "last_cents": Cents(1_250)}
_DONE = Done(receipt())


def moments(words: Words) -> dict[str, Moment]:
    """By name. Whoever adds a picture adds it here."""
    found = {**_ringing(words), **_forms(words), **_sale(words)}
    idle = counter(_EMPTY, words)
    for cause in OfflineCause:
        found[f"offline_{cause}"] = (Front(), replace(idle, status=offline(cause)))
    for code in Refusal:
        found[f"refused_{code}"] = (Front(), counter(NotDone(purchase(1_250), Refused(code, DAY_MS)), words))
    return found


def _ringing(words: Words) -> dict[str, Moment]:
    idle, some = counter(_EMPTY, words), counter(_SOME, words)
    step = Open(Seq(9), Operation.SALE, sold(), AT)
    owing = structs.replace(desk(_EMPTY), opens=(step,), unconfirmed=receipt(amount=200))
    return {
        "idle": (Front(), idle),
        "idle_again": (Front(), counter(_EMPTY, words, **_AGAIN)),
        "idle_owed": (Front(), replace(idle, view=view_of(owing, 720, words))),
        "no_dishes": (Front(), counter(_EMPTY, words, ())),
        "one_dish": (Front(), counter(_EMPTY, words, PRODUCTS[:1])),
        "rung": (Front(), some),
        "rung_more": (Front(), counter(Ringing(basket(PRODUCTS, 2, 1, 2)), words)),
        "rung_99": (Front(), counter(_FULL, words, MANY)),
        "long_names": (Front(), counter(Ringing(basket((LONG,), 1)), words, (LONG, *MANY[:6]))),
        "many_dishes": (Front(category="category-5", first=5), counter(_EMPTY, words, MANY)),
        "pad": (Front(area=Area.PAD), idle),
        "pad_digit": (Front(area=Area.PAD, typed="12.5"), some),
        "pad_typed": (Front(area=Area.PAD, typed="12.50"), some),
        "search": (Front(area=Area.SEARCH, typed="r"), idle),
        "search_none": (Front(area=Area.SEARCH, typed="zzzzzz"), some),
        "said": (Front(said=(words["said.journal_low"],)), idle),
        "training": (Front(), counter(_SOME, words, training=True)),
        "training_idle": (Front(area=Area.PAD), counter(_EMPTY, words, training=True)),
        "training_tools": (Front(page=Page.TOOLS), counter(_EMPTY, words, training=True)),
    }


def _forms(words: Words) -> dict[str, Moment]:
    idle = counter(_EMPTY, words)
    bare = replace(idle, status=status(), rights=Rights(refund=False))
    give_back = press(Front(page=Page.SOLD), idle, Begin(FormName.REFUND, SOLD[0].seq, SOLD[0].left_cents))[0]
    answer = "\n".join((words["finding.purse_unreadable"], "1", "2", "3"))
    untrusted = replace(idle, status=offline(OfflineCause.CERTIFICATE))

    def form(name: FormName, *answers: str, typed: str = "") -> Front:
        return Front(page=Page.FORM, form=Form(name, answers), typed=typed)

    return {
        "menu": (Front(page=Page.MENU), idle),
        "menu_no_shift": (Front(page=Page.MENU, theme=Theme.DARK), bare),
        "open_shift": (form(FormName.OPEN_SHIFT), idle),
        "open_shift_nobody": (form(FormName.OPEN_SHIFT), replace(idle, staff=())),
        "open_shift_drawer": (form(FormName.OPEN_SHIFT, "wang", typed="200"), idle),
        "open_shift_pin": (form(FormName.OPEN_SHIFT, "wang", "200", typed="1234"), idle),
        "close_shift": (form(FormName.CLOSE_SHIFT, typed="242"), idle),
        "topup": (form(FormName.TOPUP), idle),
        "refund": (give_back, idle),
        "sold": (Front(page=Page.SOLD), idle),
        "sold_none": (Front(page=Page.SOLD), replace(idle, sold=())),
        "x_report": (Front(page=Page.TEXT, report=Report.SHIFT), idle),
        "status": (Front(page=Page.TEXT, report=Report.STATUS), untrusted),
        "answer": (said(Front(), answer), idle),
        "menu_till": (Front(page=Page.MENU), replace(idle, rights=Rights())),
        "tools": (Front(page=Page.TOOLS), idle),
        "tools_rung": (Front(page=Page.TOOLS), counter(_SOME, words)),
        "language": (Front(page=Page.LANGUAGE), idle),
        **_doctor(idle),
    }


def _doctor(idle: Counter) -> dict[str, Moment]:
    """A terminal that is well, one that is ill in every way at once, one that has nothing yet."""
    well = replace(idle.status, outfit=_OUTFIT, versions=_VERSIONS, lists_expire=UtcMs(AT.utc_ms + DAY_MS))
    ill = replace(
        well,
        offline=Offline(OfflineCause.CERTIFICATE, "broker.campus.example: self-signed certificate in chain"),
        reader_fault="ACS ACR122U PICC Interface 00 00: no readers available",
        disk_low=True,
        disk_bytes=9_000_000,
        forked=True,
        copied=Seq(7),
        copy_fault="Input/output error",
        now=replace(AT, clock=ClockSource.NONE),
        sale_max=Cents(0),
        alarm="lists: same_version_other_content: prices 4294967301",
        outfit=replace(_OUTFIT, certificate_ends=UtcMs(AT.utc_ms - 1)),
        lists_expire=UtcMs(1),
        prices_later=UtcMs(AT.utc_ms + DAY_MS),
        tip=Seq(4_321),
    )
    new = replace(well, lists_as_of=UtcMs(0), versions=NO_LISTS, acked=Seq(0), acked_at=UtcMs(0), outfit=Outfit())
    ways = {"well": well, "ill": ill, "new": new}
    doctor = {f"doctor_{name}": (Front(page=Page.DOCTOR), replace(idle, status=one)) for name, one in ways.items()}
    more = {
        f"doctor_ill_{page}": (Front(page=Page.DOCTOR, first=first), replace(idle, status=ill))
        for page, first in ((2, 3), (3, 6), (4, 9), (5, 99))
    }
    lists = {f"lists_{name}": (Front(page=Page.LISTS), replace(idle, status=one)) for name, one in ways.items()}
    lists["lists_well_2"] = (Front(page=Page.LISTS, first=99), replace(idle, status=well))
    return {**doctor, **more, **lists}


def _practised(at: Counter, words: Words) -> Counter:
    """The same in training, where everything that is shown says so."""
    return replace(at, training=True, view=replace(at.view, lines=(*at.view.lines, words["screen.training"])))


def causes(words: Words) -> dict[str, Moment]:
    """The doctor's page for each cause that a line can be gone for; no pictures of their own, they differ in words."""
    idle = counter(_EMPTY, words, status=status(outfit=_OUTFIT))
    return {
        cause: (Front(page=Page.DOCTOR), replace(idle, status=replace(idle.status, offline=Offline(cause, _HOST))))
        for cause in OfflineCause
    }


def _sale(words: Words) -> dict[str, Moment]:
    idle, waiting = counter(_EMPTY, words), counter(AwaitingCard(purchase(1_250)), words)
    lies = structs.replace(desk(AwaitingCard(purchase(1_250))), present=CARD.key, charged=(Charged(CARD.key, AT),))
    torn = TapAgain(purchase(1_250), Open(Seq(9), Operation.SALE, sold(), AT))
    poor = NotDone(purchase(1_250), Refused(Refusal.BALANCE_TOO_LOW))
    return {
        "tap": (Front(), waiting),
        "tap_largest": (Front(), counter(AwaitingCard(purchase(SALE_CENTS_MAX)), words)),
        "tap_topup": (Front(), counter(AwaitingCard(TopUp(Cents(5_000), ChannelId("cash"))), words)),
        "lift": (Front(), replace(idle, view=view_of(lies, 720, words))),
        "pin": (Front(typed="123"), counter(PinEntry(purchase(12_350), READ), words)),
        "tap_again": (Front(), counter(torn, words)),
        "two_cards": (Front(), replace(idle, view=several_cards_view(waiting.view, words))),
        "repeat": (Front(), counter(RepeatAsked(purchase(1_250), CARD.key), words)),
        "paid_earlier": (Front(), counter(PaidEarlier(receipt(), None), words)),
        "paid": (Front(), counter(_DONE, words)),
        "paid_next": (Front(area=Area.PAD, typed="8"), counter(_DONE, words)),
        "paid_undo": (Front(), counter(_DONE, words, undo=Seq(900), **_AGAIN)),
        "training_tap": (Front(), _practised(waiting, words)),
        "training_torn": (Front(), _practised(counter(torn, words), words)),
        "training_paid": (Front(), _practised(counter(_DONE, words, undo=Seq(900), **_AGAIN), words)),
        "training_refused": (Front(), _practised(counter(poor, words), words)),
        "training_pin": (Front(typed="12"), _practised(counter(PinEntry(purchase(12_350), READ), words), words)),
        "disk": (Front(), replace(idle, view=disk_view(words))),
    }


_SERVER = "https://fanka.north-campus.example:8443"


def enrolling(words: Words) -> dict[str, Enrolling]:
    """The screens of a machine that is no terminal yet."""
    server, four = _SERVER, "kubik dovan zilot marun"
    return {
        "enrol_server": Enrolling(Step.SERVER, typed="fanka.north-campus.example:8443"),
        "enrol_no_address": Enrolling(Step.SERVER, typed=":", is_wrong=True),
        "enrol_code": Enrolling(Step.CODE, server, typed="4T7QXW2"),
        "enrol_no_code": Enrolling(Step.CODE, server, typed="4T7QXW2", is_wrong=True),
        "enrol_server_2": Enrolling(Step.SERVER, typed="fanka.north-campus.example:8443", keys_from=1),
        "enrol_code_2": Enrolling(Step.CODE, server, typed="4T7QXW2", keys_from=1),
        "enrol_asking": Enrolling(Step.WAITING, server),
        "enrol_words": Enrolling(Step.WAITING, server, four_words=four),
        "enrol_failed": faulty(EnrolFault.TURNED_AWAY),
        "enrol_failed_told": faulty(EnrolFault.JOURNAL),
        "enrol_keys": Enrolling(Step.KEYS, server, why=words["enrol.no_card_keys"]),
    }


def faulty(fault: EnrolFault) -> Enrolling:
    """An enrolment that ended so, with the longest of the program's own words."""
    return Enrolling(
        Step.FAILED, _SERVER, fault=fault, why=str(missing(Path("/var/lib/fanka/till-07/data/journal.db")))
    )


def scenes(words: Words, metrics: Metrics) -> dict[str, Scene]:
    """Every picture by name."""
    found = {name: picture(*moment, CampusTime(), words, metrics) for name, moment in moments(words).items()}
    return found | {name: draw_enrolling(now, words, metrics) for name, now in enrolling(words).items()}
