"""The newest word of each terminal, and which versions of lists are in force."""

from collections.abc import Mapping, Sequence

from sqlalchemy import RowMapping, case, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from server.ingest.book import TerminalStatus
from server.states.tables import terminal_state
from server.tables import chain, list_file, terminal


async def known(connection: AsyncConnection, tid: str) -> RowMapping | None:
    """A registered terminal with what it said; None where nobody registered it."""
    joined = terminal.outerjoin(terminal_state, terminal_state.c.tid == terminal.c.tid)
    query = select(terminal, *_STATE).select_from(joined).where(terminal.c.tid == tid)
    return (await connection.execute(query)).mappings().one_or_none()


async def every(connection: AsyncConnection) -> Sequence[RowMapping]:
    """All registered terminals, each with what it said."""
    joined = terminal.outerjoin(terminal_state, terminal_state.c.tid == terminal.c.tid)
    query = select(terminal, *_STATE).select_from(joined).order_by(terminal.c.tid)
    return (await connection.execute(query)).mappings().all()


async def keep(connection: AsyncConnection, tid: str, values: Mapping[str, object], *, is_new: bool) -> None:
    """Keep what was said."""
    if is_new:
        await connection.execute(insert(terminal_state).values(tid=tid, **values))
    else:
        await connection.execute(update(terminal_state).where(terminal_state.c.tid == tid).values(**values))


async def put_offline(connection: AsyncConnection, tid: str, now: int) -> None:
    """It is not there any more."""
    there = terminal_state.c.tid == tid, terminal_state.c.online == 1
    await connection.execute(update(terminal_state).where(*there).values(online=0, changed_at=now))


async def tier_of(connection: AsyncConnection, tid: str, epoch: int) -> int | None:
    """Where the journal key of an epoch is kept; None: there is no such epoch."""
    same = chain.c.tid == tid, chain.c.epoch == epoch
    found: int | None = await connection.scalar(select(chain.c.tier).where(*same))
    return found


async def newest(connection: AsyncConnection) -> dict[str, dict[str, int]]:
    """Of each site the newest version of each list."""
    query = select(list_file.c.site, list_file.c.name, func.max(list_file.c.version).label("version"))
    found: dict[str, dict[str, int]] = {}
    for row in await connection.execute(query.group_by(list_file.c.site, list_file.c.name)):
        found.setdefault(row.site, {})[row.name] = row.version
    return found


async def silent(connection: AsyncConnection, since: int) -> dict[str, int]:
    """Terminals in use that are not there and were heard of last before an instant, and when that was."""
    state = terminal_state.c
    heard = func.max(chain.c.received_at), func.max(chain.c.granted_at), func.coalesce(func.max(state.changed_at), 0)
    joined = chain.join(terminal, terminal.c.tid == chain.c.tid).outerjoin(terminal_state, state.tid == chain.c.tid)
    in_use = chain.c.status == TerminalStatus.ACTIVE, chain.c.revoked_at == 0, terminal.c.replaced_by == ""
    query = select(chain.c.tid, *heard).select_from(joined).where(*in_use).group_by(chain.c.tid)
    query = query.having(func.coalesce(func.max(state.online), 0) == 0)
    found = {tid: max(instants) for tid, *instants in await connection.execute(query)}
    return {tid: at for tid, at in found.items() if at < since}


_EPOCH = case((chain.c.status == TerminalStatus.LOST, "lost"), (chain.c.revoked_at > 0, "revoked"), else_="")
_NEWEST = select(_EPOCH).where(chain.c.tid == terminal.c.tid).order_by(chain.c.epoch.desc()).limit(1).scalar_subquery()
_SHUT_OUT = case((terminal.c.replaced_by != "", "replaced"), else_=func.coalesce(_NEWEST, "")).label("shut_out")
_STATE = [*(terminal_state.c[name] for name in ("online", "changed_at", "said", "said_at")), _SHUT_OUT]
