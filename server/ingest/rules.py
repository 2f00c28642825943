"""What the server does with a batch of entries: keep every one of them, post what it can, never block the queue.

    lines -> read -> in a row? signed? -> judge (known, new, fork, gap) -> keep -> post -> reply

The caller holds the terminal's tip and its cards in one transaction, commits, and only then sends the signed ack.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from protocol.entries import CardStep, Entry, Stage, stage_of
from protocol.ids import Seq, Tno
from protocol.instants import BusinessDay, ClockSource, UtcMs
from protocol.journal import NotAnEntry, Sealed, Tip, Unread, read_loosely, signature_holds
from protocol.sync_receiver import Branch, Continues, Forks, Gap, Held, Known, Link, judge
from server.ingest.book import Book, ChainRow, EntryRow, TerminalStatus
from server.ingest.posting import post_entry


@dataclass(frozen=True, slots=True)
class Ack:
    """Everything up to this row is kept; to be signed and sent after the commit."""

    tip: Tip


@dataclass(frozen=True, slots=True)
class Ask:
    """Entries are missing, or what came is not a run of entries: send again from `seq`."""

    seq: Seq
    why: str


Reply = Ack | Ask


def take_batch(book: Book, tno: Tno, lines: Sequence[bytes], now: UtcMs) -> Reply:
    """Keep and post a batch. A duplicate changes nothing and is acknowledged like the first time."""
    chain = book.chains[tno]
    read = _in_a_row(lines, chain)
    if isinstance(read, str):
        return Ask(Seq(chain.branches[0].tip.seq + 1), read)
    held = _held(book, chain)
    verdict = judge(read, held)
    match verdict:
        case Known():
            return Ack(Tip(read[-1].seq, read[-1].hash))
        case Continues(branch, new, _):
            return _keep(book, chain, branch, new, now)
        case Forks(parent, after, new):
            number = max(chain.branches) + 1
            known = held.hash_at(parent, after)
            assert known is not None
            branch = Branch(number, Tip(after, known), parent.number, after)
            book.open_chain_fork(tno, number, after)
            return _keep(book, chain, branch, new, now)
        case Gap(want):
            return Ask(want, "entries are missing before this batch")
        case _:
            assert_never(verdict)


def _in_a_row(lines: Sequence[bytes], chain: ChainRow) -> list[Link] | str:
    """Read a batch and check that it is one run of this chain's entries, signed; else say what is wrong.

    The hash chain covers every entry under the last one's signature; an entry nobody can read must be signed itself.
    """
    read: list[Link] = []
    for line in lines:
        try:
            link = read_loosely(line, chain.tid, chain.epoch)
        except NotAnEntry as error:
            return f"unreadable: {error}"
        if isinstance(link, Sealed) and (fault := _stranger(link.entry, chain)):
            return fault
        if read and (link.seq != read[-1].seq + 1 or link.prev != Tip(read[-1].seq, read[-1].hash).prev):
            return f"entry {link.seq} does not continue entry {read[-1].seq}"
        read.append(link)
    signed = [link for link in read[:-1] if isinstance(link, Unread)] + read[-1:]
    if not all(signature_holds(link, chain.key) for link in signed):
        return "not signed by the journal key of this epoch"
    return read


def _stranger(entry: Entry, chain: ChainRow) -> str:
    told = (entry.site, entry.tid, entry.epoch, entry.tno)
    expected = (chain.site, chain.tid, chain.epoch, chain.tno)
    return "" if told == expected else f"says it is {told}, the register says {expected}"


def _held(book: Book, chain: ChainRow) -> Held:
    return Held(chain.start, tuple(chain.branches.values()), book.hashes_of(chain.tno))


def _keep(book: Book, chain: ChainRow, branch: Branch, new: Sequence[Link], now: UtcMs) -> Reply:
    for link in new:
        day = _business_day(book, chain, branch, link, now)
        parked = _keep_one(book, chain, branch.number, link, day, now)
        at = link.entry.at if isinstance(link, Sealed) else now
        kind = link.entry.kind if isinstance(link, Sealed) else "?"
        row = EntryRow(chain.tno, branch.number, link.seq, link.hash, link.jws, kind, day, at, parked)
        book.entries[(chain.tno, branch.number, link.seq)] = row
        branch = replace(branch, tip=Tip(link.seq, link.hash))
        chain.branches[branch.number] = branch
    return Ack(branch.tip)


def _keep_one(book: Book, chain: ChainRow, branch: int, link: Link, day: BusinessDay, now: UtcMs) -> str:
    """Post an entry, or say why it is parked."""
    if isinstance(link, Unread):
        return f"unreadable: {link.why}"
    entry = link.entry
    if chain.status is TerminalStatus.REVOKED:
        return "quarantined: the terminal was revoked before this arrived"
    if branch == 0:
        trusted_at = UtcMs(0) if entry.clock is ClockSource.NONE else entry.at
        chain.reported_at = max(chain.reported_at, min(trusted_at, now))
        chain.cards_version = max(chain.cards_version, entry.lists.cards)
    return post_entry(book, chain, branch, entry, day)


def _business_day(book: Book, chain: ChainRow, branch: Branch, link: Link, now: UtcMs) -> BusinessDay:
    """The day an entry belongs to. A doubtful clock takes the day of the entry before it in its chain."""
    if isinstance(link, Sealed) and link.entry.clock is not ClockSource.NONE:
        return min(book.campus.business_day(link.entry.at), book.campus.business_day(now))
    before = book.entry_before(chain, branch, link.seq)
    return before.day if before else book.campus.business_day(now)


def card_steps(entries: Sequence[Entry]) -> list[tuple[Entry, CardStep, Stage | None]]:
    """The card steps among some entries: what the store must load cards for."""
    found: list[tuple[Entry, CardStep, Stage | None]] = []
    for entry in entries:
        if isinstance(entry.body, CardStep):
            staged = stage_of(entry.kind)
            found.append((entry, entry.body, staged[1] if staged else None))
    return found
