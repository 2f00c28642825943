"""Whether a card is as the factory sends it, asked before anything is written on it."""

import os

from hardware.cards.classic_sectors import KEY_A, KEY_B, TRANSPORT_KEY, ClassicSectors
from hardware.cards.classic_trailers import LOAD_SECTORS, SECTORS
from hardware.cards.crypto import RandomBytes
from hardware.cards.desfire_issue import BLANK_DES, CARD_LEVEL
from hardware.cards.desfire_session import DesfireSession
from hardware.cards.keys import CardKeys, KeysOfCard, Role
from hardware.cards.open_card import technology_of
from hardware.cards.tags import tag_on
from hardware.ports import CardChannel, CardNotOurs, CardRefused
from protocol.purse import Technology
from protocol.purse_desfire import read_key_version


def is_blank(channel: CardChannel, keys: CardKeys, random_bytes: RandomBytes = os.urandom) -> bool:
    """Whether nothing of ours is on it; False: ours, or begun by a card office of ours. It is only authenticated to.

    Of a MIFARE Classic the load sectors may be ours: what was frozen stays so when the card is erased. Raises
    CardNotOurs for a stranger's card, which opens neither as a blank nor under a set held here, and CardLeftField.
    """
    tag = tag_on(channel, keys, random_bytes)
    if tag is not None:
        return tag.is_blank()
    if technology_of(channel) is Technology.DESFIRE:
        return _is_blank_desfire(channel, keys, random_bytes)
    sectors = ClassicSectors(channel)
    owners = {sector: keys_of_sector(sectors, sector, keys, channel.uid) for sector in SECTORS}
    return all(owner is None for sector, owner in owners.items() if sector not in LOAD_SECTORS)


def _is_blank_desfire(channel: CardChannel, keys: CardKeys, random_bytes: RandomBytes) -> bool:
    card = DesfireSession(channel, random_bytes)
    card.select(CARD_LEVEL)
    version = card.key_version(0)
    if version == 0:
        try:
            card.authenticate_des(0, BLANK_DES)
        except CardRefused as refused:
            raise CardNotOurs("its master key is not the factory's") from refused
        return True
    card.authenticate(0, keys.require(channel.uid, read_key_version(version)[0]).aes(Role.DESFIRE_CARD))
    return False


def keys_of_sector(sectors: ClassicSectors, sector: int, keys: CardKeys, uid: bytes) -> KeysOfCard | None:
    """Whose the sector is, which is open for writing now; None: nobody's, a blank's. Raises CardNotOurs."""
    if _opens(sectors, sector, TRANSPORT_KEY, KEY_A):
        return None
    for held in keys.key_sets:
        of_set = keys.require(uid, held)
        if _opens(sectors, sector, write_key(sector, of_set), KEY_B):
            return of_set
    raise CardNotOurs(f"sector {sector} opens under no key held here")


def write_key(sector: int, keys: KeysOfCard) -> bytes:
    """Key B of a sector of ours. Raises KeyNotHeld."""
    return keys.classic(Role.CLASSIC_LOAD if sector in LOAD_SECTORS else Role.CLASSIC_OFFICE)


def _opens(sectors: ClassicSectors, sector: int, key: bytes, kind: int) -> bool:
    try:
        sectors.open(sector, key, kind)
    except CardRefused:
        return False
    return True
