"""Tags that a card office makes tokens of, behind one small interface: found by what the chip says it is."""

import os
from typing import Protocol

from hardware.cards.crypto import RandomBytes
from hardware.cards.keys import CardKeys
from hardware.cards.ntag424 import Ntag424, is_ntag424
from hardware.cards.open_card import answers_as_desfire
from hardware.cards.sun import UID_BYTES
from hardware.cards.ultralight_issue import UltralightAes, is_ultralight_aes
from hardware.ports import CardChannel
from protocol.purse import Identity, Technology


class Tag(Protocol):
    """A tag on the reader. Whatever it refuses ends the look; it is put on the reader anew."""

    @property
    def is_written_once(self) -> bool:
        """Whether what it says once finished stays for good."""
        ...

    def says(self) -> Identity | None:
        """Who it says it is; not proven."""
        ...

    def is_blank(self) -> bool:
        """Whether nothing of ours is on it. Raises CardNotOurs for somebody else's, and CardLeftField."""
        ...

    def write(self, key_set: int, who: Identity, link: str) -> None:
        """Make it this token, from whatever a try before has left. Raises CardError: then begin again."""
        ...


def tag_on(channel: CardChannel, keys: CardKeys, random_bytes: RandomBytes = os.urandom) -> Tag | None:
    """The tag on the reader; None for every other card, and for a tag that hides its UID: its keys hang on that."""
    if channel.technology in (Technology.CLASSIC, Technology.TOKEN) or len(channel.uid) != UID_BYTES:
        return None
    if channel.technology is None:
        return UltralightAes(channel, keys, random_bytes) if is_ultralight_aes(channel) else None
    if answers_as_desfire(channel) or not is_ntag424(channel):
        return None
    return Ntag424(channel, keys, random_bytes)
