"""Another key set for a MIFARE Classic card of ours, at the card office, with its content left as it is.

    sector 0 -> the older slot, which becomes a copy of the purse -> the other slot -> identity -> key set byte

Nothing is believed of a run that was cut short but what the card shows: which key opens a sector says whose set its
trailer is of, and a MAC says the same of a slot and of the identity. So doing it again finishes it. The purse in force
lies whole and read back in the one slot before the trailer of the other is touched. No money moves and no counter:
which slot is in force under which set is for the key set byte to say, and it is written last.

Until then a till refuses the card from the first trailer of a slot on, and only the card office helps. A trailer torn
in its middle can destroy its sector; that is the one thing here that costs a card. The load sectors are frozen and
keep the set they were issued under.
"""

from dataclasses import replace

from hardware.cards.classic import ClassicPurse
from hardware.cards.classic_sectors import KEY_A, KEY_B, ClassicSectors, sector_of
from hardware.cards.classic_trailers import LOAD_SECTORS, SLOT_SECTORS, lock
from hardware.cards.keys import CardKeys, Role
from hardware.cards.pin import PinNeeded, pin_is_right, pin_verifier
from hardware.ports import CardChannel, CardLeftField, CardNotOurs, CardRefused, PurseUnreadable
from protocol.purse import CardRead, Identity, Purse
from protocol.purse_classic import (
    EMPTY_SLOT,
    IDENTITY_BLOCKS,
    KEY_SET_BLOCK,
    LOAD_BLOCKS,
    SLOT_BLOCKS,
    VERIFIER_BYTES,
    block_writes,
    decode_identity,
    decode_slot,
    encode_identity,
    encode_slot,
    key_set_block,
)

_SECTORS_CHANGED = (sector_of(KEY_SET_BLOCK), sector_of(IDENTITY_BLOCKS[0]), *SLOT_SECTORS)


def change_key_set(channel: CardChannel, keys: CardKeys, key_set: int, pin: str = "") -> CardRead:
    """Bring every key of the card that can be changed to this set, and read it back; needs all keys of every set held.

    Raises PinNeeded, CardNotOurs, PurseUnreadable and KeyNotHeld before anything is changed, and CardLeftField and
    CardRefused at any time: then do it again, with the same card, before its holder gets it back.
    """
    _Rekey(channel, keys, key_set).run(pin)
    read = ClassicPurse(channel, keys).read()
    if read.purse is None:
        raise CardLeftField("the purse does not read back")
    return read


