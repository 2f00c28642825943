"""Reads chains part by part, and what is kept beside their entries. Only ever reads."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Connection, RowMapping, and_, func, select, type_coerce
from sqlalchemy.types import NullType

from protocol.entries import Operation, RefundStep
from protocol.ids import Tno
from protocol.instants import CampusTime
from protocol.signing import sha256_of
from server.auditor.decisions import is_of, readable
from server.auditor.parking import came_late, entry_of, park_of
from server.auditor.parts import Leg, Part, Place, named_in
from server.auditor.rules import Before, Hole, Line, Row, Run, Writer
from server.auditor.scope import Scope
from server.auditor.store_ledger import shut_out
from server.auditor.store_legs import legs_of
from server.ingest.book import HoleStatus, ShiftStatus, StepId, StepRow
from server.ledger.rules import Use
from server.numbers import SERVER_EPOCH
from server.sets import given
from server.tables import branch, chain, entry, hole, parked, setting, shift, step

LINES_OF_PART = 400
_COLUMNS = [
    type_coerce(column, NullType()).label(column.name) if column.name in ("hash", "jws") else column
    for column in entry.c
]
"""SQLite keeps whatever somebody puts there: `_bytes` takes it."""


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain with its branches, holes and counted shifts."""

    row: RowMapping
    writer: Writer
    branches: Mapping[int, RowMapping]
    holes: tuple[Hole, ...]
    counted: frozenset[int]
    has_holes: bool
    is_doubtful: bool
    """Its terminal was shut out at some time, or two people have let its entries through."""

    def branch_of(self, number: int, seq: int) -> int:
        """In which branch's own rows an entry of a branch's history lies."""
        while number in self.branches and number and seq <= self.branches[number]["forked_after"]:
            number = self.branches[number]["parent"]
        return number


def chains(connection: Connection, scope: Scope) -> list[Chain]:
    """The chains in the scope, in the order of their numbers."""
    query = select(chain).order_by(chain.c.tno)
    rows = _rows(connection, query.where(chain.c.tid == scope.terminal) if scope.terminal else query)
    doubtful = shut_out(connection)
    return [_chain(connection, row, is_doubtful=row["tid"] in doubtful) for row in rows]


def _chain(connection: Connection, row: RowMapping, *, is_doubtful: bool) -> Chain:
    tno = row["tno"]
    branches = {found["branch"]: found for found in _rows(connection, select(branch).where(branch.c.tno == tno))}
    holes = _rows(connection, select(hole).where(hole.c.tno == tno).order_by(hole.c.first))
    booked = tuple(Hole(one["first"], one["last"], one["hash"]) for one in holes if one["status"] == HoleStatus.BOOKED)
    closed = select(shift.c.number).where(shift.c.tno == tno, shift.c.status == ShiftStatus.CLOSED)
    writer = Writer(row["tid"], row["site"], row["epoch"], tno, bytes(row["key"]))
    counted = frozenset(connection.scalars(closed))
    return Chain(row, writer, branches, booked, counted, bool(row["each_signature"]), is_doubtful)


def count_lines(connection: Connection, scope: Scope) -> int:
    """How many entries there are."""
    query = select(func.count()).select_from(entry).where(*scope.days(entry.c.day))
    if scope.terminal:
        query = query.join(chain, chain.c.tno == entry.c.tno).where(chain.c.tid == scope.terminal)
    return connection.scalar(query) or 0


def parts(connection: Connection, found: Chain, number: int, scope: Scope, campus: CampusTime) -> Iterator[Part]:
    """One branch of a chain in its order; of some days, all from their first entry to their last."""
    ours = (entry.c.tno == found.writer.tno, entry.c.branch == number)
    bounds = select(func.min(entry.c.seq), func.max(entry.c.seq)).where(*ours, *scope.days(entry.c.day))
    first, last = connection.execute(bounds).one()
    if first is None:
        return
    before = _before(connection, found, number, first - 1)
    while True:
        query = select(*_COLUMNS).where(*ours, entry.c.seq > before.seq, entry.c.seq <= last)
        lines = tuple(map(_line, _rows(connection, query.order_by(entry.c.seq).limit(LINES_OF_PART))))
        if not lines:
            return
        yield _part(connection, found, Run(found.writer, number, before, lines, found.holes), campus)
        end = lines[-1]
        before = Before(end.seq, sha256_of(end.jws), end.hash, end.day, end.received_at)


