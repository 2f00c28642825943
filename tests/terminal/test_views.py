"""What the counter shows: every phase and every refusal in words, with what to do."""

import importlib
import pkgutil
import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

import terminal.texts
from hardware.cards.read_out import Belongs
from protocol.authorise import House, Refusal, Refused, Standing
from protocol.basket import Basket, BasketRefusal
from protocol.entries import NO_LISTS, Kind, Operation, RefundStep, RefundTo, SaleStep, TopUpStep, TopUpTo
from protocol.ids import CardNo, ChannelId, Counter, Generation, MerchantId, ProductId, Seq, ShiftNo, StaffId, Tno
from protocol.instants import DAY_MS, BusinessDay, CampusTime, ClockSource, MonoMs, Now, UtcMs
from protocol.limits import NO_LIMITS, When
from protocol.money import SALE_CENTS_MAX, Cents
from protocol.price_list import Names, PriceList, Product
from protocol.pricing import TotalTooLarge, Unpriced
from protocol.purse import CardClass, CardId, CardRead, Identity, Mark, Right, Spent, Technology
from protocol.site_files import TextsFile
from terminal import replace as office
from terminal.card_checks import Finding
from terminal.commands import _COMMANDS
from terminal.derived import ShiftTotals
from terminal.desk import (
    Approving,
    AwaitingCard,
    CardTapped,
    Charged,
    Desk,
    Done,
    Identifying,
    NotDone,
    PaidEarlier,
    Phase,
    PinEntry,
    Receipt,
    RepeatAsked,
    Ringing,
    TapAgain,
)
from terminal.help import help_text, widest_of, width_of
from terminal.languages import LANGUAGES
from terminal.load import Load, NothingToLoad
from terminal.office_views import office_view
from terminal.offline import Offline, OfflineCause
from terminal.purchase import Facts, NotPriced, Purchase
from terminal.refund import RefundRefusal
from terminal.shift import ShiftRefusal
from terminal.status import Outfit, Status, status_lines
from terminal.step_draft import Open, StepDraft
from terminal.texts.en import SENTENCES
from terminal.topup import TopUp
from terminal.views import Choice, Tone, Words, age_text, class_text, disk_view, refusal_texts, view_of

RICE = Product(ProductId("rice"), Names("Rice", "米饭", "米飯"), Cents(150))
PRICES = PriceList(7, "CNY", (RICE,))
MERCHANT, TNO = MerchantId("m1"), Tno(7)
CARD = CardId(CardNo(12), Generation(1), Technology.DESFIRE, CardClass.STUDENT)
READ = CardRead(Technology.DESFIRE, bytes(7), 1, Identity(CardNo(12), Generation(1), CardClass.STUDENT), None, ())
AT = Now(UtcMs(1_796_011_200_000), MonoMs(90_000))
CODES = sorted(
    {f"refused.{code}" for code in Refusal}
    | {f"advice.{code}" for code in Refusal}
    | {f"basket.{code}" for code in BasketRefusal}
    | {f"refund.{code}" for code in RefundRefusal}
    | {f"shift.{code}" for code in ShiftRefusal}
    | {f"choice.{choice}" for choice in Choice}
    | {f"class.{known.name.lower()}" for known in CardClass}
    | {f"clock.{source}" for source in ClockSource}
    | {f"cause.{cause}" for cause in OfflineCause}
    | {f"office.{code}" for code in office.Unmade}
    | {f"finding.{code}" for code in Finding}
    | {f"cards.{code}" for code in Belongs}
    | {f"usage.{name.replace(' ', '_')}" for name in _COMMANDS}
    | {f"help.{name.replace(' ', '_')}" for name in _COMMANDS if name != "shift"}
)


def rung(*amounts: int) -> Basket:
    basket = Basket(PRICES)
    for amount in amounts:
        added = basket.add_amount(Cents(amount))
        assert isinstance(added, Basket)
        basket = added
    return basket


def purchase(*amounts: int) -> Purchase:
    return Purchase(rung(*amounts), MERCHANT)


