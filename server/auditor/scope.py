"""What is audited: everything, or a part."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement


@dataclass(frozen=True, slots=True)
class Scope:
    """Everything, or one terminal, or some business days, both ends among them."""

    terminal: str = ""
    first_day: int | None = None
    last_day: int | None = None

    @property
    def is_all(self) -> bool:
        """Whether nothing is left out."""
        return not self.terminal and self.is_all_days

    @property
    def is_all_days(self) -> bool:
        """Whether no day is left out."""
        return self.first_day is None and self.last_day is None

    def days(self, column: ColumnElement[int]) -> list[ColumnElement[bool]]:
        """As conditions on a day."""
        found = [] if self.first_day is None else [column >= self.first_day]
        return found if self.last_day is None else [*found, column <= self.last_day]
