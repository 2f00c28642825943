"""Tokens that prove who they are, behind one function: what a card that holds no purse of ours says of itself.

Sources: NFC Forum Type 4 Tag (selection, ReadBinary), NXP AN12196 and MF0AES(H)20, ISO/IEC 14443-3 section 6.5.4
(random UIDs).
"""

import os
from dataclasses import replace

from hardware.cards.crypto import RandomBytes
from hardware.cards.keys import CardKeys, Role
from hardware.cards.ntag424 import READ_NDEF, SELECT_APPLICATION, SELECT_NDEF_FILE
from hardware.cards.sun import WHO_BYTES, SunMessage, proof_in, read_message, who_in
from hardware.cards.ultralight_aes import authenticates, is_said_by, read_said
from hardware.ports import CardChannel, CardNotOurs
from protocol.proofs import Proof, ProofKind
from protocol.purse import CardId, CardRead, Identity, Technology
from protocol.tokens import read_of, uid_text

_OK = b"\x90\x00"


def read_token(channel: CardChannel, keys: CardKeys, random_bytes: RandomBytes = os.urandom) -> CardRead | None:
    """What a token says of itself, with its proof; not genuine where it has none. None: it says nothing of ours.

    Raises CardLeftField, ReaderUnplugged.
    """
    try:
        return _sun(channel, keys) or _ultralight(channel, keys, random_bytes)
    except CardNotOurs:  # of a key set that is not held here
        return None


def _sun(channel: CardChannel, keys: CardKeys) -> CardRead | None:
    message = _sun_message(channel)
    if message is None:
        return None
    uid = channel.uid if uid_text(channel.uid) else None
    return _read(channel, message.key_set, message.who, proof_in(message, keys, uid))


def _ultralight(channel: CardChannel, keys: CardKeys, random_bytes: RandomBytes) -> CardRead | None:
    if channel.technology is not None:
        return None
    said = read_said(channel)
    who = who_in(said.text[:WHO_BYTES]) if said and not any(said.text[WHO_BYTES:]) else None
    if said is None or who is None:
        return None
    key_set = said.text[1]
    of_tag = keys.require(channel.uid, key_set)
    wrote_it = is_said_by(said, channel.uid, of_tag.aes(Role.ULTRALIGHT_MAC))
    proven = wrote_it and authenticates(channel, of_tag.aes(Role.ULTRALIGHT), random_bytes)
    return _read(channel, key_set, who, Proof(ProofKind.AES) if proven else None)


def _read(channel: CardChannel, key_set: int, who: Identity, proof: Proof | None) -> CardRead:
    read = read_of(CardId(who.card, who.generation, Technology.TOKEN, who.card_class), proof=proof)
    return replace(read, uid=channel.uid, key_set=key_set, genuine=proof is not None)


def _sun_message(channel: CardChannel) -> SunMessage | None:
    if channel.technology in (Technology.CLASSIC, Technology.TOKEN):
        return None
    for command in (SELECT_APPLICATION, SELECT_NDEF_FILE):
        if channel.transmit(command) != _OK:
            return None
    answer = channel.transmit(READ_NDEF)
    return read_message(answer[:-2]) if answer[-2:] == _OK else None
