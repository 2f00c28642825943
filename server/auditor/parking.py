"""Money of entries that wait: set aside when they came, taken back when they are posted, once each; pure."""

from collections.abc import Iterable, Mapping

from protocol.entries import Entry
from protocol.ids import TerminalId, Tno
from protocol.journal import NotAnEntry, read_entry
from server.auditor.meaning import Told, is_set_aside
from server.auditor.rules import Line
from server.ingest.aside import postings_aside
from server.ingest.book import StepId
from server.ingest.waiting import ASK_TWO_PEOPLE, NO_SALE, QUARANTINED, SECOND_DELIVERY, SECOND_OUTCOME, UNPROVEN
from server.ledger.accounts import Postings

Lines = Mapping[StepId, tuple[str, Line]]
"""Entries by their place, each with its terminal."""
_UNREAD = "?"
"""The kind of an entry that could not be read when it came."""
_TRIED = (SECOND_OUTCOME, SECOND_DELIVERY, NO_SALE)
"""Reasons found when an entry was about to be posted: what was set aside for it had been taken back then."""
_SURE, _EITHER = (True,), (True, False)


def entry_of(line: Line) -> Entry | None:
    """What a line says; None: nobody can read it."""
    try:
        return read_entry(line.jws).entry
    except NotAnEntry:
        return None


def fault_of_parking(cause: str, told: Told | None, line: Line | None, stored: Postings, *, is_back: bool) -> str:
    """What is wrong with money set aside. `is_back`: it was taken back."""
    if told is None or line is None:
        return f"is posted for {cause}, and there is no such entry"
    if line.parked == QUARANTINED or line.kind == _UNREAD:
        return "the entry's money is set aside, and it came in a way in which none is"
    if not is_set_aside(told, stored, _SURE if line.parked == UNPROVEN else _EITHER):
        return "the entry's money is not set aside as the rules say"
    if is_back and _waits(line):
        return "the entry's money is taken back, and it waits"
    if not is_back and not _waits(line):
        return "the entry's money is set aside, and it does not wait"
    return ""


def fault_of_unparking(cause: str, place: StepId | None, line: Line | None) -> str:
    """What is wrong with taking back what was set aside, but for the amounts."""
    if place is None or line is None:
        return f"is posted for {cause}, and there is no such entry"
    return f"is posted for {cause}, and the entry waits" if _waits(line) else ""


def lacking(lines: Lines, posted: Iterable[str], doubtful: Iterable[str]) -> list[StepId]:
    """Entries that wait, whose money must have been set aside in whatever way they came, and is not.

    `posted`: the causes among theirs that something is posted for. `doubtful`: terminals that were revoked, or whose
    entries two people have let through: an entry of theirs may have come when nothing was set aside.
    """
    known, free = set(posted), set(doubtful)
    return [
        place
        for place, (tid, line) in lines.items()
        if park_of(place) not in known and _must_be_aside(place, tid, line, may_be_free=tid in free)
    ]


def came_late(line: Line, posted_at: int) -> bool:
    """Whether an entry waited before it was posted, and could be read when it came."""
    return not line.parked and line.kind != _UNREAD and posted_at > line.received_at


def lay_aside(entry: Entry, tid: str, place: tuple[int, int, int]) -> bool:
    """Whether money was set aside for an entry that waited for no two people."""
    at = (Tno(place[0]), *place[1:])
    return bool(postings_aside(entry, TerminalId(tid), at, is_merchant_sure=True))


def park_of(place: StepId) -> str:
    """Under which cause an entry's money is set aside."""
    return f"park:{'.'.join(map(str, place))}"


def _waits(line: Line) -> bool:
    return bool(line.parked) and line.parked not in _TRIED


def _must_be_aside(place: StepId, tid: str, line: Line, *, may_be_free: bool) -> bool:
    if not _waits(line) or line.parked == QUARANTINED or line.kind == _UNREAD:
        return False
    if may_be_free and line.parked != UNPROVEN:
        return False
    entry = entry_of(line)
    if entry is None:
        return False
    sures = _EITHER if line.parked in ASK_TWO_PEOPLE else _SURE
    return all(postings_aside(entry, TerminalId(tid), place, is_merchant_sure=sure) for sure in sures)
