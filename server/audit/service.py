"""Every single signature, once: a chunk at a time, and after a stop it goes on where it was.

    entries behind the mark of a branch -> hash and signature, aside -> cases and the new mark, in one transaction

What arrives in a booked hole, behind the mark, has had each of its signatures checked at ingest.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.ids import Tno
from protocol.instants import UtcMs
from protocol.money import Cents
from protocol.signing import VerifyKey
from server.alarms.raising import raise_alarm
from server.alarms.rules import AlarmKind
from server.audit import store
from server.audit.rules import fault_of
from server.audit.store import Kept, Stretch
from server.db import Database
from server.ingest.book import Case, CaseClass
from server.ingest.saving import open_case_once

CHUNK_ENTRIES = 512


class Audit:
    """Checks what is kept."""

    def __init__(self, database: Database, clock: Callable[[], UtcMs], *, chunk_entries: int = CHUNK_ENTRIES) -> None:
        self._database, self._clock, self._chunk_entries = database, clock, chunk_entries

    async def run(self) -> int:
        """Audit what came in since the last time; how many entries that were. A bad one is a case, and so a finding."""
        async with self._database.glancing() as connection:
            waiting = await store.stretches(connection)
        return sum([await self._audit(of) for of in waiting])

    async def _audit(self, of: Stretch) -> int:
        count = 0
        while of.after < of.tip:
            async with self._database.glancing() as connection:
                entries = await store.entries(connection, of, self._chunk_entries)
            faults = await asyncio.to_thread(_faults, entries, VerifyKey(of.key))
            upto = entries[-1].seq if entries else of.tip
            await self._keep(of, faults, upto)
            of, count = replace(of, after=upto), count + len(entries)
        return count

    async def _keep(self, of: Stretch, faults: Sequence[tuple[int, str]], upto: int) -> None:
        now = self._clock()

        async def keep(connection: AsyncConnection) -> None:
            for seq, text in faults:
                case = Case(CaseClass.CHAIN_FORK, None, (Tno(of.tno), of.branch, seq), Cents(0), text)
                if await open_case_once(connection, case, now):
                    told = f"entry {seq} of chain {of.tno}, branch {of.branch}: {text}"
                    await raise_alarm(connection, AlarmKind.CHAIN_BREAK, of.tid, told, now)
            await store.note(connection, of, upto)

        await self._database.transact(keep)


def _faults(entries: Sequence[Kept], key: VerifyKey) -> list[tuple[int, str]]:
    found = ((kept.seq, fault_of(kept.jws, kept.hash, key)) for kept in entries)
    return [(seq, fault) for seq, fault in found if fault]
