"""Keep one entry: decide its business day, post it or say why it is parked, and remember it."""

from dataclasses import replace

from protocol.entries import CardStep, Entry, RefundStep
from protocol.ids import Seq
from protocol.instants import MINUTE_MS, BusinessDay, ClockSource, UtcMs
from protocol.journal import NotAnEntry, Sealed, Unread, read_entry
from protocol.sync_receiver import Branch, Link
from server.ingest.book import Book, ChainRow, EntryRow
from server.ingest.posting import post_entry, post_parked
from server.ingest.steps import seen_at
from server.ingest.waiting import ASK_TWO_PEOPLE, QUARANTINED, UNPROVEN

CLOCKS_APART_MAX_MS = 5 * MINUTE_MS
"""An entry from further in the future than that was written by a clock that is wrong."""


def keep_entry(book: Book, chain: ChainRow, branch: Branch, link: Link, now: UtcMs) -> EntryRow:
    """Remember an entry and post it; one that cannot be posted is parked and blocks nothing."""
    day = _business_day(book, chain, branch, link, now)
    parked = _post(book, chain, branch.number, link, day, now)
    at = link.entry.at if isinstance(link, Sealed) else now
    kind = link.entry.kind if isinstance(link, Sealed) else "?"
    row = EntryRow(chain.tno, branch.number, link.seq, link.hash, link.jws, kind, day, at, parked)
    book.entries[(chain.tno, branch.number, link.seq)] = row
    return row


def held_back(book: Book, row: EntryRow) -> bool:
    """Whether only two people can let this entry be posted: nothing else has spoken for it yet."""
    return row.parked in ASK_TWO_PEOPLE or (row.parked in (QUARANTINED, UNPROVEN) and not confirmed_by_card(book, row))


def post_again(book: Book, row: EntryRow, *, allowed: bool = False) -> bool:
    """Try to post a parked entry; whether it is posted now. `allowed`: two people let it be, whoever wrote it."""
    assert row.parked
    try:
        entry = read_entry(row.jws).entry
    except NotAnEntry:
        return False
    parked = post_parked(book, book.chains[row.tno], row.branch, entry, row.day, allowed=allowed)
    book.entries[(row.tno, row.branch, row.seq)] = replace(row, parked=parked)
    return not parked


def confirmed_by_card(book: Book, row: EntryRow) -> bool:
    """Whether a later tap of the card, made elsewhere, shows the mark of this card step.

    A refund that writes no card is as good as the second history's sale that it gives back.
    """
    try:
        entry = read_entry(row.jws).entry
    except NotAnEntry:
        return False
    body = entry.body
    if not isinstance(body, CardStep):
        return False
    if isinstance(body, RefundStep) and not body.touches_card:
        sold = book.find_step(book.chains[row.tno], row.branch, body.of)
        return sold is not None and sold.id[1] == row.branch and sold.counts
    mark = (row.tno, body.prepared or entry.seq)
    for witness in book.steps_at(body.card.key, body.counter_after + 1):
        seen = seen_at(witness.last, body.counter_after)
        if witness.counts and witness.id[0] != row.tno and seen and (seen.tno, seen.seq) == mark:
            return True
    return False


def _post(book: Book, chain: ChainRow, branch: int, link: Link, day: BusinessDay, now: UtcMs) -> str:
    """Post an entry, or say why it is parked."""
    if isinstance(link, Unread):
        return f"unreadable: {link.why}"
    entry = link.entry
    if chain.revoked_at:
        return QUARANTINED
    if branch == 0:
        _note_report(chain, entry, now)
    return post_entry(book, chain, branch, entry, day)


def _note_report(chain: ChainRow, entry: Entry, now: UtcMs) -> None:
    """How far the terminal is known, and the lists it has: as it says, where that can be so.

    A clock that is ahead of ours would vouch for sales that are still to come.
    """
    if entry.clock is not ClockSource.NONE and entry.at <= now + CLOCKS_APART_MAX_MS:
        chain.reported_at = max(chain.reported_at, min(entry.at, now))
    if entry.lists.cards <= chain.cards_published:
        chain.cards_version = max(chain.cards_version, entry.lists.cards)
    if entry.lists.limits <= chain.limits_published:
        chain.limits_version = max(chain.limits_version, entry.lists.limits)


def _business_day(book: Book, chain: ChainRow, branch: Branch, link: Link, now: UtcMs) -> BusinessDay:
    """The day an entry belongs to. A doubtful clock takes the day of the entry before it in its chain."""
    if isinstance(link, Sealed) and link.entry.clock is not ClockSource.NONE:
        return min(book.campus.business_day(link.entry.at), book.campus.business_day(now))
    before = book.entry_before(chain, branch, Seq(link.seq))
    return before.day if before else book.campus.business_day(now)
