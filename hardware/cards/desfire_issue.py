"""Making a DESFire card ours, from the factory's DES key on; for `hardware/cards/issue.py`.

    card level    blank key (DES, once) -> our AES key; settings; our old application goes
    application   debit and credit key, files, identity; then limits, load, first log record
    last          the application's master key: while it is blank the card is not ours yet

What each key of a card is stands in its version (0: blank), so a cut anywhere is begun again from what is there.
"""

import os

from hardware.cards.crypto import DES_BYTES, AesKey, DesKey, RandomBytes
from hardware.cards.desfire import DesfirePurse, file_header
from hardware.cards.desfire_session import DesfireSession
from hardware.cards.keys import CardKeys, KeysOfCard, Role
from hardware.ports import CardChannel
from protocol.money import Cents
from protocol.purse import CardRead, Identity, LoadRecord, Purse
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
    key_version,
    read_key_version,
)

CARD_LEVEL = bytes(3)
BLANK_DES = DesKey(bytes(DES_BYTES))
BLANK_AES = AesKey(bytes(16))
VALUE_MAX = 2**31 - 1

_SETTINGS = 0x0B
"""M075031, key settings: the master key changes keys and settings and creates files; listing is free."""
_KEYS_AES = 0x80 | 3
_MACED = 1


class DesfireIssue:
    """One card at the card office, to be personalised under one key set; all three master keys are needed."""

    def __init__(
        self, channel: CardChannel, keys: CardKeys, key_set: int, random_bytes: RandomBytes = os.urandom
    ) -> None:
        self._channel = channel
        self._keys = keys
        self._key_set = key_set
        self._random_bytes = random_bytes
        self._card = DesfireSession(channel, random_bytes)

    def personalise(self, identity: Identity, purse: Purse) -> CardRead:
        """Make it this person's card with this purse and read it back. Raises CardError; then begin again."""
        keys = self._keys.require(self._channel.uid, self._key_set)
        self._card.select(CARD_LEVEL)
        self._card.find_out_generation()
        self.own_card_level(keys)
        self._card.change_settings(_SETTINGS)
        self._remove_application()
        self._create_application(keys, identity, purse)
        self._fill(keys, identity, purse)
        self._card.authenticate(KEY_MASTER, BLANK_AES)
        self._card.change_key(KEY_MASTER, keys.aes(Role.DESFIRE_MASTER), self.version)
        return DesfirePurse(self._channel, self._keys, self._random_bytes).read()

    @property
    def version(self) -> int:
        """The version that its keys get."""
        return key_version(self._key_set, speaks_ev2=self._card.speaks_ev2)

    def own_card_level(self, keys: KeysOfCard) -> None:
        """Authenticate as the card's master, giving it our key first where it has another: the blank, or an older."""
        card, ours = self._card, keys.aes(Role.DESFIRE_CARD)
        found = card.key_version(0)
        if found != self.version:
            key_set, _ = read_key_version(found)
            if found == 0:
                card.authenticate_des(0, BLANK_DES)
            else:
                card.authenticate(0, self._keys.require(self._channel.uid, key_set).aes(Role.DESFIRE_CARD))
            card.change_key(0, ours, self.version, card_level=True)
        card.authenticate(0, ours)

    def _remove_application(self) -> None:
        aids = self._card.command(0x6A)
        if APPLICATION_ID in (aids[at : at + 3] for at in range(0, len(aids), 3)):
            self._card.command(0xDA, APPLICATION_ID)

    def _create_application(self, keys: KeysOfCard, identity: Identity, purse: Purse) -> None:
        """The application, its debit and credit keys and its files; the master key stays blank until the end."""
        card, version = self._card, self.version
        card.command(0xCA, APPLICATION_ID + bytes((_SETTINGS, _KEYS_AES)))
        card.select(APPLICATION_ID)
        card.authenticate(KEY_MASTER, BLANK_AES)
        card.change_key(KEY_DEBIT, keys.aes(Role.DESFIRE_DEBIT), version, current=BLANK_AES)
        card.change_key(KEY_CREDIT, keys.aes(Role.DESFIRE_CREDIT), version, current=BLANK_AES)
        both = _rights(read=KEY_DEBIT, write=KEY_DEBIT, read_write=KEY_CREDIT)
        loads = _rights(read=KEY_DEBIT, write=KEY_CREDIT, read_write=KEY_CREDIT)
        office = _rights(read=KEY_DEBIT, write=KEY_MASTER, read_write=KEY_MASTER)
        for file, value in ((FILE_MAIN, purse.main_cents), (FILE_SUBSIDY, purse.subsidy_cents)):
            numbers = b"".join(number.to_bytes(4, "little", signed=True) for number in (0, VALUE_MAX, value))
            card.command(0xCC, bytes((file, _MACED)) + both + numbers + b"\x01")
        card.command(0xCB, bytes((FILE_LIMITS, _MACED)) + both + LIMITS_BYTES.to_bytes(3, "little"))
        card.command(0xCB, bytes((FILE_LOAD, _MACED)) + loads + LOAD_BYTES.to_bytes(3, "little"))
        sizes = LOG_BYTES.to_bytes(3, "little") + LOG_RECORDS.to_bytes(3, "little")
        card.command(0xC0, bytes((FILE_LOG, _MACED)) + both + sizes)
        card.command(0xCD, bytes((FILE_IDENTITY, _MACED)) + office + IDENTITY_BYTES.to_bytes(3, "little"))
        write_file(card, FILE_IDENTITY, encode_identity(identity))

    def _fill(self, keys: KeysOfCard, who: Identity, purse: Purse) -> None:
        """Limits, load and a first log record (an empty log cannot be read), in one transaction."""
        card = self._card
        card.authenticate(KEY_CREDIT, keys.aes(Role.DESFIRE_CREDIT))
        write_file(card, FILE_LIMITS, encode_limits(purse))
        write_file(card, FILE_LOAD, encode_load_file(LoadRecord(who.card, who.generation, purse.load_seq, Cents(0))))
        card.command(0x3B, file_header(FILE_LOG, 0, LOG_BYTES), encode_log(purse.mark, 0, purse.counter))
        card.command(0xC7)


def write_file(card: DesfireSession, file: int, data: bytes) -> None:
    """Replace a data file's content from its beginning."""
    card.command(0x3D, file_header(file, 0, len(data)), data)


def _rights(*, read: int, write: int, read_write: int) -> bytes:
    """A file's access rights on the wire (M075031, coding of access rights); only the master key may change them."""
    return bytes((read_write << 4 | KEY_MASTER, read << 4 | write))
