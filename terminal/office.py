"""The card office at work: carries out `terminal/replace.py` on the card thread, and writes its entry down.

It makes one card, or blank after blank those of a list (`terminal/batch.py`); whether it is a purse or a token, the
blank on the reader decides. It also brings cards to the newest key set (`terminal/rekey.py`) and makes blanks of them
(`terminal/eraser.py`), and writes down what it is about to do and what came of it.
"""

import contextlib
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, assert_never

from msgspec.structs import replace as with_members

from hardware.cards.blank import is_blank
from hardware.cards.crypto import RandomBytes
from hardware.cards.issue import NewCard, personalise
from hardware.cards.keys import CardKeys
from hardware.cards.open_card import open_card, technology_of
from hardware.cards.pin import PinNeeded, pin_verifier
from hardware.cards.rekey import change_key_set, read_before_change
from hardware.cards.sun import LINK_DEFAULT
from hardware.cards.tags import Tag, tag_on
from hardware.ports import CardChannel, CardError, CardLeftField, CardNotOurs, CardRefused, PurseUnreadable
from protocol.authorise import Standing
from protocol.card_bodies import Rekeyed
from protocol.entries import CardBegun, CardRekeyed, Kind
from protocol.ids import CardKey, Counter
from protocol.money import Cents
from protocol.purse import CardId, CardRead, Identity, Purse, Technology
from terminal import eraser
from terminal.batch import Batch, Row, progress_of, row_for
from terminal.card_port import Run
from terminal.eraser import Append, Eraser
from terminal.rekey import KeysChanged, KeysUnchanged, RekeyPhase, WaitingForCard
from terminal.replace import (
    AppendEntry,
    AwaitingBlank,
    BlankFits,
    BlankTapped,
    Effect,
    EntryStored,
    Event,
    Failed,
    Issued,
    IssueOrder,
    LookAt,
    Personalise,
    Personalised,
    PersonaliseFailed,
    Phase,
    Unmade,
    WhyNot,
    step,
)


class Known(eraser.Known, Protocol):
    """What the journal says of cards that were made here."""

    def begun_on(self, card: CardKey) -> str:
        """The UID of the plastic on which this card was begun; empty where it was not, or was finished."""
        ...

    def was_here(self, card: CardKey) -> bool:
        """Whether this very plastic was made or written here."""
        ...


class CardInUse(CardError):
    """No blank for this order: a card that holds money, or may, or that is or becomes another one."""

    def __init__(self, code: Unmade, detail: object = "") -> None:
        super().__init__(f"card {detail}: {code}")
        self.why = WhyNot(code, str(detail))


