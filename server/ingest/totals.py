"""What a card was granted, what it has collected, and what a restored server adopts because the card shows it."""

from protocol.entries import LoadStep
from protocol.ids import U16_MAX, LoadSeq
from protocol.load_record import decode_load
from protocol.money import SALE_CENTS_MAX, Cents
from protocol.signing import from_base64url
from server.ingest.book import Book, CardRow, CaseClass, StepRow


def note_load(card: CardRow, body: LoadStep, book: Book | None = None, step: StepRow | None = None) -> None:
    if body.loaded_after > card.loaded_total_cents:
        forgotten = Cents(body.loaded_after - card.loaded_total_cents)
        card.loaded_total_cents = body.loaded_after
        if book is not None and step is not None:
            text = "the card had collected a load that the server had forgotten"
            book.open_case(CaseClass.LOAD_UNMATCHED, step.card, step.id, forgotten, text)
    card.load_seq = max(card.load_seq, body.load_seq)
    card.collected_cents = max(card.collected_cents, body.loaded_after)


def note_arrival(card: CardRow, step: StepRow, times: int = 1) -> None:
    """The posting of a load has brought what was owed to the card; or, of a forgotten one, has taken it back."""
    if isinstance(step.body, LoadStep):
        card.arrived_cents = Cents(card.arrived_cents + times * (step.body.main_after - step.body.main))


def adopt(book: Book, step: StepRow, body: LoadStep) -> None:
    card = book.cards[step.card]
    if body.prepared:
        return
    card.collected_cents = max(card.collected_cents, body.loaded)
    card.counter = max(card.counter, body.counter)
    if body.loaded <= card.loaded_total_cents:
        return
    forgotten = Cents(body.loaded - card.loaded_total_cents)
    card.loaded_total_cents = body.loaded
    shown = decode_load(from_base64url(body.record))
    card.load_seq = LoadSeq(max(card.load_seq, body.load_seq, shown.record.load_seq if shown else 0))
    book.open_case(CaseClass.LOAD_UNMATCHED, step.card, step.id, forgotten, "the card is past the server's total")


def grant(card: CardRow, cents: Cents) -> None:
    """Value that the next load record of this card will bring; the total never falls.

    More than a record can say stays owed: the card office pays it out, or the next card gets it.
    """
    if card.loaded_total_cents + cents > SALE_CENTS_MAX or card.load_seq >= U16_MAX:
        return
    card.load_seq = LoadSeq(card.load_seq + 1)
    card.loaded_total_cents = Cents(card.loaded_total_cents + cents)
