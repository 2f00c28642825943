"""What the menu leads to, and for whom."""

from dataclasses import dataclass
from typing import Final

from server.auth.rules import Operator, Permission
from server.web.door import HOME, PAGES


@dataclass(frozen=True, slots=True)
class Place:
    """A line of the menu."""

    key: str
    """Its name is the sentence `place.KEY`."""
    path: str
    icon: str
    """By its name in the Tabler set (`server/web/source/icons.txt`)."""
    permission: Permission = Permission.LOOK
    also: tuple[str, ...] = ()
    """Pages elsewhere that belong to it."""

    def is_for(self, operator: Operator) -> bool:
        """Whether somebody has business there."""
        return operator.may(self.permission)

    def holds(self, path: str) -> bool:
        """Whether a page belongs to it."""
        return any(path == mine or path.startswith(f"{mine}/") for mine in (self.path, *self.also))


PLACES: Final[tuple[Place, ...]] = (
    Place("overview", HOME, "layout-dashboard"),
    Place("terminals", f"{PAGES}/terminals", "device-desktop", also=(f"{PAGES}/enrolments",)),
    Place("prices", f"{PAGES}/prices", "tags"),
    Place("days", f"{PAGES}/days", "scale", also=(f"{PAGES}/cases", f"{PAGES}/postings")),
    Place("shifts", f"{PAGES}/shifts", "cash-register"),
    Place("cards", f"{PAGES}/cards", "id-badge-2", also=(f"{PAGES}/people", f"{PAGES}/entries")),
    Place("proposals", f"{PAGES}/proposals", "users"),
    Place("trail", f"{PAGES}/trail", "list-search", Permission.AUDIT),
)
