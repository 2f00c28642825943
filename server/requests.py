"""Requests that move money are done once: a repeated one does nothing, another one under a used id is refused."""

from hashlib import sha256

import msgspec
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from server.act_tables import request
from server.errors import Conflict
from server.note import Outcome, note_outcome


async def was_done(connection: AsyncConnection, cause: str, form: object) -> bool:
    """Whether this very request was done before. Raises Conflict where its id was used for something else."""
    known = await connection.scalar(select(request.c.digest).where(request.c.cause == cause))
    if known is not None and known != digest_of(form):
        raise Conflict("request_id_used", "this request id was used for something else")
    if known is not None:
        note_outcome(Outcome.REPEATED)
    return known is not None


async def done_before(connection: AsyncConnection, cause: str, form: object) -> bool:
    """The same; if it was not done, it is noted as done with this transaction."""
    if await was_done(connection, cause, form):
        return True
    await connection.execute(insert(request).values(cause=cause, digest=digest_of(form)))
    return False


def digest_of(form: object) -> str:
    """The hash of all that was asked for: SHA-256, hexadecimal, of its canonical JSON."""
    return sha256(msgspec.json.encode(form, order="deterministic")).hexdigest()