def _line(row: RowMapping) -> Line:
    return Line(
        row["seq"], _bytes(row["hash"]), _bytes(row["jws"]), row["kind"], row["day"], row["at"], row["parked"],
        row["received_at"],
    )  # fmt: skip


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def _before(connection: Connection, found: Chain, number: int, seq: int) -> Before:
    """What the first line of a stretch must follow: the line before, the hole before, or the grant."""
    known = entry_at(connection, found, number, seq)
    if known is not None:
        return Before(seq, sha256_of(known.jws), known.hash, known.day, known.received_at)
    inside = [one for one in found.holes if one.first <= seq <= one.last]
    if number and seq:
        demanded = inside[0].hash if inside and inside[0].last == seq else b""  # else nothing can follow
        return Before(seq, demanded, demanded)
    if inside:
        return _before(connection, found, number, inside[0].first - 1)
    start = bytes(found.row["start_hash"])
    return Before(0, start, start)


def entry_at(connection: Connection, found: Chain, number: int, seq: int) -> Line | None:
    """One entry of a branch's history."""
    where = (entry.c.tno == found.writer.tno, entry.c.branch == found.branch_of(number, seq), entry.c.seq == seq)
    rows = _rows(connection, select(*_COLUMNS).where(*where))
    return _line(rows[0]) if rows else None


def last_line(connection: Connection, tno: int, number: int) -> Line | None:
    """The last entry of a branch's own."""
    query = select(*_COLUMNS).where(entry.c.tno == tno, entry.c.branch == number).order_by(entry.c.seq.desc()).limit(1)
    rows = _rows(connection, query)
    return _line(rows[0]) if rows else None


def tno_of(connection: Connection, tid: str, epoch: int) -> int | None:
    """The chain of an epoch."""
    return connection.scalar(select(chain.c.tno).where(chain.c.tid == tid, chain.c.epoch == epoch))


def strays(connection: Connection) -> list[tuple[int, int]]:
    """Branches that entries are on, or that are kept, and no row tells of them or of their chain."""
    same = and_(branch.c.tno == entry.c.tno, branch.c.branch == entry.c.branch)
    of_entries = select(entry.c.tno, entry.c.branch).distinct().outerjoin(branch, same).where(branch.c.tno.is_(None))
    no_chain = chain.c.tno.is_(None)
    of_branches = select(branch.c.tno, branch.c.branch).outerjoin(chain, chain.c.tno == branch.c.tno).where(no_chain)
    return sorted((row[0], row[1]) for query in (of_entries, of_branches) for row in connection.execute(query))


def count_all_lines(connection: Connection) -> int:
    """How many entries there are, whether or not they are on a chain."""
    return connection.scalar(select(func.count()).select_from(entry)) or 0


def waiting_lines(connection: Connection, scope: Scope) -> Iterator[dict[StepId, tuple[str, Line]]]:
    """Entries that wait, each with its terminal, some at a time."""
    query = select(*_COLUMNS, chain.c.tid).join_from(entry, chain, chain.c.tno == entry.c.tno)
    query = query.where(entry.c.parked != "", *scope.days(entry.c.day))
    if scope.terminal:
        query = query.where(chain.c.tid == scope.terminal)
    result = connection.execute(query, execution_options={"yield_per": LINES_OF_PART})
    for rows in result.mappings().partitions():
        yield {(Tno(row["tno"]), row["branch"], row["seq"]): (row["tid"], _line(row)) for row in rows}


def hashes_at(connection: Connection, tno: int, seq: int) -> list[bytes]:
    """The hashes of an entry in all branches of its chain."""
    return [
        bytes(found) for found in connection.scalars(select(entry.c.hash).where(entry.c.tno == tno, entry.c.seq == seq))
    ]


