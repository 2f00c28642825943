"""Which chain a batch belongs to; the book itself is loaded by `loading.py` and written by `saving.py`."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.ids import Epoch, TerminalId, Tno
from server import tables


async def find_chain(connection: AsyncConnection, tid: TerminalId, epoch: Epoch) -> Tno | None:
    """The number of a terminal's epoch."""
    chain = tables.chain.c
    found = await connection.scalar(select(chain.tno).where(chain.tid == tid, chain.epoch == epoch))
    return None if found is None else Tno(found)


async def holds(connection: AsyncConnection, tno: Tno, seq: int, entry_hash: bytes) -> bool:
    """Whether any history of this chain has that very entry."""
    entry = tables.entry.c
    query = select(entry.hash).where(entry.tno == tno, entry.seq == seq, entry.hash == entry_hash).limit(1)
    return await connection.scalar(query) is not None
