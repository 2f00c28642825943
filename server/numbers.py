"""Numbers that the installation gives out once: card issue numbers, chain numbers, list versions, the server epoch.

They are rows of `setting`. A restored server raises its epoch and moves every sequence far past what it forgot.
"""

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from server.due import Due, leave
from server.tables import card, setting

SERVER_EPOCH = "server_epoch"
CARD_NUMBER = "number:card"
TNO = "number:tno"
LIST_NUMBER = "number:list"
CLOSED_THROUGH = "days:closed_through"
DONE_THROUGH = "nightly:through"
"""The newest business day whose night's work is done."""
RESTORE_LEAP = 10_000
"""More numbers than a server gives out between two backups."""
RESTORE_LOAD_LEAP = 64
"""The same for the loads of one card."""


async def server_epoch(connection: AsyncConnection) -> int:
    """Which life of the server this is: 1, and one more after every restore."""
    return int(await read_setting(connection, SERVER_EPOCH) or 1)


async def next_number(connection: AsyncConnection, name: str) -> int:
    """The next number of a sequence: 1, 2, 3 … The row stays locked until the transaction ends."""
    value = await connection.scalar(select(setting.c.value).where(setting.c.name == name).with_for_update())
    number = int(value or 0) + 1
    await write_setting(connection, name, str(number))
    return number


async def hold(connection: AsyncConnection, name: str) -> None:
    """Keep others from taking a number of this sequence until the transaction ends."""
    await connection.execute(select(setting.c.value).where(setting.c.name == name).with_for_update())


async def leap(connection: AsyncConnection, above_epoch: int) -> int:
    """The server was restored: a new epoch above this one, and every sequence far ahead. Returns the epoch.

    Many terminals find it out at once: whoever leaps second leaps from where the first one has landed.
    """
    await hold(connection, SERVER_EPOCH)
    epoch = max(above_epoch, await server_epoch(connection)) + 1
    await write_setting(connection, SERVER_EPOCH, str(epoch))
    for name in (CARD_NUMBER, TNO, LIST_NUMBER):
        await hold(connection, name)
        known = int(await read_setting(connection, name) or 0)
        await write_setting(connection, name, str(known + RESTORE_LEAP))
    await connection.execute(update(card).values(load_seq=card.c.load_seq + RESTORE_LOAD_LEAP))
    await leave(connection, Due.LISTS)
    return epoch


async def closed_through(connection: AsyncConnection, *, to_close: bool = False) -> int:
    """The newest business day that is closed; every earlier one is closed with it.

    It stays so until the transaction ends: who posts shares the row, who closes a day has it alone.
    """
    query = select(setting.c.value).where(setting.c.name == CLOSED_THROUGH).with_for_update(read=not to_close)
    return int(await connection.scalar(query) or 0)


async def read_setting(connection: AsyncConnection, name: str) -> str | None:
    """One row; None where it was never written."""
    value: str | None = await connection.scalar(select(setting.c.value).where(setting.c.name == name))
    return value


async def write_setting(connection: AsyncConnection, name: str, value: str) -> None:
    """Write one row."""
    changed = await connection.execute(update(setting).where(setting.c.name == name).values(value=value))
    if not changed.rowcount:
        await connection.execute(insert(setting).values(name=name, value=value))
