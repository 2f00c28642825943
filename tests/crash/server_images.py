"""A server's disk after power cuts: the shipping house took batches in on SQLite, its own start opens what is left.

started on an empty disk, half of a lunch hour's deliveries, killed; started on what lay there, the rest, ended in order
"""

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.messages import encode_batch
from protocol.signing import to_base64url
from server import tables
from server.app import open_house
from server.broker.authority import AuthorityUnusable
from server.config import ConfigWrong
from server.db import Database, DatabaseUnusable
from server.ingest.service import Ingest
from server.keys import KeysUnusable, open_keys
from server.place import authority_of
from server.schema import revision
from tests.crash.recording import Recorder
from tests.crash.sent import Fork, Place, Sent, in_order
from tests.crash.server_child import clock_at, lunch_hour, settings_in
from tests.crash.story import DISK, Asked, Broken, Event, Fault, Story, expect
from tests.server.desk import assert_balances_are_sums
from tests.server.world import CAMPUS

REFUSALS: Final = (ConfigWrong, DatabaseUnusable, KeysUnusable, AuthorityUnusable)
HALF: Final = 24
ALL: Final = 10_000


class ServerImages:
    """The target `server`."""

    name = "server"

    def record(self, recorder: Recorder, folder: Path, control: str) -> None:
        """First start, deliveries, a death; without a control also the rest and an end. Raises RecordingFailed."""
        (folder / DISK).mkdir()
        child = [sys.executable, "-m", "tests.crash.server_child", str(folder)]
        expect(recorder, folder, [*child, "kill", "0", str(HALF), control], -signal.SIGKILL)
        if not control:
            expect(recorder, folder, [*child, "stop", str(HALF), str(ALL), control], 0)

    def opener(self, story: Story, folder: Path) -> "ServerOpener":
        """Knows every line that was ever sent, and the books that they come to."""
        return ServerOpener(folder)


class ServerOpener:
    """Opens images as `python -m server` does."""

    def __init__(self, folder: Path) -> None:
        self._settings = settings_in(folder)
        self._database = Database(self._settings.database)
        """One for all images: what its engines have compiled serves the next one as well."""
        lunch, self._deliveries = lunch_hour()
        self._sent = Sent(lunch, self._deliveries)
        self._revision: str | None = None

    async def check(self, folder: Path, said: Sequence[Event], asked: Asked) -> int:
        """How many acknowledged entries were looked for. Raises Broken."""
        told = {event["event"] for event in said}
        looked_for = 0
        try:
            if asked.program or "ready" not in told:
                async with open_house(self._settings, clock_at(0)):
                    pass
            if "ready" in told:
                looked_for = await self._open(said, asked)
        except REFUSALS as error:
            raise Broken(Fault.CORRUPT, f"{type(error).__name__}: {error}") from error
        finally:
            await self._database.close()
        return looked_for

    async def close(self) -> None:
        """Let go of the database."""
        await self._database.close()

    async def _open(self, said: Sequence[Event], asked: Asked) -> int:
        data, clock = Path(self._settings.data), clock_at(0)
        if await self._database.is_new():
            raise Broken(Fault.LOST, "the database is empty")
        keys = open_keys(data / "keys", clock(), may_create=False)
        authority_of(self._settings, clock(), may_create=False)
        if self._revision is None and await self._database.is_current():
            self._revision = await self._schema()  # asking the program itself means reading every migration step
        if await self._schema() != self._revision:
            raise Broken(Fault.LOST, "the schema is not the one that it had")
        async with self._database.reading() as connection:
            looked_for = await self._look(connection, [event for event in said if event["event"] == "tip"])
        await self._balances()
        if all(event["event"] != "registered" for event in said):
            return looked_for
        taken = max((event["delivery"] for event in said if event["event"] == "taken"), default=-1)
        ingest = Ingest(self._database, keys, CAMPUS, clock)
        more = self._deliveries[taken + 1 :] if asked.to_the_end else self._deliveries[taken + 1 : taken + 2]
        for index, sent in enumerate(more, taken + 1):
            clock.now = clock_at(index)()
            if await ingest.take(sent.tid, encode_batch(list(sent.lines))) is None:
                raise Broken(Fault.CORRUPT, f"delivery {index} is not answered")
        if more:
            await self._balances()
        if asked.to_the_end and await self._sums() != self._sent.books:
            raise Broken(Fault.CORRUPT, "after all deliveries the books are not what these come to by the rules")
        return looked_for

    async def _schema(self) -> str | None:
        async with self._database.reading() as connection:
            return await connection.run_sync(revision)

    async def _look(self, connection: AsyncConnection, acks: Sequence[Event]) -> int:
        if (found := await connection.scalar(text("PRAGMA integrity_check"))) != "ok":
            raise Broken(Fault.CORRUPT, f"integrity_check: {found}")
        if (await connection.execute(text("PRAGMA foreign_key_check"))).first() is not None:
            raise Broken(Fault.CORRUPT, "foreign_key_check")
        entry = tables.entry.c
        held: dict[Place, str] = {}
        for row in await connection.execute(select(entry.tno, entry.branch, entry.seq, entry.hash, entry.jws)):
            if self._sent.lines.get(row.hash) != row.jws:
                raise Broken(Fault.CORRUPT, f"entry {row.seq} of {row.tno} is not the one that was sent")
            held[row.tno, row.branch, row.seq] = to_base64url(row.hash)
        forks: dict[tuple[int, int], Fork] = {}
        for tip in await connection.execute(select(tables.branch)):
            forks[tip.tno, tip.branch] = Fork(tip.parent, tip.forked_after)
            place = (tip.tno, tip.branch, tip.tip_seq)
            if tip.tip_seq and held.get(place) != to_base64url(tip.tip_hash):
                raise Broken(Fault.CORRUPT, f"the tip of {tip.tno} is no entry that is there")
            ahead = max((seq for tno, number, seq in held if (tno, number) == place[:2]), default=0)
            if ahead > tip.tip_seq:
                raise Broken(Fault.CORRUPT, f"entry {ahead} of {tip.tno} stands beyond its tip")
        return self._sent.look_for(acks, held, forks)

    async def _balances(self) -> None:
        try:
            await assert_balances_are_sums(self._database)
        except AssertionError as error:
            raise Broken(Fault.CORRUPT, f"balances are not the sums of their postings: {error}") from error

    async def _sums(self) -> list[tuple[Any, ...]]:
        posting, entry = tables.posting.c, tables.entry.c
        account, branch = (posting.account_kind, posting.owner), (entry.tno, entry.branch)
        async with self._database.reading() as connection:
            sums = await connection.execute(select(*account, func.sum(posting.cents)).group_by(*account))
            counts = await connection.execute(select(*branch, func.count()).group_by(*branch))
            return in_order(map(tuple, sums), map(tuple, counts))
