"""Looks whether work was left for somebody who asks every second or so."""

from server.db import Database
from server.due import Due, cards_due, take


async def took(database: Database, what: Due) -> bool:
    """Whether anything is to be done since this was last asked; who asks must then do it. Cheap where there is none."""
    async with database.reading() as connection:
        if not await cards_due(connection, what):
            return False
    return await database.transact(lambda connection: take(connection, what))
