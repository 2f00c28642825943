"""Making an NTAG 424 DNA a token, from the factory's five zero keys on; for `hardware/cards/tags.py`.

    file       NDEF text, who it is in it
    settings   the tag puts UID, counter and MAC in (SDM); anybody reads, key 0 alone writes and changes
    keys       4, 3, 2, 1; last 0: while that is the factory's, the tag is not ours yet

Each command is atomic on the tag, and the version of a key is the key set that it is of (0: the factory's). So what
was cut anywhere is begun again from what is there; the one key without a known version is key 0, and is tried.

Sources: NXP AN12196 (section 5 personalisation, tables 17, 18, 25 and 26), NT4H2421Gx (section 8.2.3 files and factory
settings, 10.6 keys, 10.7 file settings, 10.8 data).
"""

import os
from contextlib import suppress

from hardware.cards.crypto import RandomBytes
from hardware.cards.desfire_frames import COMMAND_DATA_BYTES_MAX
from hardware.cards.desfire_issue import BLANK_AES
from hardware.cards.desfire_messaging import CommMode
from hardware.cards.desfire_session import DesfireSession
from hardware.cards.keys import CardKeys, Role
from hardware.cards.sun import NDEF_BYTES_MAX, SunFile, ndef_file, read_message
from hardware.ports import CardChannel, CardNotOurs, CardRefused
from protocol.purse import Identity

SELECT_APPLICATION = bytes.fromhex("00a4040007d276000085010100")
SELECT_NDEF_FILE = bytes.fromhex("00a4000c02e104")
READ_NDEF = bytes((0x00, 0xB0, 0x00, 0x00, NDEF_BYTES_MAX))
KEY_MASTER, KEY_MAC, KEY_READ = 0, 1, 2

_ROLES = {
    4: Role.SUN_SPARE_4,
    3: Role.SUN_SPARE_3,
    KEY_READ: Role.SUN_READ,
    KEY_MAC: Role.SUN_MAC,
    KEY_MASTER: Role.SUN_MASTER,
}
"""In the order in which they are changed."""
_NDEF = b"\x02"
_WRITE_HEADER_BYTES = 1 + 3 + 3
_FACTORY_HEAD, _OUR_HEAD = bytes.fromhex("00e0ee"), bytes.fromhex("4000e0")
"""Option and access rights: free for everybody; SDM, and to be read by everybody."""
_SDM_OPTIONS = b"\xc1"
"""UID and counter, as ASCII."""
_SDM_RIGHTS = bytes((0xF0 | KEY_MAC, KEY_READ << 4 | KEY_MAC))
_IS_NTAG424 = (b"\x04\x04", b"\x30")
"""GetVersion: NXP, NTAG; hardware major version of the 424 DNA and its TagTamper sister."""
_OK = b"\x90\x00"


def is_ntag424(channel: CardChannel) -> bool:
    """Whether the chip says that it is one; its application is selected then."""
    if channel.transmit(SELECT_APPLICATION) != _OK:
        return False
    with suppress(CardRefused):
        version = DesfireSession(channel).command(0x60)
        return (version[:2], version[3:4]) == _IS_NTAG424
    return False


def ndef_settings(file: SunFile) -> bytes:
    """What ChangeFileSettings says for a token's file (AN12196 table 18)."""
    offsets = (file.enciphered_at, file.mac_input_at, file.mac_at)
    return _OUR_HEAD + _SDM_OPTIONS + _SDM_RIGHTS + b"".join(at.to_bytes(3, "little") for at in offsets)


class Ntag424:
    """A tag on the reader, to be looked at or made."""

    is_written_once = False

    def __init__(self, channel: CardChannel, keys: CardKeys, random_bytes: RandomBytes = os.urandom) -> None:
        self._channel, self._keys, self._random_bytes = channel, keys, random_bytes

    def says(self) -> Identity | None:
        """Who it says it is, not proven."""
        if any(self._channel.transmit(command) != _OK for command in (SELECT_APPLICATION, SELECT_NDEF_FILE)):
            return None
        answer = self._channel.transmit(READ_NDEF)
        message = read_message(answer[:-2]) if answer[-2:] == _OK else None
        return message.who if message else None

    def is_blank(self) -> bool:
        """Whether nothing of ours is on it. Raises CardNotOurs for somebody else's."""
        tag, master = self._authenticated()
        head = tag.command(0xF5, _NDEF)[1:4]
        if head not in (_FACTORY_HEAD, _OUR_HEAD):
            raise CardNotOurs("the settings of its file are neither the factory's nor ours")
        return master == 0 and head == _FACTORY_HEAD

    def write(self, key_set: int, who: Identity, link: str) -> None:
        """Make it this token under a key set; the office key is needed. Raises CardError: then begin again."""
        file, new = ndef_file(link, key_set, who), self._keys.require(self._channel.uid, key_set)
        tag, master = self._authenticated()
        for at in range(0, len(file.content), part := COMMAND_DATA_BYTES_MAX - _WRITE_HEADER_BYTES):
            content = file.content[at : at + part]
            header = _NDEF + at.to_bytes(3, "little") + len(content).to_bytes(3, "little")
            tag.command(0x8D, header, content, CommMode.PLAIN)
        tag.command(0x5F, _NDEF, ndef_settings(file), CommMode.FULL)
        for number, role in _ROLES.items():
            version = master if number == KEY_MASTER else tag.key_version(number)
            if version != key_set:
                old = self._keys.require(self._channel.uid, version).aes(role) if version else BLANK_AES
                tag.change_key(number, new.aes(role), key_set, current=old)
        tag.authenticate(KEY_MASTER, new.aes(Role.SUN_MASTER))

    def _authenticated(self) -> tuple[DesfireSession, int]:
        """A session of the master key, and the key set this is of; 0: the factory's. Raises CardNotOurs."""
        if self._channel.transmit(SELECT_APPLICATION) != _OK:
            raise CardNotOurs("it has no NFC Forum application")
        tag = DesfireSession(self._channel, self._random_bytes)
        tag.speaks_ev2 = True
        for key_set in (0, *self._keys.key_sets):
            key = self._keys.require(self._channel.uid, key_set).aes(Role.SUN_MASTER) if key_set else BLANK_AES
            with suppress(CardNotOurs):
                tag.authenticate(KEY_MASTER, key)
                return tag, key_set
        raise CardNotOurs("its master key is neither the factory's nor one that is held here")
