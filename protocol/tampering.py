"""What was done to an exported chain: find every fault, name it, and go on behind it.

A chain in order is only walked. At a fault its neighbourhood is looked at, because an edit, a deletion and an insertion
all show first as an entry that does not continue the one before it:

    the following entry still holds the hash of this one        it was written so, by another key
    the following entry continues the one before this one       this one was put in
    the following entry has the next number, another hash       this one was changed afterwards
    a number is missing, and stands further down                the order was changed
    a number is missing altogether                              entries were taken out

A cut tail leaves no trace in the chain itself: it is found only against a head that was noted elsewhere (an ack).
"""

import enum
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from protocol.ids import Epoch, Seq, SiteId, TerminalId, Tno
from protocol.journal import NotAnEntry, Sealed, Tip, Unread, read_entry, read_loosely, signature_holds
from protocol.signing import VerifyKey, sha256_of, to_base64url

FINDINGS_MAX = 100
_SIGNATURE_TEXT_BYTES = 86
_BEGUN = re.compile(rb"[\w-]+(\.[\w-]*(\.(?P<signature>[\w-]*))?)?")


class Tampering(enum.StrEnum):
    """What can be done to a chain."""

    EDITED = "edited"
    DELETED = "deleted"
    INSERTED = "inserted"
    SWAPPED = "swapped"
    DUPLICATED = "duplicated"
    SPLICED = "spliced"
    FOREIGN_KEY = "foreign_key"
    FORKED = "forked"
    CUT_HEAD = "cut_head"
    CUT_TAIL = "cut_tail"


TODO: dict[Tampering, str] = {
    Tampering.EDITED: "Get the same entries from the server or the terminal's second medium and compare them.",
    Tampering.DELETED: "Export these numbers from the terminal again; where they are gone for good, book a hole.",
    Tampering.INSERTED: "Leave these lines out: the chain goes on without them. Find out who could write to this file.",
    Tampering.SWAPPED: "Put the lines back in the order of their seq, then verify again.",
    Tampering.DUPLICATED: "Leave the second copy out, then verify again. Nothing is counted twice by the server.",
    Tampering.SPLICED: "Verify these lines with the grant of their own chain. Find out who joined the files.",
    Tampering.FOREIGN_KEY: "Do not post these entries. Check the grant, then treat the terminal as stolen.",
    Tampering.FORKED: "One key wrote two histories: keep both, revoke the terminal; the server posts the branch.",
    Tampering.CUT_HEAD: (
        "Put the file that ends before it in front of it, or export the whole journal (export FILE all). To check it "
        "alone, name the entry before its first line: --start SEQ:HASH, as an ack has it, or as verify named the "
        "newest entry of the file before."
    ),
    Tampering.CUT_TAIL: "The head proves that more was written: export the missing entries from the terminal again.",
}


@dataclass(frozen=True, slots=True)
class ChainId:
    """Which chain an entry says it belongs to."""

    site: SiteId
    tid: TerminalId
    epoch: Epoch
    tno: Tno

    def __str__(self) -> str:
        return f"{self.tid} epoch {self.epoch} (tno {self.tno}, site {self.site})"


@dataclass(frozen=True, slots=True)
class Finding:
    """One act: what, at which line (from 1; 0: behind the last), which entries (`seq` to `until`), and how it shows."""

    what: Tampering
    line: int
    seq: int
    until: int
    detail: str


@dataclass(frozen=True, slots=True)
class Report:
    """How many entries hold, the newest of them, how many of them this program cannot read, and what was done."""

    entries: int
    head: Tip
    unread: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class _Row:
    """One line. `seq` 0: not an entry at all, `why` says so. `chain` None: only its place could be read."""

    line: int
    raw: bytes
    hash: bytes
    link: Sealed | Unread | None
    chain: ChainId | None
    why: str

    @property
    def seq(self) -> int:
        return self.link.seq if self.link else 0

    @property
    def prev(self) -> str:
        return self.link.prev if self.link else ""


@dataclass(slots=True)
class _Walk:
    """The rows still to be walked, and what is known so far. `seq`, `prev`: what the next entry has to continue."""

    key: VerifyKey
    head: Tip | None
    chain: ChainId | None
    seq: int
    prev: str
    start_seq: int
    newest: Tip
    rows: Iterator[_Row] | list[_Row]
    hashes: dict[int, bytes] = field(default_factory=dict[int, bytes])
    findings: list[Finding] = field(default_factory=list[Finding])
    at: int = 0
    entries: int = 0
    unread: int = 0


