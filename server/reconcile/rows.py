"""The facts of a `Book` in memory: what the store reads by SQL, the simulation takes from here."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from protocol.entries import CardStep, Kind, LoadStep, Operation, ShiftClosed, Stage, stage_of
from protocol.ids import CardKey, TerminalId, Tno
from protocol.instants import BusinessDay, CampusTime, UtcMs
from protocol.journal import NotAnEntry, read_entry
from server.ingest.book import Book, CardRow, ChainRow, EntryRow, HoleStatus, StepId, StepRow
from server.ledger.accounts import Account, AccountKind, owner_of, shift_of
from server.reconcile.facts import (
    Campus,
    CardFacts,
    CaseFact,
    Count,
    HoleFact,
    Move,
    Parked,
    Refusals,
    RefusedFact,
    ShiftFact,
    StepFact,
    TerminalFact,
    reason_of,
)
from server.reconcile.refusals import BESIDE_A_STEP, Telling

LOADING = (Operation.LOAD, Operation.TOPUP)
CAUSES_NAMED_MAX = 16
"""A drawer names at most so many of the causes of its difference."""
MISSING = (HoleStatus.OFFERED, HoleStatus.BOOKED)


def rows_of(book: Book, loaders: Collection[TerminalId] = ()) -> tuple[list[CardFacts], Campus]:
    """All cards and everything around them. `loaders` are load-capable; who ever loaded a card is one anyway."""
    steps: dict[CardKey, list[StepFact]] = {}
    for step in book.steps.values():
        steps.setdefault(step.card, []).append(step_fact(step, book.campus))
    moves, parked, shifts = _moves(book), _parked(book), _shifts(book)
    cases: dict[CardKey | None, list[CaseFact]] = {}
    for case in book.cases:
        known = book.entries.get(case.step)
        fact = CaseFact(case.cls, case.step, case.cents, case.text, case.card, known.day if known else BusinessDay(0))
        cases.setdefault(case.card, []).append(fact)
    cards = [
        card_fact(
            card, steps.get(key, []), moves.get(key, []), parked.get(key, []), cases.get(key, []), _ledger(book, key)
        )
        for key, card in sorted(book.cards.items())
    ]
    can_load = {step.tid for step in book.steps.values() if step.operation in LOADING} | set(loaders)
    ended = {(row.tno, row.seq) for row in book.entries.values() if row.kind == "epoch_ended" and not row.branch}
    terminals = tuple(terminal_fact(chain, can_load, ended) for _, chain in sorted(book.chains.items()))
    return cards, Campus(terminals, tuple(shifts), _holes(book), tuple(cases.get(None, ())), _refusals(book))


def _refusals(book: Book) -> Refusals:
    telling = Telling()
    for _, row in sorted(item for item in book.entries.items() if item[1].kind == Kind.SALE_REFUSED):
        telling.add(row, book.chains[row.tno].tid)
    told = telling.told()
    return replace(told, lines=tuple(_known(book, line) for line in told.lines))


def _known(book: Book, line: RefusedFact) -> RefusedFact:
    ledger = _ledger(book, line.card) if line.card in book.cards else None
    known = replace(line, tried=replace(line.tried, ledger_cents=ledger))
    if line.tried.reason not in BESIDE_A_STEP:
        return known
    before = {
        fact.id
        for fact in (step_fact(step, book.campus) for step in book.steps.values() if step.day == line.day)
        for tno, branch, seq in line.entries
        if fact.undecided and fact.id[:2] == (tno, branch) and fact.id[2] < seq
    }
    return replace(known, left_open=min(before, key=lambda step: (-step[2], step)) if before else None)


def _holes(book: Book) -> tuple[HoleFact, ...]:
    found = (hole for _, hole in sorted(book.holes.items()) if hole.status in MISSING)
    return tuple(HoleFact(hole.tno, book.chains[hole.tno].tid, hole.first, hole.last) for hole in found)


def step_fact(step: StepRow, campus: CampusTime) -> StepFact:
    """One step; where its terminal's clock was in doubt its instant is the end of its business day."""
    body = step.body
    at = instant_of(step.at, step.day, campus)
    return StepFact(
        step.id,
        step.card,
        step.operation,
        step.stage,
        step.tid,
        at,
        step.day,
        body.amount,
        body.counter,
        body.counter_after,
        body.main,
        body.main_after,
        body.subsidy,
        body.subsidy_after,
        step.last,
        step.use,
        step.resolved,
        step.claimed,
        body.loaded_after if isinstance(body, LoadStep) else 0,
    )


def instant_of(at: UtcMs, day: BusinessDay, campus: CampusTime) -> UtcMs:
    """When something happened at the latest: where the clock was in doubt, the end of its business day."""
    return at if campus.business_day(at) == day else campus.day_starts_at(BusinessDay(day + 1))


def card_fact(
    card: CardRow,
    steps: list[StepFact],
    moves: list[Move],
    parked: list[Parked],
    cases: list[CaseFact],
    ledger_cents: int,
) -> CardFacts:
    """One card with its rows in a fixed order, whatever order they became known in."""
    return CardFacts(
        card.key,
        ledger_cents,
        card.status,
        card.technology,
        card.loaded_total_cents + card.subsidy_total_cents,
        tuple(sorted(steps, key=lambda step: step.id)),
        tuple(sorted(moves, key=lambda move: move.cause)),
        tuple(sorted(parked, key=lambda entry: entry.id)),
        tuple(sorted(cases, key=lambda case: (case.step, case.cls, case.cents))),
        card.card_class,
    )


