"""Making a card ours, at the card office: keys, structure, identity and the first purse, then a read to prove it.

Both ways work on a blank card, on one of ours (its content is replaced), and on a card whose personalisation
was cut short, which is simply begun again. The only write that can spoil a card is a torn trailer on MIFARE
Classic: leave the card at rest on the reader.
"""

import os
from dataclasses import dataclass

from hardware.cards.classic import ClassicPurse
from hardware.cards.classic_sectors import (
    DATA_READ_A_WRITE_B,
    DATA_READ_WRITE_BOTH,
    KEY_A,
    KEY_B,
    PUBLIC_KEY_A,
    SECTOR_BLOCKS,
    TRAILER_BY_B,
    TRAILER_FROZEN,
    TRANSPORT_KEY,
    ClassicSectors,
    by_sector,
    sector_of,
    trailer,
)
from hardware.cards.crypto import AesKey, RandomBytes
from hardware.cards.desfire import DesfirePurse, file_header
from hardware.cards.desfire_session import DesfireSession
from hardware.cards.keys import CardKeys, KeysOfCard, Role
from hardware.cards.open_card import technology_of
from hardware.ports import CardChannel, CardNotOurs, CardRefused
from protocol.money import Cents
from protocol.purse import CardRead, Identity, LoadRecord, Purse, Technology
from protocol.purse_classic import KEY_SET_BLOCK, LOAD_BLOCKS, SLOT_BLOCKS, BlockWrite, blank_plan
from protocol.purse_desfire import (
    APPLICATION_ID,
    FILE_IDENTITY,
    FILE_LIMITS,
    FILE_LOAD,
    FILE_LOG,
    FILE_MAIN,
    FILE_SUBSIDY,
    IDENTITY_BYTES,
    KEY_CREDIT,
    KEY_DEBIT,
    KEY_MASTER,
    LIMITS_BYTES,
    LOAD_BYTES,
    LOG_BYTES,
    LOG_RECORDS,
    encode_identity,
    encode_limits,
    encode_load_file,
    encode_log,
)

CARD_LEVEL = bytes(3)
BLANK_KEY = bytes(16)
VALUE_MAX = 2**31 - 1

_SETTINGS = 0x0B
"""M075031, key settings: the master key changes keys and settings and creates files; listing is free."""
_KEYS_AES = 0x80 | 3
_MACED = 1
_LOAD_SECTORS = tuple(sorted({sector_of(block) for copy in LOAD_BLOCKS for block in copy}))
_SLOT_SECTORS = frozenset(sector_of(block) for slot in SLOT_BLOCKS for block in slot)


@dataclass(frozen=True, slots=True)
class NewCard:
    """What a card is to become: under which key set, whose, and with which purse (its load_seq must be 0)."""

    key_set: int
    identity: Identity
    purse: Purse

    def __post_init__(self) -> None:
        assert self.purse.load_seq == 0, "a new card has no load record yet"


def personalise(channel: CardChannel, keys: CardKeys, new: NewCard, random_bytes: RandomBytes = os.urandom) -> CardRead:
    """Make the card in the field ours and read it back; needs all three master keys of the set.

    Raises CardNotOurs when it opens neither as a blank card nor under a set held here, and CardLeftField and
    CardRefused: then begin again.
    """
    if technology_of(channel) is Technology.DESFIRE:
        return _Desfire(channel, keys, new, random_bytes).personalise()
    return _Classic(channel, keys, new).personalise()