def sold(amount: int = 1_250, left: int = 3_750, subsidy: int = 0) -> SaleStep:
    before, subsidy_before = Cents(left + amount - subsidy), Cents(subsidy)
    return SaleStep(
        CARD,
        Cents(amount),
        Counter(4),
        Counter(5),
        before,
        Cents(left),
        subsidy_before,
        Cents(0),
        Seq(9),
        merchant=MERCHANT,
    )


def receipt(kind: Kind = Kind.SALE_SETTLED, amount: int = 1_250, subsidy: int = 0) -> Receipt:
    return Receipt(Mark(TNO, Seq(9)), kind, sold(amount, subsidy=subsidy), AT)


def desk(phase: Phase) -> Desk:
    return Desk(TNO, MERCHANT, PRICES, phase)


def shown(phase: Phase) -> str:
    """A view as one text, for a glance."""
    return shown_of(desk(phase))


def shown_of(desk: Desk) -> str:
    view = view_of(desk, 720, SENTENCES)
    return " | ".join((view.phase, view.tone, view.title, str(view.amount_cents), *view.lines, *view.choices))


def test_an_idle_counter_asks_for_something_to_sell() -> None:
    assert shown(Ringing(Basket(PRICES))) == "ringing | ready | Ready | None"


def test_a_basket_shows_each_line_and_what_it_costs_for_everybody() -> None:
    added = rung(1_250).add(ProductId("rice"), 2)
    assert isinstance(added, Basket)
    assert shown(Ringing(added)) == (
        "ringing | ready | 3 rung | 1550 | 1 x amount  ¥12.50 | 2 x Rice  ¥3.00 | pay | cash | clear"
    )


def test_a_product_that_is_gone_has_no_price_and_the_amount_is_not_guessed() -> None:
    added = Basket(PRICES).add(ProductId("soup"))
    assert isinstance(added, Basket)
    assert shown(Ringing(added)) == "ringing | ready | 1 rung | None | 1 x soup  no price | pay | cash | clear"


TOKEN = replace(CARD, technology=Technology.TOKEN)
BY_TOKEN = SaleStep(
    TOKEN, Cents(1_250), main=Cents(5_000), main_after=Cents(3_750), merchant=MERCHANT, approval="A" * 43
)
STOOD_IN = SaleStep(TOKEN, Cents(1_250), main_after=Cents(-1_250), merchant=MERCHANT)
FACTS = Facts(Standing(), House(NO_LIMITS, 0), When(BusinessDay(1), BusinessDay(2), 720, ClockSource.NTP))
ASKING_WHO = Identifying(CardTapped(None, FACTS, AT, uid="04a1b2c3"), AwaitingCard(purchase(1_250)))
ASKING = Approving(
    purchase(1_250),
    Open(Seq(9), Operation.SALE, STOOD_IN, AT),
    StepDraft(Operation.SALE, STOOD_IN, READ, Right.DEBIT, Spent()),
    FACTS,
)
PAID = "done | approved | Paid | 1250"


