"""The Classic purse: its bytes, its two slots, and what a card torn at any place says afterwards."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.ids import Counter, LoadSeq, Seq, Tno
from protocol.load_record import sign_load
from protocol.money import Cents
from protocol.purse import Identity, LoadRecord, Mark, Outcome, Purse, PurseChange, Right, SeenStep
from protocol.purse_classic import (
    BLOCK_BYTES,
    EMPTY_SLOT,
    IDENTITY_BLOCKS,
    LOAD_BLOCKS,
    SLOT_BLOCKS,
    SLOT_BYTES,
    decode_identity,
    decode_slot,
    encode_identity,
    encode_slot,
    firm_plan,
    read_card,
    step_plan,
)
from protocol.signing import mac8_with
from tests.protocol.cards import Blocks, identities, purses
from tests.protocol.golden import cards, golden
from tests.protocol.samples import CLASSIC_UID as UID
from tests.protocol.samples import IDENTITY, LOAD_KEY, MAC8, PURSE, RECORD

OTHER_UID = bytes.fromhex("04a1b2c4")
OURS, THEIRS = Mark(Tno(41), Seq(9)), Mark(Tno(50), Seq(3))
FIRST = dataclasses.replace(PURSE, load_seq=LoadSeq(0), load_copy=0)


def fresh() -> Blocks:
    return Blocks.blank(UID, MAC8, IDENTITY, FIRST)


def debit(card: Blocks, mark: Mark = OURS, cents: int = -100) -> PurseChange:
    read = card.read()
    assert read.purse is not None
    return PurseChange(read, read.purse.stepped(mark, main_cents=cents))


def test_the_bytes_of_a_classic_purse_never_change() -> None:
    """Cards in students' pockets carry these bytes."""
    stored = golden("cards")["classic"]
    assert cards()["classic"] == stored
    assert stored["slot_0"][:80] == ("01030000000b000013880000012c0100512c00051402aa00b2200201010600020000002800000007")
    assert stored["slot_0"][:80] == stored["slot_1"][:80] and stored["slot_0"][80:] != stored["slot_1"][80:]
    assert stored["identity"][:48] == "01010001000003e9a0a1a2a3a4a5a6a70000000000000000"


@given(purses, st.integers(0, 255), st.integers(0, 1))
def test_a_purse_survives_its_bytes(purse: Purse, key_set: int, slot: int) -> None:
    raw = encode_slot(purse, key_set, UID, slot, MAC8)
    assert len(raw) == SLOT_BYTES and decode_slot(raw, UID, slot, MAC8) == purse


@given(identities)
def test_an_identity_survives_its_bytes(identity: Identity) -> None:
    assert decode_identity(encode_identity(identity, UID, MAC8), UID, MAC8) == identity