def terminal_fact(
    chain: ChainRow, can_load: Collection[TerminalId], ended: Collection[tuple[int, int]]
) -> TerminalFact:
    """One chain as far as it has reported."""
    tip = chain.branches[0].tip.seq
    is_ended = (chain.tno, tip) in ended
    loads = chain.tid in can_load
    return TerminalFact(chain.tno, chain.tid, chain.reported_at, tip, chain.status, loads, is_ended)


def parked_fact(row: EntryRow, tid: TerminalId) -> tuple[CardKey, Stage | None, Parked] | None:
    """What an entry that could not be posted says of a card; None where it cannot be read or is about none."""
    try:
        entry = read_entry(row.jws).entry
    except NotAnEntry:
        return None
    body, staged = entry.body, stage_of(entry.kind)
    if not isinstance(body, CardStep) or not (body.touches_card or body.card.is_token):
        return None
    moved = body.main_after - body.main + body.subsidy_after - body.subsidy
    step: StepId = (row.tno, row.branch, body.prepared or row.seq)
    return (
        body.card.key,
        staged[1] if staged else None,
        Parked(step, tid, row.parked, body.counter_after, moved, row.day),
    )


def latest_of(found: list[tuple[CardKey, Stage | None, Parked]]) -> dict[CardKey, list[Parked]]:
    """Of the entries of one step the last word; a voided step was not made."""
    words: dict[tuple[CardKey, StepId], tuple[Stage | None, Parked]] = {}
    for card, stage, entry in found:
        words[(card, entry.id)] = (stage, entry)
    parked: dict[CardKey, list[Parked]] = {}
    for (card, _), (stage, entry) in words.items():
        if stage is not Stage.VOIDED:
            parked.setdefault(card, []).append(entry)
    return parked


def _parked(book: Book) -> dict[CardKey, list[Parked]]:
    rows = [row for _, row in sorted(book.entries.items()) if row.parked]
    read = (parked_fact(row, book.chains[row.tno].tid) for row in rows)
    return latest_of([found for found in read if found is not None])


def _moves(book: Book) -> dict[CardKey, list[Move]]:
    counters = {cause: counter for (_, counter), cause in book.provisional.items()}
    moves: dict[CardKey, list[Move]] = {}
    for posted in book.posted.values():
        reason = reason_of(posted.cause)
        if reason is None:
            continue
        cents: dict[CardKey, int] = {}
        for posting in posted.postings:
            if posting.account.kind in (AccountKind.PURSE, AccountKind.SUBSIDY):
                key = card_of(posting.account.owner)
                cents[key] = cents.get(key, 0) + posting.cents
        for key, moved in cents.items():
            move = Move(posted.cause, reason, moved, counters.get(posted.cause, 0), posted.day)
            moves.setdefault(key, []).append(move)
    return moves


def _ledger(book: Book, key: CardKey) -> int:
    return book.cards[key].main_cents + book.cards[key].subsidy_cents


def _shifts(book: Book) -> list[ShiftFact]:
    legs: dict[str, list[tuple[str, int, int]]] = {}
    emptied: dict[str, str] = {}
    for posted in book.posted.values():
        for leg in posted.postings:
            if leg.account.kind is AccountKind.DRAWER:
                emptied[leg.account.owner] = posted.cause
            if leg.account.kind is AccountKind.OPERATOR_LOSS and leg.account.owner:
                legs.setdefault(leg.account.owner, []).append((posted.cause, posted.day, leg.cents))
    facts: list[ShiftFact] = []
    for owner, found in sorted(legs.items()):
        place = place_of_cause(emptied.get(owner, found[0][0]))
        entry = book.entries.get(place) if place else None
        facts.append(shift_fact(owner, found, count_of(entry) if entry else None))
    return facts


def place_of_cause(cause: str) -> StepId | None:
    """The entry that was posted under a cause; None for what no entry says."""
    word, _, place = cause.partition(":")
    if word != "entry":
        return None
    tno, branch, seq = map(int, place.split("."))
    return Tno(tno), branch, seq


def count_of(row: EntryRow) -> Count | None:
    """What an entry says that was counted in a drawer; None for any other entry."""
    entry = read_entry(row.jws).entry
    if not isinstance(entry.body, ShiftClosed):
        return None
    return Count((row.tno, row.branch, row.seq), entry.staff, entry.body.counted)


def shift_fact(owner: str, legs: Sequence[tuple[str, int, int]], count: Count | None) -> ShiftFact:
    """What one drawer had too much or too little; `legs`: cause, day and cents of what was posted for that.

    `count`: the entry that emptied it.
    """
    tid, _, shift = shift_of(owner)
    causes = tuple(cause for cause, _, _ in legs[:CAUSES_NAMED_MAX])
    day, cents = BusinessDay(max(day for _, day, _ in legs)), sum(cents for *_, cents in legs)
    return ShiftFact(tid, shift, day, cents, causes, Account(AccountKind.DRAWER, owner), count)


def card_of(owner: str) -> CardKey:
    """The card that owns a purse account."""
    number, _, generation = owner.partition("/")
    key: CardKey = (int(number), int(generation))  # type: ignore[assignment]
    assert owner_of(key) == owner
    return key
