"""One counter and its people: cards, keys and clock ticks come in, one at a time; views and sentences go out.

The machine decides, the shell carries out, and this file keeps everything in order. Whatever fails at the disk ends
here: selling stops until the journal is whole again.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from hardware.ports import CardChannel, Indicator, Signal
from protocol.authorise import SEVERAL_CARDS
from protocol.entries import Fault, Kind, SaleRefused, SaleStep
from protocol.instants import CampusTime, Now
from protocol.money import Cents
from protocol.texts import text_of
from terminal import views
from terminal.clerk import Clerk, is_free
from terminal.commands import Cancel, CloseShift, Command, Confirm, Export, Help, LookAtCard, ShowCode, ShowStatus
from terminal.desk import AwaitingCard, Cancelled, Done, NotDone, Receipt, Ringing, TapAgain, Ticked
from terminal.face import Face
from terminal.gauges import Gauges
from terminal.office_views import batch_view, erase_view, office_view, rekey_view
from terminal.offline import OfflineCause
from terminal.ports import JournalBroken, JournalLow
from terminal.refusal_count import TOGETHER_MS
from terminal.shell import FAULT_AGAIN_MS, Shell
from terminal.status import limit_text
from terminal.views import Tone, View, Words

_OF_A_SPARE = Confirm | Cancel | CloseShift | ShowStatus | Help | Export
"""What may be typed at a terminal that waits for its place."""
CHECKPOINT_ENTRIES = 256
"""After so many entries the next start begins at a new checkpoint."""
_SIGNALS = {
    Tone.WAITING: Signal.WAITING,
    Tone.APPROVED: Signal.APPROVED,
    Tone.REFUSED: Signal.REFUSED,
    Tone.TAP_AGAIN: Signal.TAP_AGAIN,
}


class Holder(Protocol):
    """Who is handed the card that lies on the reader."""

    def arrived(self, channel: CardChannel) -> None:
        """A card came into the field."""
        ...

    def left(self) -> None:
        """The field is empty."""
        ...


@dataclass(slots=True)
class Till:
    """Takes turns: every public coroutine waits for the one before it."""

    shell: Shell
    cards: Holder
    clerk: Clerk
    gauges: Gauges
    campus: CampusTime
    words: Words
    face: Face
    indicator: Indicator
    now: Callable[[], Now]
    read_out: Callable[[CardChannel], Awaitable[tuple[str, ...]]]
    """Everything on a card, in sentences, with this terminal's keys; nothing is written."""
    looks: bool = False
    """Whether the next card is only looked at."""
    disk_fault: str = ""
    """Why nothing is sold; empty while the journal can be written."""
    several: bool = False
    """Whether more than one card is in the field."""
    _checkpoint_seq: int = 0
    _fault_noted_ms: int = 0
    _several_again_ms: int = 0
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _shown: View | None = None
    _sounded: Tone | None = None

    async def card_arrived(self, channel: CardChannel) -> None:
        """A card came into the field."""

        async def take(shell: Shell) -> None:
            self.face.note("card", state="arrived")
            self._sounded = None
            if self.looks:
                self.looks = False
                return self.face.say("\n".join(await self.read_out(channel)))
            self.cards.arrived(channel)
            if self.clerk.office is not None and self.clerk.office.wants_card:
                await self.clerk.office.card_arrived(channel, shell.append, shell.derived)
            else:
                await shell.card_arrived()
            return None

        await self.turn(take)

    async def card_left(self) -> None:
        """The field is empty."""

        async def take(shell: Shell) -> None:
            self.face.note("card", state="left")
            self.cards.left()
            if self.clerk.office is not None and self.clerk.office.eraser is not None:
                self.clerk.office.eraser.card_left()
            await shell.card_left()

        await self.turn(take)

    async def several_cards(self, *, there: bool) -> None:
        """More than one card is in the field, so that none is read; or that is over."""

        async def take(shell: Shell) -> None:
            self.several, now_ms = there, self.now().mono_ms
            is_asked_for = isinstance(shell.desk.phase, AwaitingCard | TapAgain)
            if there and is_asked_for and now_ms >= self._several_again_ms:
                self._several_again_ms = now_ms + TOGETHER_MS
                cents = self._view_of_what_is_done().amount_cents or Cents(0)
                await shell.append(Kind.SALE_REFUSED, SaleRefused(SEVERAL_CARDS, cents))

        await self.turn(take)

    async def reader_changed(self, fault: str) -> None:
        """The reader stopped answering, or answers again."""
        self.gauges.reader_fault = fault
        self.face.note("reader", fault=fault)
        now_ms = self.now().mono_ms
        if fault and (not self._fault_noted_ms or now_ms - self._fault_noted_ms > FAULT_AGAIN_MS):
            self._fault_noted_ms = now_ms

            async def take(shell: Shell) -> None:
                await shell.append(Kind.FAULT, Fault("reader", text_of(fault)))

            await self.turn(take)
        self.face.say(self.words["said.reader_gone" if fault else "said.reader_back"])

    async def tick(self) -> None:
        """Time passed."""

        async def take(shell: Shell) -> None:
            await shell.handle(Ticked(self.now()))
            if shell.derived.seq - self._checkpoint_seq >= CHECKPOINT_ENTRIES:
                self._checkpoint_seq = shell.derived.seq + 1
                await shell.checkpoint()

        await self.turn(take)

    async def do(self, command: Command) -> None:
        """Somebody typed a command. Whatever cannot be done is answered with a sentence, and nothing is lost."""

        async def take(shell: Shell) -> None:
            self._shown = None
            self._sounded = None if isinstance(command, ShowCode) else self._sounded
            self.looks = isinstance(command, LookAtCard) and is_free(shell.desk) and not self.clerk.office_at_work
            if isinstance(command, LookAtCard):
                if self.looks and isinstance(shell.desk.phase, NotDone):  # else the next card would pay that
                    await shell.handle(Cancelled())
                self.face.say(self.words["said.look" if self.looks else "said.not_now"])
            elif shell.desk.merchant or isinstance(command, _OF_A_SPARE):
                await self.clerk.do(command, shell)
            else:
                self.face.say(self.words["said.spare"])

        await self.turn(take)

    async def close(self) -> None:
        """Leave a checkpoint, so that the next start is quick and knows that nobody was interrupted."""

        async def take(shell: Shell) -> None:
            await shell.checkpoint(ends=True)

        await self.turn(take)

    async def turn(self, work: Callable[[Shell], Awaitable[None]]) -> bool:
        """Do something that must not happen in the middle of something else; whether the disk let it end.

        Raises JournalDamaged: only a technician can help then.
        """
        async with self._lock:
            try:
                if self.disk_fault:
                    await self._recover()
                await work(self.shell)
            except JournalLow:
                self.face.say(self.words["said.journal_low"])
            except JournalBroken as error:
                await self._stop_selling(error)
            self._show()
            if self.shell.interrupted:
                self.face.say(self.words[self.shell.interrupted])
                self.shell.interrupted = ""
            return not self.disk_fault

    async def _stop_selling(self, error: JournalBroken) -> None:
        """Once more from what is on the disk, at once and then at every tick."""
        first, self.disk_fault = not self.disk_fault, str(error) or "JournalBroken"
        if not first:
            return
        self.face.note("disk", fault=self.disk_fault)
        try:
            await self._recover()
        except JournalBroken as again:
            self.disk_fault = str(again) or self.disk_fault

    async def _recover(self) -> None:
        await self.shell.recover(self.disk_fault)
        self.disk_fault = ""
        self.face.note("disk", fault="")

    def _show(self) -> None:
        view = self._view()
        if view != self._shown:
            self._shown = view
            self.face.show(view)
        if view.tone != self._sounded:
            self._sounded = view.tone
            if view.tone in _SIGNALS:
                self.indicator.signal(_SIGNALS[view.tone])

    def _view(self) -> View:
        if self.disk_fault:
            return views.disk_view(self.words)
        view = self._view_of_what_is_done()
        return views.several_cards_view(view, self.words) if self.several else view

    def _has_more(self, receipt: Receipt) -> bool:
        """Whether a top-up waits for the card that has just paid, as of the lists."""
        body = receipt.body
        return isinstance(body, SaleStep) and self.shell.lists.book.standing(body.card.key).topup_waiting

    def _view_of_what_is_done(self) -> View:
        office = self.clerk.office
        if office is not None and office.phase is not None:
            return office_view(office.phase, self.words)
        if office is not None and office.batch is not None:
            return batch_view(office.batch, self.words)
        if office is not None and office.rekeying is not None:
            return rekey_view(office.rekeying, self.words)
        if office is not None and office.eraser is not None:
            return erase_view(office.eraser.phase, office.eraser.count, self.words)
        now = self.now()
        view = views.view_of(self.shell.desk, self.campus.minute_of_day(now.utc_ms), self.words)
        offline = self.gauges.offline
        if offline is not None and offline.cause is OfflineCause.REVOKED:
            view = replace(view, lines=(*view.lines, self.words["said.revoked"]))
        if not self.shell.desk.merchant:
            return replace(view, lines=(*view.lines, self.words["said.spare"]))
        if isinstance(self.shell.desk.phase, Done) and self._has_more(self.shell.desk.phase.receipt):
            return replace(view, lines=(*view.lines, self.words["line.load_waits"]))
        most = self.shell.offline_sale_max(now)
        if most is None or not isinstance(self.shell.desk.phase, Ringing | AwaitingCard):
            return view
        return replace(view, lines=(*view.lines, limit_text(self.shell.lists.as_of, most, self.campus, self.words)))
