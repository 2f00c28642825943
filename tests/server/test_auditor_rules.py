"""What an audit asks of decisions and of waiting entries, rule by rule."""

import pytest

from protocol.entries import Kind
from protocol.instants import DAY_MS, ClockSource, UtcMs
from protocol.signing import sha256_of
from server.auditor.columns import wrong_columns
from server.auditor.decisions import causes_of, judge_steps
from server.auditor.parking import lacking
from server.auditor.parts import Leg
from server.auditor.rules import Before, Line, Read
from server.ingest.book import Book
from server.ingest.deciding import resolve
from server.ingest.rows import step_columns
from server.ingest.waiting import NO_RIGHT, QUARANTINED, SECOND_OUTCOME, UNKNOWN_CARD, UNPROVEN
from server.ledger.rules import Resolution
from tests.server.test_ingest_posting import book_for, send
from tests.server.test_reconsidered import story
from tests.server.world import CAMPUS, NOON, Till, plastic, refund_of, sale_of, topup_of

TODAY = CAMPUS.business_day(NOON)


def line_of(till: Till, kind: Kind, body: object, parked: str) -> Line:
    sealed = till.append(kind, body)  # type: ignore[arg-type]
    entry = sealed.entry
    return Line(entry.seq, sha256_of(sealed.jws), sealed.jws, entry.kind, TODAY, entry.at, parked, till.now)


@pytest.mark.parametrize(
    ("reason", "doubtful", "is_missed"),
    [
        (UNKNOWN_CARD, False, True),
        (UNPROVEN, True, True),
        (NO_RIGHT, False, True),
        (UNKNOWN_CARD, True, False),
        (QUARANTINED, False, False),
        (SECOND_OUTCOME, False, False),
    ],
)
def test_the_money_of_a_waiting_top_up_must_lie_aside(reason: str, doubtful: bool, is_missed: bool) -> None:
    till = Till(1)
    line, place = line_of(till, Kind.TOPUP_PREPARED, topup_of(plastic(900), 40), reason), (till.tno, 0, 1)
    named = (till.tid,) if doubtful else ()
    assert lacking({place: (till.tid, line)}, (), named) == [place] * is_missed
    assert not lacking({place: (till.tid, line)}, [f"park:{till.tno}.0.1"], named)


def test_nobody_is_paid_for_a_waiting_sale_while_its_merchant_is_in_question() -> None:
    till = Till(1)
    line = line_of(till, Kind.SALE_SETTLED, sale_of(plastic(900), 40), NO_RIGHT)
    assert not lacking({(till.tno, 0, 1): (till.tid, line)}, (), ())


def differences(book: Book, *without: str, standing: str = "active") -> list[str]:
    """What is told of the steps of a book where the postings of some causes are gone."""
    rows = [{**step_columns(step), "standing": standing, "of_second": False} for step in book.steps.values()]
    legs = {
        cause: tuple(
            Leg(1, line, TODAY, TODAY, leg.account.kind, leg.account.owner, leg.cents, 0)
            for line, leg in enumerate(posted.postings)
        )
        for cause, posted in book.posted.items()
    }
    kept = {cause: found for cause, found in legs.items() if cause.partition(":")[0] not in without}
    named = {cause for row in rows for cause in causes_of(row)}
    return [one.found for one in judge_steps(rows, {cause: kept[cause] for cause in named & kept.keys()}, {})]


@pytest.mark.parametrize(("kind", "on_card"), [("load", True), ("sale", False), ("topup", True)])
def test_what_was_decided_by_time_and_proven_otherwise_is_no_difference_until_that_is_gone(
    kind: str, on_card: bool
) -> None:
    book = story(kind, on_card, Resolution.STUDENT)
    assert differences(book) == []
    assert len(differences(book, "overtaken")) == 1


def test_what_a_lost_terminal_took_from_a_merchant_lies_aside() -> None:
    till, card = Till(1), plastic(7)
    book = book_for(till, cards=(card,))
    prepared = till.append(Kind.REFUND_PREPARED, refund_of(card, 100, 99)).seq
    send(book, till)
    step = book.steps[(till.tno, 0, prepared)]
    step.lost, step.torn_at = True, till.now
    resolve(book, step, Resolution.STUDENT, TODAY)
    assert differences(book, standing="lost") == []
    assert len(differences(book, "lost", standing="lost")) == 1


@pytest.mark.parametrize(("last_seq", "day"), [(6, TODAY - 1), (3, TODAY)])
def test_behind_a_hole_an_entry_without_a_clock_is_of_the_day_when_it_came(last_seq: int, day: int) -> None:
    till = Till(1)
    till.clock = ClockSource.NONE
    for _ in range(6):
        till.append(Kind.SALE_PREPARED, sale_of(plastic(7), 10))
    sealed = till.append(Kind.SALE_PREPARED, sale_of(plastic(7), 10))
    entry, before = sealed.entry, Before(last_seq, b"", b"", TODAY - 1, NOON - DAY_MS)
    for written in (TODAY - 1, TODAY):
        line = Line(7, sealed.hash, sealed.jws, entry.kind, written, entry.at, "", UtcMs(NOON))
        told = [check for check, _ in wrong_columns(Read(line, before, entry), CAMPUS)]
        assert told == ([] if written == day else ["day"])
