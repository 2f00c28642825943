"""The night's proof: restartable at every chunk, dry first if wanted, while terminals keep selling.

    prepare (ingest, card office) -> read snapshot -> card after card -> chunk kept + place -> ... -> rest kept, done

The proofs of a business day are numbered, and each says which revision of the day's report it proves; a finished one is
never changed. One run at a time works on a proof: it holds a lease, and renews it with every chunk. A dry run reads the
same snapshot, keeps nothing and prepares nothing.
"""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.ids import CardKey
from protocol.instants import MINUTE_MS, BusinessDay, CampusTime, UtcMs
from server.db import Database
from server.errors import Conflict, NotFound
from server.ingest.saving import open_case_once
from server.ledger.accounts import Account
from server.note import note_subject
from server.one_by_one import OneByOne, Subject
from server.reconcile import store, store_cases, store_documents, store_proofs
from server.reconcile.columns import shown, shown_row
from server.reconcile.facts import Campus, Difference, Finding, Terms
from server.reconcile.findings import told_apart
from server.reconcile.float_proof import Document, FloatProof, Line, about_documents_of, findings_of, prove_float
from server.reconcile.queries import BEFORE_ALL
from server.reconcile.results import WITHDRAWN, ClassTotal, DayProof, DayReport, Kept, ReportLine
from server.reconcile.rules import alarms_of, counted_of, prove_campus, prove_cards, prove_ledger
from server.reconcile.store_proofs import Claim, Progressed

log = logging.getLogger(__name__)

CHUNK_CARDS = 200
FINDINGS_SHOWN_MAX = 1_000
LEASE_MS = 15 * MINUTE_MS
"""So long a run that says nothing is believed to be alive."""

Step = Callable[[], Awaitable[int]]
"""Something to do before the proof; how many things it did."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a proof has come."""

    cards: int
    upto: CardKey


@dataclass(frozen=True, slots=True)
class Around:
    """What other features do for the night's proof."""

    prepare: Sequence[Step] = ()
    """Post what was parked, extend holes, decide torn steps after thirty days, release what replaced cards wait for."""
    audit: Step | None = None
    """Check every single signature that no audit has checked before; how many."""
    stand_in_cents: Step | None = None
    """The most that silent terminals may have sold to tokens without an answer."""


@dataclass(frozen=True, slots=True)
class _Rest:
    """What a proof says besides its cards."""

    findings: Sequence[Finding]
    lines: Sequence[Line]
    unexplained_cents: int
    counted: Sequence[str]
    """The drawers that it has looked at."""


@dataclass(slots=True)
class _Sums:
    """What a dry run adds up in memory: classes, and as many findings as are shown."""

    cards: int = 0
    difference_cents: int = 0
    unexplained_cents: int = 0
    classes: dict[Difference, ClassTotal] = field(default_factory=dict[Difference, ClassTotal])
    shown: list[Finding] = field(default_factory=list[Finding])

    def add(self, findings: Sequence[Finding], chunk: Progressed | None = None, *, unexplained_cents: int = 0) -> None:
        """Count findings, keep the first ones; and what the chunk came to that they are of."""
        self.unexplained_cents += unexplained_cents
        for found in findings:
            self.classes[found.cls] = self.classes.get(found.cls, ClassTotal(found.cls)).more(found.cents, found.amount)
        self.shown += findings[: FINDINGS_SHOWN_MAX - len(self.shown)]
        if chunk is not None:
            self.cards += chunk.cards
            self.difference_cents += chunk.difference_cents
            self.unexplained_cents += chunk.unexplained_cents


