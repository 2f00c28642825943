"""Erasing at work: carries out `terminal/erase.py` on the card thread, and writes down what begins and how it ends."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Protocol

from msgspec.structs import replace as with_members

from hardware.cards.blank import is_blank
from hardware.cards.crypto import RandomBytes
from hardware.cards.erase import CarriesOthers, HoldsMoney, erase, is_empty, read_before_erasing
from hardware.cards.keys import CardKeys
from hardware.cards.tags import tag_on
from hardware.ports import CardChannel, CardError, CardLeftField, CardNotOurs, PurseUnreadable
from protocol.authorise import Listed, Refused, Standing, card_refusal
from protocol.card_bodies import CardErased
from protocol.card_bodies import Erased as Outcome
from protocol.entries import Body, Kind
from protocol.ids import CardKey
from protocol.purse import CardId, CardRead
from terminal.card_port import Run
from terminal.erase import Asked, Erased, ErasePhase, NotErased, WaitingForCard
from terminal.replace import Unmade, WhyNot

Append = Callable[[Kind, Body], Awaitable[object]]


class Known(Protocol):
    """What the journal says of plastics and of open steps."""

    @property
    def begun(self) -> Mapping[str, CardId]:
        """By UID, the plastics that are half made."""
        ...

    @property
    def erasing(self) -> Mapping[str, CardErased]:
        """By UID, the plastics that are half erased, or may be."""
        ...

    def is_open(self, card: CardKey) -> bool:
        """Whether a step of this card has no outcome yet."""
        ...


class Eraser:
    """One card at a time. Needs all master keys of every set that cards come with."""

    def __init__(
        self, keys: CardKeys, run: Run, standing: Callable[[CardKey], Standing], random_bytes: RandomBytes
    ) -> None:
        self._keys, self._run, self._standing, self._random_bytes = keys, run, standing, random_bytes
        self._channel: CardChannel | None = None
        self.phase: ErasePhase = WaitingForCard()
        self.count = 0
        """How many were erased since somebody asked for it."""

    async def card_arrived(self, channel: CardChannel, append: Append, known: Known) -> None:
        """Look at it: ask, finish what was begun, or say why not. Raises JournalError."""
        self.phase, self._channel = WaitingForCard(), channel
        try:
            self.phase = await self._look(channel, append, known)
        except CardError as error:
            self.phase = NotErased(_why_not(error))

    def card_left(self) -> None:
        """Who says yes afterwards means another card."""
        self.cancel()
        self._channel = None

    def cancel(self) -> bool:
        """Leave the card that is asked about as it is; whether there was one."""
        was_asked = isinstance(self.phase, Asked)
        self.phase = WaitingForCard() if was_asked else self.phase
        return was_asked

    async def confirm(self, append: Append, known: Known) -> None:
        """Erase what was shown, if that is what still lies there. Raises JournalError; then nothing was erased."""
        asked, channel = self.phase, self._channel
        if not isinstance(asked, Asked) or channel is None:
            return
        self.phase = WaitingForCard()
        try:
            read = await self._read(channel)
        except CardError as error:
            self.phase = NotErased(_why_not(error))
            return
        if read != asked.read:
            self.phase = NotErased(WhyNot(Unmade.CHANGED))
        elif why := self._refusal(asked.read, known):
            self.phase = NotErased(why)
        else:
            begun = _begun_of(asked.read)
            await append(Kind.CARD_ERASED, begun)
            self.phase = await self._erase(channel, append, begun, is_first=True)

    async def _look(self, channel: CardChannel, append: Append, known: Known) -> ErasePhase:
        if await self._run(lambda: tag_on(channel, self._keys, self._random_bytes)) is not None:
            return NotErased(WhyNot(Unmade.TAG))
        begun = known.erasing.get(channel.uid.hex())
        read = await self._read(channel)
        if read is not None:
            if why := self._refusal(read, known):
                return NotErased(why)
            if begun is None or begun.card.key != read.identity.key:
                return Asked(read)
        if begun is not None:
            return await self._erase(channel, append, begun, is_first=False)
        blank = await self._run(lambda: is_blank(channel, self._keys, self._random_bytes))
        return NotErased(WhyNot(Unmade.BLANK if blank else Unmade.HALF_WAY))

    async def _read(self, channel: CardChannel) -> CardRead | None:
        return await self._run(lambda: read_before_erasing(channel, self._keys, self._random_bytes))

    async def _erase(self, channel: CardChannel, append: Append, begun: CardErased, *, is_first: bool) -> ErasePhase:
        card = begun.card
        try:
            await self._run(lambda: erase(channel, self._keys, card.key, self._random_bytes))
        except CardError as error:
            if is_first:
                await append(Kind.CARD_ERASED, with_members(begun, outcome=Outcome.FAILED))
            return NotErased(_why_not(error))
        await append(Kind.CARD_ERASED, with_members(begun, outcome=Outcome.DONE))
        self.count += 1
        return Erased(card.no)

    def _refusal(self, read: CardRead, known: Known) -> WhyNot | Refused | None:
        """Why this card stays as it is. A closed one may go; one that may be a copy, or evidence, may not."""
        number, standing = str(read.identity.card), self._standing(read.identity.key)
        is_closed = standing.listed is Listed.CLOSED
        refused = card_refusal(read, replace(standing, listed=Listed.GOOD) if is_closed else standing)
        if refused is not None:
            return refused
        if not is_empty(read):
            return WhyNot(Unmade.CLOSED_WITH_MONEY if is_closed else Unmade.OTHER_CARD, number)
        if read.uid.hex() in known.begun:
            return WhyNot(Unmade.BEGUN_HERE, str(known.begun[read.uid.hex()].no))
        return WhyNot(Unmade.STEP_OPEN, number) if known.is_open(read.identity.key) else None


def _begun_of(read: CardRead) -> CardErased:
    assert read.purse is not None, "it is known to be empty"
    return CardErased(read.id, read.uid.hex(), Outcome.BEGUN, read.key_set, read.purse.counter)


def _why_not(error: CardError) -> WhyNot:
    match error:
        case CardLeftField():
            return WhyNot(Unmade.LEFT)
        case CardNotOurs():
            return WhyNot(Unmade.NOT_OURS, str(error))
        case PurseUnreadable():
            return WhyNot(Unmade.UNREADABLE, str(error))
        case HoldsMoney():
            return WhyNot(Unmade.CHANGED)
        case CarriesOthers():
            return WhyNot(Unmade.SHARED, str(error))
        case _:
            return WhyNot(Unmade.REFUSED, str(error))
