"""What terminals have reported, and which limits they may follow: what nobody has told us yet is bounded by these."""

from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.entries import Kind
from protocol.ids import CardKey, SiteId, TerminalId
from protocol.instants import CampusTime, UtcMs
from protocol.money import Cents
from server.cards.rules import Report, day_limit, exposure, is_silent, stand_ins
from server.ingest.book import CardRow, TerminalStatus
from server.ingest.on_tokens import is_token
from server.tables import branch, chain, entry, list_file, terminal
from server.token_tables import hold


async def reports_of(connection: AsyncConnection) -> list[Report]:
    """How far each chain is known that has not ended: also an old epoch's card may be rescued with sales on it."""
    at_tip = and_(branch.c.tno == chain.c.tno, branch.c.branch == 0)
    last = and_(entry.c.tno == chain.c.tno, entry.c.branch == 0, entry.c.seq == branch.c.tip_seq)
    query = select(chain, terminal.c.can_load).join_from(chain, branch, at_tip).outerjoin(entry, last)
    query = query.outerjoin(terminal, terminal.c.tid == chain.c.tid)
    query = query.where(or_(entry.c.kind.is_(None), entry.c.kind != Kind.EPOCH_ENDED)).order_by(chain.c.tno)
    return [
        Report(
            TerminalId(row.tid),
            TerminalStatus(row.status),
            UtcMs(row.reported_at or row.granted_at),
            row.cards_version,
            bool(row.can_load),
            SiteId(row.site),
            row.limits_version,
        )
        for row in await connection.execute(query)
    ]


async def limit_lists(connection: AsyncConnection) -> dict[SiteId, dict[int, bytes]]:
    """Every `limits` list there was, by site and version."""
    found: dict[SiteId, dict[int, bytes]] = {}
    for row in await connection.execute(select(list_file).where(list_file.c.name == "limits")):
        found.setdefault(SiteId(row.site), {})[row.version] = bytes(row.body)
    return found


async def asked_for(connection: AsyncConnection, key: CardKey) -> int:
    """What a token was approved to pay and has no outcome yet, however long ago."""
    of_card = (hold.c.card == key[0], hold.c.generation == key[1], hold.c.ends_at > 0)
    return int(await connection.scalar(select(func.sum(hold.c.main_cents)).where(*of_card)) or 0)


async def exposed_of(connection: AsyncConnection, card: CardRow, now: UtcMs, campus: CampusTime) -> Cents | None:
    """The most that was taken off a card and nobody has reported yet; None: without bound.

    A token's sales were asked about, or stood in for.
    """
    reports, limits = await reports_of(connection), await limit_lists(connection)
    if is_token(card):
        stood_in = sum(silent.cents for silent in stand_ins(reports, limits, now, campus))
        return Cents(stood_in + await asked_for(connection, card.key))
    silent = [report for report in reports if is_silent(report, now)]
    return exposure(day_limit(silent, limits, card.card_class), reports, now, campus)
