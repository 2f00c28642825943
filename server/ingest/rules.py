"""What the server does with a batch of entries: keep every one of them, post what it can, never block the queue.

    lines -> read -> in a row? signed? -> judge (known, new, fork, gap) -> keep -> post -> reply

The caller holds the terminal's tip and its cards in one transaction, commits, and only then sends the signed ack.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from protocol.ids import U32_MAX, Epoch, Seq, TerminalId, Tno
from protocol.instants import UtcMs
from protocol.journal import NotAnEntry, Sealed, Tip, Unread, read_loosely, signature_holds
from protocol.signing import from_base64url
from protocol.sync_receiver import Branch, Continues, Forks, Gap, Held, Known, Link, judge, misplaced
from server.ingest.book import BRANCHES_MAX, Book, ChainRow
from server.ingest.holes import close_offers, fill_holes, note_request
from server.ingest.keeping import keep_entry

_KID = re.compile(rb'\{"alg":"Ed25519","kid":"([a-z0-9-]{3,32})/([1-9][0-9]{0,9})"\}')


@dataclass(frozen=True, slots=True)
class Ack:
    """Everything up to this row is kept; to be signed and sent after the commit."""

    tip: Tip


@dataclass(frozen=True, slots=True)
class Ask:
    """Entries are missing, or what came is not a run of entries: send again from `seq`."""

    seq: Seq
    why: str
    is_fault: bool = False
    """What came is no run of this terminal's entries."""


@dataclass(frozen=True, slots=True)
class Refused:
    """One history of this chain too many: nothing of it is kept here, so the terminal must; to be signed.

    It is told the tip of the first history like in the handshake: it does not hold that row and begins a new epoch.
    """

    tip: Tip


Reply = Ack | Ask | Refused


@dataclass(frozen=True, slots=True)
class Run:
    """The lines of a batch as far as they could be read, and what was wrong with the first that could not."""

    links: Sequence[Link]
    fault: str = ""


def epoch_named(line: bytes, tid: TerminalId) -> Epoch | None:
    """The epoch that an entry's header names; None unless it is exactly this terminal's."""
    try:
        found = _KID.fullmatch(from_base64url(line.partition(b".")[0]))
    except ValueError:
        return None
    if found is None or found[1].decode() != tid or int(found[2]) > U32_MAX:
        return None
    return Epoch(int(found[2]))


def read_run(lines: Sequence[bytes], tid: TerminalId, epoch: Epoch) -> Run:
    """Read a batch of one terminal's epoch; whether it is a run of that chain is judged later."""
    links: list[Link] = []
    for line in lines:
        try:
            links.append(read_loosely(line, tid, epoch))
        except NotAnEntry as error:
            return Run(links, f"unreadable: {error}")
    return Run(links)


def take_batch(book: Book, tno: Tno, lines: Sequence[bytes], now: UtcMs) -> Reply:
    """Keep and post a batch. A duplicate changes nothing and is acknowledged like the first time."""
    chain = book.chains[tno]
    return take_run(book, tno, read_run(lines, chain.tid, chain.epoch), now)


def take_run(book: Book, tno: Tno, run: Run, now: UtcMs) -> Reply:
    """Keep and post a batch that has been read."""
    chain = book.chains[tno]
    read = _in_a_row(run, chain)
    if isinstance(read, str):
        return Ask(Seq(chain.branches[0].tip.seq + 1), read, is_fault=True)
    missing = fill_holes(book, chain, read, now)
    if missing is not None:
        return Ask(missing, "this belongs into a hole that is proven from its end")
    held = _held(book, chain)
    verdict = judge(read, held)
    match verdict:
        case Known():
            return Ack(Tip(read[-1].seq, read[-1].hash))
        case Continues(branch, new, _):
            return _keep(book, chain, branch, new, now)
        case Forks(parent, after, new):
            number = max(chain.branches) + 1
            if number > BRANCHES_MAX:
                return Refused(chain.branches[0].tip)
            known = held.hash_at(parent, after)
            assert known is not None
            branch = chain.branches[number] = Branch(number, Tip(after, known), parent.number, after)
            book.open_chain_fork(tno, number, after)
            return _keep(book, chain, branch, new, now)
        case Gap(want):
            note_request(book, chain, read, now)
            return Ask(want, "entries are missing before this batch")
        case _:
            assert_never(verdict)


def _in_a_row(run: Run, chain: ChainRow) -> Sequence[Link] | str:
    """Check that a batch is one run of this chain's entries, signed; else say what is wrong.

    The hash chain covers every entry under the last one's signature; an entry nobody can read must be signed itself.
    """
    if run.fault:
        return run.fault
    read = run.links
    if fault := _stranger(read, chain):
        return fault
    odd = misplaced(read)
    if odd is not None:
        return f"entry {odd.seq} does not continue the one before it"
    last = read[-1]
    signed = read if chain.each_signature else [link for link in read if link is last or isinstance(link, Unread)]
    if not all(signature_holds(link, chain.key) for link in signed):
        return "not signed by the journal key of this epoch"
    return read


def _stranger(read: Sequence[Link], chain: ChainRow) -> str:
    expected = (chain.site, chain.tid, chain.epoch, chain.tno)
    for link in read:
        if isinstance(link, Sealed):
            entry = link.entry
            told = (entry.site, entry.tid, entry.epoch, entry.tno)
            if told != expected:
                return f"says it is {told}, the register says {expected}"
    return ""


def _held(book: Book, chain: ChainRow) -> Held:
    return Held(chain.start, tuple(chain.branches.values()), book.hashes_of(chain.tno))


def _keep(book: Book, chain: ChainRow, branch: Branch, new: Sequence[Link], now: UtcMs) -> Reply:
    for link in new:
        keep_entry(book, chain, branch, link, now)
        branch = replace(branch, tip=Tip(link.seq, link.hash))
        chain.branches[branch.number] = branch
    close_offers(book, chain, new)
    return Ack(branch.tip)
