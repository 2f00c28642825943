"""Everything that can be done to an exported chain, and the name it must be given."""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from protocol.entries import Kind
from protocol.ids import Epoch, Seq, TerminalId, Tno
from protocol.journal import Sealed, Tip, encode_entry, seal
from protocol.money import Cents
from protocol.signing import SigningKey, to_base64url
from protocol.tampering import Tampering
from tests.protocol.samples import START, STORY, chain_of, entry_after

FOREIGN = SigningKey(bytes(32))
CHAIN = chain_of()


@dataclass(frozen=True, slots=True)
class Mutation:
    """A way to tamper with a chain at an index (from 0): the lines that come of it, and what it must be called."""

    called: Tampering
    apply: Callable[[list[bytes], int], list[bytes]]
    first: int = 0
    spare: int = 0
    """It can be done from this place on, and as far as this many places before the end."""

    @property
    def places(self) -> range:
        """Where in the chain it can be done."""
        return range(self.first, LENGTH - self.spare)


def resealed(index: int, key: SigningKey, *, amount: int = 1) -> Sealed:
    """The entry at this index with another content, signed by some key onto the true chain before it."""
    before = CHAIN[index - 1] if index else START
    kind = STORY[index][0]
    entry = entry_after(before, kind, STORY[index][1])
    return seal(msgspec.structs.replace(entry, turnover=Cents(entry.turnover + amount)), key)


def changed_text(line: bytes) -> bytes:
    """The entry with another turnover under its old signature."""
    sealed = next(sealed for sealed in CHAIN if sealed.jws == line)
    entry = msgspec.structs.replace(sealed.entry, turnover=Cents(sealed.entry.turnover + 7))
    payload = to_base64url(encode_entry(entry)).encode()
    header, _, signature = line.split(b".")
    return b".".join((header, payload, signature))


def _edit_text(lines: list[bytes], at: int) -> list[bytes]:
    return [*lines[:at], changed_text(lines[at]), *lines[at + 1 :]]


def _edit_signature(lines: list[bytes], at: int) -> list[bytes]:
    flipped = b"A" if lines[at][-10:-9] != b"A" else b"B"
    return [*lines[:at], lines[at][:-10] + flipped + lines[at][-9:], *lines[at + 1 :]]


def _edit_into_nonsense(lines: list[bytes], at: int) -> list[bytes]:
    return [*lines[:at], lines[at].replace(b".", b"!", 1), *lines[at + 1 :]]


def _renumber(lines: list[bytes], at: int, seq: int) -> list[bytes]:
    sealed = CHAIN[at]
    entry = msgspec.structs.replace(sealed.entry, seq=Seq(seq))
    header, _, signature = lines[at].split(b".")
    return [*lines[:at], b".".join((header, to_base64url(encode_entry(entry)).encode(), signature)), *lines[at + 1 :]]


def _edit_tno(lines: list[bytes], at: int) -> list[bytes]:
    entry = msgspec.structs.replace(CHAIN[at].entry, tno=Tno(77))
    header, _, signature = lines[at].split(b".")
    return [*lines[:at], b".".join((header, to_base64url(encode_entry(entry)).encode(), signature)), *lines[at + 1 :]]


def _insert_forged(lines: list[bytes], at: int) -> list[bytes]:
    return [*lines[:at], resealed(at, FOREIGN).jws, *lines[at:]]


def _insert_again_renumbered(lines: list[bytes], at: int) -> list[bytes]:
    """A forged copy of an earlier number: neither its number nor its link fits here."""
    return [*lines[:at], resealed(max(0, at - 2), FOREIGN).jws, *lines[at:]]


def _swap_far(lines: list[bytes], at: int) -> list[bytes]:
    lines = list(lines)
    lines[at], lines[at + 5] = lines[at + 5], lines[at]
    return lines


def other_chain(tid: str, epoch: int, tno: int, length: int = 3) -> list[bytes]:
    """Entries of another terminal or epoch, well signed by their own key."""
    lines: list[bytes] = []
    tip = Tip(Seq(0), bytes(32))
    for kind, body in STORY[:length]:
        entry = entry_after(tip, kind, body)
        sealed = seal(
            msgspec.structs.replace(entry, tid=TerminalId(tid), epoch=Epoch(epoch), tno=Tno(tno)), SigningKey(bytes(32))
        )
        tip = Tip(sealed.seq, sealed.hash)
        lines.append(sealed.jws)
    return lines


