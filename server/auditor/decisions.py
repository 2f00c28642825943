"""Causes that are no entry's, held against what the books keep of steps, entries and acts; pure."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

from protocol.entries import RefundStep, SaleStep, Stage
from protocol.ids import TerminalId, Tno
from protocol.journal import NotAnEntry, read_entry
from server.auditor.causes import OF_ENTRIES, OF_STEPS, UNDOING, Around, expected_of, fault_of, kind_of
from server.auditor.meaning import Told
from server.auditor.parts import Leg, postings_in, wrong_legs
from server.auditor.rules import NONSENSE, Difference, Line, Row, row_of
from server.ingest.book import StepId, StepRow
from server.ingest.rows import step_of
from server.ledger.accounts import Postings
from server.ledger.rules import Resolution, Use

_PLACE = re.compile(r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)")


@dataclass(frozen=True, slots=True)
class Books:
    """What the books keep beside some causes."""

    steps: Mapping[StepId, StepRow] = field(default_factory=dict[StepId, StepRow])
    sales: Mapping[StepId, StepRow] = field(default_factory=dict[StepId, StepRow])
    """By the step of a refund."""
    entries: Mapping[StepId, tuple[str, Line]] = field(default_factory=dict[StepId, tuple[str, Line]])
    """With their terminal."""
    undone: Mapping[str, tuple[Leg, ...]] = field(default_factory=dict[str, tuple[Leg, ...]])
    acts: Set[str] = frozenset()
    counted: Set[str] = frozenset()


def place_of(cause: str) -> StepId | None:
    """The entry or the step that a cause names; None: none, or not as we write it."""
    found = _PLACE.fullmatch(cause.partition(":")[2])
    return (Tno(int(found[1])), int(found[2]), int(found[3])) if found else None


def readable(rows: Iterable[Row]) -> Iterator[StepRow]:
    """Card steps; those that cannot be read are told of where their entries are."""
    for row in rows:
        try:
            yield step_of(row)  # type: ignore[arg-type]
        except NONSENSE:
            continue


def named_steps(causes: Iterable[str]) -> set[StepId]:
    """The steps that these causes are about."""
    return {place for cause in causes if kind_of(cause) in OF_STEPS and (place := place_of(cause))}


def named_entries(causes: Iterable[str]) -> set[StepId]:
    """The entries whose money these causes set aside."""
    return {place for cause in causes if kind_of(cause) in OF_ENTRIES and (place := place_of(cause))}


def taken_back(causes: Iterable[str]) -> set[str]:
    """The causes that these take back."""
    names = ((kind_of(cause), cause.partition(":")[2]) for cause in causes)
    return {undone_by(kind, name) for kind, name in names if kind in UNDOING}


def undone_by(kind: str, name: str) -> str:
    """`unpark:7.0.3` takes back `park:7.0.3`, `found:hole:7/1@3` takes back `hole:7/1@3`."""
    return f"park:{name}" if kind == "unpark" else name


def judge_causes(found: Mapping[str, tuple[Leg, ...]], books: Books) -> Iterator[Difference]:
    """What is wrong with some whole causes."""
    for cause, legs in found.items():
        place = place_of(cause) if kind_of(cause) in OF_STEPS | OF_ENTRIES else None
        row, tid, seq = f"posting/{legs[0].id}", "", 0
        if place is not None:
            row, seq = row_of(*place), place[2]
            tid = books.steps[place].tid if place in books.steps else books.entries.get(place, ("", None))[0]
        told = [("posting", text) for text in _faults(cause, legs, books)]
        told += wrong_legs(legs, legs[0].day, 0)
        yield from (Difference(check, row, tid, seq, text) for check, text in told)


def _faults(cause: str, legs: tuple[Leg, ...], books: Books) -> Iterator[str]:
    kind, stored, place = kind_of(cause), postings_in(legs), place_of(cause)
    if stored is None:
        yield f"{cause} is posted on accounts of no known kind"
        return
    undone: Postings | None = None
    if kind in UNDOING and (taken := books.undone.get(undone_by(kind, cause.partition(":")[2]))):
        undone = postings_in(taken)
    step = books.steps.get(place) if place else None
    sold = books.sales.get(place) if place else None
    told = _told(place, books) if place and kind == "park" else None
    try:
        fault = fault_of(cause, Around(stored, step, sold, told, undone, cause in books.acts, books.counted))
    except NONSENSE as error:
        fault = f"{cause} cannot be posted anew: {error!r}"
    if fault:
        yield fault


def _told(place: StepId, books: Books) -> Told | None:
    if place not in books.entries:
        return None
    tid, line = books.entries[place]
    try:
        entry = read_entry(line.jws).entry
    except NotAnEntry:
        return None
    is_counted = any(owner == f"{tid}/{place[0]}/{entry.shift}" for owner in books.counted)
    return Told(entry, place, TerminalId(tid), is_counted=is_counted)


def causes_of(row: Row) -> list[str]:
    """Under which causes something may have been posted because of what is kept of a step."""
    name = f"{row['tno']}.{row['branch']}.{row['seq']}"
    return [f"{kind}:{name}" for kind in ("claim", "resolve", "overtaken", "lost")]


def judge_steps(rows: Sequence[Row], posted: Set[str], given_back: Mapping[StepId, int]) -> Iterator[Difference]:
    """Where what is kept of steps that were decided later has no ground. `given_back`: by sale, of all refunds."""
    for row in rows:
        try:
            step = step_of(row)  # type: ignore[arg-type]
        except NONSENSE as error:
            yield Difference("step", row_of(row["tno"], row["branch"], row["seq"]), row["tid"], row["seq"], str(error))
            continue
        for text in _of_step(step, row["standing"], posted, given_back.get(step.id, 0)):
            yield Difference("step", row_of(*step.id), step.tid, step.id[2], text)


def _of_step(step: StepRow, standing: str, posted: Set[str], given_back: int) -> Iterator[str]:
    name = ".".join(map(str, step.id))
    by_proof = step.resolved in (Resolution.ON_CARD, Resolution.STUDENT) and step.stage is Stage.SETTLED
    if step.claimed and not by_proof and f"claim:{name}" not in posted:
        yield "the card step says that its merchant was paid after all, and nothing is posted for that"
    if step.lost and standing != "lost":
        yield "the card step says that its terminal was lost, and its chain does not"
    if step.resolved is not None and f"resolve:{name}" not in posted and expected_of("resolve", step):
        yield f"the card step says that it was resolved as {step.resolved}, and nothing is posted for that"
    if step.use is Use.DISPUTED and not step.id[1]:
        yield "the card step says that it is disputed, and it is of no second history"
    is_sale = isinstance(step.body, SaleStep)
    if is_sale and step.stage is Stage.SETTLED and not step.returned and step.given_back_cents != given_back:
        yield f"the card step says that {step.given_back_cents} cents were given back; its refunds come to {given_back}"
    if is_sale and step.returned and step.given_back_cents < max(given_back, step.body.amount):
        yield f"the card step says that {step.given_back_cents} cents were given back, less than its refunds"


def refunds_by_sale(refunds: Iterable[tuple[StepRow, StepRow | None]]) -> Iterator[tuple[StepId, int]]:
    """Of each refund that has a settled sale of the same card and merchant: the sale, and how much."""
    for refund, sold in refunds:
        if sold is not None and is_of(refund, sold) and sold.stage is Stage.SETTLED:
            yield sold.id, refund.body.amount


def is_of(refund: StepRow, sold: StepRow) -> bool:
    """Whether a refund gives back this sale."""
    if not isinstance(refund.body, RefundStep) or not isinstance(sold.body, SaleStep):
        return False
    return (refund.card, refund.body.merchant) == (sold.card, sold.body.merchant)
