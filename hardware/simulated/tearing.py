"""Taking a virtual card out of the field at an exact moment of an exact exchange, the same way every time.

An exchange is a command that reaches the card and its answer; commands that only the reader handles (its UID
answer, loading a key into it) are not counted. Nothing here draws a random number: whoever arms a tear chooses it.
"""

import enum
from collections.abc import Callable
from dataclasses import dataclass

WeakBits = Callable[[], int]
"""Returns what the weak bits of one byte read as this time, 0 to 255."""


class CardTorn(Exception):
    """The card has left the field; it answers nothing until it is put back."""


class Moment(enum.Enum):
    """When during an exchange the card leaves."""

    BEFORE = "before"
    """The command never reached the card."""
    DURING = "during"
    """In the middle of writing sixteen bytes (MIFARE Classic; for every other command the same as AFTER)."""
    AFTER = "after"
    """The card carried the command out, its answer is lost."""


class Rest(enum.Enum):
    """What the part of a block that a torn write did not reach any more is left as."""

    OLD = "old"
    ZEROS = "zeros"
    ONES = "ones"


@dataclass(frozen=True, slots=True)
class Tear:
    """One planned tear: at which exchange since it was armed (1 is the next one), and how."""

    exchange: int
    moment: Moment
    bytes_written: int = 0
    """DURING: so many bytes (0 to 15) are new, the byte after them has weak bits."""
    weak_mask: int = 0xFF
    """DURING: which bits of that byte are weak."""
    rest: Rest = Rest.OLD
    """DURING: what the bytes after it are. EEPROM is erased before it is written, so they need not be the old ones."""

    def __post_init__(self) -> None:
        if self.exchange < 1 or not 0 <= self.bytes_written <= 15 or not 0 <= self.weak_mask <= 0xFF:
            raise ValueError("a tear is at exchange 1 or later, after 0 to 15 bytes, with a mask of one byte")


class Field:
    """Whether a virtual card is in the field, how many exchanges it has seen, and the tear that awaits it."""

    __slots__ = ("_armed_at", "_tear", "exchange_count", "present")

    def __init__(self) -> None:
        self.present = True
        self.exchange_count = 0
        self._tear: Tear | None = None
        self._armed_at = 0

    def arm(self, tear: Tear | None) -> None:
        """Plan a tear, counted from now; None calls it off."""
        self._tear, self._armed_at = tear, self.exchange_count

    def put_back(self) -> None:
        """The card is in the field again."""
        self.present = True

    def take_away(self) -> None:
        """The card is gone."""
        self.present = False

    def require_present(self) -> None:
        """Raise CardTorn while the card is not in the field."""
        if not self.present:
            raise CardTorn("the card is not in the field")

    def next_exchange(self) -> Tear | None:
        """Count an exchange; return the tear that is due in it. Raises CardTorn for one due before it."""
        self.require_present()
        self.exchange_count += 1
        tear = self._tear
        if tear is None or self.exchange_count - self._armed_at != tear.exchange:
            return None
        self._tear = None
        self.present = False
        if tear.moment is Moment.BEFORE:
            raise CardTorn("the card left before the command")
        return tear
