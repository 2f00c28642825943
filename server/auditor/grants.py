"""Whether a chain is the one that the server's grant key signed for, and ends where it says; pure."""

from collections.abc import Iterator, Sequence

from protocol.messages import Ack, Grant, NotAMessage, TipAnswer, read_signed, verified
from protocol.signing import Verifier, from_base64url, sha256_of
from protocol.trust import Trust
from server.auditor.columns import Fault
from server.auditor.rules import Hole, Line, Row


def wrong_chain(row: Row, trust: Trust) -> Iterator[Fault]:
    """Where a chain's row is not what its grant says."""
    jws = bytes(row["grant_jws"])
    try:
        grant = verified(jws, Grant, trust.grant)
    except NotAMessage as error:
        yield "grant", f"its grant proves nothing: {error}"
        return
    said: dict[str, object] = {"site": grant.site, "tid": grant.tid, "epoch": grant.epoch, "tno": grant.tno}
    said["key"], said["start_hash"] = from_base64url(grant.key), sha256_of(jws)
    for name, value in said.items():
        kept = bytes(row[name]) if isinstance(value, bytes) else row[name]
        if kept != value:
            yield "grant", f"the column {name} is not what the grant says"


def continued_by(row: Row) -> Grant | None:
    """The grant of a chain that goes on from an earlier epoch."""
    try:
        grant = read_signed(bytes(row["grant_jws"]))
    except NotAMessage:
        return None
    return grant if isinstance(grant, Grant) and grant.prev_seq else None


def wrong_tip(branch: Row, last: Line | None, holes: Sequence[Hole], start: bytes) -> Iterator[Fault]:
    """Where a branch does not end in its last entry, or in a hole that two people booked."""
    ends = [(hole.last, hole.hash) for hole in holes if branch["branch"] == 0]
    ends += [(last.seq, last.hash)] if last is not None else [(0, start)]
    tip = (branch["tip_seq"], bytes(branch["tip_hash"]))
    newest = max(ends)
    if tip[0] != newest[0]:
        yield "tip", f"ends at entry {tip[0]} by its own row, and its last entry is {newest[0]}"
    elif tip != newest:
        yield "tip", f"the hash of its end, entry {tip[0]}, is not that of the entry"
    if branch["audited_seq"] > tip[0]:
        yield "tip", f"is audited up to entry {branch['audited_seq']}, and ends at {tip[0]}"


def read_ack(jws: bytes, key: Verifier) -> Ack | TipAnswer:
    """What the server once said that it holds. Raises NotAMessage."""
    said = read_signed(jws)
    if isinstance(said, TipAnswer):
        return verified(jws, TipAnswer, key)
    return verified(jws, Ack, key)