def examine(
    lines: Iterable[bytes], start: Tip, key: VerifyKey, *, chain: ChainId | None = None, head: Tip | None = None
) -> Report:
    """Walk the lines of one chain from `start` and report every fault, at most FINDINGS_MAX of them.

    `chain` is whose entries these shall be (None: those of the first line that can be read). `head` is an entry known
    to exist: without it a cut tail cannot be found. Blank lines and a carriage return at the end of a line say nothing.
    """
    assert head is None or head.seq >= start.seq, "a head before the start proves nothing"
    walk = _Walk(key, head, chain, start.seq, start.prev, start.seq, start, [])
    walk.hashes[start.seq] = start.hash
    stream = _read_rows(lines, walk)
    for row in stream:
        if not (_joins(row, walk) and _signed(row, key)):
            walk.rows = [row, *stream]
            _explain_rest(walk, walk.rows)
            break
        _accept(walk, row)
    _check_head(walk)
    return Report(walk.entries, walk.newest, walk.unread, tuple(walk.findings))


def _read_rows(lines: Iterable[bytes], walk: _Walk) -> Iterator[_Row]:
    for number, line in enumerate(lines, start=1):
        raw = line.rstrip(b"\r\n")
        if raw:
            row = _read_row(number, raw, walk.chain)
            walk.chain = walk.chain or row.chain
            yield row


def _read_row(number: int, raw: bytes, chain: ChainId | None) -> _Row:
    try:
        sealed = read_entry(raw)
    except NotAnEntry as error:
        why = str(error)
    else:
        head = sealed.entry
        return _Row(number, raw, sealed.hash, sealed, ChainId(head.site, head.tid, head.epoch, head.tno), "")
    try:
        unread = read_loosely(raw, chain.tid, chain.epoch) if chain else None
    except NotAnEntry:
        unread = None
    return _Row(number, raw, sha256_of(raw), unread, None, why)


def _ours(row: _Row, walk: _Walk) -> bool:
    """Whether a line is an entry of this chain. A changed site or number in it does not make it another chain's."""
    if row.link is None or row.chain is None or walk.chain is None or row.chain == walk.chain:
        return row.link is not None
    same_epoch = (row.chain.tid, row.chain.epoch) == (walk.chain.tid, walk.chain.epoch)
    return same_epoch and not _signed(row, walk.key)


def _joins(row: _Row, walk: _Walk) -> bool:
    return _ours(row, walk) and row.seq == walk.seq + 1 and row.prev == walk.prev


def _signed(row: _Row, key: VerifyKey) -> bool:
    return row.link is not None and signature_holds(row.link, key)


def _accept(walk: _Walk, row: _Row) -> None:
    walk.entries += 1
    walk.unread += row.chain is None
    walk.newest = Tip(Seq(row.seq), row.hash)
    _pass_over(walk, row, walk.newest.prev)


def _pass_over(walk: _Walk, row: _Row, prev: str) -> None:
    """Go on behind this row: the next entry shall hold `prev`."""
    walk.hashes[row.seq] = row.hash
    walk.seq, walk.prev = row.seq, prev
    walk.at += 1


def _report(walk: _Walk, what: Tampering, row: _Row | None, seq: int, until: int, detail: str) -> None:
    """Note an act; the same act on the entry right after the last one is one with it."""
    last = walk.findings[-1] if walk.findings else None
    if last is not None and last.what is what and last.until + 1 == seq:
        walk.findings[-1] = replace(last, until=until)
    else:
        walk.findings.append(Finding(what, row.line if row else 0, seq, until, detail))


def _explain_rest(walk: _Walk, rows: list[_Row]) -> None:
    walk.at = 0
    while walk.at < len(rows) and len(walk.findings) < FINDINGS_MAX:
        row = rows[walk.at]
        if row.link is None:
            _explain_unreadable(walk, rows)
        elif not _ours(row, walk):
            _explain_foreign_chain(walk, rows)
        elif _joins(row, walk) and _signed(row, walk.key):
            _accept(walk, row)
        elif row.seq == walk.seq + 1:
            _explain_in_place(walk, rows, row)
        elif row.seq > walk.seq + 1:
            _explain_gap(walk, rows, row)
        else:
            _explain_again(walk, rows, row)


