"""What a terminal may do is the register's word: what it does beyond that is kept, and waits for two people."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace as with_members

from protocol.entries import CardBlocked, CardIssued, CashSale, Kind, Line, RefundStep, SaleStep, TopUpTo
from protocol.ids import Generation, ProductId, SiteId
from protocol.money import Cents
from protocol.price_list import Names, Product
from server.ingest.book import Book, CardRow, CaseClass
from server.ingest.keeping import held_back, post_again
from server.ingest.rules import Ack, take_batch
from server.ingest.waiting import FOREIGN_MERCHANT, NEVER_ISSUED, NO_RIGHT, UNKNOWN_PRODUCT
from server.ledger.accounts import AccountKind
from tests.server.desk import assert_balances_are_sums
from tests.server.office import Desk, open_desk
from tests.server.test_cards import enrol, send
from tests.server.test_ingest_posting import LATER, balance, book_for
from tests.server.world import MERCHANT, SITE, Plastic, Till, load_of, plastic, refund_of, sale_of, topup_of


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        yield desk
        await assert_balances_are_sums(desk.house.database)


def without_rights(till: Till, *cards: Plastic) -> Book:
    book = book_for(till, cards=cards)
    book.chains[till.tno].can_load = book.chains[till.tno].can_issue = False
    return book


def top_up(till: Till, card: Plastic, cents: int) -> None:
    body = topup_of(card, cents)
    prepared = till.append(Kind.TOPUP_PREPARED, body).seq
    card.write(till.tno, body, prepared)
    till.append(Kind.TOPUP_SETTLED, with_members(body, prepared=prepared))


def owed(book: Book) -> tuple[int, int, int]:
    """Drawer, suspense, and everything that a card's holder has or is to get."""
    of_holder = balance(book, AccountKind.PURSE) + balance(book, AccountKind.PENDING)
    return balance(book, AccountKind.DRAWER), balance(book, AccountKind.SUSPENSE), of_holder


def test_a_till_that_takes_cash_for_a_card_fills_its_drawer_and_nobodys_purse() -> None:
    """The cash is in the drawer all the same; whose it is two people say."""
    till, card = Till(1), plastic(7)
    top_up(till, card, 1_000)
    book = without_rights(till, card)
    assert isinstance(take_batch(book, till.tno, till.lines, LATER), Ack)
    rows = list(book.entries.values())
    assert [row.parked for row in rows] == [NO_RIGHT] * 2
    assert owed(book) == (-1_000, 1_000, 0)
    assert all(held_back(book, row) for row in rows)
    assert not any(post_again(book, row) for row in rows), "time alone posts nothing"
    assert all(post_again(book, row, allowed=True) for row in rows)
    assert owed(book) == (-1_000, 0, 1_000)


@pytest.mark.parametrize("kind", [Kind.TOPUP_PREPARED, Kind.LOAD_SETTLED, Kind.LOAD_VOIDED])
def test_a_till_grants_no_load_and_collects_none(kind: Kind) -> None:
    till, card = Till(1), plastic(7)
    body = topup_of(card, 1_000, TopUpTo.LOAD) if kind is Kind.TOPUP_PREPARED else load_of(card, 1_000, 9)
    till.append(kind, body)
    book = without_rights(till, card)
    before = CardRow(card.id.key)
    take_batch(book, till.tno, till.lines, LATER)
    assert book.cards[card.id.key] == before
    assert owed(book)[2] == 0


def test_a_till_makes_no_card_known() -> None:
    """A made-up next plastic of a number would be handed what its real holder is owed."""
    till, card = Till(1), plastic(7)
    till.append(Kind.CARD_ISSUED, CardIssued(card.id, "04a1b2c3"))
    till.append(Kind.CARD_BLOCKED, CardBlocked(card.id, "three wrong PINs"))
    book = without_rights(till)
    take_batch(book, till.tno, till.lines, LATER)
    assert not book.cards
    issued, blocked = book.entries.values()
    assert (issued.parked, blocked.parked) == (NO_RIGHT, "unknown card")
    assert post_again(book, issued, allowed=True)
    assert post_again(book, blocked)
    assert book.cards[card.id.key].status == "blocked"


