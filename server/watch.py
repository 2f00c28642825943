"""Looks once a minute at what no request and no batch would show: who is silent, what runs out, what was not done."""

import asyncio
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from protocol.instants import DAY_MS, HOUR_MS, MINUTE_MS, UtcMs
from server.alarms.rules import SERVER, AlarmKind
from server.alarms.service import Alarms
from server.broker.certificates import CRL_DAYS
from server.broker.site import BrokerSite
from server.config import Settings
from server.leases.rules import UNSERVED_MS
from server.leases.service import Leases
from server.mqtt_link import MqttLink
from server.nightly import Nightly
from server.states.service import States

LOOKS_S = 60.0
NIGHT_LATE_MS = 6 * HOUR_MS
REVOCATIONS_LEFT_MIN_MS = 30 * DAY_MS
CLOCK_JUMP_MAX_MS = MINUTE_MS

Wrong = dict[str, str]
"""What is wrong now: of what, and the evidence."""


@dataclass(slots=True)
class Watch:
    """What is looked at, and what was seen last."""

    settings: Settings
    clock: Callable[[], UtcMs]
    alarms: Alarms
    states: States
    nightly: Nightly
    leases: Leases
    link: MqttLink | None
    site: BrokerSite | None
    mono_ms: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000
    _offset_ms: int | None = None
    """The clock before the monotonic one, at the last look."""
    _was_up: bool = field(default=True)

    async def look(self) -> None:
        """Raise what is wrong, and end what is over."""
        await self._look_at_the_clock()
        await self.alarms.see(AlarmKind.TERMINAL_SILENT, await self._silent())
        await self.alarms.see(AlarmKind.NIGHT_NOT_DONE, await self._night())
        await self.alarms.see(AlarmKind.DISK_LOW, await asyncio.to_thread(self._disk))
        await self.alarms.see(AlarmKind.REVOCATIONS_OLD, await asyncio.to_thread(self._revocations))
        await self.alarms.see(AlarmKind.BROKER_DOWN, self._broker())
        await self.alarms.see(AlarmKind.SITE_UNSERVED, await self._unserved())

    async def _look_at_the_clock(self) -> None:
        before, self._offset_ms = self._offset_ms, self.clock() - self.mono_ms()
        jump_ms = 0 if before is None else self._offset_ms - before
        if abs(jump_ms) > CLOCK_JUMP_MAX_MS:
            text = f"the server's clock jumped by {jump_ms // 1_000:+,} s"
            await self.alarms.happened(AlarmKind.CLOCK_OFF, SERVER, text)

    async def _silent(self) -> Wrong:
        now, hours = self.clock(), self.settings.alarms.silent_h
        found = await self.states.silent(UtcMs(now - hours * HOUR_MS))
        return {tid: f"not heard of for {(now - at) // HOUR_MS:,} hours" for tid, at in found.items()}

    async def _night(self) -> Wrong:
        day = await self.nightly.late(NIGHT_LATE_MS)
        return {} if day is None else {SERVER: f"business day {day} is not proved; the log says what failed"}

    async def _unserved(self) -> Wrong:
        text = f"no ingest worker has had it for {UNSERVED_MS // 1_000} s; its terminals sell on"
        return dict.fromkeys(await self.leases.unserved(), text)

    def _disk(self) -> Wrong:
        total, _, free = shutil.disk_usage(self.settings.data)
        if free * 100 >= total * self.settings.alarms.disk_free_percent:
            return {}
        return {SERVER: f"{free // 2**20:,} MiB are free on the disk of {self.settings.data}"}

    def _revocations(self) -> Wrong:
        if self.site is None:
            return {}
        left_ms = CRL_DAYS * DAY_MS - self.site.revocations_age_ms(self.clock())
        if left_ms >= REVOCATIONS_LEFT_MIN_MS:
            return {}
        return {SERVER: f"the broker believes the list of revocations for {left_ms // DAY_MS} more days, then nobody"}

    def _broker(self) -> Wrong:
        """Down at two looks in a row: a restart is no alarm."""
        was_up, self._was_up = self._was_up, self.link is None or self.link.is_up
        return {} if was_up or self._was_up else {SERVER: "there is no connection to the broker; terminals sell on"}