def _part(connection: Connection, found: Chain, run: Run, campus: CampusTime) -> Part:
    tno, first, last = run.writer.tno, run.lines[0].seq, run.lines[-1].seq
    places, sales = dict[int, Place](), dict[int, Place]()
    for line in run.lines:
        prepared, of = named_in(line.jws)
        if prepared:
            places[line.seq] = (found.branch_of(run.branch, prepared), prepared)
        if of:
            sales[line.seq] = (found.branch_of(run.branch, of), of)
    steps = _steps(connection, tno, run.branch, (first, last), {*places.values(), *sales.values()})
    forgetful = {place: row for place, row in steps.items() if row["use"] == Use.FALLBACK}
    rivals = {place: _rivals(connection, row) for place, row in forgetful.items()}
    ours = (parked.c.tno == tno, parked.c.branch == run.branch, parked.c.seq.between(first, last))
    waiting = {row["seq"]: (row["card"], row["generation"]) for row in _rows(connection, select(parked).where(*ours))}
    causes = {f"entry:{tno}.{run.branch}.{line.seq}": line.seq for line in run.lines}
    legs = {causes[cause]: rows for cause, rows in legs_of(connection, causes).items()}
    undelivered = {place for place in places.values() if place in steps and steps[place]["returned"]}
    refunds = _refunds(connection, found, [steps[place] for place in sorted(undelivered)])
    given_back = {places.get(seq, (run.branch, seq)) for seq in sales}
    shares = {f"refund:{tno}.{number}.{seq}": (number, seq) for number, seq in given_back}
    shared = frozenset(shares[cause] for cause in legs_of(connection, shares)) if shares else frozenset[Place]()
    firsts = {} if found.has_holes else _firsts(connection, run, steps)
    return Part(
        run, campus, waiting, legs, steps, places, sales, rivals, found.counted, refunds, shared, firsts,
        found.has_holes, _unkept(connection, found, run, legs),
    )  # fmt: skip


def _unkept(connection: Connection, found: Chain, run: Run, legs: Mapping[int, tuple[Leg, ...]]) -> frozenset[int]:
    """Entries that waited before they were posted, and nothing is set aside for them."""
    tno, late = (
        run.writer.tno,
        [line.seq for line in run.lines if line.seq in legs and came_late(line, legs[line.seq][0].at)],
    )
    if found.is_doubtful or not late:
        return frozenset()
    causes = {park_of((Tno(tno), run.branch, seq)): seq for seq in late}
    return frozenset(late).difference(causes[cause] for cause in legs_of(connection, causes))


def _refunds(connection: Connection, found: Chain, sales: Sequence[Row]) -> dict[Place, tuple[int, ...]]:
    """Of sales of a chain how much each of their refunds gave back."""
    given = dict[Place, tuple[int, ...]]()
    for sold in readable(sales):
        query = select(step).where(step.c.card == sold.card[0], step.c.generation == sold.card[1])
        query = query.where(step.c.tno == sold.id[0], step.c.operation == Operation.REFUND)
        cents = list[int]()
        for refund in readable(_rows(connection, query)):
            of = refund.body.of if isinstance(refund.body, RefundStep) else 0
            if is_of(refund, sold) and (found.branch_of(refund.id[1], of), of) == sold.id[1:]:
                cents.append(refund.body.amount)
        given[sold.id[1:]] = tuple(cents)
    return given


def _firsts(connection: Connection, run: Run, steps: Mapping[Place, Row]) -> dict[int, Line]:
    """Of entries whose step was heard of at another instant the outcome that is of that instant."""
    odd = dict[int, int]()
    for line in run.lines:
        row = steps.get((run.branch, line.seq))
        if row is not None and row["at"] != line.at:
            odd[line.seq] = row["at"]
    if not odd:
        return {}
    query = select(*_COLUMNS).where(entry.c.tno == run.writer.tno, entry.c.seq > min(odd), entry.c.kind != "?")
    later = [_line(row) for row in _rows(connection, query.where(entry.c.at.in_(sorted(set(odd.values())))))]
    named = ((named_in(line.jws)[0], line) for line in later if not line.parked and entry_of(line) is not None)
    return {prepared: line for prepared, line in named if odd.get(prepared) == line.at}


