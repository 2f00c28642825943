"""Numbers that the installation gives out once: card issue numbers, chain numbers, list versions, the server epoch.

They are rows of `setting`. A restored server raises its epoch and moves every sequence far past what it forgot.
"""

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from server.tables import card, setting

SERVER_EPOCH = "server_epoch"
CARD_NUMBER = "number:card"
TNO = "number:tno"
LIST_NUMBER = "number:list"
RESTORE_LEAP = 10_000
"""More numbers than a server gives out between two backups."""
RESTORE_LOAD_LEAP = 64
"""The same for the loads of one card."""


async def server_epoch(connection: AsyncConnection) -> int:
    """Which life of the server this is: 1, and one more after every restore."""
    value = await connection.scalar(select(setting.c.value).where(setting.c.name == SERVER_EPOCH))
    return int(value) if value is not None else 1


async def next_number(connection: AsyncConnection, name: str) -> int:
    """The next number of a sequence: 1, 2, 3 … The row stays locked until the transaction ends."""
    value = await connection.scalar(select(setting.c.value).where(setting.c.name == name).with_for_update())
    number = int(value) + 1 if value is not None else 1
    await write_setting(connection, name, str(number), is_new=value is None)
    return number


async def leap(connection: AsyncConnection, above_epoch: int) -> int:
    """The server was restored: a new epoch above this one, and every sequence far ahead. Returns the epoch."""
    rows = (await connection.execute(select(setting).where(setting.c.name.startswith("number:")))).all()
    known = {row.name: int(row.value) for row in rows}
    for name in (CARD_NUMBER, TNO, LIST_NUMBER):
        await write_setting(connection, name, str(known.get(name, 0) + RESTORE_LEAP), is_new=name not in known)
    await connection.execute(update(card).values(load_seq=card.c.load_seq + RESTORE_LOAD_LEAP))
    value = await connection.scalar(select(setting.c.value).where(setting.c.name == SERVER_EPOCH).with_for_update())
    epoch = above_epoch + 1
    await write_setting(connection, SERVER_EPOCH, str(epoch), is_new=value is None)
    return epoch


async def write_setting(connection: AsyncConnection, name: str, value: str, *, is_new: bool) -> None:
    """Write one row."""
    if is_new:
        await connection.execute(insert(setting).values(name=name, value=value))
    else:
        await connection.execute(update(setting).where(setting.c.name == name).values(value=value))
