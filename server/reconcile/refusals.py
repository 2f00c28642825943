"""What terminals refused because somebody may have tried a trick: told once for each card, reason and day.

No money has moved, so no line has a share in a difference, and none says who did it: a number that a copy shows is its
honest holder's. Nothing here touches a connection.
"""

from collections.abc import Iterator
from dataclasses import replace

from protocol.authorise import OTHER_CARD, SEVERAL_CARDS, Refusal
from protocol.entries import SaleRefused
from protocol.ids import CardKey, TerminalId
from protocol.journal import NotAnEntry, read_entry
from protocol.money import format_cents
from server.ingest.book import EntryRow
from server.reconcile.facts import Difference, Finding, Refusals, RefusedFact, Tried

LINES_MAX = 10_000
"""More lines of one proof are not told one by one."""
ENTRIES_NAMED_MAX = 16
"""A line names at most so many entries, and so many terminals."""
BESIDE_A_STEP = (OTHER_CARD, SEVERAL_CARDS)
"""Reasons that are about money where a step begun before them is left without an outcome."""
TRICKS = {
    Refusal.BELOW_FLOOR: "it shows an older state than is known: a copy put back, or a step that the card forgot",
    Refusal.VALUE_NOT_COVERED: "it holds more than its load record covers",
    Refusal.NOT_GENUINE: "it could not prove to be what it said: a copy, a forged record, or damage",
    Refusal.REPLAYED: "what it showed was shown before: a recording, or its holder once more",
    OTHER_CARD: "shown where another card was to be tapped again",
    SEVERAL_CARDS: "more than one card at once",
}
"""The reasons that are told, and what can be behind each."""


class Telling:
    """Adds up entries, which come in a fixed order; holds `LINES_MAX` lines at most."""

    def __init__(self) -> None:
        self._lines: dict[tuple[int, str, CardKey | TerminalId], RefusedFact] = {}
        self._untold = 0

    def add(self, row: EntryRow, tid: TerminalId) -> None:
        """One entry of a terminal; it counts if it tells of a trick."""
        fact = refused_fact(row, tid)
        if fact is None:
            return
        place = (fact.day, fact.tried.reason, fact.card or tid)
        known = self._lines.get(place)
        if known is None and len(self._lines) >= LINES_MAX:
            self._untold += fact.tried.attempts
        else:
            self._lines[place] = fact if known is None else _together(known, fact)

    def told(self) -> Refusals:
        """What was told up to now."""
        return Refusals(tuple(self._lines.values()), self._untold)


def refused_fact(row: EntryRow, tid: TerminalId) -> RefusedFact | None:
    """What one entry says; None where it is no trick, or is believed by nobody yet."""
    body = None if row.parked else _body_of(row.jws)
    if body is None or body.reason not in TRICKS:
        return None
    card = body.card
    is_purse_read = card is not None and not card.is_token and bool(body.counter or body.main or body.subsidy)
    shown_cents = body.main + body.subsidy if is_purse_read else None
    tried = Tried(body.reason, body.count or 1, row.at, row.at, body.amount, (row.hash.hex(),), shown_cents)
    place = (row.tno, row.branch, row.seq)
    return RefusedFact(tried, row.day, card.key if card else None, (tid,), (place,), body.counter)


def findings_of_refusals(refusals: Refusals) -> Iterator[Finding]:
    """One for each line, without a share in any difference."""
    for line in refusals.lines:
        yield _finding(line)
    if refusals.untold:
        text = f"{refusals.untold} attempts more are not told one by one"
        yield Finding(Difference.REFUSED, 0, 0, text, causes=("untold",))


def _finding(line: RefusedFact) -> Finding:
    tried, amount, steps = line.tried, line.tried.asked_cents, line.entries
    text = f"{tried.reason}, {tried.attempts} times: {TRICKS[tried.reason]}"
    if tried.shown_cents is not None and tried.ledger_cents is not None:
        amount = tried.shown_cents - tried.ledger_cents
        text += f"; it showed {format_cents(tried.shown_cents)}, the books say {format_cents(tried.ledger_cents)}"
    if tried.reason in BESIDE_A_STEP:
        amount = tried.asked_cents if line.left_open else 0
        steps += (line.left_open,) if line.left_open else ()
        text += "; the step named last has no outcome" if line.left_open else "; every step there has its outcome"
    causes = (f"{line.day}:{tried.reason}",)
    about = (line.card, line.counter, line.day, steps, line.terminals, causes)
    return Finding(Difference.REFUSED, 0, amount, text, *about, tried)


def _together(known: RefusedFact, more: RefusedFact) -> RefusedFact:
    """Two about the same: of what a card showed that counts with most money on it."""
    a, b = known.tried, more.tried
    has_room = len(known.entries) < ENTRIES_NAMED_MAX
    is_new = len(known.terminals) < ENTRIES_NAMED_MAX and more.terminals[0] not in known.terminals
    is_more = b.shown_cents is not None and (a.shown_cents is None or b.shown_cents > a.shown_cents)
    return replace(
        known,
        tried=replace(
            a,
            attempts=a.attempts + b.attempts,
            first_at=min(a.first_at, b.first_at),
            last_at=max(a.last_at, b.last_at),
            asked_cents=max(a.asked_cents, b.asked_cents),
            hashes=a.hashes + b.hashes if has_room else a.hashes,
            shown_cents=b.shown_cents if is_more else a.shown_cents,
        ),
        terminals=known.terminals + more.terminals if is_new else known.terminals,
        entries=known.entries + more.entries if has_room else known.entries,
        counter=more.counter if is_more else known.counter,
    )


def _body_of(jws: bytes) -> SaleRefused | None:
    try:
        body = read_entry(jws).entry.body
    except NotAnEntry:
        return None
    return body if isinstance(body, SaleRefused) else None