def bought(card: Plastic, product: str, cents: int) -> SaleStep:
    return with_members(sale_of(card, cents), lines=(Line(ProductId(product), 1, Cents(cents)),))


def settle(till: Till, card: Plastic, body: SaleStep | RefundStep) -> int:
    word = "sale" if isinstance(body, SaleStep) else "refund"
    prepared = till.append(Kind(f"{word}_prepared"), body).seq
    card.write(till.tno, body, prepared)
    return till.append(Kind(f"{word}_settled"), with_members(body, prepared=prepared)).seq


def test_nobody_is_paid_or_pays_for_what_a_terminal_tells_of_another_merchant() -> None:
    """The register gives the till to somebody else: what it sold and took back waits, cash lies in its drawer."""
    till, card = Till(1), plastic(7, main=1_000)
    settle(till, card, bought(card, "rice", 300))
    settle(till, card, refund_of(card, 100, 1))
    till.append(Kind.CASH_SALE, CashSale(MERCHANT, Cents(50)))
    book = book_for(till, cards=(card,))
    book.chains[till.tno].merchant = "canteen-2"
    take_batch(book, till.tno, till.lines, LATER)
    rows = list(book.entries.values())
    assert [row.parked for row in rows] == [FOREIGN_MERCHANT] * 5 and all(held_back(book, row) for row in rows)
    assert owed(book) == (-50, 50, 0) and balance(book, AccountKind.MERCHANT) == 0
    assert all(post_again(book, row, allowed=True) for row in rows)
    assert owed(book) == (-50, 0, -200) and balance(book, AccountKind.MERCHANT) == 250


def test_a_product_that_no_list_of_the_site_ever_had_waits_for_two_people() -> None:
    till, card = Till(1), plastic(7, main=1_000)
    for product in ("rice", "free", "gold"):
        settle(till, card, bought(card, product, 300))
    book = book_for(till, cards=(card,))
    book.products[SITE] = frozenset({"rice"})
    take_batch(book, till.tno, till.lines, LATER)
    rows = list(book.entries.values())
    assert [row.parked for row in rows] == [""] * 4 + [UNKNOWN_PRODUCT] * 2
    assert (balance(book, AccountKind.PURSE), balance(book, AccountKind.MERCHANT)) == (-600, 600)
    assert all(held_back(book, row) and post_again(book, row, allowed=True) for row in rows[4:])
    assert (balance(book, AccountKind.PURSE), balance(book, AccountKind.MERCHANT)) == (-900, 900)


async def test_what_was_on_a_list_of_the_site_is_known_for_ever_and_nothing_later_lets_the_rest_through(
    desk: Desk,
) -> None:
    till, card = Till(1), plastic(1, main=2_000)
    await enrol(desk, till)
    await desk.post("/cards", {}, expect=201)
    site, names = SiteId(SITE), Names("x", "x", "x")
    for product in ("rice", "soup"):  # the second list drops the first one's
        await desk.house.policy.put_prices(site, (Product(ProductId(product), names, Cents(300)),))
    for product in ("rice", "soup", "gold"):
        settle(till, card, bought(card, product, 300))
    await send(desk, till)
    parked = f"/terminals/{till.tid}/parked"
    assert [row["why"] for row in await desk.get(parked)] == [UNKNOWN_PRODUCT] * 2
    accept = f"POST /terminals/{till.tid}/accept-quarantined"
    assert {(row["field"], row["accept"]) for row in await desk.get(parked)} == {("lines", accept)}
    await desk.house.policy.put_prices(site, (Product(ProductId("gold"), names, Cents(300)),))
    await desk.put(f"/terminals/{till.tid}", {"site": SITE, "merchant": "canteen-2"})
    till.append(Kind.CASH_SALE, CashSale(MERCHANT, Cents(50)))
    await send(desk, till, 6)
    await desk.put(f"/terminals/{till.tid}", {"site": SITE, "merchant": MERCHANT})
    await desk.house.upkeep.run()
    assert [row["why"] for row in await desk.get(parked)] == [UNKNOWN_PRODUCT] * 2 + [FOREIGN_MERCHANT]
    accept = f"/terminals/{till.tid}/accept-quarantined"
    await desk.post(accept, expect=202)
    assert (await desk.post(accept, who="bob"))["count"] == 3
    kinds = (await desk.get("/ledger/trial-balance"))["cents_by_kind"]
    moved = {kind: cents for kind, cents in kinds.items() if cents}
    assert moved == {"purse": -900, "merchant": 950, "drawer": -50}