def _following(walk: _Walk, rows: list[_Row]) -> _Row | None:
    return rows[walk.at + 1] if walk.at + 1 < len(rows) else None


def _explain_in_place(walk: _Walk, rows: list[_Row], row: _Row) -> None:
    """The right number, but the link or the signature does not hold."""
    after, own = _following(walk, rows), to_base64url(row.hash)
    if _signed(row, walk.key):
        before = f"entry {walk.seq}" if walk.seq > walk.start_seq else "start"
        detail = f"entry {row.seq} is signed, but continues another {before} than the one before it"
        _report(walk, Tampering.FORKED, row, row.seq, row.seq, detail)
        _pass_over(walk, row, own)
        return
    if after is not None and _joins(after, walk):
        detail = "is not signed by this chain's key, and the chain goes on without it"
        _report(walk, Tampering.INSERTED, row, row.seq, row.seq, detail)
        walk.at += 1
        return
    next_in_order = after is not None and _ours(after, walk) and after.seq == row.seq + 1
    if _is_chained_as_written(walk, row, after):
        detail = "is chained, but not signed by this chain's key"
        if after is None:
            detail += " (or it was changed after signing: nothing follows that could tell)"
        _report(walk, Tampering.FOREIGN_KEY, row, row.seq, row.seq, detail)
        _pass_over(walk, row, own)
        return
    _report(walk, Tampering.EDITED, row, row.seq, row.seq, "its text or its signature was changed after it was written")
    _pass_over(walk, row, after.prev if after is not None and next_in_order else own)


def _is_chained_as_written(walk: _Walk, row: _Row, after: _Row | None) -> bool:
    """Whether an unsigned entry has the bytes it was written with: what follows holds its hash, or nothing follows."""
    if after is not None:
        return _ours(after, walk) and after.seq == row.seq + 1 and after.prev == to_base64url(row.hash)
    last = walk.findings[-1] if walk.findings else None
    if last is not None and last.what is Tampering.FOREIGN_KEY and last.until == row.seq - 1:
        return True
    at_head = walk.head is not None and walk.head.seq == row.seq
    whole = _joins(row, walk) and row.chain in (None, walk.chain)
    return whole and not (at_head and walk.head != Tip(Seq(row.seq), row.hash))


def _explain_gap(walk: _Walk, rows: list[_Row], row: _Row) -> None:
    """The number is too high: this entry was renumbered, or others stand elsewhere, or are gone."""
    after = _following(walk, rows)
    if not _signed(row, walk.key) and _takes_a_place(walk, after):
        _explain_renumbered(walk, row, after)
        return
    found = next((index for index in range(walk.at + 1, len(rows)) if _joins(rows[index], walk)), None)
    if found is not None:
        detail = f"entry {row.seq} stands where {walk.seq + 1} belongs, which stands in line {rows[found].line}"
        _report(walk, Tampering.SWAPPED, row, walk.seq + 1, row.seq, detail)
        if found - walk.at == row.seq - walk.seq - 1:
            rows[walk.at], rows[found] = rows[found], rows[walk.at]
        else:
            rows.insert(walk.at, rows.pop(found))
        return
    if walk.seq == walk.start_seq and not walk.findings:
        what, detail = Tampering.CUT_HEAD, f"the file starts in the middle, at entry {row.seq}, not at {walk.seq + 1}"
    else:
        what, detail = Tampering.DELETED, f"entry {row.seq} stands where {walk.seq + 1} belongs"
    _report(walk, what, row, walk.seq + 1, row.seq - 1, detail)
    walk.seq, walk.prev = row.seq - 1, row.prev


def _explain_renumbered(walk: _Walk, row: _Row, after: _Row | None) -> None:
    seq = walk.seq + 1
    _report(walk, Tampering.EDITED, row, seq, seq, f"stands where {seq} belongs, says {row.seq}, and is not signed so")
    walk.hashes[seq] = row.hash
    walk.seq, walk.prev = seq, after.prev if after else to_base64url(row.hash)
    walk.at += 1


