"""The cards of one number as the card office has them before it."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import RowMapping

from protocol.ids import CardNo
from server.cards.rules import Plastic
from server.ingest.book import CardRow
from server.ingest.saving import Work


@dataclass(frozen=True, slots=True)
class Holding:
    """An issue number: its plastics, newest last, and what its holder is still to get."""

    no: CardNo
    rows: Sequence[RowMapping]
    pending_cents: int
    pending_subsidy_cents: int


@dataclass(frozen=True, slots=True)
class Office:
    """The cards of one number in the middle of a transaction."""

    work: Work
    plastics: list[Plastic]

    @property
    def newest(self) -> CardRow:
        """The plastic that its holder has now."""
        return self.plastics[-1].row

    @property
    def unexplained_cents(self) -> int:
        """What its cards had collected before a restore, and no document tells of."""
        return sum(plastic.row.adopted_cents - plastic.row.explained_cents for plastic in self.plastics)
