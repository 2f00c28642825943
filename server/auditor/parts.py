"""One part of a chain with everything that is kept beside it, and all that is checked of it; pure, for any process.

Whoever reads the database cuts chains into parts; a part needs nothing else, so that several processes work on them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from protocol.entries import CardStep, Checkpoint, Entry, Kind, RefundStep, ShiftClosed, ShiftOpened, Stage, Vend
from protocol.ids import ShiftNo, TerminalId, Tno
from protocol.instants import BusinessDay, CampusTime, ClockSource
from protocol.journal import read_entry
from protocol.money import Cents
from protocol.signing import from_base64url
from server.auditor.columns import Fault, First, stage_in, wrong_columns, wrong_step
from server.auditor.meaning import Told, is_meant
from server.auditor.parking import lay_aside
from server.auditor.rules import NONSENSE, Difference, Line, Read, Row, Run, Writer, read_run, row_of
from server.ingest.book import StepId, StepRow
from server.ingest.reach import card_named_by
from server.ingest.rows import step_of
from server.ledger.accounts import Account, AccountKind, Posting, Postings, owner_of

Place = tuple[int, int]
"""Branch and number of the entry that prepared a step, within one chain."""
_KINDS = {kind.value: kind for kind in AccountKind}
OUTCOME, TORN, RETURNED = "an outcome", "that it was torn", "a failed delivery"
"""What other entries must have told of a step, where its row says so."""


@dataclass(frozen=True, slots=True)
class Leg:
    """A row of the ledger."""

    id: int
    line: int
    day: int
    period_day: int
    kind: str
    owner: str
    cents: int
    at: int


@dataclass(frozen=True, slots=True)
class Part:
    """A run, and the rows that belong to its lines."""

    run: Run
    campus: CampusTime
    parked: Mapping[int, tuple[int | None, int | None]]
    """By entry, of rows of `parked` the card and the generation."""
    legs: Mapping[int, tuple[Leg, ...]]
    """By entry, what its own cause has posted."""
    steps: Mapping[Place, Row]
    places: Mapping[int, Place]
    """By entry, where the step lies that it names."""
    sales: Mapping[int, Place]
    """By entry, where the sale lies that a refund names."""
    rivals: Mapping[Place, tuple[Row, ...]]
    counted: frozenset[int]
    """Shifts of this chain whose drawer was counted."""
    refunds: Mapping[Place, tuple[int, ...]] = field(default_factory=dict[Place, tuple[int, ...]])
    """By sale that was not delivered, what its refunds gave back, in cents."""
    shared: frozenset[Place] = frozenset()
    """Refunds whose money was moved once their sale was known."""
    firsts: Mapping[int, Line] = field(default_factory=dict[int, Line])
    """By entry that prepared a step: an outcome of that step, of the very instant that the step's row has."""
    has_holes: bool = False
    """A hole was booked: outcomes may have become known before what prepared them."""
    unkept: frozenset[int] = frozenset()
    """Entries posted later than they came for which nothing was set aside, of a terminal that never was shut out."""


@dataclass(slots=True)
class Found:
    """What came of a part."""

    writer: Writer
    lines: int = 0
    legs: int = 0
    differences: list[Difference] = field(default_factory=list[Difference])
    acks: list[str] = field(default_factory=list[str])
    """Signed acks that the terminal has written down."""
    open: dict[tuple[str, StepId], int] = field(default_factory=dict[tuple[str, StepId], int])
    """What a step says that another entry must have told: +1 where it was prepared, -1 where that entry is."""


def check_part(part: Part) -> Found:
    """Everything that one part of a chain can tell."""
    writer = part.run.writer
    found = Found(writer)
    for read in read_run(part.run):
        found.lines += 1
        found.differences += read.faults
        told = list(_told_faults(part, read, found))
        row = row_of(writer.tno, part.run.branch, read.line.seq)
        found.differences += [Difference(check, row, writer.tid, read.line.seq, text) for check, text in told]
    return found


def _told_faults(part: Part, read: Read, found: Found) -> Iterator[Fault]:
    try:
        yield from _faults(part, read, found)
    except NONSENSE as error:
        yield "row", f"what is kept beside it makes no sense: {error}"


