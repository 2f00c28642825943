"""One transaction for each batch: load, decide, write, COMMIT, and only then a signed ack.

lines -> chain? -> load + lock -> take_run -> write -> COMMIT -> Ack | Want, signed
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import assert_never

from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.ids import U32_MAX, Epoch, Seq, TerminalId, Tno
from protocol.instants import CampusTime, UtcMs
from protocol.messages import Ack as SignedAck
from protocol.messages import (
    Hello,
    NotAMessage,
    TipAnswer,
    Want,
    decode_batch,
    read_hello,
    sign,
    verified,
)
from protocol.signing import from_base64url
from server.alarms.raising import end_alarm, raise_alarm
from server.alarms.rules import SERVER, AlarmKind
from server.db import Database
from server.ingest import store
from server.ingest.alarming import alarm_of_backlog, alarm_of_batch, alarm_of_lost, alarm_of_unknown
from server.ingest.journal_files import TakenFile, take_journal
from server.ingest.loading import load
from server.ingest.reach import NOTHING, entries_of, reach_of
from server.ingest.rules import Ack, Ask, Refused, Reply, epoch_named, read_run, take_run
from server.ingest.saving import write
from server.keys import ServerKeys
from server.meter import BatchReply, Meter
from server.numbers import leap, server_epoch

AT_ONCE = 4
"""Batches of one process between BEGIN and COMMIT: enough to decide on one while others wait for the disk. More of them
only share the processor, and want more connections, each of which has to learn its statements."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TakenBatch:
    """A batch that is committed, and the reply to be signed."""

    epoch: Epoch
    server_epoch: int
    reply: Reply
    new: int
    """So many entries were not here before."""


_REPLIES: dict[type[Reply], BatchReply] = {Ack: BatchReply.ACK, Ask: BatchReply.WANT, Refused: BatchReply.REFUSED}


@dataclass(frozen=True, slots=True)
class Greeting:
    """The signed answers to a hello."""

    tip: bytes
    ack: bytes | None = None
    """Of that tip, where the terminal shows no ack of it: the one that it was sent may be lost."""


