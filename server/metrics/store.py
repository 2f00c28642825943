"""How things are: one row, or a few, of each figure."""

from collections import Counter
from collections.abc import Mapping

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.ids import Seq, Tno
from server.states.tables import terminal_state
from server.tables import branch, case_file, chain, parked, terminal


async def parked_entries(connection: AsyncConnection) -> int:
    """Entries that wait to be posted."""
    return int(await connection.scalar(select(func.count()).select_from(parked)) or 0)


async def open_cases(connection: AsyncConnection) -> dict[str, int]:
    """By class."""
    query = select(case_file.c.cls, func.count().label("number")).where(case_file.c.closed_at == 0)
    return {row.cls: row.number for row in await connection.execute(query.group_by(case_file.c.cls))}


async def terminals(connection: AsyncConnection) -> tuple[int, int]:
    """Registered ones, and how many of them are there."""
    known = await connection.scalar(select(func.count()).select_from(terminal))
    online = await connection.scalar(select(func.count()).where(terminal_state.c.online == 1))
    return int(known or 0), int(online or 0)


async def backlog(connection: AsyncConnection, told: Mapping[Tno, Seq]) -> dict[str, int]:
    """By site, how many entries terminals have said that they have and that are not here; every site is named."""
    query = select(chain.c.site, chain.c.tno, branch.c.tip_seq).where(chain.c.tno == branch.c.tno, branch.c.branch == 0)
    missing: Counter[str] = Counter()
    for row in await connection.execute(query):
        missing[row.site] += max(0, told.get(row.tno, 0) - row.tip_seq)
    return dict(missing)


async def heard_at(connection: AsyncConnection) -> int:
    """When anything was taken in last, UTC ms."""
    return int(await connection.scalar(select(func.max(chain.c.received_at))) or 0)
