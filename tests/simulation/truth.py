"""What really happened, kept by the world itself: no word of this comes out of the shipping code's own books."""

from collections import Counter
from dataclasses import dataclass, field

from protocol.entries import CardStep, Kind
from protocol.ids import CardKey, Seq, Tno
from protocol.journal import Sealed
from server.ingest.book import StepId
from server.ledger.accounts import Account
from tests.simulation.plastic import Made


@dataclass(frozen=True, slots=True)
class Goods:
    """Something that crossed a counter, or cash that a station kept, when the till said OK."""

    till: str
    tno: Tno
    prepared: Seq
    kind: str
    card: CardKey | None
    cents: int
    at_ms: int
    wish: int
    """The number of the customer's wish; two payments of one wish are one too many."""
    was_durable: bool
    """Whether its outcome was on disk when OK was said."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What one customer came for: with which card, for how much. A card is charged for its own wish only, once."""

    number: int
    card: CardKey | None = None
    cents: int = 0


@dataclass(frozen=True, slots=True)
class Intent:
    """A prepared entry and the wish that the counter was busy with when it was written."""

    sealed: Sealed
    till: str
    wish: int


@dataclass
class Truth:
    """Rows that ever were durable on any medium, goods, cash."""

    rows: list[Sealed] = field(default_factory=list)
    intents: dict[tuple[Tno, Seq], list[Intent]] = field(default_factory=dict)
    """By mark. A re-imaged till can use a mark twice; for the same card and counter only if that was rolled back."""
    torn: set[tuple[Tno, Seq]] = field(default_factory=set)
    """Steps that their own till has given up."""
    outcomes: dict[tuple[Tno, Seq], list[Sealed]] = field(default_factory=dict)
    """The outcome entries of prepared ones, by the mark of these."""
    begun: set[int] = field(default_factory=set)
    """Wishes for which something was prepared."""
    wishes: dict[int, Wish] = field(default_factory=dict)
    goods: list[Goods] = field(default_factory=list)
    cash_in: dict[str, int] = field(default_factory=dict)
    """Cash that was put into each drawer."""
    in_drawer: Counter[str] = field(default_factory=Counter)
    """What lies in each till's drawer in a shift, whatever the till remembers of it."""

    counted: dict[Account, int] = field(default_factory=dict)
    """What people counted in the drawers of tills that cannot count them any more."""
    favoured: set[StepId] = field(default_factory=set)
    """Steps that time decided in the holder's favour, in any life of the server: one that is played back forgets it."""

    def take_cash(self, drawer: str, cents: int) -> None:
        """Somebody put cash into a drawer."""
        self.cash_in[drawer] = self.cash_in.get(drawer, 0) + cents

    def row(self, sealed: Sealed, till: str, wish: int) -> None:
        """A row is durable."""
        entry, body = sealed.entry, sealed.entry.body
        self.rows.append(sealed)
        if not isinstance(body, CardStep):
            return
        if body.prepared:
            self.outcomes.setdefault((entry.tno, body.prepared), []).append(sealed)
            if entry.kind.endswith("_torn"):
                self.torn.add((entry.tno, body.prepared))
        elif entry.kind is Kind.PIN_TRIED or entry.kind.endswith("_prepared"):
            self.intents.setdefault((entry.tno, sealed.seq), []).append(Intent(sealed, till, wish))
            self.begun.add(wish)

    def outcomes_of(self, intent: Intent) -> list[Sealed]:
        """What its own till said came of a prepared entry."""
        found = self.outcomes.get((intent.sealed.entry.tno, intent.sealed.seq), [])
        return [outcome for outcome in found if _same_step(intent.sealed.entry.body, outcome.entry.body)]

    def by_mark(self, made: Made) -> list[Intent]:
        """The prepared entries with the mark of a step that a card made."""
        return self.intents.get((Tno(made.tno), Seq(made.seq)), [])

    def intent_of(self, made: Made, card: CardKey) -> Intent | None:
        """The prepared entry behind a step that a card made; the newest, where a roll-back lets a mark come twice."""
        for intent in reversed(self.by_mark(made)):
            body = intent.sealed.entry.body
            if isinstance(body, CardStep) and (body.card.key, body.counter_after) == (card, made.counter):
                return intent
        return None

    def wish_of(self, tno: Tno, seq: Seq, body: object) -> int:
        """The wish that a prepared entry was written for; 0 where there is none."""
        found = [intent for intent in self.intents.get((tno, seq), ()) if _same_step(intent.sealed.entry.body, body)]
        return found[-1].wish if found else 0


def _same_step(prepared: object, body: object) -> bool:
    if not isinstance(prepared, CardStep) or not isinstance(body, CardStep):
        return False
    return (prepared.card.key, prepared.counter_after) == (body.card.key, body.counter_after)