@pytest.mark.parametrize(
    ("phase", "text"),
    [
        (AwaitingCard(purchase(1_250)), "awaiting_card | waiting | Tap a card | 1250 | cash | cancel"),
        (AwaitingCard(Load(None)), "awaiting_card | waiting | Collect a top-up: tap the card | None | cancel"),
        (
            AwaitingCard(TopUp(Cents(5_000), ChannelId("cash"))),
            "awaiting_card | waiting | Top up: tap the card | 5000 | cancel",
        ),
        (PinEntry(purchase(1_250), READ, "1234"), "pin_entry | asking | PIN, please | 1250 | pin | cancel"),
        (RepeatAsked(purchase(1), CARD.key), "repeat_asked | asking | This card has just paid | 1 | confirm | cancel"),
        (
            TapAgain(purchase(1_250), Open(Seq(9), Operation.SALE, sold(), AT)),
            "tap_again | tap_again | Tap the SAME card again | 1250 | cancel",
        ),
        (Done(receipt()), "done | approved | Paid | 1250 | balance ¥37.50 | receipt 7-9"),
        (Done(receipt(subsidy=250)), "done | approved | Paid | 1250 | balance ¥37.50 | subsidy ¥0.00 | receipt 7-9"),
        (Done(receipt(Kind.SALE_TORN)), "done | refused | Not settled here | 1250 | receipt 7-9"),
        (Done(receipt(Kind.SALE_VOIDED)), "done | refused | Not on the card | 1250 | receipt 7-9"),
        (
            PaidEarlier(receipt(), None),
            "paid_earlier | asking | Paid already, nothing more was charged | 1250 | receipt 7-9 | confirm | cancel",
        ),
        (ASKING_WHO, "identifying | hold | Asking the server | 1250 | cancel"),
        (ASKING, "approving | hold | Asking the server | 1250"),
        (Done(Receipt(Mark(TNO, Seq(9)), Kind.SALE_SETTLED, BY_TOKEN, AT)), f"{PAID} | balance ¥37.50 | receipt 7-9"),
        (Done(Receipt(Mark(TNO, Seq(9)), Kind.SALE_SETTLED, STOOD_IN, AT)), f"{PAID} | receipt 7-9"),
        (
            NotDone(purchase(1_250), Refused(Refusal.BALANCE_TOO_LOW, 300)),
            "not_done | refused | Not sold | 1250 | The card has only ¥3.00 to pay with. | cash | cancel",
        ),
    ],
)
def test_every_phase_has_its_picture(phase: Phase, text: str) -> None:
    assert shown(phase) == text


def test_refunds_and_topups_say_where_the_money_went() -> None:
    back = RefundStep(CARD, Cents(300), merchant=MERCHANT, of=Seq(9), to=RefundTo.PENDING)
    assert "credit" in shown(Done(Receipt(Mark(TNO, Seq(11)), Kind.REFUND_SETTLED, back, AT)))
    waiting = TopUpStep(CARD, Cents(5_000), channel=ChannelId("cash"), to=TopUpTo.LOAD)
    assert "waiting" in shown(Done(Receipt(Mark(TNO, Seq(11)), Kind.TOPUP_PREPARED, waiting, AT)))


def test_nobody_forgets_an_open_step_or_a_sale_that_was_perhaps_not_handed_over() -> None:
    counter = desk(Ringing(Basket(PRICES)))
    counter = replace(counter, opens=(Open(Seq(9), Operation.SALE, sold(), AT),), unconfirmed=receipt(amount=200))
    paid, lost = view_of(counter, 720, SENTENCES).lines
    assert "¥2.00" in paid and "7-9" in paid
    assert "card 12" in lost and "¥12.50" in lost


def test_a_card_that_has_paid_and_lies_there_is_to_be_taken_away_first() -> None:
    """Nothing else would happen, and nobody would know why; a card that was away, or a refund, is just tapped."""
    here = replace(desk(AwaitingCard(purchase(1_250))), present=CARD.key, charged=(Charged(CARD.key, AT),))
    assert shown_of(here) == "awaiting_card | waiting | Take the card away, then tap it | 1250 | cash | cancel"
    for other in (
        replace(here, present=None),
        replace(here, charged=(Charged(CARD.key, AT, was_gone=True),)),
        replace(here, phase=AwaitingCard(Load(None))),
    ):
        assert "Take the card away" not in shown_of(other)


@pytest.mark.parametrize("code", Refusal)
def test_every_refusal_says_why_and_what_to_do(code: Refusal) -> None:
    why, what = refusal_texts(Refused(code, 3 * DAY_MS), SENTENCES)
    assert why.endswith(".") and what.endswith(".") and "{" not in why + what


def test_refusals_that_need_no_card_say_what_to_do_too() -> None:
    for reason in (
        NotPriced(Unpriced(ProductId("soup"))),
        NotPriced(TotalTooLarge(Cents(SALE_CENTS_MAX + 1))),
        NothingToLoad(),
    ):
        why, what = refusal_texts(reason, SENTENCES)
        assert why.endswith(".") and what.endswith(".")


def test_a_pin_is_in_no_view() -> None:
    assert "1234" not in repr(view_of(desk(PinEntry(purchase(1), READ, "1234")), 0, SENTENCES))


