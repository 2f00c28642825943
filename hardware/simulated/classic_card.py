"""A virtual MIFARE Classic 1K or 4K behind a PC/SC reader: the reader's pseudo-APDUs in, the chip's rules inside.

Sources: PC/SC part 3 rev 2.01.09 section 3.2.2 (FF CA, FF 82, FF 86, FF B0, FF D6 and their status words) and
NXP MF1S50YYX_V1 (memory, keys, access conditions). Value operations are left out: nothing here uses them.
The CRYPTO1 cipher itself is not played: the reader does it, and nobody above the reader sees it.
"""

from collections.abc import Callable

import msgspec

from hardware.simulated.access_bits import KEY_A, KEY_B, TRANSPORT_BYTES, SectorRules, sector_rules
from hardware.simulated.tearing import CardTorn, Field, Moment, Rest, Tear, WeakBits

BLOCK_BYTES = 16
SMALL_SECTORS, SMALL_SECTOR_BLOCKS, LARGE_SECTOR_BLOCKS = 32, 4, 16
BLOCKS_1K, BLOCKS_4K = 64, 256
TRANSPORT_KEY = bytes.fromhex("ffffffffffff")
KEY_BYTES = 6
READER_KEY_SLOTS = 2

OK = b"\x90\x00"
FAILED = b"\x63\x00"
NOT_ALLOWED = b"\x69\x82"
WRONG_LENGTH = b"\x67\x00"
NOT_SUPPORTED = b"\x6a\x81"
WRONG_ADDRESS = b"\x6a\x82"
UNKNOWN_INSTRUCTION = b"\x6d\x00"
UNKNOWN_CLASS = b"\x6e\x00"

_KEY_KINDS = {0x60: KEY_A, 0x61: KEY_B}


class ClassicState(msgspec.Struct):
    """Everything such a card keeps without power; copy it to clone the card, write it to JSON to keep the card."""

    uid: bytes
    blocks: list[bytes]
    weak: dict[int, bytes] = msgspec.field(default_factory=dict[int, bytes])
    """Block number to a mask of 16 bytes: the bits that a torn write left between zero and one."""


def blank_classic(uid: bytes, *, blocks: int = BLOCKS_1K) -> ClassicState:
    """A card as it leaves the factory: transport keys, everything else zero (MF1S50YYX_V1 sections 8.6 and 8.7)."""
    if len(uid) not in (4, 7) or blocks not in (BLOCKS_1K, BLOCKS_4K):
        raise ValueError("a MIFARE Classic has a UID of 4 or 7 bytes and 64 or 256 blocks")
    trailer = TRANSPORT_KEY + TRANSPORT_BYTES + TRANSPORT_KEY
    content = [trailer if block == trailer_of(block) else bytes(BLOCK_BYTES) for block in range(blocks)]
    check = bytes((uid[0] ^ uid[1] ^ uid[2] ^ uid[3],)) if len(uid) == 4 else b""
    content[0] = (uid + check).ljust(BLOCK_BYTES, b"\x00")
    return ClassicState(uid, content)


def sector_of(block: int) -> int:
    """The sector a block is in."""
    small = SMALL_SECTORS * SMALL_SECTOR_BLOCKS
    return block // SMALL_SECTOR_BLOCKS if block < small else SMALL_SECTORS + (block - small) // LARGE_SECTOR_BLOCKS


def trailer_of(block: int) -> int:
    """The trailer of the sector a block is in."""
    return block | (SMALL_SECTOR_BLOCKS if block < SMALL_SECTORS * SMALL_SECTOR_BLOCKS else LARGE_SECTOR_BLOCKS) - 1


def no_weak_bits() -> int:
    """A source for callers that plan no weak bits: they all read as zero."""
    return 0


