"""Business days as the reconciliation desk sees them: which are open, which are proven, and what came of it."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import RowMapping

from protocol.instants import BusinessDay, CampusTime, UtcMs
from server.db import Database
from server.reconcile import store_days
from server.reconcile.store_proofs import first_arrival


@dataclass(frozen=True, slots=True)
class ProofState:
    """A proof in figures. `amount_cents` is the money that its findings are about, without signs."""

    number: int
    revision: int
    as_of: UtcMs
    is_finished: bool
    cards: int
    findings: int = 0
    amount_cents: int = 0
    difference_cents: int = 0
    unexplained_cents: int = 0


@dataclass(frozen=True, slots=True)
class DayState:
    """One business day. `is_outdated`: its report or a document has changed since it was proven."""

    day: BusinessDay
    is_over: bool
    closed_at: UtcMs
    revision: int
    proof: ProofState | None
    is_outdated: bool


class Days:
    """Reads what is known of days."""

    def __init__(self, database: Database, campus: CampusTime, clock: Callable[[], UtcMs]) -> None:
        self._database, self._campus, self._clock = database, campus, clock

    @property
    def today(self) -> BusinessDay:
        """The business day that runs."""
        return self._campus.business_day(self._clock())

    async def page(self, last: BusinessDay | None, limit: int) -> list[DayState]:
        """Days up to one (None: today), newest first; none from before the first entry and the first proof."""
        until = self.today if last is None else min(last, self.today)
        async with self._database.reading() as connection:
            first = await store_days.first_proven(connection)
            if first is None:  # nothing is proven yet, so little has come in
                arrived = await first_arrival(connection)
                first = self.today if arrived is None else self._campus.business_day(arrived)
            since = max(min(first, self.today), until - limit + 1)
            closed = list(await store_days.closed_from(connection, since))
            proofs = {row["day"]: row for row in await store_days.newest_proofs(connection, since, until)}
        return [self._state(day, closed, proofs.get(day)) for day in range(until, since - 1, -1)]

    async def of(self, day: BusinessDay) -> DayState:
        """One day."""
        async with self._database.reading() as connection:
            closed = list(await store_days.closed_from(connection, day))
            proofs = await store_days.newest_proofs(connection, day, day)
        return self._state(day, closed, proofs[0] if proofs else None)

    async def proofs(self, day: BusinessDay) -> list[ProofState]:
        """All proofs of a day without their findings, newest first."""
        async with self._database.reading() as connection:
            return [_proof(row) for row in await store_days.proofs_of(connection, day)]

    def _state(self, day: int, closed: list[RowMapping], proof: RowMapping | None) -> DayState:
        """With a day all earlier ones are closed."""
        row = next((one for one in closed if one["day"] >= day), None)
        closed_at, revision = (UtcMs(0), 0) if row is None else (UtcMs(row["closed_at"]), row["revision"])
        revision = revision if row is not None and row["day"] == day else min(revision, 1)
        known = None if proof is None else _proof(proof, int(proof["findings"]), int(proof["amount"]))
        is_outdated = proof is not None and (revision > proof["revision"] or bool(proof["documented"]))
        return DayState(BusinessDay(day), day < self.today, closed_at, revision, known, is_outdated)


def _proof(row: RowMapping, findings: int = 0, amount_cents: int = 0) -> ProofState:
    sums = (int(row["difference_cents"]), int(row["unexplained_cents"]))
    which = (row["number"], row["revision"], UtcMs(row["as_of"]), row["finished_at"] > 0, row["cards"])
    return ProofState(*which, findings, amount_cents, *sums)
