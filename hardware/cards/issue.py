"""Making a card ours, at the card office: keys, structure, identity and the first purse, then a read to prove it.

All ways work on a blank card, on one of ours (its content is replaced; an Ultralight AES is what it is for good), and
on a card whose personalisation was cut short, which is simply begun again. The only write that can spoil a card is a
torn trailer on MIFARE Classic: leave the card at rest on the reader.
"""

import os
from dataclasses import dataclass

from hardware.cards.classic import ClassicPurse
from hardware.cards.classic_sectors import (
    KEY_A,
    KEY_B,
    TRANSPORT_KEY,
    ClassicSectors,
    by_sector,
)
from hardware.cards.classic_trailers import LOAD_SECTORS, lock
from hardware.cards.crypto import RandomBytes
from hardware.cards.desfire_issue import DesfireIssue
from hardware.cards.keys import CardKeys, KeysOfCard, Role
from hardware.cards.open_card import technology_of
from hardware.cards.sun import LINK_DEFAULT
from hardware.cards.tags import Tag, tag_on
from hardware.cards.tokens import read_token
from hardware.ports import CardChannel, CardNotOurs, CardRefused, PurseUnreadable
from protocol.purse import CardRead, Identity, Purse, Technology
from protocol.purse_classic import KEY_SET_BLOCK, BlockWrite, blank_plan, key_set_block


@dataclass(frozen=True, slots=True)
class NewCard:
    """What a card is to become: under which key set, whose, and with which purse (its load_seq must be 0).

    `link`: the page that a phone opens which reads a token; a token has no purse.
    """

    key_set: int
    identity: Identity
    purse: Purse
    link: str = LINK_DEFAULT

    def __post_init__(self) -> None:
        assert self.purse.load_seq == 0, "a new card has no load record yet"


def personalise(channel: CardChannel, keys: CardKeys, new: NewCard, random_bytes: RandomBytes = os.urandom) -> CardRead:
    """Make the card in the field ours and read it back; needs all three master keys of the set.

    Raises CardNotOurs when it opens neither as a blank card nor under a set held here, and CardLeftField and
    CardRefused: then begin again.
    """
    tag = tag_on(channel, keys, random_bytes)
    if tag is not None:
        return _made_token(tag, channel, keys, new, random_bytes)
    if technology_of(channel) is Technology.DESFIRE:
        return DesfireIssue(channel, keys, new.key_set, random_bytes).personalise(new.identity, new.purse)
    return _Classic(channel, keys, new).personalise()


def _made_token(tag: Tag, channel: CardChannel, keys: CardKeys, new: NewCard, random_bytes: RandomBytes) -> CardRead:
    tag.write(new.key_set, new.identity, new.link)
    read = read_token(channel, keys, random_bytes)
    if read is None or not read.genuine:
        raise PurseUnreadable("the tag does not prove that it is what was written")
    return read


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
            if sector not in LOAD_SECTORS:
                lock(self._sectors, sector, keys)
            elif is_blank:
                lock(self._sectors, sector, load_keys)
        return ClassicPurse(self._channel, self._keys).read()

    def _plan(self, keys: KeysOfCard, load_set: int) -> tuple[BlockWrite, ...]:
        """The data blocks, the key set block completed by the set of the frozen load sectors."""
        new, uid = self._new, self._channel.uid
        writes = blank_plan(new.identity, new.purse, new.key_set, uid, keys.mac8(Role.CLASSIC_MAC))
        sets = BlockWrite(KEY_SET_BLOCK, key_set_block(new.key_set, load_set))
        return tuple(sets if write.block == KEY_SET_BLOCK else write for write in writes)

    def _set_of_load_sectors(self) -> int | None:
        """The set under which a load sector is frozen already; None while all of them are blank."""
        for sector in LOAD_SECTORS:
            for key_set in self._keys.key_sets:
                if self._opens(sector, self._of_set(key_set).classic(Role.CLASSIC_LOAD), KEY_B):
                    return key_set
        return None

    def _open(self, sector: int) -> bool:
        """Open a sector for writing; whether it was blank. Raises CardNotOurs when no key held here opens it."""
        role = Role.CLASSIC_LOAD if sector in LOAD_SECTORS else Role.CLASSIC_OFFICE
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

    def _of_set(self, key_set: int) -> KeysOfCard:
        return self._keys.require(self._channel.uid, key_set)
