"""Tokens: cards that only say who they are. Their purse is the server's row, which a sale asks (SPEC, "Tokens")."""

from protocol.ids import Counter
from protocol.instants import SECOND_MS
from protocol.money import Cents
from protocol.proofs import Proof
from protocol.purse import CardClass, CardId, CardRead, Identity, Purse, Technology

ANSWER_WITHIN_MS = 3 * SECOND_MS
"""A terminal waits no longer for an answer."""
UID_SIZES = (4, 7, 8, 10)
"""Bytes of a UID: type A has 4, 7 or 10 (ISO/IEC 14443-3, 6.5.4), type B 4 (its PUPI, 7.9.2), FeliCa 8 (its IDm)."""
_RANDOM = {4: b"\x08", 8: b"\x01\xfe"}
"""One of this size that begins so is made anew whenever the chip is powered (ISO/IEC 14443-3, 6.5.4, and 18092)."""


def uid_text(uid: bytes) -> str | None:
    """A UID as questions spell it; None for one that says nothing about who it is.

    Phones make one anew at every tap, and of all zeros is what every resident identity card of China has.
    """
    is_random = len(uid) in _RANDOM and uid.startswith(_RANDOM[len(uid)])
    return None if len(uid) not in UID_SIZES or is_random or not any(uid) else uid.hex()


def read_of(card: CardId, purse: Purse | None = None, proof: Proof | None = None) -> CardRead:
    """A token as a read of a card, so that one code decides for all; without the account its purse is empty."""
    identity = Identity(card.no, card.generation, CardClass(card.card_class))
    return CardRead(Technology.TOKEN, b"", 0, identity, purse or Purse(Counter(0), Cents(0)), (), proof=proof)