class VirtualClassic:
    """One card; `process` answers one APDU. Authentication holds for one sector and ends with any failure."""

    def __init__(self, state: ClassicState, weak_bits: WeakBits = no_weak_bits) -> None:
        self._state = state
        self.weak_bits = weak_bits
        """What weak bits read as this time; may be exchanged for another source."""
        self.field = Field()
        self._reader_keys: dict[int, bytes] = {}
        self._opened: tuple[int, str] | None = None
        self._commands: dict[int, Callable[[bytes], bytes]] = {
            0xCA: self._get_data,
            0x82: self._load_key,
            0x86: self._authenticate,
            0xB0: self._read,
            0xD6: self._update,
        }

    @property
    def uid(self) -> bytes:
        """The card's UID, 4 or 7 bytes."""
        return self._state.uid

    @property
    def atr(self) -> bytes:
        """What a PC/SC reader makes up for a storage card (PC/SC part 3 section 3.1.3.2.3): 1K is 0001, 4K is 0002."""
        name = 2 if len(self._state.blocks) == BLOCKS_4K else 1
        body = bytes.fromhex("8f8001804f0ca00000030603") + name.to_bytes(2) + bytes(4)
        check = 0
        for byte in body:
            check ^= byte
        return b"\x3b" + body + bytes((check,))

    def reset(self) -> None:
        """Power up anew: nothing is authenticated, the reader's volatile keys are gone."""
        self._opened = None
        self._reader_keys.clear()

    def put_back(self) -> None:
        """Bring the card into the field (again)."""
        self.reset()
        self.field.put_back()

    def arm(self, tear: Tear | None) -> None:
        """Plan a tear, counted from the next exchange; None calls it off."""
        self.field.arm(tear)

    def snapshot(self) -> ClassicState:
        """A copy of everything the card keeps: to persist it, to clone it, or to roll it back later."""
        state = self._state
        return ClassicState(state.uid, list(state.blocks), dict(state.weak))

    def restore(self, state: ClassicState) -> None:
        """Make the card what a snapshot says, as a cloner would; a session ends."""
        self._state = ClassicState(state.uid, list(state.blocks), dict(state.weak))
        self.reset()

    def process(self, apdu: bytes) -> bytes:
        """Answer one APDU with data and status word. Raises CardTorn when the card is, or goes, away."""
        self.field.require_present()
        if len(apdu) < 4:
            return WRONG_LENGTH
        if apdu[0] != 0xFF:
            return UNKNOWN_CLASS
        command = self._commands.get(apdu[1])
        return command(apdu) if command else UNKNOWN_INSTRUCTION

    def _get_data(self, apdu: bytes) -> bytes:
        return self._state.uid + OK if apdu[2:4] == b"\x00\x00" else NOT_SUPPORTED

    def _load_key(self, apdu: bytes) -> bytes:
        slot = apdu[3]
        if len(apdu) != 5 + KEY_BYTES or apdu[4] != KEY_BYTES:
            return WRONG_LENGTH
        if apdu[2] not in (0x00, 0x20) or slot >= READER_KEY_SLOTS:
            return FAILED
        self._reader_keys[slot] = apdu[5:]
        return OK

    def _authenticate(self, apdu: bytes) -> bytes:
        if len(apdu) != 10 or apdu[4] != 5 or apdu[5] != 1:
            return WRONG_LENGTH
        block, kind, key = apdu[7], _KEY_KINDS.get(apdu[8]), self._reader_keys.get(apdu[9])
        if kind is None or key is None or block >= len(self._state.blocks):
            return FAILED
        tear = self.field.next_exchange()
        trailer = self._look_at(trailer_of(block))
        expected = trailer[:KEY_BYTES] if kind == KEY_A else trailer[-KEY_BYTES:]
        opened = sector_rules(trailer[6:9]) is not None and key == expected
        self._opened = (sector_of(block), kind) if opened else None
        return self._answer(OK if opened else FAILED, tear)

    def _read(self, apdu: bytes) -> bytes:
        block = apdu[3]
        if len(apdu) != 5 or apdu[4] != BLOCK_BYTES:
            return WRONG_LENGTH
        if block >= len(self._state.blocks):
            return WRONG_ADDRESS
        tear = self.field.next_exchange()
        opened = self._opened_rules(block)
        if opened is None:
            return self._refuse(tear)
        rules, kind = opened
        content = self._look_at(block)
        if block == trailer_of(block):
            return self._answer(_visible_trailer(content, rules, kind) + OK, tear)
        if kind not in rules.data[_group_of(block)].read:
            return self._refuse(tear)
        return self._answer(content + OK, tear)

    def _update(self, apdu: bytes) -> bytes:
        block, data = apdu[3], apdu[5:]
        if len(data) != BLOCK_BYTES or apdu[4] != BLOCK_BYTES:
            return WRONG_LENGTH
        if block >= len(self._state.blocks):
            return WRONG_ADDRESS
        tear = self.field.next_exchange()
        opened = self._opened_rules(block)
        if opened is None or block == 0:
            return self._refuse(tear)
        rules, kind = opened
        if block == trailer_of(block):
            whole = _merged_trailer(self._state.blocks[block], data, rules, kind)
            if whole is None:
                return self._refuse(tear)
            data = whole
        elif kind not in rules.data[_group_of(block)].write:
            return self._refuse(tear)
        self._store(block, data, tear)
        return self._answer(OK, tear)

    def _opened_rules(self, block: int) -> tuple[SectorRules, str] | None:
        """The rules of the sector that is open, and by which key; None where this block's sector is not open."""
        if self._opened is None or self._opened[0] != sector_of(block):
            return None
        rules = sector_rules(self._look_at(trailer_of(block))[6:9])
        kind = self._opened[1]
        if rules is None or (kind == KEY_B and not rules.key_b_opens):
            return None
        return rules, kind

    def _look_at(self, block: int) -> bytes:
        """What the cells of a block read as this time."""
        content = self._state.blocks[block]
        mask = self._state.weak.get(block)
        if mask is None:
            return content
        return bytes(
            byte & ~weak & 0xFF | self.weak_bits() & weak if weak else byte
            for byte, weak in zip(content, mask, strict=True)
        )

    def _store(self, block: int, data: bytes, tear: Tear | None) -> None:
        """Write a block; a tear in the middle leaves new bytes, one byte with weak bits, and a rest."""
        if tear is None or tear.moment is not Moment.DURING:
            self._state.blocks[block] = data
            self._state.weak.pop(block, None)
            return
        cut, old = tear.bytes_written, self._state.blocks[block]
        rest = {Rest.OLD: old, Rest.ZEROS: bytes(BLOCK_BYTES), Rest.ONES: b"\xff" * BLOCK_BYTES}[tear.rest]
        old_mask = self._state.weak.get(block, bytes(BLOCK_BYTES)) if tear.rest is Rest.OLD else bytes(BLOCK_BYTES)
        self._state.blocks[block] = data[: cut + 1] + rest[cut + 1 :]
        self._state.weak[block] = bytes(cut) + bytes((tear.weak_mask,)) + old_mask[cut + 1 :]

    def _refuse(self, tear: Tear | None) -> bytes:
        self._opened = None
        return self._answer(NOT_ALLOWED, tear)

    def _answer(self, answer: bytes, tear: Tear | None) -> bytes:
        if tear is not None:
            raise CardTorn("the card left before its answer")
        return answer