def _explain_again(walk: _Walk, rows: list[_Row], row: _Row) -> None:
    """The number was there before: a copy, another history, a renumbered entry, or an invention."""
    after = _following(walk, rows)
    if walk.hashes.get(row.seq) == row.hash:
        _report(walk, Tampering.DUPLICATED, row, row.seq, row.seq, "stands here a second time")
    elif _signed(row, walk.key):
        detail = f"a second entry {row.seq}, also signed by this chain's key"
        _report(walk, Tampering.FORKED, row, row.seq, row.seq, detail)
    elif _takes_a_place(walk, after):
        _explain_renumbered(walk, row, after)
        return
    else:
        detail = f"a second entry {row.seq}, not signed by this chain's key"
        _report(walk, Tampering.INSERTED, row, row.seq, row.seq, detail)
    walk.at += 1


def _takes_a_place(walk: _Walk, after: _Row | None) -> bool:
    """Whether the chain needs the line before `after` as its next entry."""
    if after is not None:
        return _ours(after, walk) and after.seq == walk.seq + 2
    return walk.head is None or walk.head.seq > walk.seq


def _explain_unreadable(walk: _Walk, rows: list[_Row]) -> None:
    """Lines that are no entries: entries that were changed, or lines put in."""
    first = rows[walk.at]
    end = next((index for index in range(walk.at, len(rows)) if _ours(rows[index], walk)), len(rows))
    end = next((index for index in range(walk.at, end) if rows[index].link is not None), end)
    after = rows[end] if end < len(rows) and _ours(rows[end], walk) else None
    until = walk.seq + end - walk.at
    if after is None and end == len(rows) and end - walk.at == 1 and _is_incomplete(first.raw):
        _report(walk, Tampering.CUT_TAIL, first, until, until, "the last line is incomplete")
    elif after is not None and (_joins(after, walk) or after.seq <= walk.seq + 1):
        _report(walk, Tampering.INSERTED, first, walk.seq + 1, walk.seq + 1, f"is no entry: {first.why}")
        until = walk.seq
    else:
        until = min(until, after.seq - 1) if after else until
        _report(walk, Tampering.EDITED, first, walk.seq + 1, until, f"cannot be read any more: {first.why}")
    if until > walk.seq:
        walk.hashes.update((seq, rows[walk.at].hash) for seq in range(walk.seq + 1, until + 1))
        walk.seq, walk.prev = until, after.prev if after and after.seq == until + 1 else ""
    walk.at = end


def _explain_foreign_chain(walk: _Walk, rows: list[_Row]) -> None:
    """Entries that say themselves that they belong to another chain or epoch."""
    first = rows[walk.at]
    end = next((i for i in range(walk.at, len(rows)) if rows[i].link is None or _ours(rows[i], walk)), len(rows))
    after = rows[end] if end < len(rows) and _ours(rows[end], walk) else None
    detail = f"belongs to {first.chain}, this chain is {walk.chain}"
    walk.findings.append(Finding(Tampering.SPLICED, first.line, first.seq, rows[end - 1].seq, detail))
    in_place_of = walk.seq + end - walk.at
    if after is not None and not _joins(after, walk) and after.seq == in_place_of + 1:
        walk.seq, walk.prev = in_place_of, after.prev
    walk.at = end


def _is_incomplete(raw: bytes) -> bool:
    """Whether a line looks like the beginning of an entry."""
    begun = _BEGUN.fullmatch(raw)
    return begun is not None and len(begun["signature"] or b"") < _SIGNATURE_TEXT_BYTES


def _check_head(walk: _Walk) -> None:
    """Hold what was found against the head that was noted elsewhere."""
    head, last = walk.head, walk.findings[-1] if walk.findings else None
    if head is None or len(walk.findings) >= FINDINGS_MAX:
        return
    if head.seq > walk.seq:
        if last is not None and last.what is Tampering.CUT_TAIL:
            walk.findings[-1] = replace(last, until=head.seq)
            return
        detail = f"the chain ends at entry {walk.seq}, the head is entry {head.seq}"
        _report(walk, Tampering.CUT_TAIL, None, walk.seq + 1, head.seq, detail)
    elif walk.hashes.get(head.seq, head.hash) != head.hash and not _covered(head.seq, walk.findings):
        detail = f"entry {head.seq} is not the one that the head names"
        _report(walk, Tampering.FORKED, None, head.seq, head.seq, detail)


def _covered(seq: int, findings: list[Finding]) -> bool:
    return any(finding.seq <= seq <= finding.until for finding in findings)