class Ingest:
    """Takes in what terminals send."""

    def __init__(
        self,
        database: Database,
        keys: ServerKeys,
        campus: CampusTime,
        clock: Callable[[], UtcMs],
        meter: Meter | None = None,
    ) -> None:
        self._meter = meter or Meter()
        self._database, self._keys, self._campus, self._clock = database, keys, campus, clock
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._shown: dict[tuple[TerminalId, Epoch], Seq] = {}
        """Tips beyond ours that terminals have shown, until all of that is here."""

    async def take(self, tid: TerminalId, raw: bytes) -> bytes | None:
        """The signed answer to a batch of this terminal: an ack or a want. None: it is not a batch of ours."""
        try:
            lines = decode_batch(raw)
        except NotAMessage as error:
            await self._alarm_refused(tid, str(error))
            return None
        taken = await self.take_lines(tid, lines)
        return self._signed(taken.epoch, taken.server_epoch, tid, taken.reply) if taken else None

    async def take_lines(self, tid: TerminalId, lines: Sequence[bytes], *, of_file: bool = False) -> TakenBatch | None:
        """Keep and post a run of entries; when this returns it is committed. None: not this terminal's chain.

        What is wrong with lines `of_file` is for whoever brings it, and no alarm about the terminal.
        """
        began = time.perf_counter()
        taken = await self._take_lines(tid, lines, of_file=of_file)
        self._meter.batch(
            _REPLIES[type(taken.reply)] if taken else BatchReply.NONE,
            taken.new if taken else 0,
            time.perf_counter() - began,
        )
        return taken

    async def _take_lines(self, tid: TerminalId, lines: Sequence[bytes], *, of_file: bool) -> TakenBatch | None:
        epoch = epoch_named(lines[0], tid)
        if epoch is None:
            if not of_file:
                await self._alarm_refused(tid, "it is not of its own chain")
            return None
        run = read_run(lines, tid, epoch)
        first = min((link.seq for link in run.links), default=Seq(1))
        reach, now = reach_of(entries_of(run.links)), self._clock()

        async def keep(connection: AsyncConnection) -> TakenBatch | None:
            tno = await store.find_chain(connection, tid, epoch)
            if tno is None:
                return None
            seqs = (first - 1, first + len(lines))
            work = await load(connection, self._campus, [tno], reach, seqs=seqs, trust=self._keys.trust)
            reply = take_run(work.book, tno, run, now)
            await write(connection, work, now)
            await alarm_of_batch(connection, work, tno, reply, now, of_file=of_file)
            new = len(work.book.entries) - len(work.before.entries)
            return TakenBatch(epoch, await server_epoch(connection), reply, new)

        async with self._at_once:
            taken = await self._database.transact(keep)
        if taken is None:
            if not of_file:
                await self._alarm_refused(tid, f"epoch {epoch} is not registered")
        elif isinstance(taken.reply, Ack) and taken.reply.tip.seq >= self._shown.get((tid, epoch), U32_MAX + 1):
            await self._database.transact(lambda connection: end_alarm(connection, AlarmKind.BACKLOG, tid, now))
            self._shown.pop((tid, epoch), None)
        return taken

    def told(self, tno: Tno) -> Seq | None:
        """How many entries a chain said it has, at its newest hello to this process; None: it said none."""
        return self._meter.told.get(tno)

    async def take_file(self, tid: TerminalId, lines: Sequence[bytes]) -> TakenFile:
        """Take in an exported journal as far as it holds; it may go through several epochs."""
        return await take_journal(lambda some: self.take_lines(tid, some, of_file=True), tid, lines)

    async def hello(self, tid: TerminalId, raw: bytes) -> Greeting | None:
        """The signed tip of the chain a terminal says hello with, and an ack of it. None: it is not a chain of ours.

        An ack of ours for an entry that no history here has proves that this server was restored: it begins a new
        epoch and alarms.
        """
        try:
            hello = read_hello(raw)
        except NotAMessage as error:
            log.warning("hello of %s refused: %s", tid, error)
            return None
        now = self._clock()

        async def answer(connection: AsyncConnection) -> tuple[TipAnswer, bool] | None:
            tno = await store.find_chain(connection, tid, hello.epoch)
            if tno is None or tno != hello.tno:
                return None
            work = await load(connection, self._campus, [tno], NOTHING)
            tip = work.book.chains[tno].branches[0].tip
            epoch = await server_epoch(connection)
            acked = self._own_ack(tid, hello)
            if acked is not None and acked.server_epoch >= epoch and await self._forgot(connection, tno, acked):
                epoch = await leap(connection, acked.server_epoch)
                text = f"{tid} holds our ack for entry {acked.seq}, which is not here: this server was restored"
                await raise_alarm(connection, AlarmKind.SERVER_RESTORED, SERVER, f"{text}; epoch is now {epoch}", now)
            await alarm_of_backlog(connection, tid, hello.seq - tip.seq, now)
            await alarm_of_lost(connection, work.book.chains[tno], f"it says hello with {hello.seq} entries", now)
            if hello.seq > tip.seq:
                self._shown[tid, hello.epoch] = hello.seq
            if 0 < hello.seq <= tip.seq and not await self._holds(connection, tno, hello):
                text = f"it shows an entry {hello.seq} that is not the one held here: it was put back from an image"
                await raise_alarm(connection, AlarmKind.CHAIN_BREAK, tid, text, now)
            lacks_ack = acked is None or (acked.server_epoch, acked.seq) < (epoch, tip.seq)
            return TipAnswer(epoch, tid, hello.epoch, tip.seq, tip.prev, now), lacks_ack and tip.seq > 0

        found = await self._database.transact(answer)
        if found is None:
            await self._database.transact(
                lambda connection: alarm_of_unknown(connection, tid, hello, self._own_ack(tid, hello), now)
            )
            return None
        self._meter.hello(hello.tno, hello.seq)
        tip, lacks_ack = found
        ack = SignedAck(tip.server_epoch, tid, tip.epoch, tip.seq, tip.hash, now)  # what we read is committed
        return Greeting(sign(tip, self._keys.ack), sign(ack, self._keys.ack) if lacks_ack else None)

    def _signed(self, epoch: Epoch, server_epoch: int, tid: TerminalId, reply: Reply) -> bytes:
        """Only ever called after the commit."""
        at = self._clock()
        match reply:
            case Ack(tip):
                ack = SignedAck(server_epoch, tid, epoch, tip.seq, tip.prev, at)
                return sign(ack, self._keys.ack)
            case Ask(seq, why, _):
                log.info("%s is asked for entry %s: %s", tid, seq, why)
                return sign(Want(tid, epoch, seq, at), self._keys.ack)
            case Refused(tip):
                return sign(TipAnswer(server_epoch, tid, epoch, tip.seq, tip.prev, at), self._keys.ack)
            case _:
                assert_never(reply)

    async def _alarm_refused(self, tid: TerminalId, why: str) -> None:
        about, text, now = AlarmKind.REFUSED_BATCH, f"a batch was refused: {why}", self._clock()
        await self._database.transact(lambda connection: raise_alarm(connection, about, tid, text, now))

    async def _forgot(self, connection: AsyncConnection, tno: Tno, acked: SignedAck) -> bool:
        return acked.seq > 0 and not await store.holds(connection, tno, acked.seq, from_base64url(acked.hash))

    async def _holds(self, connection: AsyncConnection, tno: Tno, hello: Hello) -> bool:
        return await store.holds(connection, tno, hello.seq, from_base64url(hello.hash))

    def _own_ack(self, tid: TerminalId, hello: Hello) -> SignedAck | None:
        """The ack a terminal shows, if this server signed it for that very chain."""
        if not hello.ack:
            return None
        try:
            ack = verified(hello.ack.encode(), SignedAck, self._keys.trust.ack)
        except (NotAMessage, ValueError):
            return None
        return ack if (ack.tid, ack.epoch) == (tid, hello.epoch) else None
