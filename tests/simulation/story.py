"""What happened, in lines that a person can read: who did what when, and which card was concerned."""

from dataclasses import dataclass

from protocol.ids import CardKey
from protocol.instants import DAY_MS

LAST_LINES, SHORT_LINES = 60, 150
_BY_ITSELF = ("lists_applied", "is online", "is offline", "shift_opened", "shift_closed")


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened."""

    at_ms: int
    who: str
    what: str
    card: CardKey | None = None

    def __str__(self) -> str:
        days, rest = divmod(self.at_ms, DAY_MS)
        seconds, ms = divmod(rest, 1000)
        clock = f"day {days} {seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{ms:03d}"
        card = f" [card {self.card[0]}/{self.card[1]}]" if self.card else ""
        return f"{clock}  {self.who:<10} {self.what}{card}"


class Story:
    """The lines of one run, oldest first."""

    def __init__(self) -> None:
        self.lines: list[Line] = []

    def tell(self, at_ms: int, who: str, what: str, card: CardKey | None = None) -> None:
        """Note what happened; `at_ms` counts from the start of the run."""
        self.lines.append(Line(at_ms, who, what, card))

    def about(self, card: CardKey | None = None, last: int = LAST_LINES) -> str:
        """The last lines of the run and, before them, everything about one card."""
        chosen = [line for line in self.lines if card is not None and line.card == card]
        ending = self.lines[-last:] if last else []
        parts = [*map(str, chosen), *(["..."] if chosen and ending else []), *map(str, ending)]
        return "\n".join(parts)

    def short(self, last: int = SHORT_LINES) -> str:
        """The last lines without what goes on by itself: for a run from which everything else is left out."""
        kept = [str(line) for line in self.lines if not line.what.endswith(_BY_ITSELF)]
        return "\n".join([*(["..."] if len(kept) > last else []), *kept[-last:]])

    def __str__(self) -> str:
        return self.about(last=len(self.lines))
