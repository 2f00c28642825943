"""Tokens: cards that only say who they are. Their purse is the server's row, which a sale asks (SPEC, "Tokens")."""

from protocol.ids import Counter
from protocol.instants import SECOND_MS
from protocol.money import Cents
from protocol.proofs import Proof
from protocol.purse import CardClass, CardId, CardRead, Identity, Purse, Technology

ANSWER_WITHIN_MS = 3 * SECOND_MS
"""A terminal waits no longer for an answer."""
UID_SIZES = (4, 7, 10)
"""Bytes of a UID: single, double and triple size (ISO/IEC 14443-3, 6.5.4)."""
_RANDOM_FIRST = 0x08
"""A single-size UID that begins so is made anew whenever the chip is powered: phones have such."""


def uid_text(uid: bytes) -> str | None:
    """A UID as questions spell it; None for one that says nothing about who it is."""
    is_random = len(uid) == UID_SIZES[0] and uid[0] == _RANDOM_FIRST
    return None if len(uid) not in UID_SIZES or is_random else uid.hex()


def read_of(card: CardId, purse: Purse | None = None, proof: Proof | None = None) -> CardRead:
    """A token as a read of a card, so that one code decides for all; without the account its purse is empty."""
    identity = Identity(card.no, card.generation, CardClass(card.card_class))
    return CardRead(Technology.TOKEN, b"", 0, identity, purse or Purse(Counter(0), Cents(0)), (), proof=proof)
