"""A card of ours becomes a blank again, at the card office: as the factory sent it, as far as that can be.

    DESFire    every application and its memory (FormatPICC) -> key settings -> the factory's DES key
    Classic    key set byte -> identity, slots, load records -> trailers of sectors 3, 2, 1, 0

What is cleared first is what tills know a card of ours by, so a card that was cut short is none; and each step says by
itself whether it was done, so doing it again finishes it. The trailers come last: behind them a sector is anybody's.
The load sectors of a Classic card are frozen and keep their keys, empty; `hardware/cards/issue.py` goes on with them.
"""

import os

from hardware.cards.blank import is_blank, keys_of_sector, write_key
from hardware.cards.classic_sectors import KEY_A, KEY_B, SECTOR_BLOCKS, TRANSPORT_KEY, ClassicSectors
from hardware.cards.classic_trailers import LOAD_SECTORS, SECTORS, SLOT_SECTORS, unlock
from hardware.cards.crypto import RandomBytes
from hardware.cards.desfire_issue import CARD_LEVEL
from hardware.cards.desfire_session import DesfireSession
from hardware.cards.keys import CardKeys, KeysOfCard, Role
from hardware.cards.open_card import open_card, technology_of
from hardware.ports import CardChannel, CardError, CardLeftField, CardNotOurs, CardRefused, PurseUnreadable
from protocol.ids import CardKey
from protocol.purse import CardRead, Technology
from protocol.purse_classic import EMPTY_BLOCK, BlockWrite
from protocol.purse_desfire import APPLICATION_ID, read_key_version

_SETTINGS_OF_FACTORY = 0x0F
"""M075031, key settings: as ours, and everybody may create applications."""
_OFFICE_SECTORS = (*reversed(SLOT_SECTORS), *(s for s in reversed(SECTORS) if s not in (*SLOT_SECTORS, *LOAD_SECTORS)))
_CLEARED = (*reversed(_OFFICE_SECTORS), *LOAD_SECTORS)


class HoldsMoney(CardError):
    """There is money on the card, or another card on the plastic than the one that shall go."""


class CarriesOthers(CardError):
    """Others have applications on the card; without our key they would be at anybody's mercy."""


def read_before_erasing(
    channel: CardChannel, keys: CardKeys, random_bytes: RandomBytes = os.urandom
) -> CardRead | None:
    """What is on the card; None where it says nothing genuine of itself. Raises CardLeftField, and CarriesOthers."""
    try:
        read = open_card(channel, keys, random_bytes).read()
    except (CardNotOurs, CardRefused, PurseUnreadable):
        return None
    if read.technology is Technology.DESFIRE:
        card = DesfireSession(channel, random_bytes)
        card.select(CARD_LEVEL)
        _require_alone(card)
    return read


def is_empty(read: CardRead) -> bool:
    """Whether it is known that nothing is on the card."""
    return read.purse is not None and read.purse.main_cents == 0 == read.purse.subsidy_cents


def erase(channel: CardChannel, keys: CardKeys, card: CardKey, random_bytes: RandomBytes = os.urandom) -> None:
    """Make the plastic of this card a blank, and prove that it is one; needs all keys of every set held.

    Raises HoldsMoney, CarriesOthers, CardNotOurs and KeyNotHeld before anything is changed, and CardLeftField and
    CardRefused at any time: then do it again, with the same plastic, which by then may say nothing of itself any more.
    """
    read = read_before_erasing(channel, keys, random_bytes)
    if read is not None and (read.identity.key != card or not is_empty(read)):
        raise HoldsMoney("the card is not the one that was to be erased, or it holds money")
    if technology_of(channel) is Technology.DESFIRE:
        _erase_desfire(channel, keys, random_bytes)
    else:
        _erase_classic(channel, keys)
    if not is_blank(channel, keys, random_bytes):
        raise CardLeftField("the card does not show that it is blank")


def _erase_desfire(channel: CardChannel, keys: CardKeys, random_bytes: RandomBytes) -> None:
    """In EV1's session, which every chip speaks. What a session is worth behind FormatPICC nobody says: a new one."""
    card = DesfireSession(channel, random_bytes)
    card.select(CARD_LEVEL)
    version = card.key_version(0)
    if version == 0:
        return
    master = keys.require(channel.uid, read_key_version(version)[0]).aes(Role.DESFIRE_CARD)
    card.authenticate(0, master)
    _require_alone(card)
    card.command(0xFC)
    card.select(CARD_LEVEL)
    card.authenticate(0, master)
    card.change_settings(_SETTINGS_OF_FACTORY)
    card.change_to_des()


def _require_alone(card: DesfireSession) -> None:
    aids = card.command(0x6A)
    others = {aids[at : at + 3].hex() for at in range(0, len(aids), 3)} - {APPLICATION_ID.hex()}
    if others:
        raise CarriesOthers(", ".join(sorted(others)))


def _erase_classic(channel: CardChannel, keys: CardKeys) -> None:
    sectors = ClassicSectors(channel)
    owners = {sector: keys_of_sector(sectors, sector, keys, channel.uid) for sector in SECTORS}
    for sector in _CLEARED:
        if owners[sector] is not None:
            _open(sectors, sector, owners[sector])
            first = sector * SECTOR_BLOCKS
            blocks = range(max(1, first), first + SECTOR_BLOCKS - 1)  # block 0 is the manufacturer's
            sectors.write_and_read_back(tuple(BlockWrite(block, EMPTY_BLOCK) for block in blocks))
    for sector in _OFFICE_SECTORS:  # also those of a run before: nobody knows whether it was cut in the middle of one
        _open(sectors, sector, owners[sector])
        unlock(sectors, sector)


def _open(sectors: ClassicSectors, sector: int, owner: KeysOfCard | None) -> None:
    if owner is None:
        sectors.open(sector, TRANSPORT_KEY, KEY_A)
    else:
        sectors.open(sector, write_key(sector, owner), KEY_B)
