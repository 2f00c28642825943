"""The purse on a MIFARE Classic card: read both slots, write the spare one and read it back, make it definite.

    read     key set (2), identity (3), slots (4 + 4)                                                        13
             + the load record in force where the terminal does not know it (2 sectors, 6 blocks)            + 8
    write    the spare slot: open it (unless it is the one read last), 3 writes, 3 reads                     6 or 7
    sale     13 + 7 at most = 20 exchanges; loading keys into the reader is no exchange

A till holds key A and the MAC key; the load records are written under key B of their sectors, by load stations
only. The plans (which block, in which order) are in protocol/purse_classic.py, the access conditions in
classic_sectors.py.
"""

from dataclasses import replace

from hardware.cards.classic_sectors import KEY_A, KEY_B, PUBLIC_KEY_A, ClassicSectors, by_sector, sector_of
from hardware.cards.keys import CardKeys, KeysOfCard, Role
from hardware.ports import CardChannel, CardNotOurs, CardRefused, PurseUnreadable
from protocol.ids import Counter
from protocol.purse import CardRead, Identity, Mark, Purse, PurseChange, SeenStep, SignedLoad, Technology
from protocol.purse_classic import (
    BLOCK_BYTES,
    EMPTY_SLOT,
    IDENTITY_BLOCKS,
    KEY_SET_BLOCK,
    LOAD_BLOCKS,
    SLOT_BLOCKS,
    BlockWrite,
    ClassicImage,
    decode_identity,
    encode_slot,
    firm_plan,
    load_from_blocks,
    read_card,
    step_plan,
)

_NO_SLOTS = (EMPTY_SLOT, EMPTY_SLOT)
_READS_MAX = 4
"""How often the slots are read where none is valid: weak bits of a torn write may read as the mark at another time."""
_WEAK_BYTES_MAX = 1
"""Of a mark block that is known: so many bytes may never read as they were, for the slot to be still that one."""
_LOAD_SECTORS = frozenset(sector_of(block) for copy in LOAD_BLOCKS for block in copy)