def _steps(connection: Connection, tno: int, number: int, seqs: tuple[int, int], more: set[Place]) -> dict[Place, Row]:
    ours = (step.c.tno == tno, step.c.branch == number, step.c.seq.between(*seqs))
    found: dict[Place, Row] = {
        (row["branch"], row["seq"]): dict(row) for row in _rows(connection, select(step).where(*ours))
    }
    beyond = {place for place in more if place[0] != number or not seqs[0] <= place[1] <= seqs[1]}
    for row in steps_at(connection, [(tno, *place) for place in beyond]):
        found[(row["branch"], row["seq"])] = dict(row)
    return found


def steps_at(connection: Connection, places: Iterable[tuple[int, int, int]]) -> Sequence[RowMapping]:
    """Card steps by chain, branch and number."""
    keys = list(places)
    if not keys:
        return ()
    named = given(cast("Any", connection), ("tno", "branch", "seq"), keys)
    same = and_(step.c.tno == named.c.tno, step.c.branch == named.c.branch, step.c.seq == named.c.seq)
    return _rows(connection, select(step).join_from(named, step, same))


def sales_of(connection: Connection, steps: Sequence[StepRow]) -> dict[StepId, StepId]:
    """Of those steps that are refunds, in which place their sale must lie."""
    refunds = [one for one in steps if isinstance(one.body, RefundStep)]
    forked = {(row["tno"], row["branch"]): row for row in _rows(connection, select(branch).where(branch.c.branch > 0))}
    return {one.id: _place_of_sale(one, forked) for one in refunds}


def _place_of_sale(refund: StepRow, forked: Mapping[tuple[int, int], RowMapping]) -> StepId:
    assert isinstance(refund.body, RefundStep)
    tno, number, of = refund.id[0], refund.id[1], refund.body.of
    while (tno, number) in forked and of <= forked[(tno, number)]["forked_after"]:
        number = forked[(tno, number)]["parent"]
    return (tno, number, of)


def lines_at(connection: Connection, places: Iterable[StepId]) -> dict[StepId, tuple[str, Line]]:
    """Entries by chain, branch and number, each with its terminal."""
    keys = list(places)
    if not keys:
        return {}
    named = given(cast("Any", connection), ("tno", "branch", "seq"), keys)
    same = and_(entry.c.tno == named.c.tno, entry.c.branch == named.c.branch, entry.c.seq == named.c.seq)
    query = select(*_COLUMNS, chain.c.tid).join_from(named, entry, same).join(chain, chain.c.tno == entry.c.tno)
    return {(Tno(row["tno"]), row["branch"], row["seq"]): (row["tid"], _line(row)) for row in _rows(connection, query)}


def _rivals(connection: Connection, row: Row) -> tuple[Row, ...]:
    same = (step.c.card == row["card"], step.c.generation == row["generation"])
    query = select(step).where(*same, step.c.counter_after == row["counter_after"], step.c.number != row["number"])
    return tuple(dict(found) for found in _rows(connection, query))


def orphans(connection: Connection, scope: Scope) -> list[StepId]:
    """Card steps whose own place holds no posted entry: only their outcome can have told of them."""
    same = and_(
        entry.c.tno == step.c.tno, entry.c.branch == step.c.branch, entry.c.seq == step.c.seq, entry.c.parked == ""
    )
    query = select(step.c.tno, step.c.branch, step.c.seq).outerjoin(entry, same).where(entry.c.seq.is_(None))
    query = query.where(*scope.days(step.c.day))
    if scope.terminal:
        query = query.where(step.c.tid == scope.terminal)
    return [(Tno(row.tno), row.branch, row.seq) for row in connection.execute(query)]


def server_epoch(connection: Connection) -> int:
    """Which life of the server this is."""
    return int(connection.scalar(select(setting.c.value).where(setting.c.name == SERVER_EPOCH)) or 1)


def _rows(connection: Connection, query: Any) -> Sequence[RowMapping]:
    found: Sequence[RowMapping] = connection.execute(query).mappings().all()
    return found
