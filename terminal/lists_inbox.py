"""Lists from the line to the disk: the manifest is always listened for, a part only while it is missing."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import assert_never

from protocol import topics
from protocol.ids import SiteId
from terminal.alarms import Alarms, Of
from terminal.mqtt_line import MqttLine
from terminal.policy_store import Applied, Offered, PolicyStore, Refused, Unchanged, Waiting

ASK_FIRST_MS, ASK_LAST_MS = 2_000, 300_000
PARTS_LATE_MS = 60_000
"""A part that a manifest names and that has not come for so long does not lie at the broker."""

_log = logging.getLogger(__name__)


class ListsInbox:
    """Feeds one policy store. Disk work is done in a thread, one piece after the other."""

    def __init__(
        self,
        site: SiteId,
        policy: PolicyStore,
        on_applied: Callable[[Applied], Awaitable[None]],
        alarms: Alarms,
    ) -> None:
        self._site, self._policy, self._on_applied, self._alarms = site, policy, on_applied, alarms
        self._parts: dict[str, str] = {}
        self._ask_at_ms, self._ask_every_ms = 0, ASK_FIRST_MS
        self._late_at_ms = 0
        """When a missing part is late; 0 while none is missing."""

    def line_up(self, line: MqttLine, now_ms: int) -> None:
        """A new connection: nothing is subscribed yet."""
        self._parts = {}
        line.subscribe([topics.manifest(self._site)])
        self._ask_for_parts(line, now_ms)
        self._ask_at_ms, self._ask_every_ms = now_ms + ASK_FIRST_MS, ASK_FIRST_MS

    async def ticked(self, line: MqttLine, now_ms: int) -> None:
        """Subscribe again where no manifest came: what is retained comes at a subscription only, and the broker may
        have heard of this terminal a moment after that. A part that does not come is an alarm."""
        if self._late_at_ms and now_ms >= self._late_at_ms:
            await self._alarms.raise_(Of.LISTS, "parts_missing", ", ".join(self._parts.values()), now_ms)
            self._parts = {}
            self._ask_for_parts(line, now_ms)
        if self._ask_at_ms and now_ms >= self._ask_at_ms:
            line.subscribe([topics.manifest(self._site)])
            self._ask_every_ms = min(2 * self._ask_every_ms, ASK_LAST_MS)
            self._ask_at_ms = now_ms + self._ask_every_ms

    async def take(self, topic: str, payload: bytes, line: MqttLine, now_ms: int) -> bool:
        """Take a message if it is about lists."""
        if topic == topics.manifest(self._site):
            self._ask_at_ms = 0
            await self._offered(await asyncio.to_thread(self._policy.offer_manifest, payload), now_ms)
        elif topic in self._parts:
            await self._offered(await asyncio.to_thread(self._policy.offer_part, self._parts[topic], payload), now_ms)
        else:
            return False
        self._ask_for_parts(line, now_ms)
        return True

    async def _offered(self, offered: Offered, now_ms: int) -> None:
        match offered:
            case Applied():
                self._alarms.end(Of.LISTS)
                await self._on_applied(offered)
            case Refused(reason, detail) if offered.is_alarm:
                await self._alarms.raise_(Of.LISTS, reason, detail, now_ms)
            case Refused(reason, detail):
                _log.warning("lists refused: %s: %s", reason, detail)
            case Unchanged():
                self._alarms.end(Of.LISTS)
            case Waiting():
                pass
            case _:
                assert_never(offered)

    def _ask_for_parts(self, line: MqttLine, now_ms: int) -> None:
        wanted = {topics.list_part(self._site, part): part for part in self._policy.needs()}
        line.unsubscribe(topic for topic in self._parts if topic not in wanted)
        line.subscribe(topic for topic in wanted if topic not in self._parts)
        if wanted != self._parts:
            self._late_at_ms = now_ms + PARTS_LATE_MS if wanted else 0
        self._parts = wanted
