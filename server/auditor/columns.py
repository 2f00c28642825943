"""What the columns beside a signed line must be: each is made anew from the line; pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from protocol.entries import CardStep, Entry, Kind, Stage, TopUpStep, TopUpTo, stage_of
from protocol.instants import CampusTime, ClockSource, UtcMs
from protocol.purse import SeenStep
from server.auditor.rules import NONSENSE, Before, Line, Read, Row
from server.ingest.book import StepRow
from server.ingest.rows import step_columns, step_of
from server.ingest.steps import seen_at
from server.ingest.waiting import ASK_TWO_PEOPLE, FOR_GOOD, NO_SALE, QUARANTINED, UNKNOWN_CARD, UNPROVEN
from server.ledger.rules import Use

UNREADABLE = "unreadable: "
_REASONS = (NO_SALE, QUARANTINED, UNKNOWN_CARD, UNPROVEN, *ASK_TWO_PEOPLE)
_OPEN_REASONS = (UNREADABLE, FOR_GOOD[0])
"""Beginnings of reasons behind which the contradiction follows."""
_ORDER = {Stage.PREPARED: 0, Stage.TORN: 1, Stage.VOIDED: 2, Stage.SETTLED: 2}
_FIRST_WORD = ("tid", "shift", "day", "at")
"""What a step has from the entry by which it was heard of first."""
_BEFORE_SETTLED = (None, Use.RELEASED, Use.FORGOTTEN)
_JUDGED = ("use", "resolved", "torn_at", "claimed", "lost", "returned", "given_back_cents")
"""What later entries say of a step: compared with the ledger, not with this line."""

Fault = tuple[str, str]


@dataclass(frozen=True, slots=True)
class First:
    """What a step has from the entry by which it was heard of first."""

    shift: int
    day: int
    at: int


def wrong_columns(read: Read, campus: CampusTime) -> Iterator[Fault]:
    """What is wrong beside a line."""
    line, entry = read.line, read.entry
    if line.kind == "?" and line.at == line.received_at:
        entry = None  # of a version that this program has learnt to read since
    kind = entry.kind if entry is not None else "?"
    at = entry.at if entry is not None else line.received_at
    if line.kind != kind:
        yield "kind", f"the column has {line.kind!r}, the line {str(kind)!r}"
    if line.at != at:
        yield "at", f"the column has {line.at}, the line {at}"
    days = _days(line, read.before, entry, campus)
    if line.day not in days:
        yield "day", f"the column has business day {line.day}, the line is of {' or '.join(map(str, days))}"
    if not _is_reason(line.parked):
        yield "parked", f"the column has {line.parked!r}, which no entry waits for"
    elif entry is not None and line.parked.startswith(UNREADABLE):
        yield "parked", f"the column has {line.parked!r}, and the line can be read"


def _days(line: Line, before: Before, entry: Entry | None, campus: CampusTime) -> list[int]:
    """The days it may be of; more than one only where the line before it came later. Behind a hole, when it came."""
    here = campus.business_day(UtcMs(line.received_at))
    if entry is not None and entry.clock is not ClockSource.NONE:
        return [min(campus.business_day(entry.at), here)]
    if before.day is None or line.seq != before.seq + 1:
        return [here]
    return [before.day] if before.received_at <= line.received_at else [before.day, here]


def _is_reason(parked: str) -> bool:
    return not parked or parked in (*_REASONS, *FOR_GOOD[1:]) or parked.startswith(_OPEN_REASONS)


def stage_in(entry: Entry) -> Stage:
    """How far its step is with it; a PIN try has no outcome."""
    staged = stage_of(entry.kind)
    return Stage.PREPARED if staged is None or entry.kind is Kind.PIN_TRIED else staged[1]


def wrong_step(step: Row, entry: Entry, tid: str, first: First | None) -> Iterator[Fault]:
    """Where a card step says something else than its entry. `first`: how it was heard of, where that is known."""
    body, stage = entry.body, stage_in(entry)
    assert isinstance(body, CardStep)
    try:
        known = step_of(step)  # type: ignore[arg-type]
    except NONSENSE as error:
        yield "step", f"the card step cannot be read: {error}"
        return
    if first is not None:
        said = {"tid": tid, "shift": first.shift, "day": first.day, "at": first.at}
        yield from _differing(step, said, _FIRST_WORD)
    if stage == step["stage"]:
        yield from _differing(step, _made_anew(known, entry, body, stage), None)
        if known.use not in (tuple(Use) if stage is Stage.SETTLED else _BEFORE_SETTLED):
            yield "step", f"the card step is {stage}, and its column use has {step['use']!r}"
        if not _is_memory(known.last, body):
            yield "step", "the card step's column last is not what the card showed by this entry"
    elif _ORDER[stage] >= _ORDER[Stage(step["stage"])] and not _has_no_outcome(body):
        yield "step", f"the card step is {step['stage']}, and this entry is {stage}"


def _made_anew(known: StepRow, entry: Entry, body: CardStep, stage: Stage) -> Row:
    staged = stage_of(entry.kind)
    operation = staged[0] if staged else known.operation
    made = StepRow(known.id, operation, stage, body, known.tid, known.shift, known.day, known.at, known.last)
    return {name: value for name, value in step_columns(made).items() if name not in (*_JUDGED, *_FIRST_WORD)}


def _differing(step: Row, said: Row, names: tuple[str, ...] | None) -> Iterator[Fault]:
    for name in names or tuple(said):
        if step[name] != said[name]:
            yield "step", f"the card step's column {name} has {step[name]!r}, the entry {_plain(said[name])!r}"


def _plain(value: object) -> object:
    return str(value) if isinstance(value, str) else value


def _is_memory(last: tuple[SeenStep, ...], body: CardStep) -> bool:
    """What the card showed, and perhaps what the step builds on, where the card has forgotten that since."""
    if last == body.card_last:
        return True
    more = last[len(body.card_last) :]
    below = seen_at(last, body.counter)
    return last[: len(body.card_last)] == body.card_last and len(more) == 1 and more[0] is below


def _has_no_outcome(body: CardStep) -> bool:
    return isinstance(body, TopUpStep) and body.to is TopUpTo.LOAD