def _group_of(block: int) -> int:
    """Which of a sector's three data groups a block is in: one block each, or five in the large sectors of a 4K."""
    if block < SMALL_SECTORS * SMALL_SECTOR_BLOCKS:
        return block % SMALL_SECTOR_BLOCKS
    return block % LARGE_SECTOR_BLOCKS // 5


def _visible_trailer(trailer: bytes, rules: SectorRules, kind: str) -> bytes:
    """A trailer as the open key sees it: key A is always zeros, the other parts where they may be read."""
    bits = trailer[6:10] if kind in rules.trailer.read_bits else bytes(4)
    key_b = trailer[10:] if kind in rules.trailer.read_b else bytes(KEY_BYTES)
    return bytes(KEY_BYTES) + bits + key_b


def _merged_trailer(old: bytes, new: bytes, rules: SectorRules, kind: str) -> bytes | None:
    """A trailer after a write: each part changes only where the open key may write it; None where it may write none."""
    rule = rules.trailer
    if kind not in rule.write_a + rule.write_bits + rule.write_b:
        return None
    key_a = new[:6] if kind in rule.write_a else old[:6]
    bits = new[6:10] if kind in rule.write_bits else old[6:10]
    key_b = new[10:] if kind in rule.write_b else old[10:]
    return key_a + bits + key_b
