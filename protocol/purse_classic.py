"""A purse on MIFARE Classic: two slots of three blocks, each a whole purse; the newer valid one is in force.

    sector 0  block  1          key set id, readable under the public key A
    sector 1  blocks 4,5        identity, MACed, written at the card office only
    sector 2  blocks 8,9,10     slot 0      purse | limits | mark
    sector 3  blocks 12,13,14   slot 1
    sectors 4+5                 load record copy 0 (96 bytes)
    sectors 6+7                 load record copy 1

A step writes the slot that is *not* in force, its mark block last, and reads it back: a card torn at any byte
still has the old purse. Big endian throughout; unused bytes are zero and covered by the MAC.

    purse   0 version=1 | 1 key_set | 2..5 counter | 6..9 main | 10..13 subsidy | 14 load_copy | 15 zero
    limits  0..1 day | 2..4 day_cents | 5..6 month | 7..9 month_cents | 10 meal | 11 meal_count
            12 pin_tries | 13 period | 14..15 load_seq
    mark    0..3 tno | 4..7 seq | 8..15 MAC8 over uid, the three block numbers, and the 40 bytes before
"""

import struct
from dataclasses import dataclass

from protocol.ids import CardNo, Counter, Generation, LoadSeq, Seq, Tno
from protocol.instants import BusinessDay, Month
from protocol.load_record import RECORD_BYTES, decode_load, encode_load
from protocol.money import PURSE_CENTS_MAX, Cents
from protocol.purse import (
    SPENT_CENTS_MAX,
    CardClass,
    CardRead,
    Identity,
    Mark,
    Outcome,
    Purse,
    PurseChange,
    SeenStep,
    SignedLoad,
    Spent,
    Technology,
    what_became_of,
)
from protocol.signing import Mac8, same_bytes

BLOCK_BYTES = 16
KEY_SET_BLOCK = 1
IDENTITY_BLOCKS = (4, 5)
SLOT_BLOCKS = ((8, 9, 10), (12, 13, 14))
LOAD_BLOCKS = ((16, 17, 18, 20, 21, 22), (24, 25, 26, 28, 29, 30))
VERIFIER_BYTES = slice(8, 16)
"""Where the PIN verifier lies in the identity."""
EMPTY_BLOCK = bytes(BLOCK_BYTES)
SLOT_BYTES = 3 * BLOCK_BYTES
EMPTY_SLOT = bytes(SLOT_BYTES)
assert len(LOAD_BLOCKS[0]) * BLOCK_BYTES == RECORD_BYTES + 64

_PURSE = struct.Struct(">BBIiiBx")
_MARK = struct.Struct(">II")
_IDENTITY = struct.Struct(">BBHI8s8x")


@dataclass(frozen=True, slots=True)
class BlockWrite:
    """Sixteen bytes for one block; the order of writes is part of a plan."""

    block: int
    data: bytes


@dataclass(frozen=True, slots=True)
class ClassicImage:
    """The raw blocks of one read: 32 bytes of identity, 48 bytes per slot, and the signed load where it was read."""

    uid: bytes
    key_set: int
    identity: bytes
    slots: tuple[bytes, bytes]
    load: SignedLoad | None = None


def key_set_block(key_set: int, load_set: int) -> bytes:
    """Block 1: the set of the card's keys, and that of the load sectors where it is another."""
    return bytes((key_set, 0 if load_set == key_set else load_set)).ljust(BLOCK_BYTES, b"\x00")


def encode_identity(identity: Identity, uid: bytes, mac8: Mac8) -> bytes:
    """The 32 bytes of the identity blocks: version, class, generation, card, PIN verifier, zeros, MAC8."""
    body = _identity_body(identity)
    return body + mac8(_mac_input(uid, IDENTITY_BLOCKS, body))