def _splice_other_terminal(lines: list[bytes], at: int) -> list[bytes]:
    return [*lines[:at], *other_chain("till-08", 1, 42), *lines[at:]]


def _splice_other_epoch(lines: list[bytes], at: int) -> list[bytes]:
    return [*lines[:at], *other_chain("till-07", 2, 43), *lines[at:]]


def _splice_in_place(lines: list[bytes], at: int) -> list[bytes]:
    return [*lines[:at], *other_chain("till-08", 1, 42), *lines[at + 3 :]]


def _from_here_by_another_key(lines: list[bytes], at: int) -> list[bytes]:
    before = Tip(CHAIN[at - 1].seq, CHAIN[at - 1].hash) if at else START
    return [*lines[:at], *(sealed.jws for sealed in chain_of(STORY[at:], start=before, key=FOREIGN))]


def _from_here_anew(lines: list[bytes], at: int) -> list[bytes]:
    """The same key writes another history: an old image was restored, or the key was stolen."""
    before = Tip(CHAIN[at - 1].seq, CHAIN[at - 1].hash) if at else START
    story = [(Kind.EPOCH_ENDED, STORY[-1][1]), *STORY[at + 1 :]]
    return [*lines[:at], *(sealed.jws for sealed in chain_of(story, start=before))]


def _append_a_second_history(lines: list[bytes], at: int) -> list[bytes]:
    return [*lines, *_from_here_anew(lines, at)[at:]]


LENGTH = len(STORY)
MUTATIONS: dict[str, Mutation] = {
    "edit the text": Mutation(Tampering.EDITED, _edit_text),
    "edit the signature": Mutation(Tampering.EDITED, _edit_signature),
    "edit into nonsense": Mutation(Tampering.EDITED, _edit_into_nonsense),
    "edit the seq upwards": Mutation(Tampering.EDITED, lambda lines, at: _renumber(lines, at, at + 9)),
    "edit the seq downwards": Mutation(Tampering.EDITED, lambda lines, at: _renumber(lines, at, at - 1), first=2),
    "edit the tno": Mutation(Tampering.EDITED, _edit_tno),
    "sign one entry with another key": Mutation(
        Tampering.EDITED, lambda lines, at: [*lines[:at], resealed(at, FOREIGN).jws, *lines[at + 1 :]]
    ),
    "delete one": Mutation(Tampering.DELETED, lambda lines, at: [*lines[:at], *lines[at + 1 :]], first=1, spare=1),
    "delete three": Mutation(Tampering.DELETED, lambda lines, at: [*lines[:at], *lines[at + 3 :]], first=1, spare=3),
    "insert a forged entry": Mutation(Tampering.INSERTED, _insert_forged),
    "insert a forged older entry": Mutation(Tampering.INSERTED, _insert_again_renumbered, first=3),
    "insert a line of nonsense": Mutation(
        Tampering.INSERTED, lambda lines, at: [*lines[:at], b"nonsense", *lines[at:]]
    ),
    "swap neighbours": Mutation(
        Tampering.SWAPPED, lambda lines, at: [*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]], spare=1
    ),
    "swap far": Mutation(Tampering.SWAPPED, _swap_far, spare=5),
    "move to the end": Mutation(
        Tampering.SWAPPED, lambda lines, at: [*lines[:at], *lines[at + 1 :], lines[at]], spare=1
    ),
    "duplicate": Mutation(Tampering.DUPLICATED, lambda lines, at: [*lines[: at + 1], *lines[at:]]),
    "duplicate a block": Mutation(Tampering.DUPLICATED, lambda lines, at: [*lines, *lines[at:]]),
    "splice another terminal": Mutation(Tampering.SPLICED, _splice_other_terminal),
    "splice another epoch": Mutation(Tampering.SPLICED, _splice_other_epoch),
    "splice in place": Mutation(Tampering.SPLICED, _splice_in_place, spare=3),
    "sign from here with another key": Mutation(Tampering.FOREIGN_KEY, _from_here_by_another_key, spare=1),
    "write from here anew": Mutation(Tampering.FORKED, _from_here_anew, spare=1),
    "append a second history": Mutation(Tampering.FORKED, _append_a_second_history, spare=1),
    "cut the head": Mutation(Tampering.CUT_HEAD, lambda lines, at: lines[at:], first=1),
    "cut the tail": Mutation(Tampering.CUT_TAIL, lambda lines, at: lines[:at]),
    "cut inside the last line": Mutation(Tampering.CUT_TAIL, lambda lines, at: [*lines[:at], lines[at][:-40]]),
}