class _Classic:
    def __init__(self, channel: CardChannel, keys: CardKeys, new: NewCard) -> None:
        self._channel = channel
        self._keys = keys
        self._new = new
        self._sectors = ClassicSectors(channel)

    def personalise(self) -> CardRead:
        load_set = self._set_of_load_sectors() or self._new.key_set
        keys, load_keys = self._of_set(self._new.key_set), self._of_set(load_set)
        for sector, writes in by_sector(self._plan(keys, load_set)):
            is_blank = self._open(sector)
            self._sectors.write_and_read_back(writes)
            if sector not in _LOAD_SECTORS:
                self._lock(sector, keys)
            elif is_blank:
                self._lock(sector, load_keys)
        return ClassicPurse(self._channel, self._keys).read()

    def _plan(self, keys: KeysOfCard, load_set: int) -> tuple[BlockWrite, ...]:
        """The data blocks, the key set block completed by the set of the frozen load sectors."""
        new, uid = self._new, self._channel.uid
        writes = blank_plan(new.identity, new.purse, new.key_set, uid, keys.mac8(Role.CLASSIC_MAC))
        sets = bytes((new.key_set, 0 if load_set == new.key_set else load_set)).ljust(16, b"\x00")
        return tuple(BlockWrite(KEY_SET_BLOCK, sets) if write.block == KEY_SET_BLOCK else write for write in writes)

    def _set_of_load_sectors(self) -> int | None:
        """The set under which a load sector is frozen already; None while all of them are blank."""
        for sector in _LOAD_SECTORS:
            for key_set in self._keys.key_sets:
                if self._opens(sector, self._of_set(key_set).classic(Role.CLASSIC_LOAD), KEY_B):
                    return key_set
        return None

    def _open(self, sector: int) -> bool:
        """Open a sector for writing; whether it was blank. Raises CardNotOurs when no key held here opens it."""
        role = Role.CLASSIC_LOAD if sector in _LOAD_SECTORS else Role.CLASSIC_OFFICE
        for key_set in self._keys.key_sets:
            if self._opens(sector, self._of_set(key_set).classic(role), KEY_B):
                return False
        if self._opens(sector, TRANSPORT_KEY, KEY_A):
            return True
        raise CardNotOurs(f"sector {sector} opens under no key held here")

    def _opens(self, sector: int, key: bytes, kind: int) -> bool:
        try:
            self._sectors.open(sector, key, kind)
        except CardRefused:
            return False
        return True

    def _lock(self, sector: int, keys: KeysOfCard) -> None:
        """Write a sector's trailer and prove that its new key A opens it."""
        office = keys.classic(Role.CLASSIC_OFFICE)
        key_a = PUBLIC_KEY_A if sector == 0 else keys.classic(Role.CLASSIC_TILL)
        if sector in _LOAD_SECTORS:
            locked = trailer(key_a, keys.classic(Role.CLASSIC_LOAD), data=DATA_READ_A_WRITE_B, access=TRAILER_FROZEN)
        elif sector in _SLOT_SECTORS:
            locked = trailer(key_a, office, data=DATA_READ_WRITE_BOTH, access=TRAILER_BY_B)
        else:
            locked = trailer(key_a, office, data=DATA_READ_A_WRITE_B, access=TRAILER_BY_B)
        self._sectors.write(sector * SECTOR_BLOCKS + SECTOR_BLOCKS - 1, locked)
        self._sectors.forget_keys()
        self._sectors.open(sector, key_a)

    def _of_set(self, key_set: int) -> KeysOfCard:
        return _held(self._keys, self._channel.uid, key_set)