def test_no_station_makes_a_next_plastic_known_that_was_never_issued() -> None:
    """Whatever is owed to the number's holder would be its own; two people say whether there is such a card."""
    station, card = Till(1), plastic(7)
    made_up = with_members(card.id, generation=Generation(2))
    for known in (card.id, made_up):
        station.append(Kind.CARD_ISSUED, CardIssued(known, "04a1b2c3"))
    book = book_for(station, cards=(card,))
    take_batch(book, station.tno, station.lines, LATER)
    first, row = book.entries.values()
    assert (first.parked, row.parked) == ("", NEVER_ISSUED)
    assert list(book.cards) == [card.id.key]
    (case,) = book.cases
    assert (case.cls, case.card, case.step) == (CaseClass.CARD_ABOVE_LEDGER, made_up.key, (station.tno, 0, 2))
    assert held_back(book, row)
    assert post_again(book, row, allowed=True)
    assert made_up.key in book.cards


async def test_a_made_up_plastic_gets_nothing_that_its_number_is_owed(desk: Desk) -> None:
    """Accepted by two people it is still a case: until that is closed no load goes to it."""
    station = Till(1)
    await enrol(desk, station, can_issue=True)
    (no,) = (await desk.post("/cards", {}, expect=201))["numbers"]
    made_up = with_members(plastic(no).id, generation=Generation(2))
    station.append(Kind.CARD_ISSUED, CardIssued(made_up, "04a1b2c3"))
    await send(desk, station)
    assert [row["why"] for row in await desk.get(f"/terminals/{station.tid}/parked")] == [NEVER_ISSUED]
    assert len((await desk.get(f"/cards/{no}"))["plastics"]) == 1
    (case,) = await desk.get("/cases")
    assert (case["cls"], case["card"], case["generation"]) == ("card_above_ledger", no, 2)
    await desk.house.upkeep.run()
    accept = f"/terminals/{station.tid}/accept-quarantined"
    await desk.post(accept, expect=202)
    assert (await desk.post(accept, who="bob"))["count"] == 1
    assert len((await desk.get(f"/cards/{no}"))["plastics"]) == 2


async def test_the_register_says_who_may_load_and_two_people_what_else_is_posted(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till)
    no = (await desk.post("/cards", {}, expect=201))["numbers"][0]
    top_up(till, plastic(no), 700)
    await send(desk, till)
    parked = await desk.get(f"/terminals/{till.tid}/parked")
    assert [row["why"] for row in parked] == [NO_RIGHT] * 2
    view = {"site": "north-campus", "can_load": True, "can_issue": True}
    await desk.put(f"/terminals/{till.tid}", view, expect=202)
    assert (await desk.put(f"/terminals/{till.tid}", view, who="bob"))["can_issue"]
    await desk.house.upkeep.run()
    assert len(await desk.get(f"/terminals/{till.tid}/parked")) == 2, "a right given later changes no earlier entry"
    accept = f"/terminals/{till.tid}/accept-quarantined"
    await desk.post(accept, expect=202)
    assert (await desk.post(accept, who="bob"))["count"] == 2
    top_up(till, plastic(no, main=700), 50)
    await send(desk, till, 2)
    assert await desk.get(f"/terminals/{till.tid}/parked") == []
