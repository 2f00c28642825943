"""Sets a process of the server going: its leases, its broker connection, and what runs by the clock.

What there is one of is done under the keeper's lease, and what remembers something of it is made anew with each term:
meanwhile somebody else may have done more.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager

from server.alarms.rules import SERVER, AlarmKind
from server.app import House
from server.broker.site import BrokerSite, BrokerUnreachable
from server.config import timing_of
from server.enrolment.gate import Gate
from server.fence import Fence, LeaseLost, under
from server.leases.rules import KEEPER, LOOKS_MS
from server.leases.service import Leases, Replaced
from server.mqtt_link import MqttLink
from server.publisher import Publisher
from server.watch import LOOKS_S

GATE_LOOKS_S = 1.0
CANCELS_AGAIN_S = 0.5
GIVES_BACK_S = 5.0
"""A database that is away keeps nobody from ending: the leases end by themselves."""

log = logging.getLogger(__name__)


@asynccontextmanager
async def running(house: House) -> AsyncGenerator[asyncio.Task[None]]:
    """Everything runs meanwhile. What is yielded goes on for ever, or ends with Replaced: then nothing else should."""
    await _kept_alive("looking at leases", lambda: _look_once(house))
    renewing = asyncio.create_task(_look(house))
    tasks = [renewing]
    if house.role.keeps:
        tasks += [asyncio.create_task(_upkeep(house)), asyncio.create_task(_watch(house))]
        if house.site is not None:
            tasks.append(asyncio.create_task(_watch_the_gate(house, house.site)))
    if house.link is not None:
        await house.link.start()
        if house.role.keeps:
            tasks.append(asyncio.create_task(_publish(house, house.link)))
    try:
        yield renewing
    finally:
        await end(tasks)
        if house.link is not None:
            await house.link.stop()
        await _kept_alive("giving leases back", lambda: asyncio.wait_for(house.leases.give_back(), GIVES_BACK_S))


async def end(tasks: Iterable[asyncio.Task[None]], again_s: float = CANCELS_AGAIN_S) -> None:
    """Cancel until all of them have ended.

    Once is not enough: a database driver that is interrupted and cannot take back what it began raises an error of its
    own, and whoever keeps work alive goes on after an error.
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=again_s)


async def _look(house: House) -> None:
    while True:
        await asyncio.sleep(LOOKS_MS / 1_000)
        await _kept_alive("looking at leases", lambda: _look_once(house))


async def _look_once(house: House) -> None:
    """What terminals have said of themselves while nobody had their site, or could not keep it: ask again."""
    is_more = await house.leases.look()
    if house.link is not None and (is_more or house.link.has_missed_states):
        house.link.hear_states_again()


async def _upkeep(house: House) -> None:
    async def once() -> None:
        done = {**await house.upkeep.run(), **await house.cards.run(), **await house.tokens.run()}
        if any(done.values()):
            log.info("upkeep: %s", done)
            house.policy.changed.set()

    async def night() -> None:
        await house.nightly.run_if_due()

    while True:
        await _as_keeper(house.leases, "upkeep", once)
        await _as_keeper(house.leases, "the night's work", night)
        await asyncio.sleep(house.settings.upkeep_every_s)


async def _watch(house: House) -> None:
    while True:
        await asyncio.sleep(LOOKS_S)  # the broker and the night have their time first
        await _as_keeper(house.leases, "looking for alarms", house.watch.look)


async def _watch_the_gate(house: House, site: BrokerSite) -> None:
    """Let terminals in and keep them out as the register says, soon after a change."""
    term: Fence | None = None
    gate = Gate(house.database, house.states, site, house.clock)
    is_deaf: bool | None = None  # of an earlier start, nobody knows

    async def look() -> None:
        nonlocal is_deaf
        try:
            await gate.look()
        except BrokerUnreachable as error:
            if not is_deaf:
                await house.alarms.see(AlarmKind.BROKER_DEAF, {SERVER: f"{error} It is tried again every second."})
            is_deaf = True
        else:
            if is_deaf is not False:
                await house.alarms.see(AlarmKind.BROKER_DEAF, {})
            is_deaf = False

    while True:
        if (held := house.leases.held(KEEPER)) != term:
            term, gate, is_deaf = held, Gate(house.database, house.states, site, house.clock), None
        await _as_keeper(house.leases, "telling the broker who may connect", look)
        await asyncio.sleep(GATE_LOOKS_S)


async def _publish(house: House, link: MqttLink) -> None:
    """Look after the lists, soon after a change and every few seconds."""
    look_every_s, renew_every_s = (
        house.settings.lists.look_every_ms / 1_000,
        timing_of(house.settings).lists_renew_ms / 1_000,
    )
    term: Fence | None = None
    publisher = Publisher(house.policy, link, renew_every_s)
    while True:
        if (held := house.leases.held(KEEPER)) != term:
            term, publisher = held, Publisher(house.policy, link, renew_every_s)
        await _as_keeper(house.leases, "publishing", publisher.look)
        if term is None:
            await asyncio.sleep(look_every_s)
        else:
            await _first_of(house.policy.changed, link.connected, look_every_s)


async def _first_of(changed: asyncio.Event, connected: asyncio.Event, timeout_s: float) -> None:
    waits = [asyncio.create_task(changed.wait()), asyncio.create_task(connected.wait())]
    await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)


async def _as_keeper(leases: Leases, what: str, work: Callable[[], Awaitable[None]]) -> None:
    """Do it where this process is the keeper; else somebody else does."""
    fence = leases.held(KEEPER)
    if fence is not None:
        with under(fence):
            await _kept_alive(what, work)


async def _kept_alive(what: str, work: Callable[[], Awaitable[None]]) -> None:
    """What fails once may work the next time; the log says why it failed."""
    try:
        await work()
    except Replaced:
        raise
    except LeaseLost as error:
        log.warning("%s is left to others: %s", what, error)
    except Exception:
        log.exception("%s failed; it is tried again", what)