def test_the_card_office_shows_whose_card_it_makes() -> None:
    order = office.IssueOrder(CardNo(12), Generation(2), CardClass.STUDENT)
    waiting = office_view(office.AwaitingBlank(order), SENTENCES)
    assert waiting.tone is Tone.WAITING and waiting.lines == ("card 12, generation 2, student",)
    assert office_view(office.Personalising(order), SENTENCES).tone is Tone.HOLD
    failed = office.Failed(order, office.WhyNot(office.Unmade.NOT_OURS, "sector 3"))
    assert "no blank, or a stranger's (sector 3)" in office_view(failed, SENTENCES).lines[1]
    assert disk_view(SENTENCES).tone is Tone.REFUSED


def test_ages_and_classes_in_words() -> None:
    texts = [age_text(ms, SENTENCES) for ms in (0, 119 * 60_000, 7_200_000, 3 * DAY_MS, 2**53 - 1, -1)]
    assert texts == ["0 min old", "119 min old", "2 h old", "3 days old", "of unknown age", "of unknown age"]
    assert (class_text(2, SENTENCES), class_text(9, SENTENCES)) == ("staff", "class 9")


def status(offline: Offline | None = None, **changed: object) -> Status:
    as_it_is = {
        "tid": "till-07", "tno": TNO, "shift": ShiftTotals(), "now": AT, "offline": offline, "asking": False,
        "tip": Seq(10), "acked": Seq(7), "forked": False, "lists_as_of": UtcMs(AT.utc_ms),
        "lists_age_ms": 0, "reader_fault": "",
        "disk_bytes": 10**9, "disk_low": False, "verified": Seq(10), "copied": None, "copy_fault": "",
        "alarm": "", "texts": TextsFile(), "lists_expire": UtcMs(0), "sale_max": None,
        "acked_at": UtcMs(AT.utc_ms), "versions": NO_LISTS, "prices_later": UtcMs(0), "outfit": Outfit(),
    }  # fmt: skip
    return Status(**{**as_it_is, **changed})  # type: ignore[arg-type]


@pytest.mark.parametrize("stopped", [{"forked": True}, {"sale_max": Cents(0)}, {"disk_low": True}])
@pytest.mark.parametrize("words", LANGUAGES.values(), ids=LANGUAGES)
def test_a_terminal_that_is_stopped_does_not_say_that_selling_goes_on(words: Words, stopped: dict[str, object]) -> None:
    said = ["\n".join(status_lines(status(None, alarm="x", **more), CampusTime(), words)) for more in ({}, stopped)]
    goes_on = ("selling goes on", "仍可继续销售", "仍可繼續銷售")
    assert [any(text in one for text in goes_on) for one in said] == [True, False]


def test_the_status_says_what_is_unsent_and_why() -> None:
    online = "\n".join(status_lines(status(), CampusTime(), SENTENCES))
    assert "online; entries to send: 3, confirmed: 7 of 10" in online and "2026-11-30 00:00" not in online
    shift = ShiftTotals(ShiftNo(2), StaffId("wang"), sales=1, sales_cents=Cents(600))
    unsure = "\n".join(status_lines(status(lists_age_ms=2**53, shift=shift), CampusTime(), SENTENCES))
    assert "(of unknown age)" in unsure and "shift 2: ¥6.00 sold (sales: 1)" in unsure
    asking = "\n".join(status_lines(status(asking=True), CampusTime(), SENTENCES))
    assert "connected, but the server has not answered" in asking and "confirmed before: 7 of 10" in asking
    offline = status(
        Offline(OfflineCause.NO_ANSWER, "b:1883"),
        shift=ShiftTotals(ShiftNo(2)),
        disk_low=True,
        reader_fault="gone",
        lists_as_of=0,
        forked=True,
        copied=3,
        copy_fault="full",
        alarm="lists: older",
        lists_expire=UtcMs(1),
        sale_max=Cents(2_000),
    )
    text = "\n".join(status_lines(offline, CampusTime(), SENTENCES))
    for part in (
        "offline (no answer from b:1883)",
        "LOW",
        "NOT ANSWERING",
        "no lists yet",
        "ANOTHER HISTORY",
        "shift 2",
        "SECOND MEDIUM FAILS (full)",
        "ALARM: lists: older",
        "THE LISTS EXPIRED at 1970-01-01",
        "Lists of unknown age: at most ¥20.00 a sale",
    ):
        assert part in text


