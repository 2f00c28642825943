"""Causes that are no entry's, held against what the books keep of steps, entries, cards and people; pure."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

from protocol.entries import CloseStep, LoadStep, RefundStep, SaleStep, Stage, TopUpStep
from protocol.ids import TerminalId, Tno
from server.auditor.causes import (
    KNOWN,
    OF_CARDS,
    OF_ENTRIES,
    OF_STEPS,
    UNDOING,
    Around,
    Cards,
    expected_of,
    fault_of_card,
    fault_of_finding,
    fault_of_step,
    fault_of_undoing,
    kind_of,
    undone_by,
)
from server.auditor.meaning import Told
from server.auditor.parking import Lines, entry_of, fault_of_parking, fault_of_unparking
from server.auditor.parts import Leg, postings_in, wrong_legs
from server.auditor.people import Asked, fault_of_people, request_of
from server.auditor.rules import NONSENSE, Difference, Line, Row, row_of
from server.ingest.book import StepId, StepRow
from server.ingest.rows import step_of
from server.ledger.accounts import AccountKind, Postings
from server.ledger.rules import Resolution, Use

_PLACE = re.compile(r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)")
_PURSES = frozenset({AccountKind.PURSE.value, AccountKind.SUBSIDY.value})
LATER: tuple[str, ...] = ("claim", "resolve", "overtaken", "lost")
"""Under these causes something may be posted because of what is kept of a step."""


@dataclass(frozen=True, slots=True)
class Books:
    """What the books keep beside some causes."""

    steps: Mapping[StepId, StepRow] = field(default_factory=dict[StepId, StepRow])
    sales: Mapping[StepId, StepRow] = field(default_factory=dict[StepId, StepRow])
    """By the step of a refund."""
    entries: Lines = field(default_factory=dict[StepId, tuple[str, Line]])
    undone: Mapping[str, tuple[Leg, ...]] = field(default_factory=dict[str, tuple[Leg, ...]])
    back: Set[str] = frozenset()
    """Of money set aside what was taken back: the causes of that."""
    acts: Mapping[str, Row] = field(default_factory=dict[str, Row])
    requests: Mapping[str, str] = field(default_factory=dict[str, str])
    """What was asked for under which name: the digest."""
    cards: Cards = field(default_factory=Cards)
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
    """The entries whose money these causes set aside or take back."""
    return {place for cause in causes if kind_of(cause) in OF_ENTRIES and (place := place_of(cause))}


def taken_back(causes: Iterable[str]) -> set[str]:
    """The causes that these take back."""
    return {undone_by(cause) for cause in causes if kind_of(cause) in UNDOING}


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
    stored = postings_in(legs)
    if stored is None:
        yield f"{cause} is posted on accounts of no known kind"
        return
    try:
        fault = _fault(cause, stored, books)
    except NONSENSE as error:
        fault = f"{cause} cannot be posted anew: {error!r}"
    if fault:
        yield fault


def _fault(cause: str, stored: Postings, books: Books) -> str:
    kind, place = kind_of(cause), place_of(cause)
    taken = books.undone.get(undone_by(cause)) if kind in UNDOING else None
    undone = postings_in(taken) if taken else None
    line = books.entries[place][1] if place and place in books.entries else None
    if kind not in KNOWN:
        return f"is posted for {cause}, and nothing has such causes"
    if kind == "park":
        told = _told(place, books) if place else None
        return fault_of_parking(cause, told, line, stored, is_back=f"un{cause}" in books.back)
    if kind == "unpark":
        wrong = fault_of_unparking(cause, place, line)
        return wrong or fault_of_undoing(cause, stored, undone, books.counted)
    if kind == "found":
        wrong = fault_of_finding(cause, undone, books.cards)
        return wrong or fault_of_undoing(cause, stored, undone, books.counted)
    if kind in OF_STEPS:
        step, sold = (kept.get(place) if place else None for kept in (books.steps, books.sales))
        return fault_of_step(cause, Around(stored, step, sold))
    if kind in OF_CARDS:
        return fault_of_card(cause, stored, books.cards)
    if kind in OF_ENTRIES:
        return f"is posted for {cause}, which is not how the cause of an entry is written"
    asked = Asked(books.requests.get(request_of(cause)), books.acts.get(cause), undone, books.counted)
    return fault_of_people(cause, stored, asked)


def _told(place: StepId, books: Books) -> Told | None:
    if place not in books.entries:
        return None
    tid, line = books.entries[place]
    entry = entry_of(line)
    if entry is None:
        return None
    is_counted = any(owner == f"{tid}/{place[0]}/{entry.shift}" for owner in books.counted)
    return Told(entry, place, TerminalId(tid), is_counted=is_counted)


def causes_of(row: Row) -> list[str]:
    """Under which causes something may have been posted because of what is kept of a step."""
    name = f"{row['tno']}.{row['branch']}.{row['seq']}"
    return [f"{kind}:{name}" for kind in LATER]


def judge_steps(
    rows: Sequence[Row], posted: Mapping[str, tuple[Leg, ...]], given_back: Mapping[StepId, int]
) -> Iterator[Difference]:
    """Where what is kept of steps that were decided later has no ground. `given_back`: by sale, of all refunds."""
    for row in rows:
        try:
            step = step_of(row)  # type: ignore[arg-type]
        except NONSENSE as error:
            yield Difference("step", row_of(row["tno"], row["branch"], row["seq"]), row["tid"], row["seq"], str(error))
            continue
        legs = dict(zip(LATER, (posted.get(cause, ()) for cause in causes_of(row)), strict=True))
        texts = [*_unsaid(step, row, legs), *_unposted(step, legs), *_given_back(step, given_back.get(step.id, 0))]
        for text in texts:
            yield Difference("step", row_of(*step.id), step.tid, step.id[2], text)


def _unsaid(step: StepRow, row: Row, legs: Mapping[str, tuple[Leg, ...]]) -> Iterator[str]:
    by_proof = step.resolved in (Resolution.ON_CARD, Resolution.STUDENT) and step.stage is Stage.SETTLED
    if step.claimed and not by_proof and not legs["claim"]:
        yield "the card step says that its merchant was paid after all, and nothing is posted for that"
    if step.lost and row["standing"] != "lost":
        yield "the card step says that its terminal was lost, and its chain does not"
    if step.use is Use.DISPUTED and not row["of_second"]:
        yield "the card step says that it is disputed, and it is of no second history"


def _unposted(step: StepRow, legs: Mapping[str, tuple[Leg, ...]]) -> Iterator[str]:
    """What a decision must have moved, and nothing is posted for that."""
    body = step.body
    if step.resolved is None:
        return
    first = legs["resolve"]
    if not first and isinstance(body, LoadStep | CloseStep):
        first = legs["overtaken"]  # decided by time it moves nothing: only what was proven afterwards does
    if not first and expected_of("resolve", step):
        yield f"the card step says that it was resolved as {step.resolved}, and nothing is posted for that"
    if step.lost and step.stage is Stage.PREPARED and not legs["lost"] and expected_of("lost", step):
        yield "the card step says that its terminal was lost, and its money is not set aside for that"
    favoured = isinstance(body, SaleStep) and step.resolved is Resolution.NOT_ON_CARD
    if isinstance(body, RefundStep | TopUpStep) and step.resolved is Resolution.ON_CARD:
        favoured = not any(leg.kind in _PURSES for leg in legs["resolve"])
    if favoured and legs["resolve"] and not legs["overtaken"]:
        yield f"it was decided for the card's holder and then as {step.resolved}, and nothing is posted for that"


def _given_back(step: StepRow, refunded: int) -> Iterator[str]:
    said = step.given_back_cents
    if not isinstance(step.body, SaleStep) or step.stage is not Stage.SETTLED:
        return
    if not step.returned and said != refunded:
        yield f"the card step says that {said} cents were given back; its refunds come to {refunded}"
    if step.returned and said < max(refunded, step.body.amount):
        yield f"the card step says that {said} cents were given back, less than its refunds"
    if step.returned and said > refunded + step.body.amount:
        yield f"the card step says that {said} cents were given back, more than its price and its refunds"


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
