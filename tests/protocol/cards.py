"""Cards in memory for the tests: blocks that can be written, torn, and read again; and purses of any content."""

import dataclasses
from collections.abc import Iterable

from hypothesis import strategies as st

from protocol.ids import CardNo, Counter, Generation, LoadSeq, Seq, Tno
from protocol.instants import BusinessDay, Month
from protocol.load_record import SIGNED_LOAD_BYTES
from protocol.money import Cents
from protocol.purse import CardClass, CardRead, Identity, Mark, Purse, Spent
from protocol.purse_classic import (
    IDENTITY_BLOCKS,
    LOAD_BLOCKS,
    SLOT_BLOCKS,
    BlockWrite,
    ClassicImage,
    blank_plan,
    current_slot,
    decode_slot,
    load_from_blocks,
    read_card,
)
from protocol.signing import Mac8

u8, u16, u24, u32 = (st.integers(0, 2**bits - 1) for bits in (8, 16, 24, 32))
i32 = st.integers(-(2**31) + 1, 2**31 - 1)

spents = st.builds(Spent, u16.map(BusinessDay), u24.map(Cents), u16.map(Month), u24.map(Cents), u8, u8)
marks = st.builds(Mark, u32.map(Tno), u32.map(Seq))
purses = st.builds(
    Purse,
    u32.map(Counter),
    i32.map(Cents),
    i32.map(Cents),
    spents,
    u8,
    u8,
    u16.map(LoadSeq),
    st.integers(0, 1),
    marks,
)
identities = st.builds(
    Identity,
    st.integers(1, 2**32 - 1).map(CardNo),
    st.integers(1, 2**16 - 1).map(Generation),
    st.sampled_from(CardClass),
    st.one_of(st.just(b""), st.binary(min_size=8, max_size=8).filter(any)),
)


@dataclasses.dataclass
class Blocks:
    """A MIFARE Classic as its blocks; a write may stop anywhere."""

    uid: bytes
    mac8: Mac8
    key_set: int
    data: dict[int, bytes]

    @classmethod
    def blank(cls, uid: bytes, mac8: Mac8, identity: Identity, purse: Purse, key_set: int = 3) -> "Blocks":
        """A newly personalised card."""
        card = cls(uid, mac8, key_set, {})
        card.write(blank_plan(identity, purse, key_set, uid, mac8))
        return card

    def write(self, writes: Iterable[BlockWrite]) -> None:
        """Write blocks in order."""
        for write in writes:
            assert len(write.data) == 16
            self.data[write.block] = write.data

    def joined(self, numbers: tuple[int, ...]) -> bytes:
        """Some blocks in a row."""
        return b"".join(self.data[number] for number in numbers)

    def image(self) -> ClassicImage:
        """What a reader gets, as the driver puts it together."""
        slots = (self.joined(SLOT_BLOCKS[0]), self.joined(SLOT_BLOCKS[1]))
        purses = tuple(decode_slot(raw, self.uid, slot, self.mac8) for slot, raw in enumerate(slots))
        purse = purses[current_slot(purses)]
        load = None
        if purse is not None and purse.load_seq:
            raw = self.joined(LOAD_BLOCKS[purse.load_copy])
            assert len(raw) == SIGNED_LOAD_BYTES
            load = load_from_blocks(tuple(self.data[number] for number in LOAD_BLOCKS[purse.load_copy]))
        return ClassicImage(self.uid, self.key_set, self.joined(IDENTITY_BLOCKS), slots, load)

    def read(self) -> CardRead:
        """One authenticated read of a card of ours."""
        read = read_card(self.image(), self.mac8)
        assert read is not None
        return read

    def copy(self) -> "Blocks":
        """The same blocks on another piece of plastic."""
        return dataclasses.replace(self, data=dict(self.data))