class _Desfire:
    def __init__(self, channel: CardChannel, keys: CardKeys, new: NewCard, random_bytes: RandomBytes) -> None:
        self._channel = channel
        self._keys = keys
        self._new = new
        self._random_bytes = random_bytes
        self._card = DesfireSession(channel, random_bytes)

    def personalise(self) -> CardRead:
        keys = _held(self._keys, self._channel.uid, self._new.key_set)
        self._own_card_level(keys)
        self._create_application(keys)
        self._fill(keys)
        self._card.authenticate(KEY_MASTER, AesKey(BLANK_KEY))
        master = keys.aes(Role.DESFIRE_MASTER)
        self._card.change_key(KEY_MASTER, master, keys.key_set, current=AesKey(BLANK_KEY))
        return DesfirePurse(self._channel, self._keys, self._random_bytes).read()

    def _own_card_level(self, keys: KeysOfCard) -> None:
        """Authenticate as the card's master, giving it our key and settings first; the old application goes."""
        card, ours = self._card, keys.aes(Role.DESFIRE_CARD)
        card.select(CARD_LEVEL)
        version = card.key_version(0)
        current = self._card_key(version)
        card.authenticate(0, current)
        if version != keys.key_set:
            card.change_key(0, ours, keys.key_set, current=current, card_level=True)
            card.authenticate(0, ours)
        card.change_settings(_SETTINGS)
        aids = card.command(0x6A)
        if APPLICATION_ID in (aids[at : at + 3] for at in range(0, len(aids), 3)):
            card.command(0xDA, APPLICATION_ID)

    def _card_key(self, version: int) -> AesKey:
        if version == 0:
            return AesKey(BLANK_KEY)
        return _held(self._keys, self._channel.uid, version).aes(Role.DESFIRE_CARD)

    def _create_application(self, keys: KeysOfCard) -> None:
        """The application, its debit and credit keys and its files; the master key stays blank until the end."""
        card, blank = self._card, AesKey(BLANK_KEY)
        card.command(0xCA, APPLICATION_ID + bytes((_SETTINGS, _KEYS_AES)))
        card.select(APPLICATION_ID)
        card.authenticate(KEY_MASTER, blank)
        card.change_key(KEY_DEBIT, keys.aes(Role.DESFIRE_DEBIT), keys.key_set, current=blank)
        card.change_key(KEY_CREDIT, keys.aes(Role.DESFIRE_CREDIT), keys.key_set, current=blank)
        both = _rights(read=KEY_DEBIT, write=KEY_DEBIT, read_write=KEY_CREDIT)
        loads = _rights(read=KEY_DEBIT, write=KEY_CREDIT, read_write=KEY_CREDIT)
        office = _rights(read=KEY_DEBIT, write=KEY_MASTER, read_write=KEY_MASTER)
        purse = self._new.purse
        for file, value in ((FILE_MAIN, purse.main_cents), (FILE_SUBSIDY, purse.subsidy_cents)):
            numbers = b"".join(number.to_bytes(4, "little", signed=True) for number in (0, VALUE_MAX, value))
            card.command(0xCC, bytes((file, _MACED)) + both + numbers + b"\x01")
        card.command(0xCB, bytes((FILE_LIMITS, _MACED)) + both + LIMITS_BYTES.to_bytes(3, "little"))
        card.command(0xCB, bytes((FILE_LOAD, _MACED)) + loads + LOAD_BYTES.to_bytes(3, "little"))
        sizes = LOG_BYTES.to_bytes(3, "little") + LOG_RECORDS.to_bytes(3, "little")
        card.command(0xC0, bytes((FILE_LOG, _MACED)) + both + sizes)
        card.command(0xCD, bytes((FILE_IDENTITY, _MACED)) + office + IDENTITY_BYTES.to_bytes(3, "little"))
        self._write(FILE_IDENTITY, encode_identity(self._new.identity))

    def _fill(self, keys: KeysOfCard) -> None:
        """Limits, load and a first log record (an empty log cannot be read), in one transaction."""
        card, who, purse = self._card, self._new.identity, self._new.purse
        card.authenticate(KEY_CREDIT, keys.aes(Role.DESFIRE_CREDIT))
        self._write(FILE_LIMITS, encode_limits(purse))
        self._write(FILE_LOAD, encode_load_file(LoadRecord(who.card, who.generation, purse.load_seq, Cents(0))))
        record = encode_log(purse.mark, 0, purse.counter)
        card.maced_command(0x3B, file_header(FILE_LOG, 0, LOG_BYTES) + record)
        card.command(0xC7)

    def _write(self, file: int, data: bytes) -> None:
        self._card.maced_command(0x3D, file_header(file, 0, len(data)) + data)


def _rights(*, read: int, write: int, read_write: int) -> bytes:
    """A file's access rights on the wire (M075031, coding of access rights); only the master key may change them."""
    return bytes((read_write << 4 | KEY_MASTER, read << 4 | write))


def _held(keys: CardKeys, uid: bytes, key_set: int) -> KeysOfCard:
    of_card = keys.of_card(uid, key_set)
    if of_card is None:
        raise CardNotOurs(f"key set {key_set} is not held here")
    return of_card
