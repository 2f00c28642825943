"""Who looks at a person, or at a person's cards and money, is noted before the page shows them."""

from server.trail.service import Trail
from server.web.page import Page

AT_PERSON, AT_CARD = "look_at_person", "look_at_card"


async def looked_at_person(page: Page, person: str) -> None:
    """Somebody opens a person's page."""
    trail: Trail = page.house.trail
    await trail.looked(page.operator, AT_PERSON, f"people/{person}")


async def looked_at_card(page: Page, no: int, person: str | None) -> None:
    """Somebody sees what was done with a card; one that is nobody's tells of nobody."""
    if person is None:
        return
    trail: Trail = page.house.trail
    await trail.looked(page.operator, AT_CARD, f"people/{person}/cards/{no}")
