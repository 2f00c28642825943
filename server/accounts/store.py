"""SQL of accounts and sessions."""

from collections.abc import Mapping, Sequence

from sqlalchemy import RowMapping, case, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from server.accounts.tables import account, session


async def find(connection: AsyncConnection, name: str) -> RowMapping | None:
    """An account, locked."""
    rows = await connection.execute(select(account).where(account.c.name == name).with_for_update())
    return rows.mappings().one_or_none()


async def find_alike(connection: AsyncConnection, name: str) -> str | None:
    """The name of an account that differs from this one in capital letters at most."""
    name_of: str | None = await connection.scalar(
        select(account.c.name).where(func.lower(account.c.name) == name.lower())
    )
    return name_of


async def every(connection: AsyncConnection) -> Sequence[RowMapping]:
    """All accounts by name."""
    return (await connection.execute(select(account).order_by(account.c.name))).mappings().all()


async def add(connection: AsyncConnection, values: Mapping[str, object]) -> None:
    """A new account."""
    await connection.execute(insert(account).values(**values))


async def change(connection: AsyncConnection, name: str, values: Mapping[str, object]) -> None:
    """Change an account."""
    await connection.execute(update(account).where(account.c.name == name).values(**values))


async def uncount(connection: AsyncConnection, name: str) -> None:
    """A try that was counted was right; those before it still count."""
    fewer = case((account.c.failures > 0, account.c.failures - 1), else_=0)
    await connection.execute(update(account).where(account.c.name == name).values(failures=fewer, locked_until=0))


async def begin(connection: AsyncConnection, values: Mapping[str, object]) -> None:
    """A new session."""
    await connection.execute(insert(session).values(**values))


async def of_token(connection: AsyncConnection, digest: str) -> RowMapping | None:
    """A session with its account."""
    wanted = (
        session.c.account, session.c.stage, session.c.otp, session.c.begun_at, session.c.seen_at,
        account.c.roles, account.c.is_new, account.c.is_off,
    )  # fmt: skip
    query = select(*wanted).join(account, account.c.name == session.c.account).where(session.c.token == digest)
    return (await connection.execute(query)).mappings().one_or_none()


async def see(connection: AsyncConnection, digest: str, values: Mapping[str, object]) -> None:
    """Change a session."""
    await connection.execute(update(session).where(session.c.token == digest).values(**values))


async def end(connection: AsyncConnection, digest: str) -> None:
    """End one session."""
    await connection.execute(delete(session).where(session.c.token == digest))


async def end_all(connection: AsyncConnection, name: str, but: str = "") -> None:
    """End all sessions of an account, but for one."""
    await connection.execute(delete(session).where(session.c.account == name, session.c.token != but))


async def forget_before(connection: AsyncConnection, begun_at: int) -> None:
    """Forget sessions that have ended by themselves."""
    await connection.execute(delete(session).where(session.c.begun_at < begun_at))
