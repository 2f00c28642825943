"""From a card at the card office to the change of its keys, whichever technology it is."""

import os

from hardware.cards import classic_rekey, desfire_rekey
from hardware.cards.crypto import RandomBytes
from hardware.cards.keys import CardKeys
from hardware.cards.open_card import technology_of
from hardware.ports import CardChannel
from protocol.purse import CardRead, Technology


def change_key_set(
    channel: CardChannel, keys: CardKeys, key_set: int, pin: str = "", random_bytes: RandomBytes = os.urandom
) -> CardRead:
    """Bring the card's keys to this set and read it back, its content left as it is.

    Raises PinNeeded, CardNotOurs and KeyNotHeld before anything is changed, and CardLeftField, CardRefused and
    PurseUnreadable at any time: then do it again, with the same card, before its holder gets it back.
    """
    if technology_of(channel) is Technology.DESFIRE:
        return desfire_rekey.change_key_set(channel, keys, key_set, pin, random_bytes)
    return classic_rekey.change_key_set(channel, keys, key_set, pin)