def _faults(part: Part, read: Read, found: Found) -> Iterator[Fault]:
    line, legs = read.line, part.legs.get(read.line.seq, ())
    found.legs += len(legs)
    if any(fault.check in ("line", "place") for fault in read.faults):
        return  # whatever stands beside it, it is not this entry's
    yield from wrong_columns(read, part.campus)
    yield from _wrong_parking(part, line)
    yield from wrong_legs(legs, line.day, line.received_at)
    if line.parked or read.entry is None:
        if legs:
            yield "posting", "waits to be posted, and something is posted for it"
        return
    entry = read.entry
    if isinstance(entry.body, Checkpoint) and entry.body.ack:
        found.acks.append(entry.body.ack)
    if isinstance(entry.body, CardStep):
        yield from _of_step(part, entry, line, found)
    if is_failed_delivery(entry):
        yield from _of_delivery(part, line, found)
    if line.seq in part.unkept and lay_aside(
        entry, part.run.writer.tid, (part.run.writer.tno, part.run.branch, line.seq)
    ):
        yield "posting", "it waited before it was posted, and its money was never set aside"
    yield from _wrong_postings(part, entry, line, legs)


def is_failed_delivery(entry: Entry) -> bool:
    """Whether it tells that what was paid did not come, or that nobody knows."""
    return isinstance(entry.body, Vend) and entry.kind is not Kind.VEND_DISPENSED


def _wrong_parking(part: Part, line: Line) -> Iterator[Fault]:
    if bool(line.parked) != (line.seq in part.parked):
        yield "parked", f"the column has {line.parked!r}, and the list of waiting entries says otherwise"
    elif line.parked and not _waits_for(line, part.parked[line.seq]):
        yield "parked", f"waits for card {part.parked[line.seq]}, and its line names another one"


def _waits_for(line: Line, card: tuple[int | None, int | None]) -> bool:
    """Whether an entry waits for this card. One that could not be read when it came waits for none."""
    return card == (card_named_by(line.jws) or (None, None)) or (line.kind == "?" and card == (None, None))


def wrong_legs(legs: tuple[Leg, ...], day: int, received_at: int) -> Iterator[Fault]:
    """Where the rows of a cause do not belong together."""
    if [leg.line for leg in legs] != list(range(len(legs))):
        yield "posting", f"its postings are numbered {[leg.line for leg in legs]}"
    if sum(leg.cents for leg in legs):
        yield "sum", f"its postings sum to {sum(leg.cents for leg in legs)} cents, not to zero"
    for leg in legs:
        if leg.day != day or leg.period_day < leg.day or leg.at < received_at:
            when = f"business day {leg.day}, counts in {leg.period_day}, at {leg.at}"
            yield "posting", f"posting {leg.id} is of {when}; its cause is of {day} and came at {received_at}"
    if len({(leg.period_day, leg.at) for leg in legs}) > 1:
        yield "posting", "its postings were not made at once"


def postings_in(legs: tuple[Leg, ...]) -> Postings | None:
    """Rows as the posting rules make them; None where an account is of no known kind."""
    if any(leg.kind not in _KINDS for leg in legs):
        return None
    return tuple(Posting(Account(_KINDS[leg.kind], leg.owner), Cents(leg.cents)) for leg in legs)


def _of_step(part: Part, entry: Entry, line: Line, found: Found) -> Iterator[Fault]:
    place = part.places.get(line.seq, (part.run.branch, line.seq))
    step = part.steps.get(place)
    if step is None:
        yield "step", f"there is no card step of entry {place[1]}"
        return
    is_own = place == (part.run.branch, line.seq)
    first = _heard_first(part, entry, line) if is_own and not part.has_holes else None
    yield from wrong_step(step, entry, part.run.writer.tid, first)
    stage = stage_in(entry)
    if stage is Stage.TORN and step["torn_at"] != (torn_at := _made_at(part, entry, line)):
        yield "step", f"the card step's column torn_at has {step['torn_at']}, the entry {torn_at}"
    if is_own:
        given_up = step["torn_at"] and not step["lost"]  # a lost terminal's step is given up by two people
        said = {OUTCOME: stage != step["stage"], TORN: given_up, RETURNED: step["returned"]}
        _note(part, found, place, *(what for what, is_said in said.items() if is_said))
    else:
        told = {OUTCOME: stage == step["stage"], TORN: stage is Stage.TORN}
        _note(part, found, place, *(what for what, is_told in told.items() if is_told), times=-1)


