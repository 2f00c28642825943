"""What a card was granted, what it has collected, and what a restored server adopts because the card shows it."""

from collections.abc import Iterable

from protocol.card_bodies import Erased
from protocol.entries import CardErased, CardStep, CloseStep, LoadStep, Stage
from protocol.ids import U16_MAX, LoadSeq
from protocol.instants import BusinessDay, UtcMs
from protocol.load_record import decode_load, load_is_genuine
from protocol.money import SALE_CENTS_MAX, Cents
from protocol.signing import Verifier, from_base64url
from server.ingest.book import Book, CardRow, CardStatus, CaseClass, StepRow
from server.ledger.accounts import ADOPTED, balanced, owner_of, pending


def load_fault(body: LoadStep, stage: Stage | None, key: Verifier | None) -> str:
    """Why nothing in this entry may be believed; empty where a record signed by this server says the same."""
    load = decode_load(from_base64url(body.record))
    if load is None or key is None or not load_is_genuine(load, key):
        return "its load record is not signed by this server"
    record = load.record
    if (record.card, record.generation) != body.card.key:
        return "its load record is another card's"
    if stage is Stage.VOIDED and not (body.prepared or body.touches_card):
        return ""  # a report: see `adopt_report`
    brought = (body.load_seq, body.loaded_after, body.main_after - body.main)
    said = (record.load_seq, record.loaded_total_cents, record.loaded_total_cents - body.loaded)
    granted = body.subsidy_after - body.subsidy + body.expired
    held = body.touches_card and brought == said and 0 <= granted <= record.subsidy_total_cents
    return "" if held else "its load record says otherwise"


def adopt_load(book: Book, step: StepRow, body: CardStep) -> Cents:
    """A load is on its card: what of its record this server had forgotten. Its other figures are known from now on."""
    return _adopt(book, step, body.load_seq, body.loaded_after) if isinstance(body, LoadStep) else Cents(0)


def adopt_report(book: Book, step: StepRow, body: LoadStep) -> Cents:
    """A card shows more than its list: adopt it where the card itself shows a record of ours, as Classic cards do.

    What only the terminal says raises nothing: the entry of the load, when it comes, carries the record.
    """
    load = decode_load(from_base64url(body.record))
    assert load is not None
    if (load.record.load_seq, load.record.loaded_total_cents) == (body.load_seq, body.loaded):
        return _adopt(book, step, body.load_seq, body.loaded)
    if body.loaded > book.cards[step.card].loaded_total_cents:
        beyond = Cents(body.loaded - book.cards[step.card].loaded_total_cents)
        text = "a terminal tells of a load that this server does not know; nothing is believed without its record"
        book.open_case(CaseClass.LOAD_UNMATCHED, step.card, step.id, beyond, text)
    return Cents(0)


def explain(book: Book, cards: Iterable[CardRow], cents: Cents, day: BusinessDay) -> Cents:
    """Set what was just found to be owed off against what its cards had collected unknown to us; how much it was."""
    rest = int(cents)
    for card in cards:
        part = min(rest, card.adopted_cents - card.explained_cents)
        if part > 0:
            rest -= part
            card.explained_cents = Cents(card.explained_cents + part)
            cause = f"explained:{owner_of(card.key)}@{card.explained_cents}"
            book.post(cause, day, balanced((pending(card.key[0]), -part), (ADOPTED, part)))
    return Cents(cents - rest)


def debt(pending_cents: int, cards: Iterable[CardRow]) -> Cents:
    """What cards have or may collect beyond what is owed, since a load was taken back: set off against what comes."""
    return Cents(max(0, uncollected(cards) - pending_cents))


def uncollected(cards: Iterable[CardRow]) -> int:
    """Granted to these plastics, and no entry of a load that is posted has brought it."""
    return sum(max(0, card.loaded_total_cents - card.arrived_cents) for card in cards)


def grant_less_debt(card: CardRow, cents: Cents, debt_cents: int) -> Cents:
    """Grant what was taken in, less the debt of the card's number; what of the debt is left."""
    rest = cents - debt_cents
    if rest > 0:
        grant(card, Cents(rest))
    return Cents(max(0, -rest))


def note_arrival(card: CardRow, step: StepRow, times: int = 1) -> None:
    """The posting of a load has brought what was owed to the card; or, of a forgotten one, has taken it back."""
    body = step.body
    if not isinstance(body, LoadStep):
        return
    card.arrived_cents = Cents(card.arrived_cents + times * (body.main_after - body.main))
    if not has_lapsed(card, body):
        granted = body.subsidy_after - body.subsidy + body.expired
        card.subsidy_arrived_cents = Cents(card.subsidy_arrived_cents + times * granted)


def has_lapsed(card: CardRow, body: CardStep) -> bool:
    """Whether what a load brings of a subsidy is of a period that is over, or what a card has that is handed in."""
    brought = body.load_seq if isinstance(body, LoadStep) else card.load_seq_floor
    return isinstance(body, LoadStep | CloseStep) and brought < card.period_load_seq


def grant(card: CardRow, cents: Cents) -> None:
    """Value that the next load record of this card will bring; the total never falls.

    More than a record can say stays owed: the card office pays it out, or the next card gets it.
    """
    if card.loaded_total_cents + cents > SALE_CENTS_MAX or card.load_seq >= U16_MAX:
        return
    card.load_seq = LoadSeq(card.load_seq + 1)
    card.loaded_total_cents = Cents(card.loaded_total_cents + cents)


def note_handed_in(card: CardRow, body: CardStep, at: UtcMs) -> None:
    """Everything was taken off a card at the counter: it is closed, and lies with us."""
    if isinstance(body, CloseStep) and card.status in (CardStatus.ACTIVE, CardStatus.BLOCKED):
        card.status, card.closed_at, card.closed_for = CardStatus.CLOSED, at, "handed_in"


def note_erased(card: CardRow, body: CardErased, at: UtcMs) -> None:
    """A plastic that became a blank can pay no more: it is closed like one that was handed in.

    Not on the word of a plastic below the card's floor: it may have been a copy, and its holder has the card. Nor does
    it undo a block, which somebody has to look at.
    """
    is_gone = body.outcome is Erased.DONE and body.counter >= card.counter
    if is_gone and card.status is CardStatus.ACTIVE:
        card.status, card.closed_at, card.closed_for = CardStatus.CLOSED, at, "handed_in"


def _adopt(book: Book, step: StepRow, load_seq: LoadSeq, total: Cents) -> Cents:
    """Every figure here is one of a record with our signature."""
    card = book.cards[step.card]
    forgotten = Cents(max(0, total - card.loaded_total_cents))
    card.load_seq = max(card.load_seq, load_seq)
    card.collected_cents = max(card.collected_cents, total)
    if forgotten:
        card.loaded_total_cents = total
        card.adopted_cents = Cents(card.adopted_cents + forgotten)
        text = "the card had collected a load that the server had forgotten"
        book.open_case(CaseClass.LOAD_UNMATCHED, step.card, step.id, forgotten, text)
    return forgotten
