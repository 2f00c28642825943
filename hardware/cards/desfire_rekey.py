"""Another key set for a DESFire card of ours, at the card office, with its content left as it is.

    card master -> credit key -> application master -> (PIN verifier) -> debit key

Each change is atomic on the card, and every key's version says which set it is of; so a change that was cut short is
finished by doing it again, from whatever is there. The debit key comes last: its version is the set that terminals go
by, so a card that shows the new set has it everywhere, and until then it sells under the old one. Only loads have to
wait while the credit key is ahead.
"""

import os
from dataclasses import replace

from hardware.cards.crypto import AesKey, RandomBytes
from hardware.cards.desfire import DesfirePurse, file_header, select_ours
from hardware.cards.desfire_issue import CARD_LEVEL, write_file
from hardware.cards.desfire_session import DesfireSession
from hardware.cards.keys import CardKeys, Role
from hardware.cards.pin import PinNeeded, pin_is_right, pin_verifier
from hardware.ports import CardChannel, PurseUnreadable
from protocol.purse import CardRead
from protocol.purse_desfire import (
    FILE_IDENTITY,
    IDENTITY_BYTES,
    KEY_CREDIT,
    KEY_DEBIT,
    KEY_MASTER,
    decode_identity,
    encode_identity,
    key_version,
    read_key_version,
)

_ROLES = {
    KEY_MASTER: Role.DESFIRE_MASTER,
    KEY_DEBIT: Role.DESFIRE_DEBIT,
    KEY_CREDIT: Role.DESFIRE_CREDIT,
}


def change_key_set(
    channel: CardChannel, keys: CardKeys, key_set: int, pin: str = "", random_bytes: RandomBytes = os.urandom
) -> CardRead:
    """Bring every key of the card to this set and read it back; needs all master keys of both sets.

    Raises PinNeeded, CardNotOurs and KeyNotHeld before anything is changed, and CardLeftField, CardRefused and
    PurseUnreadable at any time: then do it again, with the same card, before its holder gets it back.
    """
    _Rekey(channel, keys, key_set, random_bytes).run(pin)
    return DesfirePurse(channel, keys, random_bytes).read()


class _Rekey:
    def __init__(self, channel: CardChannel, keys: CardKeys, key_set: int, random_bytes: RandomBytes) -> None:
        self._keys, self._key_set, self._uid = keys, key_set, channel.uid
        self._card = DesfireSession(channel, random_bytes)
        new = keys.require(channel.uid, key_set)
        self._new = {number: new.aes(role) for number, role in _ROLES.items()}
        self._new_of_card = new.aes(Role.DESFIRE_CARD)
        self._version = 0

    def run(self, pin: str) -> None:
        card = self._card
        select_ours(card)
        card.find_out_generation()
        self._version = key_version(self._key_set, speaks_ev2=card.speaks_ev2)
        versions = {number: card.key_version(number) for number in _ROLES}
        old = {number: self._key_of(versions[number], role) for number, role in _ROLES.items()}
        card.authenticate(KEY_MASTER, old[KEY_MASTER])
        verifier = self._verifier(read_key_version(versions[KEY_DEBIT])[0], pin)
        self._change_card_level()
        select_ours(card)
        card.authenticate(KEY_MASTER, old[KEY_MASTER])
        if versions[KEY_CREDIT] != self._version:
            card.change_key(KEY_CREDIT, self._new[KEY_CREDIT], self._version, current=old[KEY_CREDIT])
        if versions[KEY_MASTER] != self._version:
            card.change_key(KEY_MASTER, self._new[KEY_MASTER], self._version)
            card.authenticate(KEY_MASTER, self._new[KEY_MASTER])
        if versions[KEY_DEBIT] != self._version:
            if verifier is not None:
                write_file(card, FILE_IDENTITY, verifier)
            card.change_key(KEY_DEBIT, self._new[KEY_DEBIT], self._version, current=old[KEY_DEBIT])

    def _key_of(self, version: int, role: Role) -> AesKey:
        """The key that a key's version says it is. Raises CardNotOurs for a blank one and for a set not held."""
        return self._keys.require(self._uid, read_key_version(version)[0]).aes(role)

    def _change_card_level(self) -> None:
        card = self._card
        card.select(CARD_LEVEL)
        version = card.key_version(0)
        if version != self._version:
            card.authenticate(0, self._key_of(version, Role.DESFIRE_CARD))
            card.change_key(0, self._new_of_card, self._version, card_level=True)

    def _verifier(self, old_set: int, pin: str) -> bytes | None:
        """The identity file with the PIN's verifier under the new set; None where it needs no change.

        The verifier on the card may be the new one already: the run before was cut behind it.
        """
        raw = self._card.command(0xBD, file_header(FILE_IDENTITY, 0, IDENTITY_BYTES))
        identity = decode_identity(raw)
        if identity is None:
            raise PurseUnreadable("the identity file is malformed")
        if not identity.pin_verifier or old_set == self._key_set:
            return None
        if pin_is_right(self._keys, self._uid, old_set, identity.pin_verifier, pin):
            verifier = pin_verifier(self._keys, self._uid, self._key_set, pin)
            return encode_identity(replace(identity, pin_verifier=verifier))
        if pin_is_right(self._keys, self._uid, self._key_set, identity.pin_verifier, pin):
            return None
        raise PinNeeded("the card has a PIN, and this is not it")