class ClassicPurse:
    """A MIFARE Classic card of ours in the field; implements the port `PurseCard`."""

    technology = Technology.CLASSIC

    def __init__(self, channel: CardChannel, keys: CardKeys) -> None:
        self._channel = channel
        self._keys = keys
        self._sectors = ClassicSectors(channel)
        self._of_card: tuple[KeysOfCard, KeysOfCard | None] | None = None

    def read(self, load_record_known: SignedLoad | None = None) -> CardRead:
        """Read identity and both slots, and the load record in force unless it is the known one.

        Raises CardLeftField, CardNotOurs, CardRefused, PurseUnreadable.
        """
        identity = self._identify()
        try:
            return self._read_purse(identity, load_record_known)
        except (CardRefused, PurseUnreadable):
            return self._made_sense_of(identity, _NO_SLOTS, None)

    def write(self, change: PurseChange) -> CardRead:
        """Make one step and read it back. After any CardError its outcome is unknown."""
        mac8 = self._held_keys(change.before.key_set)[0].mac8(Role.CLASSIC_MAC)
        self._write_all(step_plan(change, mac8), change.before.key_set)
        return _after(change)

    def make_definite(self, intended: Mark, counter_after: Counter, tried: PurseChange | None = None) -> CardRead:
        """Write the slot of an intended step whole again, or the slot in force over it, and read the card anew.

        Raises as `read` and `write` do; then nothing is decided and the card must be tapped again.
        """
        load_known = (tried.load or tried.before.load) if tried else None
        now = self._read_purse(self._identify(), load_known)
        is_below = now.purse is None or now.purse.counter < counter_after - 1
        if tried is not None and is_below and self._builds_on(tried.before, now):
            now = tried.before
        mac8 = self._held_keys(now.key_set)[0].mac8(Role.CLASSIC_MAC)
        plan = firm_plan(intended, counter_after, now, mac8)
        if not plan.writes:
            return now
        self._write_all(plan.writes, now.key_set)
        return self._read_purse(self._identify(), now.load or load_known)

    def _builds_on(self, before: CardRead, now: CardRead) -> bool:
        """Whether the slot that a step was built on is still that one, but for a mark with weak bits.

        The mark decides: a step of another terminal since then may have left the same purse in that slot.
        """
        assert before.purse is not None and self._of_card is not None
        keys = self._of_card[0]
        if (before.uid, before.identity, before.key_set) != (now.uid, now.identity, now.key_set):
            return False
        *blocks, mark_block = SLOT_BLOCKS[before.slot]
        slot = encode_slot(before.purse, before.key_set, before.uid, before.slot, keys.mac8(Role.CLASSIC_MAC))
        if self._blocks(tuple(blocks), keys) != slot[:-BLOCK_BYTES]:
            return False
        other = set(range(BLOCK_BYTES))
        for _ in range(_READS_MAX):
            read = self._blocks((mark_block,), keys)
            other = {at for at in other if read[at] != slot[at - BLOCK_BYTES]}
        return len(other) <= _WEAK_BYTES_MAX

    def _identify(self) -> bytes:
        """The identity's blocks, found genuine."""
        self._sectors.forget_keys()
        keys, _ = self._of_card = self._find_keys()
        raw = self._blocks(IDENTITY_BLOCKS, keys)
        if decode_identity(raw, self._channel.uid, keys.mac8(Role.CLASSIC_MAC)) is None:
            raise PurseUnreadable("the identity is not genuine on this card")
        return raw

    def _read_purse(self, identity: bytes, load_known: SignedLoad | None) -> CardRead:
        assert self._of_card is not None
        keys, load_keys = self._of_card
        slots, read = _NO_SLOTS, None
        for _ in range(_READS_MAX):
            slots = self._blocks(SLOT_BLOCKS[0], keys), self._blocks(SLOT_BLOCKS[1], keys)
            read = self._made_sense_of(identity, slots, None)
            if read.purse is not None:
                break
        assert read is not None
        if read.purse is None or not read.purse.load_seq:
            return read
        return self._made_sense_of(identity, slots, self._load(read.purse, read.identity, load_known, load_keys))

    def _made_sense_of(self, identity: bytes, slots: tuple[bytes, bytes], load: SignedLoad | None) -> CardRead:
        assert self._of_card is not None
        keys = self._of_card[0]
        image = ClassicImage(self._channel.uid, keys.key_set, identity, slots, load)
        read = read_card(image, keys.mac8(Role.CLASSIC_MAC))
        assert read is not None, "the identity has been checked"
        return read

    def _find_keys(self) -> tuple[KeysOfCard, KeysOfCard | None]:
        """The card's keys, and those of its load sectors (None where their set is not held). Raises CardNotOurs.

        Block 1 names the key set in byte 0; byte 1 names the set of the frozen load sectors where it is another.
        """
        try:
            self._sectors.open(0, PUBLIC_KEY_A)
        except CardRefused as refused:
            raise CardNotOurs("sector 0 does not open under the public key") from refused
        key_set, load_set = self._sectors.read(KEY_SET_BLOCK)[:2]
        keys = self._keys.of_card(self._channel.uid, key_set)
        if keys is None:
            raise CardNotOurs(f"key set {key_set} is not held here")
        return keys, self._keys.of_card(self._channel.uid, load_set or key_set)

    def _held_keys(self, key_set: int) -> tuple[KeysOfCard, KeysOfCard | None]:
        if self._of_card is None or self._of_card[0].key_set != key_set:
            self._of_card = self._find_keys()
        return self._of_card

    def _blocks(self, blocks: tuple[int, ...], keys: KeysOfCard) -> bytes:
        """Blocks under the till's key A, of one or two sectors."""
        raw: list[bytes] = []
        for block in blocks:
            self._sectors.open(sector_of(block), keys.classic(Role.CLASSIC_TILL))
            raw.append(self._sectors.read(block))
        return b"".join(raw)

    def _load(self, purse: Purse, identity: Identity, known: SignedLoad | None, keys: KeysOfCard | None) -> SignedLoad:
        """The load record that the slot in force names: the known one, or the one on the card."""
        wanted = (*identity.key, purse.load_seq)
        if known is not None and _names(known) == wanted:
            return known
        if keys is None:
            raise CardNotOurs("the key set of the load sectors is not held here")
        raw = self._blocks(LOAD_BLOCKS[purse.load_copy], keys)
        load = load_from_blocks((raw,))
        if load is None or _names(load) != wanted:
            raise PurseUnreadable("the load record that the purse names is not on the card")
        return load

    def _write_all(self, writes: tuple[BlockWrite, ...], key_set: int) -> None:
        """Write a plan in its order; each sector is read back before the next one is touched."""
        keys, load_keys = self._held_keys(key_set)
        for sector, blocks in by_sector(writes):
            if sector in _LOAD_SECTORS:
                if load_keys is None:
                    raise CardNotOurs("the key set of the load sectors is not held here")
                self._sectors.open(sector, load_keys.classic(Role.CLASSIC_LOAD), KEY_B)
            else:
                self._sectors.open(sector, keys.classic(Role.CLASSIC_TILL), KEY_A)
            self._sectors.write_and_read_back(blocks)


def _names(load: SignedLoad) -> tuple[int, int, int]:
    record = load.record
    return record.card, record.generation, record.load_seq


def _after(change: PurseChange) -> CardRead:
    """What the card shows after a step that was read back."""
    before, after, spare = change.before, change.after, 1 - change.before.slot
    mark = after.mark
    seen = SeenStep(1, mark.tno, mark.seq, after.counter, after.main_cents, after.subsidy_cents)
    last = (*before.last[:spare], seen, *before.last[spare + 1 :])
    load = change.load or before.load
    loaded = load.record if load else None
    return replace(before, purse=after, last=last, slot=spare, load=load, loaded=loaded)
