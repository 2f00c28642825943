"""SQL of the figures of the day."""

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from server.ledger.accounts import AccountKind
from server.tables import case_file, posting, step


async def sold_on(connection: AsyncConnection, day: int) -> tuple[int, int]:
    """How many causes paid or charged merchants on a business day, and what came to them."""
    wanted = select(func.count(posting.c.cause.distinct()), func.coalesce(func.sum(posting.c.cents), 0)).where(
        posting.c.period_day == day, posting.c.account_kind == AccountKind.MERCHANT
    )
    count, cents = (await connection.execute(wanted)).one()
    return int(count), int(cents)


async def newest_sales(connection: AsyncConnection, since: int, most: int) -> list[int]:
    """When sales were made since an instant, of the steps that came in last: at most so many are looked at."""
    newest = select(step.c.at, step.c.operation).order_by(step.c.number.desc()).limit(most).subquery()
    wanted = select(newest.c.at).where(newest.c.at >= since, newest.c.operation == "sale")
    return [int(at) for at in await connection.scalars(wanted)]


async def open_cases(connection: AsyncConnection) -> int:
    """How many cases nobody has closed."""
    wanted = select(func.count()).select_from(case_file).where(case_file.c.closed_at == 0)
    return int(await connection.scalar(wanted) or 0)
