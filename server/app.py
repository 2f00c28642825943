"""Everything put together: one database, the services on it, the API, the broker and what runs by the clock."""

import asyncio
import logging
import os
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI, Response
from fastapi.middleware import Middleware

from protocol.instants import UtcMs
from server import numbers
from server.alarms import api as alarms_api
from server.alarms.rules import SERVER, AlarmKind
from server.alarms.service import Alarms
from server.audit.service import Audit
from server.auth import api as auth_api
from server.auth.door import Door
from server.auth.service import Operators, TwoPeople
from server.body_limit import BodyLimit
from server.booking import api as booking_api
from server.booking.service import Bookings
from server.broker.authority import open_authority
from server.broker.certificates import Pair
from server.broker.site import BrokerSite, BrokerUnreachable
from server.cards import api as cards_api
from server.cards.service import Cards
from server.config import ConfigWrong, MqttSettings, Settings, broker_of, campus_of, operators_of, timing_of
from server.db import Database
from server.enrolment import api as enrolment_api
from server.enrolment.gate import Gate
from server.enrolment.service import Enrolments
from server.fields import View
from server.ingest.service import Ingest
from server.keys import ServerKeys, open_keys
from server.ledger import api as ledger_api
from server.ledger.service import Ledger
from server.logs import RequestNumber
from server.meter import Meter
from server.metrics import api as metrics_api
from server.metrics.service import Metrics
from server.mqtt_link import MqttLink
from server.nightly import Nightly
from server.people import api as people_api
from server.people.service import People
from server.policy import api as policy_api
from server.policy.service import Policy
from server.problems import answer_problems
from server.publisher import Publisher
from server.reconcile import api as reconcile_api
from server.reconcile.service import Around, Reconcile
from server.states import api as states_api
from server.states.service import States
from server.terminals import api as terminals_api
from server.terminals.service import Terminals
from server.tokens import api as tokens_api
from server.tokens.service import Tokens
from server.trail import api as trail_api
from server.trail.recorder import Recorder
from server.trail.service import Trail
from server.tree import api as tree_api
from server.tree.service import Tree
from server.upkeep import api as upkeep_api
from server.upkeep.service import Upkeep
from server.watch import LOOKS_S, Watch

PREFIX = "/api/1"
GATE_LOOKS_S = 1.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class House:
    """All services of one server."""

    settings: Settings
    clock: Callable[[], UtcMs]
    database: Database
    keys: ServerKeys
    ingest: Ingest
    upkeep: Upkeep
    ledger: Ledger
    bookings: Bookings
    terminals: Terminals
    enrolments: Enrolments
    people: People
    cards: Cards
    policy: Policy
    states: States
    alarms: Alarms
    tokens: Tokens
    reconcile: Reconcile
    tree: Tree
    nightly: Nightly
    watch: Watch
    app: FastAPI
    link: MqttLink | None = None
    gate: Gate | None = None
    """Who may connect to the broker, where that is this machine's."""


class Health(View):
    """Whether the server is alive, and whether it can do its work."""

    database: bool
    broker: bool
    server_epoch: int


