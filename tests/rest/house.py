"""A server with something in it to ask about."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.server.office import Desk, open_desk
from tests.server.test_cards import enrol
from tests.server.world import Till


@asynccontextmanager
async def open_furnished(directory: Path) -> AsyncGenerator[Desk]:
    """A terminal, a person and cards."""
    async with open_desk(directory) as desk:
        await enrol(desk, Till(1))
        await desk.put("/people/s-1", {"name": "Wang", "card_class": 1})
        await desk.post("/cards", {"count": 3}, expect=201)
        yield desk
