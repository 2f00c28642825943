"""From a card at the card office to the change of its keys, whichever technology it is."""

import os

from hardware.cards import classic_rekey, desfire_rekey
from hardware.cards.crypto import RandomBytes
from hardware.cards.keys import CardKeys
from hardware.cards.open_card import open_card, technology_of
from hardware.cards.pin import pin_is_right
from hardware.ports import CardChannel, CardNotOurs, CardRefused, PurseUnreadable
from protocol.purse import CardRead, Technology


def read_before_change(
    channel: CardChannel, keys: CardKeys, key_set: int, pin: str = "", random_bytes: RandomBytes = os.urandom
) -> CardRead | None:
    """The card as it is before its keys are changed to this set. Raises CardLeftField.

    None where a run before left it unreadable, and where the change will refuse it: not ours, or another PIN.
    """
    try:
        read = open_card(channel, keys, random_bytes).read()
    except (CardNotOurs, CardRefused, PurseUnreadable):
        return None
    verifier = read.identity.pin_verifier
    may_be_of = (read.key_set, key_set)  # a run before may have been cut behind the new verifier
    fits = not verifier or any(pin_is_right(keys, read.uid, known, verifier, pin) for known in may_be_of)
    return read if fits or read.key_set == key_set else None


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
