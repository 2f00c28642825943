"""What time or people decide after a batch was taken in; each step of it is one transaction."""

import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import groupby
from operator import itemgetter

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.entries import Stage
from protocol.ids import Epoch, Seq, TerminalId, Tno
from protocol.instants import HOUR_MS, CampusTime, UtcMs
from protocol.trust import Trust
from server.auth.service import Agreed
from server.db import Database
from server.due import Due, leave
from server.enrolment.revoking import revoke_certificates, terminal_named
from server.errors import Conflict, NotFound
from server.ingest.book import Book, HoleRow, HoleStatus, StepRow, TerminalStatus
from server.ingest.deciding import decide_by
from server.ingest.holes import book_hole, post_provisional, provisional_cause
from server.ingest.keeping import held_back, post_again
from server.ingest.late import counters_above, decide_late
from server.ingest.loading import load, load_entries, load_posted, read_entries
from server.ingest.posting import park_cause
from server.ingest.reach import NOTHING, Reach, counters_near, entry_in, reach_of
from server.ingest.saving import Work, write
from server.ingest.steps import witnesses_of
from server.one_by_one import OneByOne, Subject
from server.upkeep import store

PARKED_AT_ONCE_MAX = 256
LOST_SPEAKS_WITHIN_MS = HOUR_MS
"""An outcome follows its prepared entry within a batch or two."""

Place = tuple[int, int, int]
"""Of an entry: its chain, branch and number."""

log = logging.getLogger(__name__)


async def decided(_connection: AsyncConnection, _asked: object, _found: object) -> bool:
    """Two people have agreed already."""
    return True


