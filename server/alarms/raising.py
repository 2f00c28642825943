"""Raises an alarm in the transaction of its cause, so that neither is there without the other; and ends one."""

import logging

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.instants import UtcMs
from server.alarms.rules import LASTING, AlarmKind, key_of
from server.alarms.tables import alarm

TEXT_MAX = 500

log = logging.getLogger(__name__)


async def raise_alarm(connection: AsyncConnection, kind: AlarmKind, about: str, text: str, at: UtcMs) -> None:
    """Something happened, or is still so. One that is current already is seen once more, with its newest evidence.

    `text` says what was seen, and holds no secret.
    """
    key, text = key_of(kind, about), text[:TEXT_MAX]
    query = select(alarm.c.number, alarm.c.ended_at).where(alarm.c.current == key).with_for_update()
    known = (await connection.execute(query)).one_or_none()
    if known is None:
        log.warning("ALARM %s about %s: %s", kind, about, text)
        values = {"current": key, "kind": kind, "about": about, "text": text, "count": 1}
        await connection.execute(insert(alarm).values(**values, first_at=at, last_at=at))
        return
    again = 1 if kind not in LASTING or known.ended_at else 0
    seen = {"text": text, "last_at": at, "ended_at": 0, "count": alarm.c.count + again}
    await connection.execute(update(alarm).where(alarm.c.number == known.number).values(**seen))


async def end_alarm(connection: AsyncConnection, kind: AlarmKind, about: str, at: UtcMs) -> None:
    """What was wrong is over; where nobody has acknowledged it, it stays listed."""
    assert kind in LASTING
    mine = alarm.c.current == key_of(kind, about), alarm.c.ended_at == 0
    if await connection.scalar(select(alarm.c.number).where(*mine)) is None:
        return
    log.info("alarm %s about %s is over", kind, about)
    await connection.execute(update(alarm).where(*mine).values(ended_at=at))
    await connection.execute(
        update(alarm).where(alarm.c.current == key_of(kind, about), alarm.c.acknowledged_at > 0).values(current=None)
    )