class CardOffice:
    """One blank at a time. Needs all three master keys of the set that new cards get."""

    def __init__(
        self,
        keys: CardKeys,
        key_set: int,
        run: Run,
        random_bytes: RandomBytes = os.urandom,
        *,
        link: str = LINK_DEFAULT,
    ) -> None:
        self._keys, self._key_set, self._run, self._random_bytes = keys, key_set, run, random_bytes
        self._link, self._pin = link, ""
        self._channel: CardChannel | None = None
        self._known: Known | None = None
        self.phase: Phase | None = None
        """None: nobody asked for a card."""
        self.rekeying: RekeyPhase | None = None
        """None: nobody asked for new keys."""
        self.batch: Batch | None = None
        """None: nobody gave a list."""
        self.eraser: Eraser | None = None
        """None: nobody asked for blanks."""

    def begin(self, order: IssueOrder, pin: str) -> None:
        """Wait for a blank, and for nothing else any more."""
        self.end()
        self.phase, self._pin = AwaitingBlank(order), pin

    def begin_batch(self, rows: tuple[Row, ...], known: Known) -> None:
        """Make the cards of a list, those that are not made yet, and wait for nothing else any more."""
        self.end()
        self.batch = Batch(rows, progress_of(rows, known.was_here, known.begun))

    def begin_rekeying(self, pin: str) -> None:
        """Wait for a card of ours, and for nothing else any more; the PIN is the first one's."""
        self.end()
        self.rekeying, self._pin = WaitingForCard(), pin

    def begin_erasing(self, standing: Callable[[CardKey], Standing]) -> None:
        """Wait for cards without money, and for nothing else any more; `standing`: what list and journal say now."""
        self.end()
        self.eraser = Eraser(self._keys, self._run, standing, self._random_bytes)

    def cancel(self) -> None:
        """Leave the card that is asked about as it is, or go back to selling."""
        if self.eraser is None or not self.eraser.cancel():
            self.end()

    def end(self) -> None:
        """Go back to selling."""
        self.phase, self.rekeying, self.batch, self.eraser, self._pin = None, None, None, None, ""

    @property
    def is_at_work(self) -> bool:
        """Whether somebody asked for something."""
        return any(work is not None for work in (self.phase, self.rekeying, self.batch, self.eraser))

    @property
    def wants_card(self) -> bool:
        """Whether the next card is for the office."""
        is_free = isinstance(self.phase, AwaitingBlank | Failed | Issued)
        return is_free or (self.is_at_work and self.phase is None)

    async def card_arrived(self, channel: CardChannel, append: Append, known: Known) -> None:
        """Make the card that came, change its keys, or look what it is. Raises JournalError; then it is done again.

        `known` is what the journal says now, and again whenever `append` has returned.
        """
        self._channel, self._known = channel, known
        if self.rekeying is not None:
            self.rekeying = await self._rekey(channel, append)
        elif self.eraser is not None:
            await self.eraser.card_arrived(channel, append, known)
        elif self.batch is not None:
            self.batch = await self._make_next(self.batch, channel, append, known)
        elif self.phase is not None:
            await self._make(self.phase.order, append)

    async def _make(self, order: IssueOrder, append: Append) -> Phase:
        self.phase = self.phase or AwaitingBlank(order)
        try:
            await self._take(BlankTapped(), append)
        except BaseException:
            self.phase = AwaitingBlank(order)
            raise
        return self.phase

    async def _make_next(self, batch: Batch, channel: CardChannel, append: Append, known: Known) -> Batch:
        """One more card of the list, or why this plastic is none: it is skipped, and the number waits for the next."""
        batch = replace(batch, progress=progress_of(batch.rows, known.was_here, known.begun))
        row = row_for(channel.uid.hex(), batch, known.begun)
        if isinstance(row, WhyNot):
            return replace(batch, skipped=row)
        try:
            phase = await self._make(row.order, append)
        finally:
            self.phase = None
        progress = progress_of(batch.rows, known.was_here, known.begun)
        if isinstance(phase, Failed):
            return replace(batch, progress=progress, skipped=phase.why)
        return Batch(batch.rows, progress, row)

    async def _take(self, event: Event, append: Append) -> None:
        assert self.phase is not None
        self.phase, effects = step(self.phase, event)
        for effect in effects:
            await self._take(await self._perform(effect, append), append)

    async def _perform(self, effect: Effect, append: Append) -> Event:
        match effect:
            case LookAt(order):
                try:
                    return BlankFits(await self._run(lambda: self._look(order)))
                except CardError as error:
                    return PersonaliseFailed(_why_not(error))
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

    def _look(self, order: IssueOrder) -> CardBegun:
        """What is written down before this plastic becomes the ordered card. Raises CardError where it must not."""
        channel, known, key = self._channel, self._known, (order.card, order.generation)
        assert channel is not None and known is not None
        uid = channel.uid.hex()
        mine, elsewhere = known.begun.get(uid), known.begun_on(key)
        if mine is not None and mine.key != key:
            raise CardInUse(Unmade.BEGUN_HERE, mine.no)
        if known.was_here(key):
            raise CardInUse(Unmade.MADE_ALREADY, order.card)
        if elsewhere not in ("", uid):
            raise CardInUse(Unmade.BEGUN_ELSEWHERE, elsewhere)
        tag = tag_on(channel, self._keys, self._random_bytes)
        if tag is not None:
            self._refuse_tag(tag, order)
        else:
            self._refuse_money(order)
        if not is_blank(channel, self._keys, self._random_bytes) and self.batch is not None and mine is None:
            raise CardInUse(Unmade.NOT_BLANK)
        technology = Technology.TOKEN if tag is not None else technology_of(channel)
        return CardBegun(CardId(order.card, order.generation, technology, order.card_class), uid, self._key_set)

    def _personalise(self, order: IssueOrder) -> CardRead:
        assert self._channel is not None
        uid, key_set = self._channel.uid, self._key_set
        verifier = pin_verifier(self._keys, uid, key_set, self._pin) if self._pin else b""
        identity = Identity(order.card, order.generation, order.card_class, verifier)
        new = NewCard(key_set, identity, Purse(Counter(0), Cents(0)), self._link)
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

    def _refuse_tag(self, tag: Tag, order: IssueOrder) -> None:
        """Who it says it is: of this number, or nobody. What its number has is at the server."""
        if self._pin:
            raise CardInUse(Unmade.NO_PIN)
        said = tag.says()
        if said is None or said.key == (order.card, order.generation):
            return
        if self.batch is not None:
            raise CardInUse(Unmade.MADE_ALREADY, said.card)
        if said.card != order.card or tag.is_written_once:
            raise CardInUse(Unmade.OTHER_TAG, said.card)

    def _refuse_money(self, order: IssueOrder) -> None:
        """Making a card wipes it; another customer's money must not go that way.

        A blank, a stranger's card and one torn while it was made say nothing genuine of themselves, however often they
        are asked; a card in use must not pass for one because of one garbled answer, so it is asked twice.
        """
        assert self._channel is not None
        for _ in range(2):
            with contextlib.suppress(CardNotOurs, CardRefused, PurseUnreadable):
                read = open_card(self._channel, self._keys, self._random_bytes).read()
                _refuse_in_use(read, order, is_batch=self.batch is not None)


def _refuse_in_use(read: CardRead, order: IssueOrder, *, is_batch: bool) -> None:
    """A card of the same number that was used is an older plastic of it, whose value the server knows of."""
    number, purse = read.identity.card, read.purse
    if read.identity.key == (order.card, order.generation):
        if purse is not None and (purse.counter or purse.main_cents or purse.subsidy_cents):
            raise CardInUse(Unmade.MADE_ALREADY, number)
        return
    if is_batch:
        raise CardInUse(Unmade.MADE_ALREADY, number)
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
