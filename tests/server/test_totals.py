"""What loads prove: a record with the server's own signature, and nothing else, may raise what a card was granted."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace as with_members
from sqlalchemy import update

from protocol.entries import Kind, LoadStep, RefundTo, TopUpTo
from protocol.ids import LoadSeq, Seq
from protocol.load_record import encode_load, sign_load
from protocol.money import Cents
from protocol.policy import load_text
from protocol.purse import LoadRecord, Technology
from protocol.signing import SigningKey, sha256_of
from server import act_tables, tables
from server.ingest.book import Book, CardRow
from server.ingest.rules import Ack
from server.ledger.accounts import ADOPTED, AccountKind
from tests.server.desk import assert_balances_are_sums, let_change
from tests.server.office import Desk, open_desk
from tests.server.test_cards import collect, enrol
from tests.server.test_cards import send as send_in
from tests.server.test_ingest_posting import balance, book_for, send, settled_sale
from tests.server.world import LOAD_KEY, Plastic, Till, load_of, plastic, refund_of, topup_of

OTHER_KEY = SigningKey(sha256_of(b"somebody"))


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        yield desk
        await assert_balances_are_sums(desk.house.database)


def record_text(card: Plastic, total: int, load_seq: int, key: SigningKey = LOAD_KEY) -> str:
    return load_text(encode_load(sign_load(LoadRecord(*card.id.key, LoadSeq(load_seq), Cents(total)), key)))


def report_of(card: Plastic, total: int, load_seq: int, record: str) -> LoadStep:
    """A card that is past its list: nothing was written."""
    return LoadStep(card.id, Cents(0), load_seq=LoadSeq(load_seq), loaded=Cents(total), record=record)


def collected(till: Till, card: Plastic, body: LoadStep) -> None:
    prepared = till.append(Kind.LOAD_PREPARED, body).seq
    card.write(till.tno, body, prepared)
    card.loaded = body.loaded_after
    till.append(Kind.LOAD_SETTLED, with_members(body, prepared=prepared))


def adopted(book: Book) -> int:
    return balance(book, AccountKind.CLEARING, ADOPTED.owner)


def test_a_record_of_ours_that_was_forgotten_is_adopted() -> None:
    till, card = Till(1), plastic(7)
    collected(till, card, load_of(card, 1_000, 3))
    book = book_for(till, cards=(card,))
    assert isinstance(send(book, till), Ack)
    row = book.cards[card.id.key]
    assert (row.loaded_total_cents, row.collected_cents, row.adopted_cents, row.load_seq) == (1_000, 1_000, 1_000, 3)
    assert (row.main_cents, adopted(book), balance(book, AccountKind.PENDING)) == (1_000, -1_000, 0)


def lies(card: Plastic) -> dict[str, LoadStep]:
    honest, other = load_of(card, 1_000, 3), plastic(8)
    return {
        "signed by somebody": load_of(card, 1_000, 3, OTHER_KEY),
        "another card's": with_members(honest, record=record_text(other, 1_000, 3)),
        "a larger total": with_members(honest, record=record_text(card, 400, 3)),
        "a higher number": with_members(honest, load_seq=LoadSeq(60_000)),
        "more than the totals differ by": with_members(honest, loaded=Cents(900)),
        "a subsidy of nobody": with_members(
            honest, main_after=Cents(0), subsidy_after=Cents(1_000), loaded=Cents(1_000)
        ),
        "no record at all": with_members(honest, record="A" * 128),
    }


@pytest.mark.parametrize("lie", sorted(lies(plastic(7))))
def test_figures_that_no_record_of_ours_says_raise_nothing(lie: str) -> None:
    till, card = Till(1), plastic(7)
    collected(till, card, lies(card)[lie])
    book = book_for(till, cards=(card,))
    assert isinstance(send(book, till), Ack)
    assert all("inconsistent" in row.parked for row in book.entries.values())
    assert book.cards[card.id.key] == CardRow(card.id.key)
    assert not book.posted


def test_a_settled_load_that_wrote_no_card_is_no_load() -> None:
    till, card = Till(1), plastic(7)
    till.append(Kind.LOAD_SETTLED, report_of(card, 500, 9, record_text(card, 500, 9)))
    book = book_for(till, cards=(card,))
    send(book, till)
    assert "inconsistent" in book.entries[(till.tno, 0, 1)].parked
    assert book.cards[card.id.key] == CardRow(card.id.key)


@pytest.mark.parametrize("reports", [1, 2])
def test_a_classic_card_past_its_list_shows_its_own_record_and_is_adopted_once(reports: int) -> None:
    till, card = Till(1), plastic(7)
    for _ in range(reports):
        till.append(Kind.LOAD_VOIDED, report_of(card, 800, 5, record_text(card, 800, 5)))
    book = book_for(till, cards=(card,))
    send(book, till)
    row = book.cards[card.id.key]
    assert (row.loaded_total_cents, row.load_seq, row.counter) == (800, 5, 0)
    assert (adopted(book), balance(book, AccountKind.PENDING)) == (-800, 800)
    assert [case.cls for case in book.cases] == ["load_unmatched"]


def test_a_desfire_card_past_its_list_waits_for_the_entry_of_its_load() -> None:
    """Its load file carries no signature: what only the terminal says is put before people."""
    till, other, card = Till(1), Till(2), plastic(7, Technology.DESFIRE)
    till.append(Kind.LOAD_VOIDED, report_of(card, 800, 5, record_text(card, 300, 4)))
    collected(other, card, load_of(card, 800, 5))
    book = book_for(till, other, cards=(card,))
    send(book, till)
    assert book.cards[card.id.key] == CardRow(card.id.key)
    assert [case.cents for case in book.cases] == [800]
    send(book, other)
    assert (book.cards[card.id.key].main_cents, adopted(book)) == (800, -800)


def test_a_load_of_a_card_that_is_unknown_yet_moves_nothing_until_it_is_known() -> None:
    till, card = Till(1), plastic(7)
    for total, load_seq in ((500, 1), (900, 2)):
        collected(till, card, load_of(card, total, load_seq))
    book = book_for(till)
    send(book, till)
    assert not book.posted


def test_cash_at_a_kiosk_that_a_card_has_brought_already_is_not_granted_again() -> None:
    """The restored server hears of the card first and of the top-up afterwards: one sum of money."""
    kiosk, station, card = Till(1), Till(2), plastic(7)
    kiosk.append(Kind.TOPUP_PREPARED, topup_of(card, 600, TopUpTo.LOAD))
    kiosk.append(Kind.TOPUP_PREPARED, topup_of(card, 500, TopUpTo.LOAD))
    collected(station, card, load_of(card, 1_000, 2))
    book = book_for(kiosk, station, cards=(card,))
    send(book, station)
    send(book, kiosk)
    row = book.cards[card.id.key]
    assert (row.loaded_total_cents, row.adopted_cents, row.explained_cents) == (1_100, 1_000, 1_000)
    assert (adopted(book), balance(book, AccountKind.PENDING), balance(book, AccountKind.DRAWER)) == (0, 100, -1_100)


async def restored_before_the_load(desk: Desk, till: Till) -> tuple[Plastic, int]:
    """A load of 500 is collected; then the server forgets that it ever took the money, and hears of the load again."""
    no = (await desk.post("/cards", {}, expect=201))["numbers"][0]
    await desk.post(f"/cards/{no}/loads", {"id": "paper-no-1", "cents": 500})
    card = plastic(no)
    ((_, record),) = await desk.house.cards.sign_loads()
    collect(till, card, record)
    async with desk.house.database.writing() as connection:
        await let_change(connection, "posting")
        for table in (tables.posting, tables.load, act_tables.request):
            await connection.execute(table.delete())
        await connection.execute(update(tables.card).values(loaded_total_cents=0, load_seq=64))
    await send_in(desk, till)
    return card, no


async def totals(desk: Desk, no: int) -> tuple[int, int, int, int]:
    view = await desk.get(f"/cards/{no}")
    newest = view["plastics"][-1]
    return (
        view["pending_cents"],
        newest["loaded_total_cents"],
        newest["main_cents"],
        newest["adopted_cents"] - newest["explained_cents"],
    )


async def test_paper_that_is_entered_again_after_a_restore_grants_nothing_twice(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till, can_load=True)
    _, no = await restored_before_the_load(desk, till)
    assert await totals(desk, no) == (0, 500, 500, 500)
    form = {"id": "paper-no-1", "cents": 500}
    refused = await desk.post(f"/cards/{no}/loads", form, expect=409)
    assert refused["code"] == "say_whether_it_explains"
    await desk.post(f"/cards/{no}/loads", {"id": "today-no-1", "cents": 70, "explains": False})
    for _ in range(2):
        await desk.post(f"/cards/{no}/loads", {**form, "explains": True})
    assert await totals(desk, no) == (70, 570, 500, 0)
    await desk.house.cards.run()
    assert await totals(desk, no) == (70, 570, 500, 0)
    await desk.post(f"/cards/{no}/loads", {"id": "today-no-2", "cents": 30})
    assert await totals(desk, no) == (100, 600, 500, 0)


async def test_credit_that_a_card_had_collected_before_a_restore_is_not_granted_again(desk: Desk) -> None:
    """The refund it came from is told once more, and looks as if it had never been given."""
    till = Till(1)
    await enrol(desk, till, can_load=True)
    card, no = await restored_before_the_load(desk, till)
    sold = settled_sale(till, card, 200)
    till.append(Kind.REFUND_SETTLED, refund_of(card, 200, Seq(sold), RefundTo.PENDING))
    await send_in(desk, till, 2)
    assert (await totals(desk, no))[0] == 200
    await desk.house.cards.run()
    assert await totals(desk, no) == (0, 500, 300, 300)
    await desk.post(f"/cards/{no}/payouts", {"id": "payout-no-1", "cents": 1}, expect=409)