class _Rekey:
    def __init__(self, channel: CardChannel, keys: CardKeys, key_set: int) -> None:
        self._keys, self._uid = keys, channel.uid
        self._sectors = ClassicSectors(channel)
        self._new = keys.require(channel.uid, key_set)
        others = (keys.require(channel.uid, held) for held in keys.key_sets if held != key_set)
        self._sets = (self._new, *others)
        self._opened_by = {of_set.key_set: of_set.classic(Role.CLASSIC_OFFICE) for of_set in self._sets}
        self._set_of: dict[int, int] = {}

    def run(self, pin: str) -> None:
        self._set_of = {sector: self._find_set(sector) for sector in _SECTORS_CHANGED}
        sets = key_set_block(self._new.key_set, self._find_load_set())
        identity, is_done = self._identity(pin)
        found = self._purses()
        if found != self._purses():
            raise CardLeftField("a slot does not read the same twice")
        if not any(found):
            raise PurseUnreadable("neither slot holds a purse")
        if not (is_done and self._is_new(*_SECTORS_CHANGED) and self._read((KEY_SET_BLOCK,)) == sets):
            self._lock(_SECTORS_CHANGED[0])
            self._change_slots(found)
            self._lock(_SECTORS_CHANGED[1])
            self._write(IDENTITY_BLOCKS, identity)
        self._write((KEY_SET_BLOCK,), sets)

    def _change_slots(self, found: tuple[tuple[Purse, int] | None, ...]) -> None:
        """The purse in force into one slot, then the one before it, if it is still known, into the other."""
        current = max((each[0] for each in found if each), key=lambda purse: purse.counter)
        older = next((each[0] for each in found if each and each[0].counter < current.counter), None)
        holds = [each is not None and each[0].counter == current.counter for each in found]
        first = self._first_slot(found, holds)
        if holds[1 - first]:
            self._lock(SLOT_SECTORS[first])
            self._write_slot(first, current)
        self._lock(SLOT_SECTORS[1 - first])
        self._write_slot(1 - first, older)

    def _first_slot(self, found: tuple[tuple[Purse, int] | None, ...], holds: list[bool]) -> int:
        """The slot that is to hold the purse in force: the one a run before has finished, else the one without it."""
        for slot, each in enumerate(found):
            if each and holds[slot] and each[1] == self._new.key_set and self._is_new(SLOT_SECTORS[slot]):
                return slot
        return 1 - holds.index(True)

    def _purses(self) -> tuple[tuple[Purse, int] | None, ...]:
        """What each slot holds, and under which set.

        The one that does not count is overwritten, so one garbled answer must not say which that is.
        """
        return tuple(self._purse(slot, self._read(blocks)) for slot, blocks in enumerate(SLOT_BLOCKS))

    def _purse(self, slot: int, raw: bytes) -> tuple[Purse, int] | None:
        for of_set in self._sets:
            purse = decode_slot(raw, self._uid, slot, of_set.mac8(Role.CLASSIC_MAC))
            if purse is not None:
                return purse, of_set.key_set
        return None

    def _identity(self, pin: str) -> tuple[bytes, bool]:
        """The identity's blocks as they shall be, and whether they are that already. Raises PinNeeded."""
        raw = self._read(IDENTITY_BLOCKS)
        for of_set in self._sets:
            identity = decode_identity(raw, self._uid, of_set.mac8(Role.CLASSIC_MAC))
            if identity is not None:
                is_new = of_set is self._new
                return (raw if is_new else self._renewed(identity, of_set.key_set, pin)), is_new
        return self._mended(raw, pin), False

    def _renewed(self, identity: Identity, old_set: int, pin: str) -> bytes:
        if identity.pin_verifier:
            if not pin_is_right(self._keys, self._uid, old_set, identity.pin_verifier, pin):
                raise PinNeeded("the card has a PIN, and this is not it")
            identity = replace(identity, pin_verifier=pin_verifier(self._keys, self._uid, self._new.key_set, pin))
        return encode_identity(identity, self._uid, self._new.mac8(Role.CLASSIC_MAC))

    def _mended(self, raw: bytes, pin: str) -> bytes:
        """The identity of a run that was cut between its blocks: the first has the new verifier, the MAC is the old.

        Whoever types the PIN says what the verifier was, and then the old MAC says whether all the rest is genuine.
        """
        if any(raw[VERIFIER_BYTES]) and not pin:
            raise PinNeeded("the card has a PIN")
        for of_set in self._sets[1:]:
            try:
                verifier = pin_verifier(self._keys, self._uid, of_set.key_set, pin)
            except ValueError:
                break
            before = raw[: VERIFIER_BYTES.start] + verifier + raw[VERIFIER_BYTES.stop :]
            identity = decode_identity(before, self._uid, of_set.mac8(Role.CLASSIC_MAC))
            if identity is not None:
                return self._renewed(identity, of_set.key_set, pin)
        raise PurseUnreadable("the identity is not genuine on this card")

    def _find_set(self, sector: int) -> int:
        """Under which set the office opens a sector. Raises CardNotOurs."""
        for key_set, key in self._opened_by.items():
            if self._opens(sector, key, KEY_B):
                return key_set
        raise CardNotOurs(f"sector {sector} opens under no key held here")

    def _find_load_set(self) -> int:
        """Which set the frozen load sectors were issued under. Raises CardNotOurs."""
        for of_set in self._sets:
            if self._opens(LOAD_SECTORS[0], of_set.classic(Role.CLASSIC_TILL), KEY_A):
                self._sectors.read(LOAD_BLOCKS[0][0])
                return of_set.key_set
        raise CardNotOurs("the key set of the load sectors is not held here")

    def _opens(self, sector: int, key: bytes, kind: int) -> bool:
        try:
            self._sectors.open(sector, key, kind)
        except CardRefused:
            return False
        return True

    def _is_new(self, *sectors: int) -> bool:
        return all(self._set_of[sector] == self._new.key_set for sector in sectors)

    def _lock(self, sector: int) -> None:
        if not self._is_new(sector):
            self._open(sector)
            lock(self._sectors, sector, self._new)
            self._set_of[sector] = self._new.key_set

    def _open(self, sector: int) -> None:
        self._sectors.open(sector, self._opened_by[self._set_of[sector]], KEY_B)

    def _read(self, blocks: tuple[int, ...]) -> bytes:
        self._open(sector_of(blocks[0]))
        return b"".join(self._sectors.read(block) for block in blocks)

    def _write_slot(self, slot: int, purse: Purse | None) -> None:
        mac8 = self._new.mac8(Role.CLASSIC_MAC)
        raw = encode_slot(purse, self._new.key_set, self._uid, slot, mac8) if purse else EMPTY_SLOT
        self._write(SLOT_BLOCKS[slot], raw)

    def _write(self, blocks: tuple[int, ...], raw: bytes) -> None:
        self._open(sector_of(blocks[0]))
        self._sectors.write_and_read_back(block_writes(blocks, raw))