def _heard_first(part: Part, entry: Entry, line: Line) -> First:
    """The entry by which a step was heard of first: its own, or an outcome that was posted before that."""
    outcome = part.firsts.get(line.seq)
    told = read_entry(outcome.jws).entry if outcome is not None else entry
    return First(told.shift, outcome.day if outcome is not None else line.day, told.at)


def _note(part: Part, found: Found, place: Place, *what: str, times: int = 1) -> None:
    for each in what:
        key = (each, (Tno(part.run.writer.tno), *place))
        found.open[key] = found.open.get(key, 0) + times


def _made_at(part: Part, entry: Entry, line: Line) -> int:
    day_ends_at = part.campus.day_starts_at(BusinessDay(line.day + 1))
    return day_ends_at if entry.clock is ClockSource.NONE else min(entry.at, day_ends_at)


def _of_delivery(part: Part, line: Line, found: Found) -> Iterator[Fault]:
    place = part.places.get(line.seq)
    step = part.steps.get(place) if place else None
    if place is None or step is None or not step["returned"]:
        yield "step", "tells that a sale was not delivered, and the card step of that sale does not say so"
        return
    _note(part, found, place, RETURNED, times=-1)


def _wrong_postings(part: Part, entry: Entry, line: Line, legs: tuple[Leg, ...]) -> Iterator[Fault]:
    stored = postings_in(legs)
    if stored is None:
        yield "posting", f"is posted on accounts of no known kind: {sorted({leg.kind for leg in legs})}"
        return
    try:
        told = _told(part, entry, line)
        is_right = is_meant(told, stored)
    except NONSENSE as error:
        yield "posting", f"cannot be posted anew: {error!r}"
        return
    if not is_right:
        moved = ", ".join(f"{leg.kind}:{leg.owner} {leg.cents}" for leg in legs) or "nothing"
        yield "posting", f"moved {moved} by the ledger; by the posting rules something else"


def _told(part: Part, entry: Entry, line: Line) -> Told:
    writer, body = part.run.writer, entry.body
    place = part.places.get(line.seq, (part.run.branch, line.seq))
    step = _step(part, place) if isinstance(body, CardStep) or is_failed_delivery(entry) else None
    sold = _step(part, part.sales[line.seq]) if line.seq in part.sales else None
    if sold is not None and not _is_sale_of(sold, body):
        sold = None
    rivals = tuple(step_of(row) for row in part.rivals.get(place, ()))  # type: ignore[arg-type]
    shift = body.number if isinstance(body, ShiftOpened | ShiftClosed) else step.shift if step else entry.shift
    counted = bool({ShiftNo(shift), entry.shift} & part.counted) and not isinstance(body, ShiftClosed)
    own = (Tno(writer.tno), part.run.branch, line.seq)
    refunds, has_share = part.refunds.get(place, ()), place in part.shared
    return Told(entry, own, TerminalId(writer.tid), step, sold, rivals, counted, refunds, has_share)


def _step(part: Part, place: Place) -> StepRow | None:
    row = part.steps.get(place)
    return None if row is None else step_of(row)  # type: ignore[arg-type]


def _is_sale_of(sold: StepRow, body: object) -> bool:
    if not isinstance(body, RefundStep):
        return False
    return (owner_of(sold.card), getattr(sold.body, "merchant", "")) == (owner_of(body.card.key), body.merchant)


class _Names(msgspec.Struct):
    prepared: int = 0
    of: int = 0


class _Peek(msgspec.Struct):
    body: _Names


_peek = msgspec.json.Decoder(_Peek)


def named_in(jws: bytes) -> tuple[int, int]:
    """Which entries a line names: the one that prepared its step, and the sale that it gives back; 0: none."""
    try:
        names = _peek.decode(from_base64url(jws.split(b".")[1])).body
    except (ValueError, IndexError, msgspec.MsgspecError):
        return 0, 0
    return names.prepared, names.of