def decode_identity(raw: bytes, uid: bytes, mac8: Mac8) -> Identity | None:
    """Read the identity blocks; None where the MAC does not hold for this UID, or a reserved byte is not zero."""
    body, mac = raw[:24], raw[24:]
    if not same_bytes(mac, mac8(_mac_input(uid, IDENTITY_BLOCKS, body))):
        return None
    version, card_class, generation, card, pin = _IDENTITY.unpack(body)
    if version != 1 or card_class not in CardClass._value2member_map_ or not card or not generation:
        return None
    found = Identity(CardNo(card), Generation(generation), CardClass(card_class), b"" if pin == bytes(8) else pin)
    return found if _identity_body(found) == body else None


def _identity_body(identity: Identity) -> bytes:
    return _IDENTITY.pack(1, identity.card_class, identity.generation, identity.card, identity.pin_verifier)


def encode_slot(purse: Purse, key_set: int, uid: bytes, slot: int, mac8: Mac8) -> bytes:
    """The 48 bytes of a slot: purse, limits and mark block."""
    body = _slot_body(purse, key_set)
    return body + mac8(_mac_input(uid, SLOT_BLOCKS[slot], body))


def _slot_body(purse: Purse, key_set: int) -> bytes:
    spent = purse.spent
    assert 0 <= spent.day_cents <= SPENT_CENTS_MAX and 0 <= spent.month_cents <= SPENT_CENTS_MAX
    body = (
        _PURSE.pack(1, key_set, purse.counter, purse.main_cents, purse.subsidy_cents, purse.load_copy)
        + spent.day.to_bytes(2)
        + spent.day_cents.to_bytes(3)
        + spent.month.to_bytes(2)
        + spent.month_cents.to_bytes(3)
        + bytes((spent.meal, spent.meal_count, purse.pin_tries, purse.period))
        + purse.load_seq.to_bytes(2)
        + _MARK.pack(purse.mark.tno, purse.mark.seq)
    )
    assert len(body) == 40
    return body


def decode_slot(raw: bytes, uid: bytes, slot: int, mac8: Mac8) -> Purse | None:
    """Read a slot; None where it is torn, empty, copied from elsewhere, or not exactly as `encode_slot` writes it."""
    body, mac = raw[:40], raw[40:]
    if len(raw) != SLOT_BYTES or body[0] != 1 or not same_bytes(mac, mac8(_mac_input(uid, SLOT_BLOCKS[slot], body))):
        return None
    _, key_set, counter, main, subsidy, load_copy = _PURSE.unpack(body[:16])
    if min(main, subsidy) < -PURSE_CENTS_MAX:
        return None
    limits, (tno, seq) = body[16:32], _MARK.unpack(body[32:40])
    spent = Spent(
        BusinessDay(int.from_bytes(limits[0:2])),
        Cents(int.from_bytes(limits[2:5])),
        Month(int.from_bytes(limits[5:7])),
        Cents(int.from_bytes(limits[7:10])),
        limits[10],
        limits[11],
    )
    purse = Purse(
        Counter(counter),
        Cents(main),
        Cents(subsidy),
        spent,
        limits[12],
        limits[13],
        LoadSeq(int.from_bytes(limits[14:16])),
        load_copy & 1,
        Mark(Tno(tno), Seq(seq)),
    )
    return purse if _slot_body(purse, key_set) == body else None


def read_card(image: ClassicImage, mac8: Mac8) -> CardRead | None:
    """Make sense of the raw blocks; None where the identity is not ours."""
    identity = decode_identity(image.identity, image.uid, mac8)
    if identity is None:
        return None
    purses = tuple(decode_slot(raw, image.uid, slot, mac8) for slot, raw in enumerate(image.slots))
    in_force = current_slot(purses)
    purse = purses[in_force]
    load = image.load if purse is not None and purse.load_seq else None
    return CardRead(
        Technology.CLASSIC,
        image.uid,
        image.key_set,
        identity,
        purse,
        tuple(_seen(found) for found in purses),
        load.record if load else None,
        load,
        in_force,
    )


def current_slot(purses: tuple[Purse | None, ...]) -> int:
    """The index of the valid slot with the highest counter; 0 where none is valid."""
    return max(range(len(purses)), key=lambda slot: -1 if (purse := purses[slot]) is None else purse.counter)


