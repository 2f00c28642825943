"""The conversation with the server: the pure sender (`protocol.sync_sender`) between an MQTT line and the journal.

Nothing here decides that an entry is safe; only the server's signed ack does, and only if its hash is our own.
Whatever else comes over the line, in whatever order and how often, can at worst make us repeat ourselves.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass, replace
from typing import assert_never

from hardware.ports import Clock
from protocol import topics
from protocol.entries import NO_LISTS
from protocol.ids import Seq
from protocol.instants import UtcMs
from protocol.messages import (
    BATCH_ENTRIES_MAX,
    Ack,
    Answer,
    Grant,
    Hello,
    Keys,
    Known,
    Manifest,
    NotAMessage,
    ServerState,
    ServerTime,
    TipAnswer,
    TreeHead,
    Want,
    batch_of,
    encode_batch,
    encode_hello,
    read_signed,
    verified,
)
from protocol.signing import to_base64url
from protocol.state import State, encode_state
from protocol.sync_sender import (
    Acked,
    Appended,
    AskNewEpoch,
    BatchSent,
    Connected,
    Disconnected,
    Event,
    Phase,
    SendBatch,
    Sender,
    SendHello,
    Ticked,
    TipAnswered,
    Wanted,
    step,
)
from terminal.alarms import Alarms, Of
from terminal.hooks import Hooks, LinkStatus
from terminal.identity import Identity
from terminal.keys_inbox import KeysInbox
from terminal.lists_inbox import ListsInbox
from terminal.mqtt_line import Allowed, Denied, LineDown, LineEvent, LineSettings, LineUp, MqttLine, Received
from terminal.offline import Offline, OfflineCause
from terminal.policy_store import PolicyStore
from terminal.ports import JournalError, SyncJournal
from terminal.sync_archive import Archive

_log = logging.getLogger(__name__)

TICK_S, TICK_MS, DENIED_LATE_MS = 0.5, 500, 5_000
_WAITING_EVENTS_MAX = 4_096


@dataclass(frozen=True, slots=True)
class _Grown:
    """The journal has entries that the sender has not heard of."""


class SyncLink:
    """Runs from `run` until that is cancelled. All of it but the line's own thread lives in the event loop."""

    def __init__(
        self,
        line: LineSettings,
        identity: Identity,
        journal: SyncJournal,
        policy: PolicyStore,
        clock: Clock,
        *,
        newest_ack: bytes = b"",
        archives: Iterable[Archive] = (),
        hooks: Hooks | None = None,
    ) -> None:
        """`newest_ack` is the newest signed ack on disk: what was acknowledged before this start.

        Raises OSError where the TLS files cannot be used.
        """
        self._identity, self._journal = identity, journal
        self._clock, self._hooks, self._archives = clock, hooks or Hooks(), tuple(archives)
        self._alarms, self._policy = Alarms(lambda text: self._tell(self._hooks.alarm(text))), policy
        self._keys = KeysInbox(identity.trust, self._hooks.keep_trust, self._alarms)
        self._lists = ListsInbox(identity.grant.site, policy, self._hooks.applied, self._alarms)
        self._shown = b""
        """What this connection's `state` says."""
        self._denied: tuple[str, int] | None = None
        """What the broker did not let us say first, and since when."""
        self._inbox: asyncio.Queue[LineEvent | _Grown] = asyncio.Queue(_WAITING_EVENTS_MAX)
        self._sender = Sender(journal.tip.seq)
        self._line = MqttLine(
            line,
            identity.grant.tid,
            (topics.up(identity.grant.tid, "state"), encode_state(State(0, identity.grant.epoch, NO_LISTS))),
            self._deliver_from_thread,
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ticked_ms = clock.mono_ms()
        self._instance = ""
        self._stalled = False
        self._ack_jws, self._acked_at = b"", UtcMs(0)
        self._cause: Offline | None = Offline(OfflineCause.NOT_STARTED)
        self._remember_ack(newest_ack)

    @property
    def status(self) -> LinkStatus:
        """How things stand now."""
        sender = self._sender
        return LinkStatus(
            self.is_up,
            self._cause,
            sender.phase,
            self._journal.tip.seq - sender.acked + sum(archive.unsent for archive in self._archives),
            sender.acked,
            self._acked_at,
            self._alarms.text,
        )

    def appended(self) -> None:
        """The journal grew. Never blocks and never fails; missed calls are made up for by the next one."""
        self._deliver(_Grown())

    @property
    def is_up(self) -> bool:
        """Whether the broker is there."""
        return not self._cause

    def ask(self, question: bytes) -> None:
        """Ask the server something at once; forgotten where there is no line."""
        self._publish("ask", question)

    def renewed(self) -> None:
        """Another certificate lies there. Raises OSError."""
        self._line.renewed()

    async def run(self) -> None:
        """Talk until cancelled."""
        self._loop, self._cause = asyncio.get_running_loop(), Offline(OfflineCause.CONNECTING)
        self._line.start()
        try:
            while True:
                await self._next()
        finally:
            self._cause = Offline(OfflineCause.STOPPED)
            await asyncio.to_thread(self._line.stop)

    def _deliver_from_thread(self, event: LineEvent) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._deliver, event)

    def _deliver(self, event: LineEvent | _Grown) -> None:
        try:
            self._inbox.put_nowait(event)
        except asyncio.QueueFull:
            # Whatever it was, resending makes up for it.
            self._stalled = True

    async def _next(self) -> None:
        event: LineEvent | _Grown | None = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TICK_S):
                event = await self._inbox.get()
        try:
            if event is not None:
                await self._take(event)
            if self._clock.mono_ms() - self._ticked_ms >= TICK_MS:
                await self._tick()
        except JournalError as error:
            _log.warning("sync waits for the journal: %s", error)
            self._stalled = True

    async def _take(self, event: LineEvent | _Grown) -> None:
        match event:
            case _Grown():
                await self._catch_up()
            case LineUp():
                await self._line_up()
            case LineDown() as down:
                await self._line_down(down.cause)
            case Received(topic, payload):
                await self._received(topic, payload)
            case Denied(topic):
                self._denied, self._shown = self._denied or (topic, self._clock.mono_ms()), b""
            case Allowed():
                self._denied = None
                self._alarms.end(Of.TOPICS)
            case _:
                assert_never(event)

    async def _tick(self) -> None:
        self._ticked_ms = self._clock.mono_ms()
        await self._catch_up()
        if not self._cause:
            await self._lists.ticked(self._line, self._ticked_ms)
            await self._look_at_denials()
            self._show_state()
        stalled, self._stalled = self._stalled, False
        if stalled and self._sender.phase is not Phase.OFFLINE:
            await self._step(Connected(self._clock.mono_ms()))
        await self._step(Ticked(self._clock.mono_ms(), secrets.randbelow(1_001)))
        await self._send_archives()

    async def _catch_up(self) -> None:
        while self._sender.tip < self._journal.tip.seq:
            await self._step(Appended(Seq(self._sender.tip + 1), self._clock.mono_ms()))

    async def _line_up(self) -> None:
        grant, self._cause, self._shown = self._identity.grant, None, b""
        _log.info("online")
        self._alarms.end(Of.LINE)
        self._alarms.end(Of.TOPICS)
        self._denied = None
        self._line.subscribe((topics.KEYS,))  # alone and first: what is retained there comes before all else
        self._line.subscribe((topics.down(grant.tid, "+"), topics.SERVER))
        self._lists.line_up(self._line, self._clock.mono_ms())
        self._show_state()
        await self._catch_up()
        await self._step(Connected(self._clock.mono_ms()))
        for archive in self._archives:
            archive.line_up()
        await self._send_archives()

    async def _line_down(self, offline: Offline) -> None:
        if not self._cause:
            _log.info("offline: %s", offline)
        self._cause = offline
        if offline.cause.is_alarm:
            await self._alarms.raise_(Of.LINE, offline.cause, offline.detail, self._clock.mono_ms())
        await self._step(Disconnected())
        if offline.cause is OfflineCause.DATES:
            now = await self._hooks.clock_doubtful()
            if now is not None:
                self._line.judge_time_by(now)

    async def _look_at_denials(self) -> None:
        """A broker may hear of a new terminal a moment after that connected."""
        if self._denied and self._ticked_ms - self._denied[1] >= DENIED_LATE_MS:
            await self._alarms.raise_(Of.TOPICS, "denied", self._denied[0], self._ticked_ms)

    def _show_state(self) -> None:
        """What stands at the broker for the server, whenever that looks."""
        active, me, alarm = self._policy.active, self._identity, self._alarms.text
        lists, keys = (active.versions, self._policy.version, active.as_of), me.trust.document.version
        own = self._hooks.card_sets, self._hooks.days
        state = encode_state(State(1, me.grant.epoch, *lists, keys, alarm, int(me.tier), *own))
        if state != self._shown:
            self._line.publish(topics.up(me.grant.tid, "state"), state, retain=True)
            self._shown = state

    async def _send_archives(self) -> None:
        """Old chains go out beside the present one, a batch at a time."""
        for archive in () if self._cause else self._archives:
            batch = await archive.batch_due(self._clock.mono_ms())
            if batch is not None:
                self._publish("journal", batch)

    async def _step(self, event: Event) -> None:
        self._sender, effects = step(self._sender, event)
        for effect in effects:
            match effect:
                case SendHello():
                    self._say_hello()
                case SendBatch(first):
                    await self._send_batch(first)
                case AskNewEpoch():
                    text = "the server holds other entries of this journal; enrol again, that begins a new epoch"
                    await self._alarms.raise_(Of.HISTORY, "other_history", text, self._clock.mono_ms())
                case _:
                    assert_never(effect)

    def _say_hello(self) -> None:
        grant, tip = self._identity.grant, self._journal.tip
        hello = Hello(grant.epoch, grant.tno, tip.seq, tip.prev, self._ack_jws.decode())
        self._publish("hello", encode_hello(hello))

    async def _send_batch(self, first: Seq) -> None:
        lines = await self._journal.rows(first, min(BATCH_ENTRIES_MAX, self._sender.tip - first + 1))
        if not lines:
            self._stalled = True
            return
        taken = batch_of(lines)
        self._publish("journal", encode_batch(lines[:taken]))
        await self._step(BatchSent(Seq(first + taken - 1), self._clock.mono_ms()))

    def _publish(self, what: str, payload: bytes) -> None:
        self._line.publish(topics.up(self._identity.grant.tid, what), payload)

    async def _received(self, topic: str, payload: bytes) -> None:
        try:
            if topic == topics.KEYS:
                await self._keys.take(payload, self._clock.mono_ms())
                self._show_state()
            elif await self._lists.take(topic, payload, self._line, self._clock.mono_ms()):
                self._show_state()
            else:
                await self._message(payload)
        except NotAMessage as error:
            # What it says may be anybody's words; its kind and size are enough.
            _log.warning("ignored %d bytes on %s: %s", len(payload), topic[:80], type(error).__name__)

    async def _message(self, jws: bytes) -> None:
        key, message = self._identity.trust.ack.present, read_signed(jws)
        match message:
            case Ack():
                await self._take_ack(verified(jws, Ack, key), jws)
            case TipAnswer():
                await self._take_tip(verified(jws, TipAnswer, key))
            case Want():
                want = verified(jws, Want, key)
                if self._is_for_us(want):
                    await self._step(Wanted(want.seq, self._clock.mono_ms()))
            case ServerState():
                await self._take_server_state(verified(jws, ServerState, key))
            case Known():
                await self._tell(self._hooks.answered(verified(jws, Known, key), jws))
            case Answer():
                await self._tell(self._hooks.answered(verified(jws, Answer, key), jws))
            case Grant() | Manifest() | ServerTime() | Keys() | TreeHead():
                raise NotAMessage("not meant for this topic")
            case _:
                assert_never(message)

    async def _take_ack(self, ack: Ack, jws: bytes) -> None:
        for archive in self._archives:
            if await archive.take(ack):
                await self._send_archives()
                return
        if not self._is_for_us(ack) or not await self._is_own_row(ack):
            return
        await self._tell(self._hooks.server_time(ack.at))
        if ack.seq >= self._sender.acked:
            self._ack_jws, self._acked_at = jws, ack.at
            self._journal.keep_ack(jws)
            await self._tell(self._hooks.acked(ack, jws))
        await self._step(Acked(ack.seq, self._clock.mono_ms()))

    async def _take_tip(self, tip: TipAnswer) -> None:
        if not self._is_for_us(tip):
            return
        await self._tell(self._hooks.server_time(tip.at))
        own, phase = await self._is_own_row(tip), self._sender.phase
        await self._step(TipAnswered(tip.seq, own, self._clock.mono_ms()))
        if self._sender.phase is Phase.DIVERGED and phase is not Phase.DIVERGED:
            await self._tell(self._hooks.diverged(tip))

    async def _take_server_state(self, state: ServerState) -> None:
        if state.instance == self._instance:
            return
        self._instance = state.instance
        if self._sender.phase in (Phase.ASKING, Phase.SENDING):
            await self._step(Connected(self._clock.mono_ms()))

    def _is_for_us(self, message: Ack | TipAnswer | Want) -> bool:
        grant = self._identity.grant
        return (message.tid, message.epoch) == (grant.tid, grant.epoch)

    async def _is_own_row(self, message: Ack | TipAnswer) -> bool:
        own = await self._journal.hash_at(message.seq)
        if own is not None and to_base64url(own) == message.hash:
            return True
        _log.warning("the server names another entry %d than ours", message.seq)
        return False

    def _remember_ack(self, jws: bytes) -> None:
        """Begin with an ack of an earlier start. The journal checked it against its rows when it was opened."""
        if not jws:
            return
        try:
            ack = verified(jws, Ack, self._identity.trust.ack)
        except NotAMessage:
            return
        if self._is_for_us(ack) and ack.seq <= self._journal.tip.seq:
            self._ack_jws, self._sender = jws, replace(self._sender, acked=ack.seq)

    async def _tell(self, hook: Awaitable[None]) -> None:
        try:
            await hook
        except JournalError as error:
            _log.warning("%s", error)
