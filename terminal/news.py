"""What happened here and what the server says: passed on to whom it concerns, each thing in its turn."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from protocol.entries import CardStep, ClockChanged, Fault, Kind, ListsApplied
from protocol.instants import ClockSource, UtcMs
from protocol.journal import Sealed
from protocol.messages import Ack, Answer, Known, TipAnswer
from protocol.texts import text_of
from terminal.clock import TerminalClock
from terminal.derived import HISTORY
from terminal.desk import Receipt
from terminal.face import Face
from terminal.hooks import Hooks
from terminal.identity import IdentityError
from terminal.journal_copy import JournalCopy
from terminal.policy_store import Applied, PolicyStore
from terminal.shell import Shell
from terminal.sync_link import SyncLink
from terminal.till import Till

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class News:
    """From the journal to the face and the line; from the line to the till."""

    face: Face
    link: SyncLink | None = None
    copy: JournalCopy | None = None

    def appended(self, sealed: Sealed) -> None:
        """An entry is durable."""
        entry = sealed.entry
        step = entry.body if isinstance(entry.body, CardStep) else None
        facts = {"card": step.card.no, "amount": step.amount, "prepared": step.prepared} if step else {}
        self.face.note("entry", kind=entry.kind, seq=entry.seq, **facts)
        if self.link is not None:
            self.link.appended()
        if self.copy is not None:
            self.copy.wake()

    def handed_over(self, receipt: Receipt) -> None:
        """Goods may go over the counter."""
        self.face.note("handed_over", kind=receipt.kind, seq=receipt.number.seq, amount=receipt.amount)


async def chip_stepped(till: Till, was: UtcMs) -> None:
    """Somebody set the machine's clock. Ours does not follow, but what the chip says of later boots is worth less."""

    async def take(shell: Shell) -> None:
        await shell.append(Kind.CLOCK_CHANGED, ClockChanged(was, ClockSource.RTC))

    await till.turn(take)


async def switch_prices(till: Till, policy: PolicyStore) -> None:
    """Prices that were told for later hold from their instant on, with or without a network."""
    due = policy.switch(till.now())
    if due is None:
        return
    lists = due

    async def take(shell: Shell) -> None:
        await shell.apply_lists(lists)
        await shell.append(Kind.LISTS_APPLIED, ListsApplied(lists.manifest))

    await till.turn(take)
    till.face.note("lists", as_of=lists.as_of)


async def _stop_selling(shell: Shell, tip: TipAnswer) -> None:
    """For good: the journal keeps it over a restart without a network."""
    shell.revoked = True
    if not shell.derived.forked:
        text = text_of(f"the server holds another entry {tip.seq}: {tip.hash}")
        await shell.append(Kind.FAULT, Fault(HISTORY, text))


def hooks_of(till: Till, clock: TerminalClock, face: Face) -> Hooks:
    """What is done about what the server says."""

    async def acked(ack: Ack, jws: bytes) -> None:
        async def take(shell: Shell) -> None:
            shell.acked(ack.seq, jws.decode())
            till.gauges.acked_at = ack.at

        await till.turn(take)
        face.note("acked", seq=ack.seq)

    async def applied(news: Applied) -> None:
        async def take(shell: Shell) -> None:
            await shell.apply_lists(news.lists)
            await shell.append(Kind.LISTS_APPLIED, ListsApplied(news.manifest))

        await till.turn(take)
        face.note("lists", as_of=news.lists.as_of)

    async def server_time(at: UtcMs) -> None:
        was = clock.server_said(at)
        if was is None:
            return

        async def take(shell: Shell) -> None:
            await shell.append(Kind.CLOCK_CHANGED, ClockChanged(was, ClockSource.SERVER))

        await till.turn(take)

    async def diverged(tip: TipAnswer) -> None:
        _log.error("the server holds another entry %d of this chain: enrol again, that begins a new epoch", tip.seq)

        await till.turn(lambda shell: _stop_selling(shell, tip))
        face.note("diverged", seq=tip.seq)

    async def alarm(text: str) -> None:
        async def take(shell: Shell) -> None:
            await shell.append(Kind.FAULT, Fault("link", text_of(text)))

        await till.turn(take)
        face.note("alarm", text=text)

    async def answered(message: Known | Answer, jws: bytes) -> None:
        await till.turn(lambda shell: shell.told(message, jws))

    return Hooks(acked, applied, server_time, diverged, alarm, answered=answered)


def with_time_asked(hooks: Hooks, clock: TerminalClock, ask: Callable[[], Awaitable[UtcMs]]) -> Hooks:
    """The same, where the server's signed time can be had without the line that our clock may be keeping away."""

    async def clock_doubtful() -> Callable[[], UtcMs] | None:
        try:
            await hooks.server_time(await ask())
        except IdentityError as error:
            _log.warning("the time cannot be asked for: %s", error)
            return None
        return lambda: clock.now().utc_ms

    return replace(hooks, clock_doubtful=clock_doubtful)
