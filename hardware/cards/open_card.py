"""From a card in the field to the driver of its technology."""

import os

from hardware.cards.classic import ClassicPurse
from hardware.cards.crypto import RandomBytes
from hardware.cards.desfire import DesfirePurse
from hardware.cards.keys import CardKeys
from hardware.ports import CardChannel, CardNotOurs, PurseCard
from protocol.purse import Technology

_SELECT_CARD_LEVEL = bytes.fromhex("905a00000300000000")


def open_card(channel: CardChannel, keys: CardKeys, random_bytes: RandomBytes = os.urandom) -> PurseCard:
    """The driver for a card; nothing has been read yet. Raises CardNotOurs, CardLeftField, ReaderUnplugged.

    Where the reader cannot tell the technology, a DESFire is what answers a native command as one.
    """
    if technology_of(channel) is Technology.DESFIRE:
        return DesfirePurse(channel, keys, random_bytes)
    return ClassicPurse(channel, keys)


def technology_of(channel: CardChannel) -> Technology:
    """What the reader says the chip is, or what the chip answers. Raises CardNotOurs for one that can hold no purse."""
    if channel.technology is Technology.TOKEN:
        raise CardNotOurs("nothing but its UID is of use here")
    if channel.technology is not None:
        return channel.technology
    return Technology.DESFIRE if answers_as_desfire(channel) else Technology.CLASSIC


def answers_as_desfire(channel: CardChannel) -> bool:
    """Whether the chip knows DESFire's own commands: many cards and phones have its answer to reset."""
    return channel.transmit(_SELECT_CARD_LEVEL)[-2:] == b"\x91\x00"
