"""Newer keys of the server, from the retained topic `keys`: judged, written down, and believed from then on."""

import asyncio
import logging
from collections.abc import Callable

from protocol.trust import Trust, Verdict
from terminal.alarms import Alarms, Of

_log = logging.getLogger(__name__)


class KeysInbox:
    """Changes the trust that the whole program holds. `keep` writes it down and raises OSError."""

    def __init__(self, trust: Trust, keep: Callable[[Trust], None], alarms: Alarms) -> None:
        self._trust, self._keep, self._alarms = trust, keep, alarms

    async def take(self, jws: bytes, now_ms: int) -> None:
        """Take a document as it came from the broker. An empty one is a topic that was cleared."""
        if not jws:
            return
        verdict = self._trust.judge(jws)
        match verdict:
            case Verdict.UNCHANGED:
                self._alarms.end(Of.KEYS)
            case Verdict.TAKEN:
                await self._believe(Trust(self._trust.root, jws), now_ms)
            case Verdict.NOT_GENUINE | Verdict.OLDER | Verdict.SAME_VERSION_OTHER_CONTENT:
                known = self._trust.document.version
                await self._alarms.raise_(Of.KEYS, verdict, f"version {known} is believed", now_ms)

    async def _believe(self, newer: Trust, now_ms: int) -> None:
        """On the disk first: what is believed once is not forgotten."""
        try:
            await asyncio.to_thread(self._keep, newer)
        except OSError as error:
            await self._alarms.raise_(Of.KEYS, "no_space", error.strerror or type(error).__name__, now_ms)
            return
        self._trust.adopt(newer)
        self._alarms.end(Of.KEYS)
        _log.info("keys of the server: version %s is believed", newer.document.version)