def languages() -> dict[str, dict[str, str]]:
    names = [found.name for found in pkgutil.iter_modules(terminal.texts.__path__)]
    return {name: importlib.import_module(f"terminal.texts.{name}").SENTENCES for name in names}


@pytest.mark.parametrize("code", CODES)
def test_every_code_has_its_sentence(code: str) -> None:
    for name, sentences in languages().items():
        assert code in sentences, f"{code} is missing in {name}"


def test_every_language_has_the_same_sentences_with_the_same_figures() -> None:
    def figures(text: str) -> set[str]:
        return {part[1] for part in string.Formatter().parse(text) if part[1]}

    for name, sentences in languages().items():
        assert set(sentences) == set(SENTENCES), name
        for key, text in sentences.items():
            assert figures(text) == figures(SENTENCES[key]), f"{name}: {key}"


TYPED = {"language", "amount", "line.item", "screen.named"}
"""Signs and figures; the usage of commands is typed, too."""
SIMPLIFIED_ONLY = "机钱员单这还请输应结号读写余额车门问间时实现发变终线网络联权务种类笔从级处预贴录项册证"
TRADITIONAL_ONLY = "機錢員單這還請輸應結號讀寫餘額車門問間時實現發變終線網絡聯權務種類筆從級處預貼錄項冊證"


@pytest.mark.parametrize("name", ["zh_hans", "zh_hant"])
def test_chinese_is_written_in_chinese_signs(name: str) -> None:
    """No English was left, no half-width comma follows an ideograph, and no sign belongs to the other script."""
    for key, text in languages()[name].items():
        words = re.sub(r"\{[^}]*\}", "", text)
        if key.startswith("usage.") or key in TYPED:
            continue
        assert re.search(r"[\u4e00-\u9fff]", words), f"{key}: {text}"
        assert not re.search(r"[\u4e00-\u9fff][,.;!?()]", words), f"{key}: {text}"
    other = TRADITIONAL_ONLY if name == "zh_hans" else SIMPLIFIED_ONLY
    assert not set(other) & set("".join(languages()[name].values()))


def test_a_typed_language_is_one_of_those_that_are_there() -> None:
    assert {words["language"] for words in LANGUAGES.values()} == set(languages())
    for words in LANGUAGES.values():
        assert getattr(RICE.names, words["language"]) in ("Rice", "米饭", "米飯")


@pytest.mark.parametrize("name", ["en", "zh_hans", "zh_hant"])
def test_the_help_stands_in_columns_and_fits_a_screen(name: str) -> None:
    lines = help_text(languages()[name]).splitlines()
    assert all(width_of(line) <= 76 for line in lines), [line for line in lines if width_of(line) > 76]
    for key, text in languages()[name].items():
        if key.startswith("help."):
            (line,) = [line for line in lines if line.endswith(f" {text}")]
            assert width_of(line) - width_of(text) == 30, line


def test_no_sentence_is_asked_for_that_is_not_there() -> None:
    """Keys that stand in the sources literally."""
    root = importlib.import_module("terminal").__path__[0]
    sources = [
        importlib.import_module(f"terminal.{name}").__file__ for name in ("views", "clerk", "till", "status", "console")
    ]
    assert root
    for path in filter(None, sources):
        with open(path) as file:  # noqa: PTH123
            for key in re.findall(
                r'"((?:title|advice|line|said|status|shift|reader|clock|age|mistake)\.[a-z_]+)"', file.read()
            ):
                assert key in SENTENCES, key


@given(st.lists(st.text("aZ9 é米饭，", max_size=12)))
def test_the_widest_of_many_texts_is_found_without_looking_at_all(texts: list[str]) -> None:
    assert widest_of(texts) == max(map(width_of, texts), default=0)
