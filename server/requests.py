"""Requests that move money are done once: a repeated one does nothing, another one under a used id is refused."""

from hashlib import sha256

import msgspec
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from server.errors import Conflict
from server.tables import request


async def done_before(connection: AsyncConnection, cause: str, form: object) -> bool:
    """Whether this very request was done before; if not, it is noted as done with this transaction. Raises Conflict."""
    digest = sha256(msgspec.json.encode(form, order="deterministic")).hexdigest()
    known = await connection.scalar(select(request.c.digest).where(request.c.cause == cause))
    if known is None:
        await connection.execute(insert(request).values(cause=cause, digest=digest))
        return False
    if known != digest:
        raise Conflict("request_id_used", "this request id was used for something else")
    return True