class Reconcile:
    """Proofs, business days and the float."""

    def __init__(
        self,
        database: Database,
        campus: CampusTime,
        clock: Callable[[], UtcMs],
        around: Around | None = None,
        *,
        chunk_cards: int = CHUNK_CARDS,
    ) -> None:
        self._database, self._campus, self._clock = database, campus, clock
        self._around, self._chunk_cards = around or Around(), chunk_cards
        self._one_by_one = OneByOne(database, clock)

    async def dry_run(self, day: BusinessDay, progress: Callable[[Progress], None] | None = None) -> DayProof:
        """What a proof would find now. Writes nothing."""
        as_of, sums = self._clock(), _Sums()
        async with self._database.reading() as connection:
            campus = await store.campus_of(connection, day)
            async with aclosing(self._chunks(connection, campus, as_of, BEFORE_ALL)) as chunks:
                async for chunk, findings in chunks:
                    sums.add(findings, chunk)
                    if progress is not None:
                        progress(Progress(sums.cards, chunk.upto))
            rest = await _rest_of(connection, day, campus)
        sums.add(rest.findings, unexplained_cents=rest.unexplained_cents)
        classes = tuple(total for _, total in sorted(sums.classes.items()))
        listed = tuple(shown(found) for found in sums.shown)
        totals = (sums.cards, sums.difference_cents, sums.unexplained_cents, await self._stand_in_cents())
        return DayProof(day, 0, 0, as_of, True, True, *totals, classes, listed, tuple(rest.lines))

    async def run(self, day: BusinessDay, progress: Callable[[Progress], None] | None = None) -> DayProof:
        """Prove a business day that is over and keep what was found. Goes on where an earlier run was stopped.

        A day is proven again when its report was restated, or a document about it came, since its last proof, and
        when that was made by a clock that was ahead.
        """
        now = self._clock()
        if day >= self._campus.business_day(now):
            raise Conflict("day_not_over", "a proof is kept of a business day that is over; until then try a dry run")
        claim = await self._claim(day, now)
        if claim.after is not None:
            try:
                await self._prove_day(claim, claim.after, now, progress)
            finally:
                await self._database.transact(lambda c: store_proofs.change_run(c, claim, {"leased_until": 0}))
        return await self.proof(day, number=claim.number)

    async def days_due(self, proven: BusinessDay, until: BusinessDay) -> list[BusinessDay]:
        """Days that have to be proven, oldest first, where every day up to `proven` was: new ones, and old ones anew.

        Before the first proof (`proven` is 0) the first day is the one on which the first entry came in.
        """
        async with self._database.reading() as connection:
            again = await store_proofs.days_to_prove_again(connection, until)
            since = await store_proofs.first_arrival(connection) if not proven else None
        first = proven + 1 if proven else until if since is None else min(until, self._campus.business_day(since))
        return sorted({*again, *map(BusinessDay, range(first, until + 1))})

    async def proof(
        self,
        day: BusinessDay,
        *,
        number: int | None = None,
        cls: str = "",
        after: str = "",
        limit: int = FINDINGS_SHOWN_MAX,
    ) -> DayProof:
        """A proof that was made: the newest of a day, or the one of this number; findings of one class if it is named.

        `after`: the key of the last finding that was read; the largest amounts come first.
        """
        async with self._database.reading() as connection:
            row = await store_proofs.find_proof(connection, day, number)
            if row is None:
                raise NotFound("no_proof", "this business day has not been reconciled")
            totals = await store_proofs.class_totals(connection, day, row["number"])
            rows = await store_proofs.findings_of(connection, day, row["number"], cls, after, limit)
            lines = await store_proofs.lines_of(connection, day, row["number"])
        classes = tuple(
            ClassTotal(
                Difference(row["cls"]),
                row["count"],
                *(int(row[name]) for name in ("cents", "amount", "above", "below")),
            )
            for row in totals
        )
        which, is_finished = (row["number"], row["revision"], UtcMs(row["as_of"])), row["finished_at"] > 0
        figures = (row["cards"], row["difference_cents"], row["unexplained_cents"], int(row["stand_in_cents"]))
        listed = tuple(shown_row(found) for found in rows)
        audited = int(row["signatures"])
        return DayProof(day, *which, False, is_finished, *figures, classes, listed, tuple(lines), audited)

    async def close_day(self, day: BusinessDay) -> DayReport:
        """Close a business day that is over, and all before it; closing it again changes nothing."""
        now = self._clock()
        if day >= self._campus.business_day(now):
            raise Conflict("day_not_over", "a business day can be closed when it is over")

        async def close(connection: AsyncConnection) -> None:
            await store_proofs.close_day(connection, day, now)

        await self._database.transact(close)
        return await self.report(day)

    async def reopen_day(self, day: BusinessDay) -> DayReport:
        """Open a business day that is not over, and all after it: they were closed by a clock that was ahead."""
        if day < self._campus.business_day(self._clock()):
            raise Conflict("day_is_over", "what is over stays closed: correct it in an open day")
        if not await self._database.transact(lambda connection: store_proofs.reopen_from(connection, day)):
            raise Conflict("day_is_open", "this business day is not closed")
        return await self.report(day)

    async def report(self, day: BusinessDay) -> DayReport:
        """What happened on a business day, what was settled in it, and how often it was restated."""
        async with self._database.reading() as connection:
            closed_at, revision = await store_proofs.closed_day(connection, day)
            rows = await store_proofs.report_lines(connection, day)
        lines = (
            ReportLine(row["account_kind"], row["owner"], int(row["happened"]), int(row["settled"]), int(row["late"]))
            for row in rows
        )
        return DayReport(day, closed_at, revision, tuple(lines))

    async def take_document(self, day: BusinessDay, document: Document) -> Kept:
        """Keep what somebody else says about the end of a day. What was said about a day that is closed stands."""
        account = self._note_document(day, document.account)
        if day > self._campus.business_day(self._clock()):
            raise Conflict("day_not_begun", "this business day has not begun")
        kept = Kept(account.kind, account.owner, document.cents, document.name, self._clock())
        async with self._database.writing() as connection:
            await store_documents.must_exist(connection, account)
            if await store_documents.find(connection, day, account) is not None:
                await store_documents.must_be_open(connection, day)
            await store_documents.save(connection, day, kept)
        return kept

    async def withdraw_document(self, day: BusinessDay, account: Account) -> None:
        """It was said by mistake, and is not said any more."""
        self._note_document(day, account)
        async with self._database.writing() as connection:
            if await store_documents.find(connection, day, account) is None:
                raise NotFound("no_such_document", f"nobody has said anything about {account} at the end of this day")
            await store_documents.must_be_open(connection, day)
            await store_documents.save(connection, day, Kept(account.kind, account.owner, 0, WITHDRAWN, self._clock()))

    @staticmethod
    def _note_document(day: BusinessDay, account: Account) -> Account:
        note_subject(f"days/{day}/documents/{account.kind}/{account.owner}".rstrip("/"))
        return account

    async def float_proof(self, day: BusinessDay) -> tuple[FloatProof, list[Finding]]:
        """Both sides of the float at the end of a business day, and which documents say otherwise or are missing."""
        async with self._database.reading() as connection:
            proof = await _float_of(connection, day)
        return proof, findings_of(proof)

    async def _claim(self, day: BusinessDay, now: UtcMs) -> Claim:
        """Make the proof that is due this run's own for a while. Raises Conflict where another run is at it."""

        async def claim(connection: AsyncConnection) -> Claim:
            _, revision = await store_proofs.closed_day(connection, day)
            row, until = await store_proofs.find_proof(connection, day, lock=True), UtcMs(now + LEASE_MS)
            if row is not None and row["finished_at"]:
                since, is_same = UtcMs(row["as_of"]), row["revision"] == revision
                is_early = since > now  # by a clock that was ahead: the day may not have been over
                if is_same and not is_early and not await store_proofs.documented_since(connection, day, since):
                    return Claim(day, row["number"], row["run"], None)
            if row is None or row["finished_at"]:
                number = row["number"] + 1 if row else 1
                await store_proofs.begin_proof(connection, day, number, revision, now, until)
                return Claim(day, number, 1, BEFORE_ALL)
            if row["leased_until"] > now:
                raise _taken()
            earlier = Claim(day, row["number"], row["run"], (row["card"], row["generation"]))
            await store_proofs.change_run(connection, earlier, {"run": earlier.run + 1, "leased_until": until})
            return replace(earlier, run=earlier.run + 1)

        return await self._database.transact(claim)

    async def _prove_day(
        self, claim: Claim, after: CardKey, now: UtcMs, progress: Callable[[Progress], None] | None
    ) -> None:
        await self._one_by_one.each("preparing the night's proof", self._around.prepare, _done, _of_nobody)
        await self._audit(claim)
        cards = 0
        async with self._database.reading() as connection:
            campus = await store.campus_of(connection, claim.day)
            async with aclosing(self._chunks(connection, campus, now, after)) as chunks:
                async for chunk, findings in chunks:
                    await self._keep(claim, findings, chunk)
                    cards += chunk.cards
                    if progress is not None:
                        progress(Progress(cards, chunk.upto))
            rest = await _rest_of(connection, claim.day, campus)
        sums = {"unexplained_cents": rest.unexplained_cents, "stand_in_cents": await self._stand_in_cents()}
        async with self._database.writing() as connection:
            kept = (rest.findings, rest.lines, sums, self._clock())
            if not await store_proofs.finish_proof(connection, claim, *kept):
                raise _taken()
            await self._raise_alarms(connection, rest.findings)
            await self._keep_cases(connection, claim.day, rest)

    async def _stand_in_cents(self) -> int:
        return await self._around.stand_in_cents() if self._around.stand_in_cents else 0

    async def _audit(self, claim: Claim) -> None:
        """What it finds are cases by now, which the proof lists."""
        audits = [self._around.audit] if self._around.audit else []
        count = await self._one_by_one.each("auditing signatures", audits, _done, _of_nobody)
        await self._database.transact(lambda connection: store_proofs.add_signatures(connection, claim, count))

    async def _keep(self, claim: Claim, findings: Sequence[Finding], chunk: Progressed) -> None:
        async with self._database.writing() as connection:
            until = UtcMs(self._clock() + LEASE_MS)
            if not await store_proofs.save_chunk(connection, claim, findings, chunk, until):
                raise _taken()
            await self._raise_alarms(connection, findings)

    async def _raise_alarms(self, connection: AsyncConnection, findings: Sequence[Finding]) -> None:
        for case, again in alarms_of(findings):
            if await open_case_once(connection, case, self._clock(), again=again):
                log.error("case %s: %s", case.cls, case.text)

    async def _keep_cases(self, connection: AsyncConnection, day: BusinessDay, rest: _Rest) -> None:
        cases = counted_of(rest.findings)
        await store_cases.keep_cases(connection, cases, self._clock())
        still = [case.about for case in cases]
        await store_cases.end_cases(connection, rest.counted, about_documents_of(day), still, self._clock())

    async def _chunks(
        self, connection: AsyncConnection, campus: Campus, as_of: UtcMs, after: CardKey
    ) -> AsyncGenerator[tuple[Progressed, list[Finding]]]:
        """The proofs of all cards that must be looked at, a chunk at a time."""
        packed = await store.keys_to_prove(connection, after)
        for start in range(0, len(packed), self._chunk_cards):
            keys = store.unpacked(packed[start : start + self._chunk_cards])
            yield await self._prove(connection, campus, as_of, keys)

    async def _prove(
        self, connection: AsyncConnection, campus: Campus, as_of: UtcMs, keys: Sequence[CardKey]
    ) -> tuple[Progressed, list[Finding]]:
        findings: list[Finding] = []
        difference = unexplained = 0
        async with aclosing(store.cards_of(connection, self._campus, keys)) as cards:
            async for facts in cards:
                for proof in prove_cards([facts], campus, Terms(as_of)):
                    findings += proof.findings
                    difference += proof.difference_cents
                    unexplained += abs(proof.unexplained_cents)
        return Progressed(keys[-1], len(keys), difference, unexplained), findings


def _taken() -> Conflict:
    return Conflict("proof_running", "another run is proving this day")


async def _rest_of(connection: AsyncConnection, day: BusinessDay, campus: Campus) -> _Rest:
    broken = prove_ledger(await store.unbalanced(connection))
    float_proof = await _float_of(connection, day)
    findings = told_apart([*prove_campus(campus), *findings_of(float_proof), *broken])
    counted = [str(shift.account) for shift in campus.shifts]
    return _Rest(findings, float_proof.lines, sum(abs(found.amount) for found in broken), counted)


async def _float_of(connection: AsyncConnection, day: BusinessDay) -> FloatProof:
    totals = await store_proofs.totals_until(connection, day)
    return prove_float(day, totals, await store_documents.documents_of(connection, day))


async def _done(step: Step) -> int:
    return await step()


def _of_nobody(_: Step) -> Subject:
    return Subject()
