"""Everything put together: one database, the services on it, the API and the broker. `running.py` sets it going."""

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI, Response
from fastapi.middleware import Middleware
from starlette.responses import RedirectResponse

from protocol.instants import UtcMs
from server import numbers
from server.accounts.secrets import OTP_KEY, OtpSecrets
from server.accounts.service import Accounts
from server.alarms import api as alarms_api
from server.alarms.service import Alarms
from server.alone import alone, disk_told, make_place
from server.audit.service import Audit
from server.auth import api as auth_api
from server.auth.door import Door
from server.auth.service import Operators, TwoPeople
from server.body_limit import BodyLimit
from server.booking import api as booking_api
from server.booking.service import Bookings
from server.broker.certificates import Pair, server_name
from server.broker.site import BrokerSite
from server.cards import api as cards_api
from server.cards.service import Cards
from server.clock import utc_now
from server.config import (
    ConfigWrong,
    MqttSettings,
    Settings,
    campus_of,
    mqtt_numbered,
    operators_of,
    timing_of,
)
from server.db import Database
from server.enrolment import api as enrolment_api
from server.enrolment.service import Enrolments
from server.entries.service import Entries
from server.fields import View
from server.finding.service import Finding
from server.ingest.service import Ingest
from server.keys import ServerKeys, open_keys
from server.leases.rules import Self
from server.leases.service import Leases
from server.ledger import api as ledger_api
from server.ledger.service import Ledger
from server.logs import RequestNumber
from server.meter import Meter
from server.metrics import api as metrics_api
from server.metrics.service import Metrics
from server.mqtt_link import Hears, MqttLink
from server.nightly import Nightly
from server.overview.service import Overview
from server.people import api as people_api
from server.people.service import People
from server.phones import api as phones_api
from server.phones.service import Phones
from server.place import HAS_BOOKS, authority_of, prepare_broker, require_the_same_place
from server.policy import api as policy_api
from server.policy.service import Policy
from server.problems import answer_problems
from server.pulse import Pulse
from server.reconcile import api as reconcile_api
from server.reconcile.days import Days
from server.reconcile.service import Around, Reconcile
from server.roles import Role, fault_of
from server.shifts.service import Shifts
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
from server.watch import Watch
from server.web.app import pages
from server.web.door import HOME, PAGES

PREFIX = "/api/1"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class House:
    """All services of one process of the server."""

    settings: Settings
    role: Role
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
    leases: Leases
    watch: Watch
    app: FastAPI
    link: MqttLink | None = None
    site: BrokerSite | None = None
    """The broker's directory, where it is this machine's."""


class Health(View):
    """Whether the server is alive, and whether it can do its work."""

    database: bool
    """It answers."""
    writable: bool
    """It takes what is written: its disk is neither full nor broken, and it is no standby."""
    broker: bool
    server_epoch: int


@asynccontextmanager
async def open_house(
    settings: Settings, clock: Callable[[], UtcMs] = utc_now, role: Role = Role.ALL, number: int = 1
) -> AsyncGenerator[House]:
    """Open the database and the keys, and compose the services. Nothing runs by itself yet.

    `number`: which of the processes that talk to the broker it is. Raises ConfigWrong, DatabaseUnusable, KeysUnusable.
    """
    async with Database(settings.database) as database:
        servers = settings.broker.servers if settings.broker else None
        if fault := fault_of(role, number, is_sqlite=database.is_sqlite, servers=servers):
            raise ConfigWrong(fault)
        data = Path(settings.data)
        await asyncio.to_thread(make_place, data)
        with alone(data) if database.is_sqlite else nullcontext():
            async with database.starting():
                with database.telling(), disk_told(data):
                    may_create = await database.is_new()
                    await asyncio.to_thread(require_the_same_place, settings, may_create=may_create)
                    keys = await asyncio.to_thread(open_keys, data / "keys", clock(), may_create=may_create)
                    authority = await asyncio.to_thread(authority_of, settings, clock(), may_create=may_create)
                    await database.migrate()  # from here on it is not new: what may be made only once is there
                    await asyncio.to_thread((data / HAS_BOOKS).touch)
                    if role.answers:
                        await asyncio.to_thread(_otp_of, settings)
                    site = await asyncio.to_thread(prepare_broker, settings, authority, clock())
            yield _compose(_Place(settings, role, number, site), clock, database, keys, authority)


def _otp_of(settings: Settings) -> OtpSecrets:
    """Raises KeysUnusable."""
    return OtpSecrets(Path(settings.data) / "keys" / OTP_KEY)


@dataclass(frozen=True, slots=True)
class _Place:
    """Which process of the server this is, and where the broker is."""

    settings: Settings
    role: Role
    number: int
    site: BrokerSite | None

    @property
    def me(self) -> Self:
        """Its name is its own by the broker's certificates; its life is this start's."""
        return Self(server_name(self.number), secrets.token_hex(8))

    @property
    def mqtt(self) -> MqttSettings | None:
        """How it reaches the broker; None: it has no business there."""
        if not self.role.connects:
            return None
        if self.site is None:
            return mqtt_numbered(self.settings.mqtt, self.number)
        files = self.site.server_tls(self.number)
        tls = {"ca": str(files.ca), "cert": str(files.certificate), "key": str(files.key)}
        return MqttSettings(port=self.site.settings.port, reconnect_max_s=5, **tls)

    @property
    def hears(self) -> Hears:
        """What it listens to at the broker."""
        return Hears(terminals=self.role.takes_in, own_lists=self.role.keeps)


