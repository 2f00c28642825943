"""Takes what terminals say of themselves, alarms about what somebody must look at, and tells who runs what."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.entries import ListVersions
from protocol.ids import TerminalId
from protocol.instants import CampusTime, UtcMs
from protocol.state import NotAState, State, encode_state, read_state
from protocol.texts import text_of
from server.alarms.raising import end_alarm, raise_alarm
from server.alarms.rules import AlarmKind
from server.db import Database
from server.errors import NotFound
from server.states import store

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Known:
    """A terminal, what it said last, and the newest versions of its site's lists."""

    row: RowMapping
    """With `shut_out`: revoked, lost, replaced, or empty."""
    said: State | None
    newest: Mapping[str, int]

    @property
    def online(self) -> bool:
        """Whether it is there and may be: who is shut out counts as gone, however long its session lasts."""
        return bool(self.row["online"]) and not self.row["shut_out"]

    @property
    def applied(self) -> dict[str, tuple[int, int]]:
        """Of each list that this terminal takes: the version it said it runs, and the newest there is."""
        names = set(ListVersions.__struct_fields__) & set(self.newest)
        names -= set() if self.row["can_load"] else {"loads"}
        return {name: (getattr(self.said.lists, name) if self.said else 0, self.newest[name]) for name in sorted(names)}


class States:
    """The newest word of each terminal."""

    def __init__(self, database: Database, campus: CampusTime, clock: Callable[[], UtcMs]) -> None:
        self._database, self._campus, self._clock = database, campus, clock

    async def take(self, tid: TerminalId, raw: bytes) -> None:
        """Keep what came on a terminal's topic; what is none is dropped."""
        try:
            state = read_state(raw)
        except NotAState as error:
            log.warning("no state of %s: %s", tid, error)
            return
        now = self._clock()

        async def take(connection: AsyncConnection) -> None:
            row = await store.known(connection, tid)
            if row is None:
                return
            is_there = state.online and not row["shut_out"]  # what is retained at the broker outlives a revocation
            values: dict[str, object] = {"online": is_there}
            if row["online"] != is_there:
                values["changed_at"] = now
            if state.online:
                values |= {"said": encode_state(state).decode(), "said_at": now}
            await store.keep(connection, tid, values, is_new=row["online"] is None)
            known = await store.tier_of(connection, tid, state.epoch) if state.online else None
            if known not in (None, state.tier):
                text = f"the journal key of epoch {state.epoch} was of tier {known}, it says {state.tier}"
                await raise_alarm(connection, AlarmKind.OTHER_TIER, tid, text, now)
            if state.online:
                await _see(connection, AlarmKind.TERMINAL_SAYS, tid, text_of(state.alarm), now)
                await _see(connection, AlarmKind.OTHER_DAYS, tid, self._other_days(state), now)

        await self._database.transact(take)

    def _other_days(self, state: State) -> str:
        """How a terminal counts days otherwise than the books do: its limits end at another hour."""
        said, own = state.days, self._campus
        if said is None or (said.offset_min, said.day_starts_min) == (own.offset_min, own.day_starts_min):
            return ""
        return (
            f"its [campus] says offset_min {said.offset_min}, day_starts_min {said.day_starts_min}; "
            f"the server's {own.offset_min} and {own.day_starts_min}"
        )

    async def gone(self, tid: TerminalId) -> None:
        """Its session was ended and it may not come back: the broker lets its last will through no more."""
        now = self._clock()
        await self._database.transact(lambda connection: store.put_offline(connection, tid, now))

    async def every(self) -> list[Known]:
        """All registered terminals."""
        async with self._database.reading() as connection:
            rows, newest = await store.every(connection), await store.newest(connection)
        return [Known(row, _said(row), newest.get(row["site"], {})) for row in rows]

    async def newest(self) -> dict[str, dict[str, int]]:
        """Of each site the newest version of each list."""
        async with self._database.glancing() as connection:
            return await store.newest(connection)

    async def silent(self, since: UtcMs) -> dict[str, int]:
        """Terminals in use that are not there and were last heard of before an instant, and when that was."""
        async with self._database.glancing() as connection:
            return await store.silent(connection, since)

    async def of(self, tid: TerminalId) -> Known:
        """One terminal. Raises NotFound."""
        async with self._database.reading() as connection:
            row, newest = await store.known(connection, tid), await store.newest(connection)
        if row is None:
            raise NotFound("no_such_terminal", f"no terminal is called {tid}")
        return Known(row, _said(row), newest.get(row["site"], {}))


async def _see(connection: AsyncConnection, kind: AlarmKind, tid: TerminalId, text: str, now: UtcMs) -> None:
    """It lasts as long as there is something to say."""
    if text:
        await raise_alarm(connection, kind, tid, text, now)
    else:
        await end_alarm(connection, kind, tid, now)


def _said(row: RowMapping) -> State | None:
    """What another program may have kept is no reason to fail."""
    try:
        return read_state(row["said"].encode()) if row["said"] else None
    except NotAState:
        return None
