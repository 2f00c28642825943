"""Blank after blank becomes the next card of a list.

Nothing is remembered but what the journal says: which card of the list was made, and which was begun on which plastic.
So a batch that was cut short, at whatever moment, goes on when the same list is given again: a plastic that was begun
is finished as what it was begun as, every other blank gets the first number that is neither made nor begun, and no
number lies on two.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from protocol.ids import CardKey, CardNo
from protocol.purse import CardId
from terminal.replace import IssueOrder, Unmade, WhyNot


@dataclass(frozen=True, slots=True)
class Row:
    """A card of the list, and who gets it as far as the list says so."""

    order: IssueOrder
    name: str = ""

    @property
    def key(self) -> CardKey:
        """Number and generation."""
        return self.order.card, self.order.generation


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a list has come."""

    made: int
    total: int
    begun: tuple[tuple[CardNo, str], ...]
    """Cards that lie half made on a plastic, and its UID."""
    next: Row | None
    """What the next blank becomes; None when none is left."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A list at work, and what became of the card that came last."""

    rows: tuple[Row, ...]
    progress: Progress
    last: Row | None = None
    skipped: WhyNot | None = None
    """Why the card that came last was not made; None where it was."""


def progress_of(rows: tuple[Row, ...], was_made: Callable[[CardKey], bool], begun: Mapping[str, CardId]) -> Progress:
    """Where the list stands, by the journal."""
    plastics = {card.key: uid for uid, card in begun.items()}
    left = [row for row in rows if not was_made(row.key)]
    half = tuple((row.order.card, plastics[row.key]) for row in left if row.key in plastics)
    return Progress(
        len(rows) - len(left), len(rows), half, next((row for row in left if row.key not in plastics), None)
    )


def row_for(uid: str, batch: Batch, begun: Mapping[str, CardId]) -> Row | WhyNot:
    """What the plastic with this UID becomes: what it was begun as, or the next of the list."""
    card = begun.get(uid)
    if card is not None:
        same = (row for row in batch.rows if row.key == card.key)
        return next(same, WhyNot(Unmade.BEGUN_HERE, str(card.no)))
    return batch.progress.next or WhyNot(Unmade.NO_ROW)
