"""Versions of list files, which parts lie at the broker, and what the `cards` list is made of."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import RowMapping, and_, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.authorise import Listed
from protocol.ids import CardNo, Counter, Generation, LoadSeq, MerchantId, TerminalId
from protocol.instants import UtcMs
from protocol.policy import CardRow, FloorRow
from protocol.purse import Technology
from protocol.site_files import Place
from server.ingest.book import CardStatus
from server.sets import insert_rows
from server.tables import card, list_file, list_part, product, terminal

MADE_FILES = ("base", "cards", "loads")
"""Files that are made from the database: their old bodies can always be made again and are not kept."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A list file in force."""

    version: int
    sha256: str
    body: bytes


async def newest(connection: AsyncConnection, site: str, name: str) -> StoredFile | None:
    """The file of this name in force at a site."""
    where = (list_file.c.site == site, list_file.c.name == name)
    query = select(list_file).where(*where).order_by(list_file.c.version.desc()).limit(1)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else StoredFile(row.version, row.sha256, bytes(row.body))


async def history(
    connection: AsyncConnection, site: str, name: str, before: int | None, limit: int
) -> Sequence[RowMapping]:
    """The versions of a file, newest first, without what stands in them."""
    query = select(list_file.c.version, list_file.c.sha256, list_file.c.at)
    query = query.where(list_file.c.site == site, list_file.c.name == name)
    if before is not None:
        query = query.where(list_file.c.version < before)
    return (await connection.execute(query.order_by(list_file.c.version.desc()).limit(limit))).mappings().all()


async def of_version(connection: AsyncConnection, site: str, name: str, version: int) -> StoredFile | None:
    """A file as it once was."""
    where = (list_file.c.site == site, list_file.c.name == name, list_file.c.version == version)
    row = (await connection.execute(select(list_file).where(*where))).one_or_none()
    return None if row is None else StoredFile(row.version, row.sha256, bytes(row.body))


async def names(connection: AsyncConnection, site: str) -> list[str]:
    """Which files a site has."""
    query = select(list_file.c.name).where(list_file.c.site == site).distinct().order_by(list_file.c.name)
    return [row.name for row in await connection.execute(query)]


async def put(connection: AsyncConnection, site: str, name: str, file: StoredFile, at: int) -> None:
    """A new version."""
    values = {"site": site, "name": name, "version": file.version, "sha256": file.sha256, "body": file.body, "at": at}
    await connection.execute(insert(list_file).values(values))
    if name in MADE_FILES:
        older = (list_file.c.site == site, list_file.c.name == name, list_file.c.version < file.version)
        await connection.execute(update(list_file).where(*older).values(body=b""))


async def keep_products(connection: AsyncConnection, site: str, names: Iterable[str]) -> None:
    """Remember that these were sold; what a later list drops stays known."""
    known = set(await connection.scalars(select(product.c.product).where(product.c.site == site)))
    await insert_rows(connection, product, [{"site": site, "product": name} for name in sorted(set(names) - known)])


async def places(connection: AsyncConnection, site: str) -> tuple[Place, ...]:
    """Former spares of a site, and for whom they sell since when."""
    in_place = (
        terminal.c.site == site,
        terminal.c.placed_at > 0,
        terminal.c.merchant != "",
        terminal.c.replaced_by == "",
    )
    rows = await connection.execute(select(terminal).where(*in_place).order_by(terminal.c.tid))
    return tuple(Place(TerminalId(row.tid), MerchantId(row.merchant), UtcMs(row.placed_at)) for row in rows)


async def sites(connection: AsyncConnection) -> list[str]:
    """Every site that has a terminal or a list."""
    lists = select(list_file.c.site)
    rows = await connection.execute(select(terminal.c.site).union(lists))
    return sorted(row.site for row in rows)


async def registered_sites(connection: AsyncConnection) -> list[str]:
    """Every site that has a terminal."""
    query = select(terminal.c.site).distinct().order_by(terminal.c.site)
    return list(await connection.scalars(query))


