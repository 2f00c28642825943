"""Tokens that prove who they are, behind one function: what a card that holds no purse of ours says of itself.

Sources: NFC Forum Type 4 Tag (selection, ReadBinary), NXP AN12196, ISO/IEC 14443-3 section 6.5.4 (random UIDs).
"""

from dataclasses import replace

from hardware.cards.keys import CardKeys
from hardware.cards.sun import NDEF_BYTES_MAX, SunMessage, proof_in, read_message
from hardware.ports import CardChannel, CardNotOurs
from protocol.purse import CardId, CardRead, Technology
from protocol.tokens import read_of, uid_text

SELECT_NDEF_APPLICATION = bytes.fromhex("00a4040007d276000085010100")
SELECT_NDEF_FILE = bytes.fromhex("00a4000c02e104")
READ_NDEF = bytes((0x00, 0xB0, 0x00, 0x00, NDEF_BYTES_MAX))

_OK = b"\x90\x00"


def read_token(channel: CardChannel, keys: CardKeys) -> CardRead | None:
    """What a token says of itself, with its proof; not genuine where it has none. None: it says nothing of ours.

    Raises CardLeftField, ReaderUnplugged.
    """
    message = _sun_message(channel)
    if message is None:
        return None
    uid = channel.uid if uid_text(channel.uid) else None
    try:
        proof = proof_in(message, keys, uid)
    except CardNotOurs:
        return None
    who = message.who
    read = read_of(CardId(who.card, who.generation, Technology.TOKEN, who.card_class), proof=proof)
    return replace(read, uid=channel.uid, key_set=message.key_set, genuine=proof is not None)


def _sun_message(channel: CardChannel) -> SunMessage | None:
    if channel.technology is Technology.CLASSIC:
        return None
    for command in (SELECT_NDEF_APPLICATION, SELECT_NDEF_FILE):
        if channel.transmit(command) != _OK:
            return None
    answer = channel.transmit(READ_NDEF)
    return read_message(answer[:-2]) if answer[-2:] == _OK else None
