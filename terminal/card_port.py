"""The card on the reader as the shell uses it: blocking driver calls, carried out wherever `run` says.

A terminal gives its one card thread; the simulation calls inline.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from hardware.cards.keys import CardKeys
from hardware.cards.open_card import open_card
from hardware.cards.pin import pin_is_right
from hardware.cards.tokens import read_token
from hardware.ports import CardChannel, CardLeftField, CardNotOurs, PurseCard
from protocol.ids import Counter
from protocol.purse import CardRead, Mark, PurseChange, SignedLoad

T = TypeVar("T")


class Run(Protocol):
    """Carry out a blocking call and give its result, or raise what it raises."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]:
        """Await the result of `work()`."""
        ...


class CardPort:
    """Implements the shell's `Cards` on whatever channel the reader gave last."""

    def __init__(self, keys: CardKeys, run: Run, random_bytes: Callable[[int], bytes]) -> None:
        self._keys, self._run, self._random_bytes = keys, run, random_bytes
        self._channel: CardChannel | None = None
        self._card: PurseCard | None = None
        self._tried: PurseChange | None = None

    def arrived(self, channel: CardChannel) -> None:
        """A card came into the field."""
        self._channel, self._card = channel, None

    def left(self) -> None:
        """The field is empty."""
        self._channel = self._card = None

    @property
    def uid(self) -> bytes:
        """Of what lies on the reader; empty where it has none that stays, or nothing lies there."""
        return self._channel.uid if self._channel else b""

    async def read(self, load_known: Callable[[bytes], SignedLoad | None]) -> CardRead | None:
        """Authenticate anew and read; None for a card that is not ours."""
        channel = self._channel
        if channel is None:  # nothing is lost: the card thread has not even been asked
            raise CardLeftField("there is no card on the reader")
        return await self._run(lambda: self._read(channel, load_known))

    async def write(self, change: PurseChange) -> CardRead:
        """Make one step and read it back."""
        self._tried = change
        return await self._run(lambda: self._opened().write(change))

    async def make_definite(self, mark: Mark, counter_after: Counter) -> CardRead:
        """Make what became of a step firm."""
        tried = self._tried
        if tried is not None and (tried.after.mark, tried.after.counter) != (mark, counter_after):
            tried = None
        return await self._run(lambda: self._opened().make_definite(mark, counter_after, tried))

    @property
    def compares_pins(self) -> bool:
        """A PIN's verifier needs the key itself, which a SAM does not tell."""
        return self._keys.in_sam is None

    async def pin_is_right(self, read: CardRead, pin: str) -> bool:
        """Compare a PIN with the card's verifier."""
        verifier = read.identity.pin_verifier
        return await self._run(lambda: pin_is_right(self._keys, read.uid, read.key_set, verifier, pin))

    def _read(self, channel: CardChannel, load_known: Callable[[bytes], SignedLoad | None]) -> CardRead | None:
        try:
            self._card = open_card(channel, self._keys, self._random_bytes)
            return self._card.read(load_known(channel.uid))
        except CardNotOurs:
            self._card = None
            return read_token(channel, self._keys, self._random_bytes)

    def _opened(self) -> PurseCard:
        if self._card is None:
            raise CardLeftField("there is no card on the reader")
        return self._card