class Upkeep:
    """Decides what no batch decides by itself."""

    def __init__(self, database: Database, trust: Trust, campus: CampusTime, clock: Callable[[], UtcMs]) -> None:
        self._database, self._trust, self._campus, self._clock = database, trust, campus, clock
        self._one_by_one = OneByOne(database, clock)

    async def run(self) -> dict[str, int]:
        """Everything that is due now; how many of each."""
        return {
            "parked_posted": await self.post_parked(),
            "steps_given_up": await self.give_up_late_steps(),
            "torn_resolved": await self.resolve_due(),
            "hole_steps_posted": await self.extend_holes(),
        }

    async def post_parked(self) -> int:
        """Post what was parked and can be posted by now: unknown cards that appeared, quarantined taps confirmed."""
        async with self._database.reading() as connection:
            waiting = await self._parked_of(connection, await store.chains_with_parked(connection))
        return await self._post_parked(waiting, release=False)

    async def waiting_of(self, tid: TerminalId) -> list[Place]:
        """What is held back of a terminal, or waits for something else: what two people look at and agree on."""
        async with self._database.reading() as connection:
            return await self._parked_of(connection, await self._chains_of(connection, tid))

    async def revoked_of(self, tid: TerminalId) -> dict[Epoch, list[Place]]:
        """The epochs that can be reinstated, each with what is held back of it. Raises Conflict where there is none."""
        async with self._database.reading() as connection:
            await self._chains_of(connection, tid)
            tnos = await store.revoked_of(connection, tid)
            if not tnos:
                raise Conflict(
                    "not_revoked",
                    f"no epoch of {tid} is revoked, so none is reinstated. One that was declared lost stays lost: what "
                    "it brings is posted, or waits for accept-quarantined where it was revoked as well; enrol it anew",
                )
            return {epoch: await store.parked_places(connection, tno) for tno, epoch in tnos}

    async def release(self, places: Sequence[Place]) -> int:
        """Post these entries of a terminal that had no right to them, or has none any more; two people decided.

        Exactly these: what came in since nobody has seen. Returns how many were posted.
        """
        return await self._post_parked(places, release=True)

    async def resolve_due(self) -> int:
        """Decide torn steps and second histories' sales by their cards' chains of marks; torn ones at last by time."""
        now = self._clock()
        async with self._database.reading() as connection:
            due = await store.undecided(connection)
        return await self._one_by_one.each(
            "deciding a step late", due, lambda known: self._resolve(known, now), lambda known: Subject(known.id)
        )

    async def reconsider(self) -> int:
        """Look again at what time had decided, along the chains of marks as they are now: a step of the night."""
        now = self._clock()
        async with self._database.reading() as connection:
            known = await store.decided_by_time(connection)
        return await self._one_by_one.each(
            "deciding a step once more", known, lambda step: self._resolve(step, now), lambda step: Subject(step.id)
        )

    async def declare_lost(
        self, tid: TerminalId, agreed: Agreed = decided, *, epoch: Epoch | None = None
    ) -> int | None:
        """Two people give a terminal up: other evidence may decide its open steps. Returns how many were open.

        `epoch`: only that one, whose SD card will not come back; the terminal goes on in another. What both agree on
        are the chains, so one that was granted in between is not meant. None: one person has proposed it.
        """

        async def declare(connection: AsyncConnection) -> int | None:
            await terminal_named(connection, tid)
            tnos = await self._chains_of(connection, tid, epoch)
            if not await agreed(connection, {}, {"chains": tnos}):
                return None
            await revoke_certificates(connection, tid, self._clock(), epoch)
            return await self._give_up(connection, tnos)

        return await self._database.transact(declare)

    async def give_up_late_steps(self) -> int:
        """What a lost terminal's journal still brings is open like the rest, once nothing has followed for an hour."""
        silent_since = UtcMs(self._clock() - LOST_SPEAKS_WITHIN_MS)
        async with self._database.glancing() as connection:
            tnos = await store.lost_with_open_steps(connection, silent_since)

        async def give_up(tno: Tno) -> int:
            return await self._database.transact(lambda connection: self._give_up(connection, [tno]))

        return await self._one_by_one.each("giving up steps of a lost terminal", tnos, give_up, _of_chain)

    async def revoke(self, tid: TerminalId) -> None:
        """From now on entries of this terminal are quarantined, of every epoch. Who was declared lost stays so."""
        now = self._clock()

        async def mark(connection: AsyncConnection) -> None:
            await terminal_named(connection, tid)
            work = await load(connection, self._campus, await self._chains_of(connection, tid), NOTHING)
            for chain in work.book.chains.values():
                chain.revoked_at = chain.revoked_at or now
            await write(connection, work, now)
            await revoke_certificates(connection, tid, now)
            await leave(connection, Due.REGISTER)

        await self._database.transact(mark)

    async def reinstate(self, tid: TerminalId, epochs: Collection[Epoch]) -> None:
        """From now on entries of these epochs are posted again. One that is lost by now stays as it is."""
        now = self._clock()

        async def mark(connection: AsyncConnection) -> None:
            await terminal_named(connection, tid)
            tnos = [tno for tno, epoch in await store.revoked_of(connection, tid) if epoch in epochs]
            work = await load(connection, self._campus, tnos, NOTHING)
            for chain in work.book.chains.values():
                chain.revoked_at = UtcMs(0)
            await write(connection, work, now)
            await leave(connection, Due.REGISTER)

        await self._database.transact(mark)

    async def holes(self) -> list[HoleRow]:
        """Entries that are missing and asked for, offered or booked."""
        async with self._database.reading() as connection:
            return await store.holes(connection, HoleStatus.ASKED, HoleStatus.OFFERED, HoleStatus.BOOKED)

    async def book_hole(self, tno: Tno, first: Seq, agreed: Agreed = decided) -> HoleRow | None:
        """Let a chain go on behind missing entries, posting what the cards tell of them. None: it is proposed now.

        Two people agree on the very range and the hash that is demanded at its end: one that has changed since is
        proposed anew.
        """
        now = self._clock()

        async def book(connection: AsyncConnection) -> HoleRow | None:
            work, hole, witnesses = await self._load_hole(connection, tno, first)
            chain_tip = work.book.chains[tno].branches[0].tip.seq
            if hole.status is not HoleStatus.OFFERED or chain_tip != first - 1:
                raise Conflict("not_offered", f"this hole is {hole.status}; only an offered one can be booked")
            if not await agreed(connection, {}, {"last": hole.last, "hash": hole.hash.hex()}):
                return None
            book_hole(work.book, hole, witnesses, self._campus.business_day(now))
            await write(connection, work, now)
            return hole

        return await self._database.transact(book)

    async def extend_holes(self) -> int:
        """Post what newer taps tell of holes that are booked already."""
        now = self._clock()
        async with self._database.reading() as connection:
            booked = await store.holes(connection, HoleStatus.BOOKED)

        async def extend(known: HoleRow) -> int:
            return await self._database.transact(lambda connection: self._extend(connection, known, now))

        return await self._one_by_one.each("posting what cards tell of a hole", booked, extend, _of_hole)

    async def cases(self, cls: str | None, *, still_open: bool, before: int | None, limit: int) -> Sequence[RowMapping]:
        """What was put in front of people, newest first."""
        async with self._database.reading() as connection:
            return await store.cases(connection, cls, still_open=still_open, before=before, limit=limit)

    async def case(self, number: int) -> RowMapping:
        """One case, open or closed. Raises NotFound."""
        async with self._database.reading() as connection:
            found = await store.case_numbered(connection, number)
        if found is None:
            raise _no_such_case(number)
        return found

    async def close_case(self, number: int, by: str, outcome: str) -> None:
        """A person has looked into it. Closing moves no money: corrections are decisions of their own."""

        async def close(connection: AsyncConnection) -> None:
            known = await store.case(connection, number)
            if known is None:
                raise _no_such_case(number)
            if known["closed_at"]:
                raise Conflict("closed_before", f"{known['closed_by']} closed this case")
            await store.close_case(connection, number, by, outcome, self._clock())
            if known["card"]:
                await leave(connection, Due.LISTS)
                await leave(connection, Due.PENDING, [known["card"]])

        await self._database.transact(close)

    async def _resolve(self, known: StepRow, now: UtcMs) -> int:
        async def decide(connection: AsyncConnection) -> int:
            reach = Reach(frozenset({known.card}), frozenset(counters_above(known)), frozenset({known.id[2]}))
            work = await load(connection, self._campus, [], reach)
            step = work.book.steps.get(known.id)
            if step is None or not decide_late(work.book, step, now, self._campus.business_day(now)):
                return 0
            await write(connection, work, now)
            return 1

        return await self._database.transact(decide)

    async def _chains_of(self, connection: AsyncConnection, tid: TerminalId, epoch: Epoch | None = None) -> list[Tno]:
        chains = await store.chains_of(connection, tid)
        if not chains and await store.is_registered(connection, tid):
            raise Conflict(
                "never_enrolled",
                f"{tid} is registered and was never enrolled: it has no key and no journal to decide about. "
                "A claim code in wrong hands ends when a new one is made: POST /terminals/T/claims",
            )
        if not chains:
            raise NotFound("no_such_terminal", f"no terminal is called {tid}")
        tnos = [tno for tno, its_epoch in chains if epoch in (None, its_epoch)]
        if not tnos:
            raise NotFound("no_such_epoch", f"{tid} has the epochs {', '.join(str(known) for _, known in chains)}")
        return tnos

    async def _give_up(self, connection: AsyncConnection, tnos: Sequence[Tno]) -> int:
        now = self._clock()
        still_open = [step for tno in tnos for step in await store.open_steps(connection, tno)]
        work = await load(connection, self._campus, tnos, _reach_of_steps(still_open))
        for tno in tnos:
            work.book.chains[tno].status = TerminalStatus.LOST
        for known in still_open:
            step = work.book.steps[known.id]
            if step.stage is Stage.PREPARED and step.resolved is None and not step.lost:
                step.lost, step.torn_at = True, now
                decide_by(work.book, step, witnesses_of(work.book, step), self._campus.business_day(now))
        await write(connection, work, now)
        return len(still_open)

    async def _extend(self, connection: AsyncConnection, known: HoleRow, now: UtcMs) -> int:
        work, hole, witnesses = await self._load_hole(connection, known.tno, known.first)
        if hole.status is not HoleStatus.BOOKED:
            return 0
        found = post_provisional(work.book, hole, witnesses, self._campus.business_day(now))
        await write(connection, work, now)
        return found

    async def _parked_of(self, connection: AsyncConnection, tnos: Iterable[Tno]) -> list[Place]:
        return [place for tno in tnos for place in await store.parked_places(connection, tno)]

    async def _post_parked(self, waiting: Sequence[Place], *, release: bool) -> int:
        of_chains = [list(places) for _, places in groupby(waiting, key=itemgetter(0))]
        groups = [
            places[start : start + PARKED_AT_ONCE_MAX]
            for places in of_chains
            for start in range(0, len(places), PARKED_AT_ONCE_MAX)
        ]

        async def post_one(place: Place) -> int:
            return await self._post_some([place], release=release)

        async def post(some: list[Place]) -> int:
            try:
                return await self._post_some(some, release=release)
            except Exception:
                log.exception("entries of chain %s cannot be posted together; they are tried alone", some[0][0])
                return await self._one_by_one.each("posting a parked entry", some, post_one, _of_place)

        return sum([await post(some) for some in groups])

    async def _post_some(self, some: list[Place], *, release: bool) -> int:
        """Post parked entries of one chain together."""
        tno = Tno(some[0][0])

        async def post(connection: AsyncConnection) -> int:
            rows = await read_entries(connection, some)
            reach = reach_of(entry for row in rows for entry in entry_in(row.jws))
            work = await load(connection, self._campus, [tno], reach, trust=self._trust)
            await load_entries(connection, work, some)
            causes = [park_cause(Tno(place[0]), *place[1:]) for place in some]
            await load_posted(connection, work, [*causes, *(f"un{cause}" for cause in causes)])
            posted = _post_again(work.book, some, release=release)
            await write(connection, work, self._clock())
            return posted

        return await self._database.transact(post)

    async def _load_hole(
        self, connection: AsyncConnection, tno: Tno, first: Seq
    ) -> tuple[Work, HoleRow, list[StepRow]]:
        work = await load(connection, self._campus, [tno], NOTHING) if await store.has_chain(connection, tno) else None
        hole = work.book.holes.get((tno, first)) if work else None
        if hole is None:
            raise NotFound("no_such_hole", f"chain {tno} misses nothing from entry {first} on")
        still_open = await store.open_steps(connection, tno, before=hole.first)
        marked = await store.marks_above(connection, tno, [step.id[2] for step in still_open], hole.first, hole.last)
        work = await load(connection, self._campus, [tno], _reach_of_steps(marked))
        await load_posted(connection, work, {provisional_cause(step.card, step.counter) for step in marked})
        witnesses = [work.book.steps[step.id] for step in marked]
        return work, work.book.holes[(tno, first)], witnesses


def _of_chain(tno: Tno) -> Subject:
    return Subject((tno, 0, 0))


def _of_hole(hole: HoleRow) -> Subject:
    return Subject((hole.tno, 0, hole.first))


def _of_place(place: Place) -> Subject:
    return Subject((Tno(place[0]), *place[1:]))


def _post_again(book: Book, places: Iterable[Place], *, release: bool) -> int:
    count = 0
    for tno, branch, seq in places:
        row = book.entries[(Tno(tno), branch, seq)]
        if row.parked and (release or not held_back(book, row)):
            count += post_again(book, row, allowed=release)
    return count


def _reach_of_steps(steps: Iterable[StepRow]) -> Reach:
    """What deciding these steps can look at."""
    known = list(steps)
    counters = {reached for step in known for reached in counters_near(step.body)}
    below = {(step.card, step.counter - 1) for step in known if step.counter}
    return Reach(frozenset(step.card for step in known), frozenset(counters | below), frozenset(s.id[2] for s in known))


def _no_such_case(number: int) -> NotFound:
    return NotFound("no_such_case", f"no case has the number {number}")
