"""The PIN verifier on a card: eight bytes of CMAC over the PIN, under a key diversified for this one card.

A till can compare a PIN only with the card present, and the card counts every try before it is compared.
"""

from hardware.cards.keys import CardKeys, Role
from hardware.ports import CardError
from protocol.signing import same_bytes

_CONTEXT = b"fanka pin 1\x00"


class PinNeeded(CardError):
    """The verifier of the card's PIN is made with its keys: its holder must type the PIN, or get a new card."""


def pin_verifier(keys: CardKeys, uid: bytes, key_set: int, pin: str) -> bytes:
    """The verifier of a PIN of 4 to 8 digits. Raises ValueError for anything else, or a key set that is not held."""
    if not (pin.isascii() and pin.isdigit() and 4 <= len(pin) <= 8):
        raise ValueError("a PIN has 4 to 8 digits")
    of_card = keys.of_card(uid, key_set)
    if of_card is None:
        raise ValueError(f"key set {key_set} is not held here")
    return of_card.mac8(Role.PIN)(_CONTEXT + pin.encode())


def pin_is_right(keys: CardKeys, uid: bytes, key_set: int, verifier: bytes, pin: str) -> bool:
    """Whether a typed PIN is the card's, compared in constant time."""
    try:
        return same_bytes(verifier, pin_verifier(keys, uid, key_set, pin))
    except ValueError:
        return False
