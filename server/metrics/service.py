"""Everything that Prometheus asks for, as text."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from server.alarms.rules import AlarmKind
from server.alarms.service import Alarms
from server.db import Database
from server.leases.service import Leases
from server.meter import Meter
from server.metrics import store
from server.numbers import DONE_THROUGH, read_setting, server_epoch
from server.pulse import Pulse
from server.states.service import States

log = logging.getLogger(__name__)


_Values = Mapping[tuple[str, ...], float]


@dataclass(slots=True)
class _Page:
    """Gauges of one answer."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def put(self, name: str, told: str, value: float) -> None:
        Gauge(f"fanka_{name}", told, registry=self.registry).set(value)

    def put_each(self, name: str, told: str, labels: tuple[str, ...], values: _Values) -> None:
        gauge = Gauge(f"fanka_{name}", told, labels, registry=self.registry)
        for key, value in sorted(values.items()):
            gauge.labels(*key).set(value)


class Metrics:
    """Reads how things are and adds what was counted."""

    def __init__(
        self,
        database: Database,
        meter: Meter,
        alarms: Alarms,
        states: States,
        leases: Leases,
        pulse: Pulse,
        is_broker_up: Callable[[], bool] | None,
    ) -> None:
        """`is_broker_up`: None where this process does not talk to the broker."""
        self._database, self._meter, self._alarms, self._states = database, meter, alarms, states
        self._leases, self._pulse, self._is_broker_up = leases, pulse, is_broker_up

    async def text(self) -> bytes:
        """In Prometheus' text format. A database that is away is a figure, too."""
        page, began = _Page(), time.perf_counter()
        try:
            await self._read(page)
        except Exception:
            log.exception("the database does not answer")
            page = _Page()
            page.put("database_up", "Whether the database answers", 0)
        else:
            page.put("database_up", "Whether the database answers", 1)
            page.put("database_seconds", "How long it took to read these figures", time.perf_counter() - began)
            page.put("database_writable", "Whether it takes what is written", int(await self._pulse.beats()))
        if self._is_broker_up is not None:
            page.put("broker_up", "Whether the broker has taken our connection", int(self._is_broker_up()))
        held: _Values = {(name,): 1 for name in self._leases.names}
        page.put_each("lease_held", "What this process does that one does at a time", ("name",), held)
        return generate_latest(page.registry) + self._meter.text()

    async def _read(self, page: _Page) -> None:
        async with self._database.reading() as connection:
            page.put("server_epoch", "Which life of the server this is", await server_epoch(connection))
            night = int(await read_setting(connection, DONE_THROUGH) or 0)
            page.put("night_done_day", "The newest business day whose night is done, days since 1970", night)
            page.put("parked_entries", "Entries that wait to be posted", await store.parked_entries(connection))
            heard_s = await store.heard_at(connection) / 1_000
            page.put("last_entry_timestamp_seconds", "When anything was taken in last", heard_s)
            known, online = await store.terminals(connection)
            states: _Values = {("online",): online, ("offline",): known - online}
            page.put_each("terminals", "Registered terminals", ("state",), states)
            backlog: _Values = {
                (site,): number for site, number in (await store.backlog(connection, self._meter.told)).items()
            }
            told = "Entries that terminals have and that are not here, by their word when they connected"
            page.put_each("backlog_entries", told, ("site",), backlog)
            cases: _Values = {(cls,): number for cls, number in (await store.open_cases(connection)).items()}
            page.put_each("open_cases", "Cases by class", ("cls",), cases)
        raised, newest = await self._alarms.counts(), await self._states.newest()
        alarms: _Values = {(kind.value,): raised.get(kind, 0) for kind in AlarmKind}
        page.put_each("open_alarms", "Alarms by kind", ("kind",), alarms)
        lists: _Values = {(site, name): version for site, found in newest.items() for name, version in found.items()}
        page.put_each("list_version", "The newest version of each list", ("site", "name"), lists)
