"""The card office at work: carries out `terminal/replace.py` on the card thread, and writes its entry down.

It also brings cards to the newest key set (`terminal/rekey.py`), and writes down what it is about to do and what came
of it.
"""

import contextlib
import os
from collections.abc import Awaitable, Callable
from typing import assert_never

from msgspec.structs import replace as with_members

from hardware.cards.crypto import RandomBytes
from hardware.cards.issue import NewCard, personalise
from hardware.cards.keys import CardKeys
from hardware.cards.open_card import open_card
from hardware.cards.pin import PinNeeded, pin_verifier
from hardware.cards.rekey import change_key_set, read_before_change
from hardware.ports import CardChannel, CardError, CardLeftField, CardNotOurs, CardRefused, PurseUnreadable
from protocol.card_bodies import Rekeyed
from protocol.entries import Body, CardRekeyed, Kind
from protocol.ids import CardNo, Counter
from protocol.money import Cents
from protocol.purse import CardRead, Identity, Purse
from terminal.card_port import Run
from terminal.rekey import KeysChanged, KeysUnchanged, RekeyPhase, WaitingForCard
from terminal.replace import (
    AppendEntry,
    AwaitingBlank,
    BlankTapped,
    Effect,
    EntryStored,
    Event,
    Failed,
    Issued,
    IssueOrder,
    Personalise,
    Personalised,
    PersonaliseFailed,
    Phase,
    Unmade,
    WhyNot,
    step,
)

Append = Callable[[Kind, Body], Awaitable[object]]


class CardInUse(CardError):
    """No blank: a card of another number that still holds money, or may."""

    def __init__(self, code: Unmade, number: CardNo) -> None:
        super().__init__(f"card {number}: {code}")
        self.why = WhyNot(code, str(number))


class CardOffice:
    """One blank at a time. Needs all three master keys of the set that new cards get."""

    def __init__(self, keys: CardKeys, key_set: int, run: Run, random_bytes: RandomBytes = os.urandom) -> None:
        self._keys, self._key_set, self._run, self._random_bytes = keys, key_set, run, random_bytes
        self._pin = ""
        self._channel: CardChannel | None = None
        self.phase: Phase | None = None
        """None: nobody asked for a card."""
        self.rekeying: RekeyPhase | None = None
        """None: nobody asked for new keys."""

    def begin(self, order: IssueOrder, pin: str) -> None:
        """Wait for a blank, and for nothing else any more."""
        self.phase, self.rekeying, self._pin = AwaitingBlank(order), None, pin

    def begin_rekeying(self, pin: str) -> None:
        """Wait for a card of ours, and for nothing else any more; the PIN is the first one's."""
        self.phase, self.rekeying, self._pin = None, WaitingForCard(), pin

    def end(self) -> None:
        """Go back to selling."""
        self.phase, self.rekeying, self._pin = None, None, ""

    @property
    def is_at_work(self) -> bool:
        """Whether somebody asked for something."""
        return self.phase is not None or self.rekeying is not None

    @property
    def wants_card(self) -> bool:
        """Whether the next card is for the office."""
        return self.rekeying is not None or isinstance(self.phase, AwaitingBlank | Failed | Issued)

    async def card_arrived(self, channel: CardChannel, append: Append) -> None:
        """Make the card that came, or change its keys. Raises JournalError; the card is then made again."""
        if self.rekeying is not None:
            self.rekeying = await self._rekey(channel, append)
            return
        assert self.phase is not None
        self._channel, order = channel, self.phase.order
        try:
            await self._take(BlankTapped(), append)
        except BaseException:
            self.phase = AwaitingBlank(order)
            raise

    async def _take(self, event: Event, append: Append) -> None:
        assert self.phase is not None
        self.phase, effects = step(self.phase, event)
        for effect in effects:
            await self._take(await self._perform(effect, append), append)

    async def _perform(self, effect: Effect, append: Append) -> Event:
        match effect:
            case Personalise(order):
                try:
                    return Personalised(await self._run(lambda: self._personalise(order)))
                except CardError as error:
                    return PersonaliseFailed(_why_not(error))
            case AppendEntry(kind, body):
                await append(kind, body)
                return EntryStored(kind)
            case _:
                assert_never(effect)

    def _personalise(self, order: IssueOrder) -> CardRead:
        assert self._channel is not None
        self._refuse_money(order)
        uid, key_set = self._channel.uid, self._key_set
        verifier = pin_verifier(self._keys, uid, key_set, self._pin) if self._pin else b""
        identity = Identity(order.card, order.generation, order.card_class, verifier)
        new = NewCard(key_set, identity, Purse(Counter(0), Cents(0)))
        return personalise(self._channel, self._keys, new, self._random_bytes)

    async def _rekey(self, channel: CardChannel, append: Append) -> RekeyPhase:
        """Read, write down, change, write down. Raises JournalError: then nothing was changed, or all of it was."""
        keys, new, random_bytes = self._keys, self._key_set, self._random_bytes
        pin, self._pin = self._pin, ""
        begun: CardRekeyed | None = None
        try:
            before = await self._run(lambda: read_before_change(channel, keys, new, pin, random_bytes))
            if before is not None and before.key_set != new:
                begun = CardRekeyed(before.id, new, Rekeyed.BEGUN, before.key_set)
                await append(Kind.CARD_REKEYED, begun)
            read = await self._run(lambda: change_key_set(channel, keys, new, pin, random_bytes))
        except CardError as error:
            self._pin = pin if isinstance(error, CardLeftField) else ""
            if begun is not None:
                await append(Kind.CARD_REKEYED, with_members(begun, outcome=Rekeyed.FAILED))
            return KeysUnchanged(_why_not(error))
        if before is None or begun is not None:
            was = begun.was if begun else 0
            await append(Kind.CARD_REKEYED, CardRekeyed(read.id, new, Rekeyed.DONE, was))
        return KeysChanged(read.identity.card, read.key_set)

    def _refuse_money(self, order: IssueOrder) -> None:
        """Making a card wipes it; another customer's money must not go that way.

        A blank, a stranger's card and one torn while it was made say nothing genuine of themselves, however often they
        are asked; a card in use must not pass for one because of one garbled answer, so it is asked twice.
        """
        assert self._channel is not None
        for _ in range(2):
            with contextlib.suppress(CardNotOurs, CardRefused, PurseUnreadable):
                read = open_card(self._channel, self._keys, self._random_bytes).read()
                _refuse_in_use(read, order)


def _refuse_in_use(read: CardRead, order: IssueOrder) -> None:
    number, purse = read.identity.card, read.purse
    if number == order.card:
        return
    if purse is None:
        raise CardInUse(Unmade.OTHER_UNREAD, number)
    if purse.main_cents or purse.subsidy_cents:
        raise CardInUse(Unmade.OTHER_CARD, number)


def _why_not(error: CardError) -> WhyNot:
    match error:
        case CardInUse():
            return error.why
        case PinNeeded():
            return WhyNot(Unmade.PIN)
        case CardLeftField():
            return WhyNot(Unmade.LEFT)
        case CardNotOurs():
            return WhyNot(Unmade.NOT_OURS, str(error))
        case PurseUnreadable():
            return WhyNot(Unmade.UNREADABLE, str(error))
        case _:
            return WhyNot(Unmade.REFUSED, str(error))
