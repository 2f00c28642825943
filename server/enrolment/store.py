"""Rows of claims, enrolments and certificates."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from server.enrolment.rules import CLAIM_TRIES_MAX, State
from server.enrolment.tables import certificate, claim, enrolment
from server.tables import chain


async def newest_chain(connection: AsyncConnection, tid: str) -> RowMapping | None:
    """The newest epoch of a terminal."""
    query = select(chain).where(chain.c.tid == tid).order_by(chain.c.epoch.desc()).limit(1)
    return (await connection.execute(query)).mappings().one_or_none()


async def end_claims(connection: AsyncConnection, tid: str, at: int) -> None:
    """Codes of a terminal that were not used open nothing any more, and what they have opened is over."""
    unused = claim.c.tid == tid, claim.c.used_at == 0, claim.c.ends_at > at
    await connection.execute(update(claim).where(*unused).values(ends_at=at))
    await _give_up(connection, enrolment.c.tid == tid, at)


async def add_claim(connection: AsyncConnection, values: dict[str, Any]) -> None:
    """A new code's digest."""
    await connection.execute(insert(claim).values(**values))


async def claim_of(connection: AsyncConnection, digest: str) -> RowMapping | None:
    """One claim, locked: a code opens one enrolment at a time."""
    query = select(claim).where(claim.c.digest == digest).with_for_update()
    return (await connection.execute(query)).mappings().one_or_none()


async def count_try(connection: AsyncConnection, digest: str) -> None:
    """A code was used to open an enrolment."""
    await connection.execute(update(claim).where(claim.c.digest == digest).values(tries=claim.c.tries + 1))


async def use_claim(connection: AsyncConnection, digest: str, at: int) -> None:
    """A code has done its work."""
    await connection.execute(update(claim).where(claim.c.digest == digest).values(used_at=at))


async def give_up(connection: AsyncConnection, digest: str, at: int) -> None:
    """Whatever was opened with this code and is not decided is over."""
    await _give_up(connection, enrolment.c.claim == digest, at)


async def _give_up(connection: AsyncConnection, which: ColumnElement[bool], at: int) -> None:
    open_yet = which, enrolment.c.state.in_([State.BEGUN, State.WAITING])
    await connection.execute(update(enrolment).where(*open_yet).values(state=State.REFUSED, decided_at=at))


async def add(connection: AsyncConnection, values: dict[str, Any]) -> None:
    """A new enrolment."""
    await connection.execute(insert(enrolment).values(**values))


async def of_ticket(connection: AsyncConnection, ticket: str, *, to_change: bool) -> RowMapping | None:
    """The enrolment of a ticket's digest; locked where it shall be changed."""
    query = select(enrolment).where(enrolment.c.ticket == ticket)
    return (await connection.execute(query.with_for_update() if to_change else query)).mappings().one_or_none()


async def numbered(connection: AsyncConnection, number: int) -> RowMapping | None:
    """One enrolment, locked: it is decided once."""
    query = select(enrolment).where(enrolment.c.number == number).with_for_update()
    return (await connection.execute(query)).mappings().one_or_none()


async def in_state(connection: AsyncConnection, state: State) -> Sequence[RowMapping]:
    """Enrolments that are so far, oldest first; `tier_before` is that of the terminal's newest epoch."""
    newest = select(chain.c.tier).where(chain.c.tid == enrolment.c.tid).order_by(chain.c.epoch.desc()).limit(1)
    query = select(enrolment, newest.scalar_subquery().label("tier_before"))
    query = query.where(enrolment.c.state == state).order_by(enrolment.c.number)
    return (await connection.execute(query)).mappings().all()


async def decide(connection: AsyncConnection, number: int, values: dict[str, Any]) -> None:
    """The next state of an enrolment and what belongs to it."""
    await connection.execute(update(enrolment).where(enrolment.c.number == number).values(**values))


async def add_certificate(connection: AsyncConnection, values: dict[str, Any]) -> None:
    """A certificate that was signed."""
    await connection.execute(insert(certificate).values(**values))


async def certificates_of(connection: AsyncConnection, tid: str, limit: int) -> Sequence[RowMapping]:
    """The certificates of a terminal, newest first, without the PEM."""
    columns = [certificate.c[name] for name in ("serial", "epoch", "issued_at", "ends_at", "revoked_at")]
    query = select(*columns).where(certificate.c.tid == tid)
    query = query.order_by(certificate.c.issued_at.desc(), certificate.c.serial).limit(limit)
    return (await connection.execute(query)).mappings().all()


async def open_claim(connection: AsyncConnection, tid: str, at: int) -> RowMapping | None:
    """The claim of a terminal whose code still opens something: who made it, until when."""
    columns = [claim.c[name] for name in ("made_by", "made_at", "ends_at", "tries")]
    still = claim.c.tid == tid, claim.c.used_at == 0, claim.c.ends_at > at, claim.c.tries < CLAIM_TRIES_MAX
    query = select(*columns).where(*still).order_by(claim.c.made_at.desc()).limit(1)
    return (await connection.execute(query)).mappings().one_or_none()