def step_plan(change: PurseChange, mac8: Mac8) -> tuple[BlockWrite, ...]:
    """The block writes of one step, in order: a new load record into its spare copy, then the spare slot, mark last.

    The slot is the commit: until its mark block is whole, the old slot and the old record are in force.
    """
    before, after = change.before, change.after
    spare = 1 - before.slot
    writes: list[BlockWrite] = []
    if change.load is not None:
        assert after.load_copy == 1 - change.purse_before.load_copy
        writes += block_writes(LOAD_BLOCKS[after.load_copy], encode_load(change.load))
    writes += block_writes(SLOT_BLOCKS[spare], encode_slot(after, before.key_set, before.uid, spare, mac8))
    return tuple(writes)


@dataclass(frozen=True, slots=True)
class FirmPlan:
    """How to make a card definite: what it says, and the writes that make it say so for ever."""

    outcome: Outcome
    writes: tuple[BlockWrite, ...]


def firm_plan(intended: Mark, counter_after: Counter, now: CardRead, mac8: Mac8) -> FirmPlan:
    """Decide nothing from one read of a torn slot: write it whole again, or let it hold what the slot in force holds.

    A torn write leaves weak bits that may read as valid now and as invalid at the next till. The slot in force may have
    such bits too, of an earlier tear: so it is written again, once its copy stands in the other slot. A card that made
    a step elsewhere since then (another mark at that counter, or a higher counter) is left as it is.
    """
    outcome = what_became_of(intended, counter_after, now)
    purse = now.purse
    if purse is not None and (purse.mark, purse.counter) == (intended, counter_after):
        whole = encode_slot(purse, now.key_set, now.uid, now.slot, mac8)
        return FirmPlan(outcome, block_writes(SLOT_BLOCKS[now.slot], whole))
    if purse is not None and purse.counter == counter_after - 1:
        copy, again = (
            block_writes(SLOT_BLOCKS[slot], encode_slot(purse, now.key_set, now.uid, slot, mac8))
            for slot in (1 - now.slot, now.slot)
        )
        return FirmPlan(outcome, (*reversed(copy), *again))
    return FirmPlan(outcome, ())


def blank_plan(identity: Identity, purse: Purse, key_set: int, uid: bytes, mac8: Mac8) -> tuple[BlockWrite, ...]:
    """The data blocks of a newly personalised card: identity, slot 0 in force, slot 1 and both records empty."""
    return (
        BlockWrite(KEY_SET_BLOCK, key_set_block(key_set, key_set)),
        *block_writes(IDENTITY_BLOCKS, encode_identity(identity, uid, mac8)),
        *block_writes(SLOT_BLOCKS[1], EMPTY_SLOT),
        *(BlockWrite(block, EMPTY_BLOCK) for copy in LOAD_BLOCKS for block in copy),
        *block_writes(SLOT_BLOCKS[0], encode_slot(purse, key_set, uid, 0, mac8)),
    )


def load_from_blocks(blocks: tuple[bytes, ...]) -> SignedLoad | None:
    """Join the six blocks of a load record copy; None where it is malformed."""
    return decode_load(b"".join(blocks))


def block_writes(numbers: tuple[int, ...], raw: bytes) -> tuple[BlockWrite, ...]:
    """Bytes cut into writes of these blocks, in this order."""
    assert len(raw) == len(numbers) * BLOCK_BYTES
    return tuple(
        BlockWrite(number, raw[index * BLOCK_BYTES : (index + 1) * BLOCK_BYTES]) for index, number in enumerate(numbers)
    )


def _mac_input(uid: bytes, blocks: tuple[int, ...], body: bytes) -> bytes:
    return uid.rjust(8, b"\x00") + bytes(blocks) + body


def _seen(purse: Purse | None) -> SeenStep:
    if purse is None:
        return SeenStep()
    return SeenStep(1, purse.mark.tno, purse.mark.seq, purse.counter, purse.main_cents, purse.subsidy_cents)
