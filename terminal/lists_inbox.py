"""Lists from the line to the disk: the manifest is always listened for, a part only while it is missing."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import assert_never

from protocol import topics
from protocol.ids import SiteId
from terminal.mqtt_line import MqttLine
from terminal.policy_store import Applied, Offered, PolicyStore, Refused, Unchanged, Waiting

ASK_FIRST_MS, ASK_LAST_MS = 2_000, 300_000

_log = logging.getLogger(__name__)


class ListsInbox:
    """Feeds one policy store. Disk work is done in a thread, one piece after the other."""

    def __init__(
        self,
        site: SiteId,
        policy: PolicyStore,
        on_applied: Callable[[Applied], Awaitable[None]],
        on_alarm: Callable[[str], Awaitable[None]],
    ) -> None:
        self._site, self._policy, self._on_applied, self._on_alarm = site, policy, on_applied, on_alarm
        self._parts: dict[str, str] = {}
        self._ask_at_ms, self._ask_every_ms = 0, ASK_FIRST_MS
        self.alarm = ""
        """The newest refusal that somebody must look at; empty once lists were applied again."""

    def line_up(self, line: MqttLine, now_ms: int) -> None:
        """A new connection: nothing is subscribed yet."""
        self._parts = {}
        line.subscribe([topics.manifest(self._site)])
        self._ask_for_parts(line)
        self._ask_at_ms, self._ask_every_ms = now_ms + ASK_FIRST_MS, ASK_FIRST_MS

    def ticked(self, line: MqttLine, now_ms: int) -> None:
        """Subscribe again where no manifest came: what is retained comes at a subscription only, and the broker may
        have heard of this terminal a moment after that."""
        if self._ask_at_ms and now_ms >= self._ask_at_ms:
            line.subscribe([topics.manifest(self._site)])
            self._ask_every_ms = min(2 * self._ask_every_ms, ASK_LAST_MS)
            self._ask_at_ms = now_ms + self._ask_every_ms

    async def take(self, topic: str, payload: bytes, line: MqttLine) -> bool:
        """Take a message if it is about lists."""
        if topic == topics.manifest(self._site):
            self._ask_at_ms = 0
            await self._offered(await asyncio.to_thread(self._policy.offer_manifest, payload))
        elif topic in self._parts:
            await self._offered(await asyncio.to_thread(self._policy.offer_part, self._parts[topic], payload))
        else:
            return False
        self._ask_for_parts(line)
        return True

    async def _offered(self, offered: Offered) -> None:
        match offered:
            case Applied():
                self.alarm = ""
                await self._on_applied(offered)
            case Refused(reason, detail):
                _log.warning("lists refused: %s: %s", reason, detail)
                if offered.is_alarm:
                    self.alarm = f"{reason}: {detail}"
                    await self._on_alarm(self.alarm)
            case Waiting() | Unchanged():
                pass
            case _:
                assert_never(offered)

    def _ask_for_parts(self, line: MqttLine) -> None:
        wanted = {topics.list_part(self._site, part): part for part in self._policy.needs()}
        line.unsubscribe(topic for topic in self._parts if topic not in wanted)
        line.subscribe(topic for topic in wanted if topic not in self._parts)
        self._parts = wanted
