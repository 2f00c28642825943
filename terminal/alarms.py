"""What somebody must look at: told once in the log and once an hour in the journal, shown for as long as it lasts."""

import enum
import logging
from collections.abc import Awaitable, Callable

from protocol.instants import HOUR_MS
from protocol.texts import text_of

_log = logging.getLogger(__name__)


class Of(enum.StrEnum):
    """What an alarm is about; one of each can stand at a time."""

    LINE = "line"
    TOPICS = "topics"
    KEYS = "keys"
    LISTS = "lists"
    HISTORY = "history"
    """The server holds other entries than this journal: only a new epoch helps."""


class Alarms:
    """The alarms that stand. `note` writes one into the journal: a stranger must not be able to fill that."""

    def __init__(self, note: Callable[[str], Awaitable[None]]) -> None:
        self._note = note
        self._standing: dict[Of, str] = {}
        self._noted_ms: dict[tuple[Of, str], int] = {}

    @property
    def text(self) -> str:
        """All that stands, as `state` and entries can hold it; empty if nothing."""
        return text_of("; ".join(f"{of}: {self._standing[of]}" for of in sorted(self._standing)))

    async def raise_(self, of: Of, code: str, detail: str, now_ms: int) -> None:
        """This stands from now on. What is repeated is told again only if something else stood meanwhile."""
        text = text_of(f"{code}: {detail}" if detail else code)
        if self._standing.get(of) == text:
            return
        self._standing[of] = text
        _log.warning("ALARM %s: %s", of, text)
        noted = self._noted_ms.get((of, code))
        if noted is None or now_ms - noted > HOUR_MS:
            self._noted_ms[of, code] = now_ms
            await self._note(f"{of}: {text}")

    def end(self, of: Of) -> None:
        """Nothing of this kind stands any more."""
        text = self._standing.pop(of, "")
        if text:
            _log.info("over: %s: %s", of, text)
