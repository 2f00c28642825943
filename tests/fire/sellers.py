"""Terminals without a counter: the shipping journal and the shipping link, many in one process, selling for cash.

A sale waits now and then until few or many are on their way, so that batches are of one entry and of hundreds.
"""

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from protocol.entries import NO_LISTS, CashSale, Kind
from protocol.ids import MerchantId, Seq, ShiftNo, StaffId
from protocol.instants import ClockSource, Now
from protocol.messages import Ack, TipAnswer, Want
from protocol.money import Cents
from protocol.sync_sender import Acked, Phase, TipAnswered
from terminal.clock import MachineClock
from terminal.config import read_config
from terminal.hooks import Hooks
from terminal.identity import load_identity
from terminal.journal_space import JournalSettings
from terminal.journal_store import JournalStore
from terminal.policy_store import PolicyStore
from terminal.ports import Draft
from terminal.sync_link import SyncLink
from tests.brokers import now
from tests.integration.campus import MERCHANT, Till

PRICE: Final = 125
UNSENT: Final = (0, 1, 2, 3, 3, 3, 20, 300)
"""So many entries may be on their way before the next sale waits."""
SALES_A_MOOD: Final = 25
PUBACK: Final = "puback"
"""A control: a terminal that takes what it has published for taken, and hears no other word."""


class CountedLink(SyncLink):
    """Counts what it says and hears."""

    said: Counter[str]

    def _publish(self, what: str, payload: bytes) -> None:
        if self.is_up:
            self.said[what] += 1
        super()._publish(what, payload)

    async def _message(self, jws: bytes) -> None:
        self.said["heard"] += 1
        await super()._message(jws)


class TrustingLink(CountedLink):
    """The control `puback`."""

    async def _send_batch(self, first: Seq) -> None:
        await super()._send_batch(first)
        await self._step(Acked(self._sender.sent, self._clock.mono_ms()))

    async def _take_tip(self, tip: TipAnswer) -> None:
        seq = max(tip.seq, self._sender.acked)
        await self._step(TipAnswered(seq, True, self._clock.mono_ms()))

    def _is_for_us(self, message: Ack | TipAnswer | Want) -> bool:
        return not isinstance(message, Want) and super()._is_for_us(message)


@dataclass
class Seller:
    """One terminal that sells while it runs."""

    store: JournalStore
    link: CountedLink
    progress: asyncio.Event
    rng: random.Random

    async def sell_until(self, enough: Callable[[], bool]) -> None:
        """Sale after sale."""
        most = 0
        for number in itertools.count(1):
            if enough():
                return
            if number % SALES_A_MOOD == 1:
                most = self.rng.choice(UNSENT)
            while self.link.status.unsent > most and not enough():
                self.progress.clear()
                with_patience = asyncio.wait_for(self.progress.wait(), 0.5)
                await asyncio.gather(with_patience, return_exceptions=True)
            body = CashSale(MerchantId(MERCHANT), Cents(PRICE))
            at = Now(now(), MachineClock().mono_ms(), ClockSource.SERVER)
            await self.store.append(Draft(Kind.CASH_SALE, body, at, NO_LISTS, StaffId("w-07"), ShiftNo(1)))
            self.link.appended()

    @property
    def is_through(self) -> bool:
        """Whether it believes that the server has everything."""
        return self.link.status.phase is Phase.SENDING and not self.link.status.unsent


@asynccontextmanager
async def open_seller(till: Till, seed: int, said: Counter[str], control: str) -> AsyncIterator[Seller]:
    """A terminal of this till's files, which talks from now on."""
    config = read_config(till.directory / "terminal.toml")
    identity, progress = load_identity(config.directory), asyncio.Event()
    store = await JournalStore.open(JournalSettings(config.directory / "journal.db", free_bytes_min=0), identity)
    policy = PolicyStore(config.directory / "lists", identity.grant.site, identity.trust, takes_loads=False)
    assert config.line is not None

    async def acked(*_: Any) -> None:
        progress.set()

    make = TrustingLink if control == PUBACK else CountedLink
    line = replace(config.line, reconnect_last_s=1)
    link = make(line, identity, store, policy, MachineClock(), newest_ack=store.ack_jws, hooks=Hooks(acked))
    link.said = said
    running = asyncio.create_task(link.run())
    try:
        yield Seller(store, link, progress, random.Random(f"{seed} {till.tid}"))
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await store.close()
