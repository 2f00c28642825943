"""A small campus and two of its days, for pages to show: the same people, cards and mishaps every time."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx
from cryptography.hazmat.primitives.asymmetric import ec

from protocol.entries import Kind
from protocol.instants import DAY_MS, HOUR_MS, MINUTE_MS, UtcMs
from server.app import House
from tests.server.desk import Clock
from tests.server.machines import Machine
from tests.server.office import Desk
from tests.server.world import SITE, Plastic, Till
from tests.web.street import PRICES, Street

PEOPLE: Sequence[tuple[str, str, int]] = (
    ("2023110401", "王丽", 1),
    ("2023110402", "欧阳静怡", 1),
    ("2023110403", "阿卜杜热合曼·买买提依明江·阿布都外力", 1),
    ("2023110404", "Alexandra Catherine Montgomery-Fitzgerald", 1),
    ("2023110405", "李伟", 1),
    ("2023110406", "张敏", 1),
    ("2023110407", "司徒嘉慧", 1),
    ("2023110408", "Tom O'Brien", 1),
    ("2023110409", "陈大文", 1),
    ("2023110410", "刘洋", 1),
    ("2023110411", "María José Carreño Quiñones", 1),
    ("2023110412", "赵一", 1),
    ("2023110413", "迪丽娜尔·艾尔肯", 1),
    ("2023110414", "Nguyễn Thị Minh Khai", 1),
    ("2023110415", "黃志強", 1),
    ("T-0071", "周建国", 2),
    ("T-0072", "Prof. Dr. Hildegard von und zu Hohenstein", 2),
    ("T-0073", "諸葛亮", 2),
    ("V-2026-118", "吴访客", 3),
    ("V-2026-119", "Jane Smith", 3),
)
NAMES = {
    "rice": ("Steamed rice", "米饭", "米飯"),
    "noodles": ("Hand-pulled beef noodles, large bowl", "兰州牛肉拉面（大碗）", "蘭州牛肉拉麵（大碗）"),
    "beef": ("Braised beef with potatoes", "土豆烧牛肉", "馬鈴薯燒牛肉"),
    "tea": ("Green tea", "绿茶", "綠茶"),
    "pen": ("Ballpoint pen", "圆珠笔", "原子筆"),
    "book": ("Linear algebra workbook", "线性代数练习册", "線性代數練習冊"),
}


@dataclass
class Story:
    """Where in the books the things are that a test looks for."""

    street: Street
    tills: dict[str, Till]
    """canteen, second, shop, office."""
    proven_day: int = 0
    """The business day that the night has proved; its cases are open."""
    token: int = 0
    entries: dict[str, tuple[int, int, int]] = field(default_factory=dict[str, tuple[int, int, int]])
    """Of `sale`, `torn`, `recovered`, `refunded`, `short_shift` the chain, branch and seq of the entry."""

    @property
    def cards(self) -> dict[str, int]:
        """Numbers of cards by what is told of them: `first` … and blocked, forked, replaced, closed, torn, token."""
        return {name: int(card.id.no) for name, card in self.street.cards.items()} | {"token": self.token}


async def lunch(house: House, clock: Clock) -> Story:
    """Fill a server: yesterday with its night and its cases, and today up to the middle of lunch."""
    transport = httpx.ASGITransport(house.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
        street = Street(Desk(house, clock, client))
        names = ("canteen", "second", "shop", "office")
        story = Story(street, {name: Till(number) for number, name in enumerate(names, 1)})
        await _set_up(story)
        await _hand_out(story)
        await _yesterday(story)
        await _night(story)
        await _today(story)
        await _waiting(story)
    return story


async def _set_up(story: Story) -> None:
    street, desk, tills = story.street, story.street.desk, story.tills
    await street.open_till(tills["canteen"], "North canteen, till 1", "canteen-1")
    await street.open_till(tills["second"], "北区食堂二层清真窗口 2 号收银台", "canteen-1")
    await street.open_till(tills["shop"], "Campus shop", "shop-1")
    await street.open_till(tills["office"], "Card office 卡务中心", "canteen-1", can_load=True, can_issue=True)
    products = [
        {
            "id": product,
            "names": dict(zip(("en", "zh-Hans", "zh-Hant"), names, strict=True)),
            "price": PRICES[product],
            "merchant": "shop-1" if product in ("pen", "book") else "canteen-1",
            "category": "shop" if product in ("pen", "book") else "food",
        }
        for product, names in NAMES.items()
    ]
    await desk.put(f"/sites/{SITE}/prices", {"products": products})
    classes = [{"card_class": one, "day": 20_000} for one in (1, 2, 3)]
    await desk.put(f"/sites/{SITE}/limits", {"rules": {"classes": classes}})
    for who, name, card_class in PEOPLE:
        await desk.put(f"/people/{who}", {"name": name, "card_class": card_class}, who="cleo")
    await desk.house.policy.publication(SITE, even_if_same=True)
    for till in tills.values():
        await street.says(till, online=True)


async def _hand_out(story: Story) -> None:
    """Cards for most people, and money on them."""
    street, office = story.street, story.tills["office"]
    told = ("first", "second", "forked", "blocked", "torn", "recovered", "refunded", "replaced", "closed", "aided")
    for index, (who, _, card_class) in enumerate(PEOPLE[:18]):
        name = told[index] if index < len(told) else f"card-{index}"
        await street.issue(office, name, who, "desfire" if index % 2 else "classic", card_class)
    await street.issue(office, "nobody's", None, "desfire")
    await street.deliver(office)
    for index, name in enumerate(list(street.cards)[:18]):
        await street.load(name, 5_000 + 1_000 * (index % 6) + (5_000 if name == "card-14" else 0))
    await street.subsidise("aided", 3_000)
    await street.subsidise("second", 2_000)
    await street.collect(office)
    street.open_shift(office, 1, "liu", 20_000)
    street.top_up(office, street.cards["card-11"], 2_000)
    street.close_shift(office, 22_000, 22_000)
    await street.deliver(office)


async def _yesterday(story: Story) -> None:
    street, (canteen, second, shop, _) = story.street, story.tills.values()
    cards, everybody = street.cards, list(street.cards.values())[:18]
    street.open_shift(canteen, 1, "wang", 10_000)
    street.open_shift(second, 1, "ma", 10_000)
    street.open_shift(shop, 1, "sun", 5_000)
    for index, card in enumerate(everybody):
        till = second if index % 3 == 0 else canteen
        street.sell(till, card, ("rice beef", "noodles tea", "rice rice tea beef")[index % 3])
    street.cash(canteen, 1_200)
    copy = cards["forked"].copy()
    street.sell(canteen, cards["forked"], "tea")
    street.sell(shop, copy, "pen pen", "shop-1")
    torn = street.tear(second, cards["recovered"], "noodles", written=True)
    settled = street.write(second, Kind.SALE_SETTLED, torn)
    story.entries["recovered"] = (second.tno, 0, settled)
    street.tear(second, cards["torn"], "rice beef", written=False)
    story.entries["torn"] = (second.tno, 0, second.chain[-1].seq)
    street.refuse(canteen, cards["card-12"], "balance_too_low", 30_000)
    street.refuse(canteen, cards["card-13"], "several_cards", 450)
    street.sell(shop, cards["card-14"], "book pen", "shop-1")
    street.close_shift(canteen, 10_700, 11_200)
    story.entries["short_shift"] = (canteen.tno, 0, canteen.chain[-1].seq)
    street.close_shift(second, 10_000, 10_000)
    street.close_shift(shop, 5_000, 5_000)
    await street.deliver(canteen, second, shop)
    desk = street.desk
    await desk.post(f"/cards/{cards['blocked'].id.no}/block", who="cleo")
    await desk.post(f"/cards/{cards['replaced'].id.no}/replace", who="cleo")
    closed: Plastic = cards["closed"]
    await desk.post(f"/cards/{closed.id.no}/close", {"card_cents": closed.main}, who="cleo")


async def _night(story: Story) -> None:
    """The small hours: what time brings, and the proof of the day that is over."""
    house, clock = story.street.desk.house, story.street.clock
    clock.now = UtcMs(clock() // DAY_MS * DAY_MS + 22 * HOUR_MS)
    await house.upkeep.run()
    await house.cards.run()
    proven = await house.nightly.run_if_due()
    assert proven is not None
    story.proven_day = proven


async def _today(story: Story) -> None:
    """Noon: everybody comes again."""
    street, (canteen, second, shop, office) = story.street, story.tills.values()
    cards, clock = street.cards, street.clock
    clock.now = UtcMs(clock() + 6 * HOUR_MS)
    for till in (canteen, second, office):
        await street.says(till, online=True)
    street.open_shift(canteen, 2, "wang", 10_000)
    street.open_shift(second, 2, "ma", 10_000)
    street.open_shift(shop, 2, "sun", 5_000)
    away = ("forked", "blocked", "replaced", "closed", "nobody's", "torn")
    hungry = [card for name, card in cards.items() if name not in away]
    for index, card in enumerate(hungry):
        till = second if index % 2 else canteen
        seq = street.sell(till, card, ("noodles", "rice tea", "rice beef tea")[index % 3])
        if card is cards["first"]:
            story.entries["sale"] = (till.tno, 0, seq)
        if card is cards["refunded"]:
            street.refund(till, card, seq, 150)
            story.entries["refunded"] = (till.tno, 0, till.chain[-1].seq)
        clock.pass_ms(MINUTE_MS)
    street.refuse(canteen, cards["blocked"], "card_blocked", 1_280)
    street.refuse(canteen, cards["blocked"], "card_blocked", 1_280)
    street.cash(second, 950)
    street.sell(shop, cards["second"], "pen", "shop-1")
    await street.deliver(canteen, second, shop)
    await street.says(shop, online=False)


async def _waiting(story: Story) -> None:
    """What somebody has to look at: a proposal, a machine that wants in, an alarm, a phone, much to collect."""
    street, desk = story.street, story.street.desk
    no = street.cards["card-10"].id.no
    scholarship = {"id": "scholarship-2026", "cents": 150_000}
    await desk.post(f"/cards/{no}/loads", scholarship, who="cleo", expect=202)
    await street.load("second", 2_500)
    await street.says(story.tills["second"], online=True, alarm="no paper in the printer", behind=True)
    await desk.put("/terminals/till-05", {"site": SITE, "title": "South canteen", "merchant": "canteen-1"})
    code = (await desk.post("/terminals/till-05/claims", who="tom", expect=201))["code"]
    machine = Machine(desk, 5, "till-05", tls=ec.derive_private_key(5, ec.SECP256R1()))
    await machine.begin(code)
    await machine.prove()
    form = {"technology": "token", "person": PEOPLE[18][0]}
    story.token = (await desk.post("/cards", form, who="cleo", expect=201))["numbers"][0]
    await desk.post(f"/cards/{story.token}/loads", {"id": "load-of-token", "cents": 3_000}, who="cleo")
    await desk.put("/tokens/04c0ffee112233", {"no": story.token}, who="cleo")
    await desk.put(f"/phones/{story.token}", who="cleo")
