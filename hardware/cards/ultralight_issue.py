"""Making a MIFARE Ultralight AES a token, from the factory's zero keys on; for `hardware/cards/tags.py`.

    text, MAC       pages 4 to 9
    keys            UIDRetrKey, DataProtKey; then the tag is authenticated: that proves them
    settings        reading is free; 256 wrong keys in a row, and no key is taken any more
    AUTH0           from page 4 on nobody writes without DataProtKey: no key page is written after this
    locks           keys, pages 4 to 9, settings: tills hold DataProtKey, so only this keeps them from writing

While AUTH0 is the factory's, everything is written anew, keys that are half written among it. Afterwards the keys are
proven, and what is locked already is left out. So such a tag is made once, and is what it is for good.

Sources: NXP MF0AES(H)20 (sections 8.5 memory and locks, 8.6 keys, AUTH0 and AUTH_LIM, 10.5 WRITE), AN13452, AN10833.
"""

import os

from hardware.cards.crypto import AesKey, RandomBytes
from hardware.cards.keys import CardKeys, Role
from hardware.cards.sun import WHO_BYTES, who_in, who_text
from hardware.cards.ultralight_aes import (
    GET_VERSION,
    MAC_PAGE,
    PAGE_BYTES,
    PAGES_BYTES,
    TEXT_PAGE,
    authenticates,
    is_said_by,
    mac_of,
    read_pages,
    read_said,
    version_of,
    write_page,
)
from hardware.ports import CardChannel, CardNotOurs
from protocol.purse import Identity

PAGE_LOCKS, CONFIG, ACCESS, KEY_LOCKS, DATA_KEY_PAGE, UID_KEY_PAGE = 2, 0x29, 0x2A, 0x2D, 0x30, 0x34
AUTH_FAILURES_MAX = 256

_VERSIONS = (bytes.fromhex("0004030104000f03"), bytes.fromhex("0004030204000f03"))
"""MF0AES20 and, with 50 pF, MF0AESH20."""
_AUTH0_OFF = 0x3C
_ZERO_KEY = AesKey(bytes(16))
_PAGES_LOCKED = bytes((0, 0, 0xF0, 0x03))
"""Pages 4 to 9, in the last two bytes of page 2: bits are only ever added."""
_KEYS_LOCKED = bytes((0xE0, 0, 0, 0))
"""Both keys, and these bits."""
_CONFIG_LOCKED = 0x40
_CARD_IDENTIFIER = 0x05
"""VCTID as the factory has it."""


def is_ultralight_aes(channel: CardChannel) -> bool:
    """Whether the chip says that it is one."""
    return version_of(channel) in _VERSIONS


class UltralightAes:
    """A tag on the reader, to be looked at or made. A refusal ends every look: it must be put on the reader anew."""

    is_written_once = True

    def __init__(self, channel: CardChannel, keys: CardKeys, random_bytes: RandomBytes = os.urandom) -> None:
        self._channel, self._keys, self._random_bytes = channel, keys, random_bytes

    def says(self) -> Identity | None:
        """Who it says it is, if a card office of ours has written that; whether it was finished is another question."""
        said = read_said(self._channel)
        who = who_in(said.text[:WHO_BYTES]) if said else None
        keys = self._keys.of_card(self._channel.uid, said.text[1]) if said else None
        if said is None or keys is None or not is_said_by(said, self._channel.uid, keys.aes(Role.ULTRALIGHT_MAC)):
            return None
        return who

    def is_blank(self) -> bool:
        """Whether nothing of ours is on it. Raises CardNotOurs for somebody else's."""
        auth0 = self._settings()[0][3]
        if self.says() is not None:
            return False
        if auth0 < _AUTH0_OFF or not authenticates(self._channel, _ZERO_KEY, self._random_bytes):
            raise CardNotOurs("it is protected with a key that is neither the factory's nor ours")
        return True

    def write(self, key_set: int, who: Identity, link: str) -> None:  # noqa: ARG002 (a phone finds no link on it)
        """Make it this token under a key set, for good. Raises CardError: then begin again with the same order."""
        channel, keys = self._channel, self._keys.require(self._channel.uid, key_set)
        text = who_text(key_set, who).ljust(PAGES_BYTES, b"\x00")
        config, access = self._settings()
        data_key = keys.aes(Role.ULTRALIGHT)
        if config[3] >= _AUTH0_OFF:
            _write(channel, TEXT_PAGE, text + mac_of(keys.aes(Role.ULTRALIGHT_MAC), channel.uid, text))
            _write(channel, UID_KEY_PAGE, keys.aes(Role.ULTRALIGHT_UID).raw[::-1])
            _write(channel, DATA_KEY_PAGE, data_key.raw[::-1])
        elif read_pages(channel, TEXT_PAGE) != text:
            raise CardNotOurs("it was made before, and is what it is for good")
        if not authenticates(channel, data_key, self._random_bytes):
            raise CardNotOurs("it does not take its own key")
        limit = AUTH_FAILURES_MAX.to_bytes(2, "little")
        if not access[0] & _CONFIG_LOCKED:
            write_page(channel, ACCESS, bytes((0, _CARD_IDENTIFIER)) + limit)
            write_page(channel, CONFIG, bytes((0, 0, 0, TEXT_PAGE)))
        if self._require(KEY_LOCKS)[:1] != _KEYS_LOCKED[:1]:
            write_page(channel, KEY_LOCKS, _KEYS_LOCKED)
        write_page(channel, PAGE_LOCKS, _PAGES_LOCKED)
        if not access[0] & _CONFIG_LOCKED:
            write_page(channel, ACCESS, bytes((_CONFIG_LOCKED, _CARD_IDENTIFIER)) + limit)
        self._require_made()

    def _settings(self) -> tuple[bytes, bytes]:
        pages = self._require(CONFIG)
        return pages[:PAGE_BYTES], pages[PAGE_BYTES : 2 * PAGE_BYTES]

    def _require(self, page: int) -> bytes:
        """Four pages. Raises CardNotOurs where they are not to be read, as they are on every tag of ours."""
        found = read_pages(self._channel, page)
        if found is None:
            raise CardNotOurs("its settings are not to be read without a key")
        return found

    def _require_made(self) -> None:
        """All that was written about who may do what is there."""
        config, access = self._settings()
        locks = self._require(PAGE_LOCKS)[2:PAGE_BYTES]
        is_locked = self._require(KEY_LOCKS)[:1] == _KEYS_LOCKED[:1] and access[0] == _CONFIG_LOCKED
        if config[3] != TEXT_PAGE or not is_locked or locks[0] & 0xF0 != 0xF0 or locks[1] & 0x03 != 0x03:
            raise CardNotOurs("it does not keep its locks")


def _write(channel: CardChannel, page: int, content: bytes) -> None:
    for at in range(0, len(content), PAGE_BYTES):
        write_page(channel, page + at // PAGE_BYTES, content[at : at + PAGE_BYTES])


assert GET_VERSION == 0x60 and MAC_PAGE == TEXT_PAGE + PAGES_BYTES // PAGE_BYTES, "text and MAC follow one another"