async def merchants(connection: AsyncConnection, site: str) -> set[str]:
    """For whom the terminals of a site sell, by the register; an empty one: for whomever its own settings name."""
    query = select(terminal.c.merchant).where(terminal.c.site == site, terminal.c.spare.is_(False))
    return set(await connection.scalars(query))


async def listed_cards(connection: AsyncConnection) -> tuple[CardRow, ...]:
    """Cards that are not simply good."""
    owes = and_(card.c.technology == Technology.TOKEN, or_(card.c.main_cents < 0, card.c.subsidy_cents < 0))
    query = select(card.c.card, card.c.generation, card.c.status, owes.label("owes"))
    query = query.where(or_(card.c.status != CardStatus.ACTIVE, card.c.exchange, owes))
    return tuple(
        CardRow(CardNo(row.card), Generation(row.generation), _listed(CardStatus(row.status), owes=row.owes))
        for row in await connection.execute(query.order_by(card.c.card, card.c.generation))
    )


async def floors(connection: AsyncConnection) -> tuple[FloorRow, ...]:
    """The floors of the last night."""
    query = select(card.c.card, card.c.generation, card.c.listed_counter, card.c.listed_load_seq)
    query = query.where(card.c.status.in_((CardStatus.ACTIVE, CardStatus.BLOCKED)), card.c.listed_counter > 0)
    return tuple(
        FloorRow(
            CardNo(row.card), Generation(row.generation), Counter(row.listed_counter), LoadSeq(row.listed_load_seq)
        )
        for row in await connection.execute(query.order_by(card.c.card, card.c.generation))
    )


async def take_floors(connection: AsyncConnection) -> None:
    """What has been read from cards up to now is their floor in the next list."""
    behind = card.c.counter > card.c.listed_counter
    values = {"listed_counter": card.c.counter, "listed_load_seq": card.c.load_seq_floor}
    await connection.execute(update(card).where(behind).values(values))


async def note_closed(connection: AsyncConnection, version: int, listed: Iterable[CardRow]) -> None:
    """The `cards` list of this version is the first to say that some cards are closed: those that it says it of."""
    closed = card.c.status.in_((CardStatus.CLOSED, CardStatus.RELEASED))
    fresh = select(card.c.card, card.c.generation).where(closed, card.c.closed_version == 0)
    said = {(row.no, row.generation) for row in listed if row.listed is Listed.CLOSED}
    for key in [(row.card, row.generation) for row in await connection.execute(fresh)]:
        if key in said:
            same = (card.c.card == key[0], card.c.generation == key[1])
            await connection.execute(update(card).where(*same).values(closed_version=version))


async def note_parts(connection: AsyncConnection, site: str, parts: Iterable[str], at: int) -> None:
    """A manifest names these parts now."""
    known = {row.sha256 for row in await connection.execute(select(list_part.c.sha256).where(list_part.c.site == site))}
    named = set(parts)
    if named - known:
        rows = [{"site": site, "sha256": part, "named_at": at} for part in sorted(named - known)]
        await connection.execute(insert(list_part), rows)
    if named & known:
        where = (list_part.c.site == site, list_part.c.sha256.in_(sorted(named & known)))
        await connection.execute(update(list_part).where(*where).values(named_at=at))


async def drop_parts(connection: AsyncConnection, site: str, named_before: int) -> list[str]:
    """Parts that no manifest has named for long; they are forgotten here and must be cleared at the broker."""
    where = (list_part.c.site == site, list_part.c.named_at < named_before)
    old = [row.sha256 for row in await connection.execute(select(list_part.c.sha256).where(*where))]
    if old:
        await connection.execute(delete(list_part).where(*where))
    return old


def _listed(status: CardStatus, *, owes: bool) -> Listed:
    match status:
        case CardStatus.ACTIVE if owes:
            return Listed.BLOCKED
        case CardStatus.BLOCKED:
            return Listed.BLOCKED
        case CardStatus.CLOSED | CardStatus.RELEASED:
            return Listed.CLOSED
        case CardStatus.ACTIVE:
            return Listed.EXCHANGE
