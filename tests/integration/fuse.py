"""Something that happens at an exact moment of a conversation between a reader and a card."""

from collections.abc import Callable

from hardware.simulated.classic_card import VirtualClassic
from hardware.simulated.desfire_card import VirtualDesfire
from hardware.simulated.tearing import Moment, Rest, Tear

Card = VirtualClassic | VirtualDesfire
UPDATE_BINARY, COMMIT = b"\xff\xd6", b"\x90\xc7"


class Fuse:
    """A card as the reader sees it. At one exchange (from 1) something happens: before the card sees it, or after."""

    def __init__(
        self, card: Card, at: int, act: Callable[[], object], *, after: bool = False, only: bytes = b""
    ) -> None:
        """Count the exchanges, or only those that begin with these bytes."""
        self._card, self._at, self._act, self._after, self._only = card, at, act, after, only
        self.exchanges = 0
        self.uid, self.atr, self.field = card.uid, card.atr, card.field

    def reset(self) -> None:
        """Power up anew."""
        self._card.reset()

    def process(self, apdu: bytes) -> bytes:
        """Pass an exchange on."""
        counts = apdu.startswith(self._only)
        self.exchanges += counts
        is_it = counts and self.exchanges == self._at
        if is_it and not self._after:
            self._act()
        answer = self._card.process(apdu)
        if is_it and self._after:
            self._act()
        return answer


def torn_off(card: Card) -> Fuse:
    """A card that leaves as late as it hurts: a DESFire right after its commit, a Classic in its second block."""
    if isinstance(card, VirtualDesfire):
        return Fuse(card, 1, lambda: card.arm(Tear(1, Moment.AFTER)), only=COMMIT)
    half = Tear(1, Moment.DURING, 7, 0x3C, Rest.ZEROS)
    return Fuse(card, 2, lambda: card.arm(half), only=UPDATE_BINARY)