def _compose(place: _Place, clock: Callable[[], UtcMs], database: Database, keys: ServerKeys, authority: Pair) -> House:
    settings, role, site, mqtt = place.settings, place.role, place.site, place.mqtt
    campus, timing = campus_of(settings), timing_of(settings)
    meter = Meter()
    ingest = Ingest(database, keys, campus, clock, meter)
    cards = Cards(database, keys, campus, clock, settings.money.load_alone_cents_max)
    leases = Leases(database, place.me, keeps=role.keeps, takes_in=role.takes_in)
    states, tokens = States(database, campus, clock), Tokens(database, keys, campus, clock)
    link = MqttLink(mqtt, place.hears, leases, ingest, states, tokens, keys, clock) if mqtt is not None else None
    upkeep = Upkeep(database, keys.trust, campus, clock)
    policy = Policy(database, keys, cards, clock, timing.lists_valid_ms)
    around = Around(
        (upkeep.post_parked, upkeep.extend_holes, upkeep.resolve_due, upkeep.reconsider, cards.settle_all),
        Audit(database, clock).run,
        tokens.worst_case_cents,
    )
    reconcile = Reconcile(database, campus, clock, around)
    alarms = Alarms(database, clock)
    tree = Tree(database, keys, alarms, clock)
    nightly = Nightly(database, reconcile, policy, tree, alarms, campus, clock)
    together, terminals = TwoPeople(database, clock), Terminals(database, keys, clock)
    house = House(
        settings,
        role,
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
        leases,
        Watch(settings, clock, alarms, states, nightly, leases, link, site),
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
        site,
    )
    is_up = (lambda: link.is_up) if link is not None else None
    pulse = Pulse(database)
    house.app.state.metrics = Metrics(database, meter, alarms, states, leases, pulse, is_up)
    _mount(house, pulse)
    return house


def _mount(house: House, pulse: Pulse) -> None:
    app, state = house.app, house.app.state
    state.operators = Operators(operators_of(house.settings))
    state.two_people = TwoPeople(house.database, house.clock)
    state.bookings = house.bookings
    state.keys, state.ingest, state.upkeep, state.ledger = house.keys, house.ingest, house.upkeep, house.ledger
    state.terminals, state.people, state.cards, state.policy = house.terminals, house.people, house.cards, house.policy
    state.states, state.alarms, state.tokens = house.states, house.alarms, house.tokens
    state.reconcile, state.enrolments, state.tree = house.reconcile, house.enrolments, house.tree
    state.trail, state.phones = Trail(house.database, house.clock), Phones(house.database, house.keys, house.clock)
    state.metrics_settings, state.takes_in = house.settings.metrics, house.role.takes_in
    answer_problems(app)
    if house.role.answers:
        _mount_desks(app)
        _mount_pages(house)
    app.include_router(metrics_api.router)

    @app.get("/health", tags=["health"])
    async def health() -> dict[str, str]:
        """The process is alive."""
        return {"status": "ok"}

    @app.get("/ready", tags=["health"], responses={503: {"model": Health, "description": "not ready"}})
    async def ready(response: Response) -> Health:
        """The database answers and takes what is written, and the broker is connected."""
        found = await _look(house, pulse)
        response.status_code = 200 if found.database and found.writable and found.broker else 503
        return found


def _mount_desks(app: FastAPI) -> None:
    cards = (cards_api, tokens_api, phones_api, people_api)
    desks = (terminals_api, states_api, alarms_api, *cards, policy_api, ledger_api, booking_api)
    routers = [api.router for api in (*desks, reconcile_api, upkeep_api, auth_api, trail_api, tree_api)]
    for router in (*routers, enrolment_api.desk):
        app.include_router(router, prefix=PREFIX)
    app.include_router(enrolment_api.machines)
    app.include_router(phones_api.holders)


def _mount_pages(house: House) -> None:
    state, campus = house.app.state, campus_of(house.settings)
    otp = _otp_of(house.settings)
    state.shifts = Shifts(house.database)
    state.accounts = Accounts(house.database, otp, house.clock, lambda: time.monotonic_ns() // 1_000_000)
    state.days = Days(house.database, campus, house.clock)
    state.clock, state.campus, state.overview = house.clock, campus, Overview(house.database, campus, house.clock)
    state.finding, state.entries = Finding(house.database), Entries(house.database)
    house.app.mount(PAGES, pages(state, Middleware(Recorder, house.database, house.clock, f"{PAGES}/")))

    @house.app.get("/", include_in_schema=False)
    async def to_pages() -> RedirectResponse:
        """Whoever types the bare address wants to see something."""
        return RedirectResponse(HOME, 303)


async def _look(house: House, pulse: Pulse) -> Health:
    broker = house.link is None or house.link.is_up
    try:
        async with house.database.reading() as connection:
            epoch = await numbers.server_epoch(connection)
    except Exception:
        log.exception("the database does not answer")
        return Health(database=False, writable=False, broker=broker, server_epoch=0)
    return Health(database=True, writable=await pulse.beats(), broker=broker, server_epoch=epoch)