def utc_now() -> UtcMs:
    """The server's own clock."""
    return UtcMs(time.time_ns() // 1_000_000)


@asynccontextmanager
async def open_house(settings: Settings, clock: Callable[[], UtcMs] = utc_now) -> AsyncGenerator[House]:
    """Open the database and the keys, and compose the services. Nothing runs by itself yet.

    Raises ConfigWrong, DatabaseUnusable, KeysUnusable.
    """
    await asyncio.to_thread(_make_directory, Path(settings.data))
    async with Database(settings.database) as database:
        may_create = await database.is_new()
        keys = await asyncio.to_thread(open_keys, Path(settings.data) / "keys", clock(), may_create=may_create)
        await database.migrate()
        authority = await asyncio.to_thread(authority_of, settings, clock(), may_create=may_create)
        site = await asyncio.to_thread(prepare_broker, settings, authority, clock())
        yield _compose(settings, clock, database, keys, authority, site)


def authority_of(settings: Settings, at: UtcMs, *, may_create: bool) -> Pair:
    """The site's authority, in its place. Raises AuthorityUnusable."""
    return open_authority(Path(settings.data) / "authority", at, may_create=may_create)


def prepare_broker(settings: Settings, authority: Pair, at: UtcMs) -> BrokerSite | None:
    """Make the directory of this machine's broker, or bring it up to date. Raises ConfigWrong."""
    wanted = broker_of(settings)
    if wanted is None:
        return None
    site = BrokerSite(wanted, authority)
    try:
        site.prepare(at)
    except OSError as error:
        raise ConfigWrong(f"broker.directory: {error.filename}: {error.strerror}") from error
    return site


def _make_directory(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise ConfigWrong(f"data: {path} is no directory: a file of that name is in the way") from error
    except OSError as error:
        raise ConfigWrong(f"data: {path} cannot be made: {error.strerror}. Make it, or name another") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise ConfigWrong(f"data: {path} may not be written by this user (uid {os.geteuid()})")


@asynccontextmanager
async def running(house: House) -> AsyncGenerator[House]:
    """The house with its broker connection and everything that runs by the clock."""
    tasks = [asyncio.create_task(_upkeep(house)), asyncio.create_task(_watch(house.watch))]
    if house.gate is not None:
        tasks.append(asyncio.create_task(_watch_the_gate(house.gate, house.alarms)))
    if house.link is not None:
        await house.link.start()
        tasks.append(asyncio.create_task(_publish(house, house.link)))
    try:
        yield house
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if house.link is not None:
            await house.link.stop()


def _compose(
    settings: Settings,
    clock: Callable[[], UtcMs],
    database: Database,
    keys: ServerKeys,
    authority: Pair,
    site: BrokerSite | None,
) -> House:
    campus, timing = campus_of(settings), timing_of(settings)
    meter = Meter()
    ingest = Ingest(database, keys, campus, clock, meter)
    cards = Cards(database, keys, campus, clock)
    mqtt = settings.mqtt if site is None else _own_broker(site)
    states, tokens = States(database, clock), Tokens(database, keys, campus, clock)
    link = MqttLink(mqtt, ingest, states, tokens, keys, clock) if mqtt is not None else None
    upkeep = Upkeep(database, keys.trust.load, campus, clock)
    policy = Policy(database, keys, cards, clock, timing.lists_valid_ms)
    around = Around(
        (upkeep.post_parked, upkeep.extend_holes, upkeep.resolve_due, upkeep.reconsider, cards.settle_all),
        Audit(database, clock).run,
    )
    reconcile = Reconcile(database, campus, clock, around)
    alarms = Alarms(database, clock)
    tree = Tree(database, keys, alarms, clock)
    nightly = Nightly(database, reconcile, policy, tree, campus, clock)
    together, terminals = TwoPeople(database, clock), Terminals(database, keys, clock)
    house = House(
        settings,
        clock,
        database,
        keys,
        ingest,
        upkeep,
        Ledger(database),
        Bookings(database, together, campus, clock, settings.money.alone_cents_max),
        terminals,
        Enrolments(database, authority, keys, terminals.grant_in, clock),
        People(database, clock),
        cards,
        policy,
        states,
        alarms,
        tokens,
        reconcile,
        tree,
        nightly,
        Watch(settings, clock, alarms, states, nightly, link, site),
        FastAPI(
            title="Fanka",
            version="1",
            docs_url=None,
            redoc_url=None,
            generate_unique_id_function=lambda route: route.name,
            middleware=[
                Middleware(RequestNumber),
                Middleware(Door),
                Middleware(Recorder, database, clock, f"{PREFIX}/"),
                Middleware(BodyLimit),
            ],
        ),
        link,
        Gate(database, site, clock) if site is not None else None,
    )
    house.app.state.metrics = Metrics(database, meter, alarms, states, lambda: link is None or link.is_up)
    _mount(house)
    return house


def _own_broker(site: BrokerSite) -> MqttSettings:
    files = site.server_tls()
    return MqttSettings(
        port=site.settings.port, ca=str(files.ca), cert=str(files.certificate), key=str(files.key), reconnect_max_s=5
    )


def _mount(house: House) -> None:
    app, state = house.app, house.app.state
    state.operators = Operators(operators_of(house.settings))
    state.two_people = TwoPeople(house.database, house.clock)
    state.bookings = house.bookings
    state.keys, state.ingest, state.upkeep, state.ledger = house.keys, house.ingest, house.upkeep, house.ledger
    state.terminals, state.people, state.cards, state.policy = house.terminals, house.people, house.cards, house.policy
    state.states, state.alarms, state.tokens = house.states, house.alarms, house.tokens
    state.reconcile, state.trail, state.enrolments = house.reconcile, Trail(house.database), house.enrolments
    state.tree = house.tree
    state.metrics_settings = house.settings.metrics
    answer_problems(app)
    cards = (cards_api, tokens_api, people_api)
    desks = (terminals_api, states_api, alarms_api, *cards, policy_api, ledger_api, booking_api)
    routers = [api.router for api in (*desks, reconcile_api, upkeep_api, auth_api, trail_api, tree_api)]
    for router in (*routers, enrolment_api.desk):
        app.include_router(router, prefix=PREFIX)
    app.include_router(enrolment_api.machines)
    app.include_router(metrics_api.router)

    @app.get("/health", tags=["health"])
    async def health() -> dict[str, str]:
        """The process is alive."""
        return {"status": "ok"}

    @app.get("/ready", tags=["health"], responses={503: {"model": Health, "description": "not ready"}})
    async def ready(response: Response) -> Health:
        """The database answers and the broker is connected."""
        found = await _look(house)
        response.status_code = 200 if found.database and found.broker else 503
        return found


async def _look(house: House) -> Health:
    broker = house.link is None or house.link.is_up
    try:
        async with house.database.reading() as connection:
            return Health(database=True, broker=broker, server_epoch=await numbers.server_epoch(connection))
    except Exception:
        log.exception("the database does not answer")
        return Health(database=False, broker=broker, server_epoch=0)


async def _upkeep(house: House) -> None:
    async def once() -> None:
        done = {**await house.upkeep.run(), **await house.cards.run(), **await house.tokens.run()}
        if any(done.values()):
            log.info("upkeep: %s", done)
            house.policy.changed.set()

    async def night() -> None:
        await house.nightly.run_if_due()

    while True:
        await _kept_alive("upkeep", once)
        await _kept_alive("the night's work", night)
        await asyncio.sleep(house.settings.upkeep_every_s)


async def _watch(watch: Watch) -> None:
    while True:
        await asyncio.sleep(LOOKS_S)  # the broker and the night have their time first
        await _kept_alive("looking for alarms", watch.look)


async def _watch_the_gate(gate: Gate, alarms: Alarms) -> None:
    """Let terminals in and keep them out as the register says, soon after a change."""
    is_deaf: bool | None = None  # of an earlier start, nobody knows

    async def look() -> None:
        nonlocal is_deaf
        try:
            await gate.look()
        except BrokerUnreachable as error:
            if not is_deaf:
                await alarms.see(AlarmKind.BROKER_DEAF, {SERVER: f"{error} It is tried again every second."})
            is_deaf = True
        else:
            if is_deaf is not False:
                await alarms.see(AlarmKind.BROKER_DEAF, {})
            is_deaf = False

    while True:
        await _kept_alive("telling the broker who may connect", look)
        await asyncio.sleep(GATE_LOOKS_S)


async def _publish(house: House, link: MqttLink) -> None:
    """Look after the lists, soon after a change and every few seconds."""
    look_every_s = house.settings.lists.look_every_ms / 1_000
    publisher = Publisher(house.policy, link, timing_of(house.settings).lists_renew_ms / 1_000)
    while True:
        await _kept_alive("publishing", publisher.look)
        await _first_of(house.policy.changed, link.connected, look_every_s)


async def _first_of(changed: asyncio.Event, connected: asyncio.Event, timeout_s: float) -> None:
    waits = [asyncio.create_task(changed.wait()), asyncio.create_task(connected.wait())]
    await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)


async def _kept_alive(what: str, work: Callable[[], Awaitable[None]]) -> None:
    """What fails once may work the next time; the log says why it failed."""
    try:
        await work()
    except Exception:
        log.exception("%s failed; it is tried again", what)
