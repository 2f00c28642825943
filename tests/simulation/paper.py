"""What the desk has on paper: documents that outlive any database, to be entered again after a restore."""

from dataclasses import dataclass

from protocol.ids import CardKey
from tests.simulation.plastic import Plastic


@dataclass(frozen=True, slots=True)
class Document:
    """A signed slip: a card issued, cash taken for a load, a subsidy, a card reported lost, a card replaced."""

    number: int
    what: str
    card: CardKey
    cents: int = 0
    new: Plastic | None = None
    """The card that was issued, or that replaces it."""
    at_ms: int = 0
    period: int = 0
    """Of a subsidy."""