@given(purses, st.integers(0, SLOT_BYTES * 8 - 1))
def test_one_flipped_bit_makes_a_slot_invalid(purse: Purse, bit: int) -> None:
    raw = bytearray(encode_slot(purse, 3, UID, 0, MAC8))
    raw[bit // 8] ^= 1 << bit % 8
    assert decode_slot(bytes(raw), UID, 0, MAC8) is None


@given(purses)
def test_a_slot_copied_anywhere_else_is_refused(purse: Purse) -> None:
    raw = encode_slot(purse, 3, UID, 0, MAC8)
    assert decode_slot(raw, UID, 1, MAC8) is None, "the other slot of the same card"
    assert decode_slot(raw, OTHER_UID, 0, MAC8) is None, "another card"
    assert decode_slot(raw, UID + b"\x00\x00\x00", 0, MAC8) is None, "a card whose longer UID begins the same"
    assert decode_slot(raw, UID, 0, mac8_with(bytes(16))) is None, "another key"


def test_an_identity_copied_to_another_card_is_refused() -> None:
    raw = encode_identity(IDENTITY, UID, MAC8)
    assert decode_identity(raw, OTHER_UID, MAC8) is None
    card = fresh()
    card.uid = OTHER_UID
    assert read_card(card.image(), MAC8) is None


@given(st.binary(max_size=64))
def test_other_bytes_are_no_purse_and_no_identity(raw: bytes) -> None:
    assert decode_slot(raw, UID, 0, MAC8) is None
    assert decode_identity(raw, UID, MAC8) is None


@pytest.mark.parametrize(("place", "value"), [(0, 0), (0, 2), (1, 0), (1, 4), (3, 0), (7, 0)])
def test_an_identity_of_another_make_is_refused(place: int, value: int) -> None:
    """A well MACed identity of another version or class, or without a number: no entry could name it."""
    body = bytearray.fromhex("010100010000000ea0a1a2a3a4a5a6a70000000000000000")
    body[place] = value
    raw = bytes(body) + MAC8(UID.rjust(8, b"\x00") + bytes(IDENTITY_BLOCKS) + bytes(body))
    assert decode_identity(raw, UID, MAC8) is None


def test_a_new_card_reads_as_it_was_personalised() -> None:
    read = fresh().read()
    assert (read.purse, read.slot, read.load, read.loaded) == (FIRST, 0, None, None)
    assert read.last == (
        SeenStep(1, FIRST.mark.tno, FIRST.mark.seq, FIRST.counter, FIRST.main_cents, FIRST.subsidy_cents),
        SeenStep(),
    )
    assert read.identity == IDENTITY and read.key_set == 3


def test_steps_alternate_between_the_slots_with_the_mark_last() -> None:
    card = fresh()
    for step in range(1, 5):
        change = debit(card, Mark(Tno(41), Seq(step)))
        writes = step_plan(change, MAC8)
        spare = 1 - change.before.slot
        assert [write.block for write in writes] == list(SLOT_BLOCKS[spare])
        card.write(writes)
        assert card.read().purse == change.after
        assert card.read().slot == spare
    assert {seen.counter for seen in card.read().last} == {14, 15}


@pytest.mark.parametrize(("at", "value"), [(14, 2), (14, 0x81), (15, 1)])
def test_a_slot_whose_reserved_bytes_are_used_is_not_ours(at: int, value: int) -> None:
    """The MAC holds: a later version that means something by them must not be read as this one."""
    raw = bytearray(encode_slot(PURSE, 3, UID, 0, MAC8))
    raw[at] = value
    raw[40:] = MAC8(UID.rjust(8, b"\x00") + bytes(SLOT_BLOCKS[0]) + raw[:40])
    assert decode_slot(bytes(raw), UID, 0, MAC8) is None


@pytest.mark.parametrize("at", [16, 20, 23])
def test_an_identity_whose_reserved_bytes_are_used_is_not_ours(at: int) -> None:
    raw = bytearray(encode_identity(IDENTITY, UID, MAC8))
    raw[at] = 1
    raw[24:] = MAC8(UID.rjust(8, b"\x00") + bytes((4, 5)) + raw[:24])
    assert decode_identity(bytes(raw), UID, MAC8) is None


@given(st.integers(0, 3), st.binary(min_size=BLOCK_BYTES, max_size=BLOCK_BYTES), st.integers(0, 3))
def test_a_torn_step_leaves_the_old_purse_or_the_new_one(whole: int, torn: bytes, steps_before: int) -> None:
    """Some blocks written, the next one with any content: never a third purse, never none."""
    card = fresh()
    for step in range(steps_before):
        card.write(step_plan(debit(card, Mark(Tno(40), Seq(step + 1))), MAC8))
    change = debit(card)
    writes = step_plan(change, MAC8)
    card.write(writes[:whole])
    if whole < len(writes):
        card.data[writes[whole].block] = torn
    expected = (
        change.after
        if card.joined(SLOT_BLOCKS[1 - change.before.slot]) == b"".join(write.data for write in writes)
        else change.purse_before
    )
    assert card.read().purse == expected


def load_change(card: Blocks, load_seq: int, total: int) -> PurseChange:
    read = card.read()
    assert read.purse is not None
    record = LoadRecord(*IDENTITY.key, LoadSeq(load_seq), Cents(total), period=RECORD.period)
    signed = sign_load(record, LOAD_KEY)
    after = read.purse.stepped(
        Mark(Tno(60), Seq(load_seq)), main_cents=total - (read.loaded.loaded_total_cents if read.loaded else 0)
    )
    after = dataclasses.replace(after, load_seq=record.load_seq, load_copy=1 - read.purse.load_copy)
    return PurseChange(read, after, Right.CREDIT, signed)


@given(st.integers(0, 9), st.binary(min_size=BLOCK_BYTES, max_size=BLOCK_BYTES), st.booleans())
def test_a_torn_load_leaves_the_old_record_in_force(whole: int, torn: bytes, again: bool) -> None:
    """The slot is the commit: a newer record whose slot was not written is an unfinished load."""
    card = fresh()
    first = load_change(card, 1, 3_000)
    if again:
        card.write(step_plan(first, MAC8))
    change = load_change(card, 2, 5_000)
    writes = step_plan(change, MAC8)
    assert [write.block for write in writes[:6]] == list(LOAD_BLOCKS[change.after.load_copy])
    before = card.read()
    card.write(writes[:whole])
    if whole < len(writes) and torn != writes[whole].data:
        card.data[writes[whole].block] = torn
    now = card.read()
    if whole == len(writes):
        assert (now.purse, now.load) == (change.after, change.load)
        assert now.loaded is not None and now.loaded.loaded_total_cents == 5_000
    else:
        assert (now.purse, now.load, now.loaded) == (before.purse, before.load, before.loaded)


def made_firm(card: Blocks) -> tuple[Outcome, Blocks]:
    """What the card is called, and the card after the writes that make it say so."""
    plan = firm_plan(OURS, Counter(FIRST.counter + 1), card.read(), MAC8)
    firm = card.copy()
    firm.write(plan.writes)
    assert firm_plan(OURS, Counter(FIRST.counter + 1), firm.read(), MAC8).outcome is plan.outcome
    return plan.outcome, firm


def test_a_step_that_reads_as_written_is_written_again_in_full() -> None:
    """Weak bits read as valid now and might read as invalid at the next till."""
    card = fresh()
    change = debit(card)
    card.write(step_plan(change, MAC8))
    plan = firm_plan(OURS, change.after.counter, card.read(), MAC8)
    assert plan.outcome is Outcome.WRITTEN and plan.writes == step_plan(change, MAC8)
    outcome, firm = made_firm(card)
    assert outcome is Outcome.WRITTEN and firm.read().purse == change.after


def test_a_step_that_reads_as_not_written_gives_way_to_a_copy_of_the_slot_in_force() -> None:
    """Weak bits read as invalid now and might read as valid at the next till: the slot must lose its mark first. The
    slot in force may have such bits as well: with its copy beside it, it is written again."""
    card = fresh()
    change = debit(card)
    card.write(step_plan(change, MAC8)[:2])
    plan = firm_plan(OURS, change.after.counter, card.read(), MAC8)
    assert plan.outcome is Outcome.NOT_WRITTEN
    assert [write.block for write in plan.writes] == [*reversed(SLOT_BLOCKS[1]), *SLOT_BLOCKS[0]]
    outcome, firm = made_firm(card)
    assert outcome is Outcome.NOT_WRITTEN
    assert firm.read().purse == FIRST
    firm.data.update(dict.fromkeys(SLOT_BLOCKS[0], EMPTY_SLOT[:BLOCK_BYTES]))
    assert firm.read().purse == FIRST


@given(st.integers(0, 6))
def test_a_card_torn_again_while_it_is_made_firm_still_decides_the_same(whole: int) -> None:
    card = fresh()
    card.write(step_plan(debit(card), MAC8)[:2])
    plan = firm_plan(OURS, Counter(FIRST.counter + 1), card.read(), MAC8)
    card.write(plan.writes[:whole])
    assert made_firm(card)[0] is Outcome.NOT_WRITTEN


def test_another_terminal_s_step_at_the_same_counter_stays_as_it_is() -> None:
    card = fresh()
    card.write(step_plan(debit(card, THEIRS), MAC8))
    plan = firm_plan(OURS, Counter(FIRST.counter + 1), card.read(), MAC8)
    assert (plan.outcome, plan.writes) == (Outcome.NOT_WRITTEN, ())


@pytest.mark.parametrize(
    ("marks", "outcome"),
    [
        ((OURS, THEIRS), Outcome.WRITTEN),
        ((THEIRS, Mark(Tno(50), Seq(4))), Outcome.NOT_WRITTEN),
        ((OURS, THEIRS, Mark(Tno(50), Seq(4))), Outcome.UNKNOWN),
    ],
)
def test_a_card_that_moved_on_is_left_alone(marks: tuple[Mark, ...], outcome: Outcome) -> None:
    """It remembers two steps: what it no longer remembers, only the other terminals' chains can tell."""
    card = fresh()
    for mark in marks:
        card.write(step_plan(debit(card, mark), MAC8))
    plan = firm_plan(OURS, Counter(FIRST.counter + 1), card.read(), MAC8)
    assert (plan.outcome, plan.writes) == (outcome, ())


def test_a_card_rolled_back_or_without_a_slot_proves_nothing() -> None:
    card = fresh()
    plan = firm_plan(OURS, Counter(FIRST.counter + 2), card.read(), MAC8)
    assert (plan.outcome, plan.writes) == (Outcome.UNKNOWN, ())
    card.data[SLOT_BLOCKS[0][2]] = bytes(BLOCK_BYTES)
    read = card.read()
    assert read.purse is None and read.last == (SeenStep(), SeenStep())
    assert firm_plan(OURS, Counter(FIRST.counter + 1), read, MAC8).writes == ()


def test_the_slot_with_the_higher_counter_is_in_force() -> None:
    card = fresh()
    card.write(step_plan(debit(card), MAC8))
    older = card.copy()
    card.write(step_plan(debit(card, THEIRS), MAC8))
    assert card.read().purse is not None and card.read().slot == 0
    rolled_back = card.copy()
    rolled_back.data.update(dict.fromkeys(SLOT_BLOCKS[0], EMPTY_SLOT[:BLOCK_BYTES]))
    assert rolled_back.read().purse == older.read().purse


def test_a_balance_that_no_entry_can_tell_makes_no_slot() -> None:
    raw = encode_slot(dataclasses.replace(PURSE, main_cents=Cents(-(2**31))), 1, UID, 0, MAC8)
    assert decode_slot(raw, UID, 0, MAC8) is None
