"""Rows of the tree, and the rows that it seals."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import RowMapping, Table, and_, func, insert, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from protocol.merkle import Frontier, Range, Subtree, covering, joined
from server.act_tables import trail
from server.sets import insert_rows
from server.tables import entry, posting
from server.tree.rules import Head, Key, Name, Source
from server.tree.tables import tree_head, tree_leaf, tree_node

KEPT_LEVELS = 8
"""Every so many levels the subtrees are kept."""
_TABLES: dict[Source, tuple[Table, tuple[ColumnElement[int], ...]]] = {
    Source.ENTRY: (entry, (entry.c.tno, entry.c.branch, entry.c.seq)),
    Source.POSTING: (posting, (posting.c.id,)),
    Source.TRAIL: (trail, (trail.c.number,)),
}


async def size(connection: AsyncConnection) -> int:
    """How many leaves there are."""
    newest = await connection.scalar(select(func.max(tree_leaf.c.position)))
    return 0 if newest is None else int(newest) + 1


async def unsealed(connection: AsyncConnection, source: Source, after: Key, limit: int) -> Sequence[RowMapping]:
    """The next rows of a table, by key, that are no leaves yet."""
    table, keys = _TABLES[source]
    query = select(table).outerjoin(tree_leaf, _same(source)).where(tree_leaf.c.position.is_(None))
    behind = tuple_(*keys) > tuple_(*map(literal, after[: len(keys)]))
    return (await connection.execute(query.where(behind).order_by(*keys).limit(limit))).mappings().all()


async def leaves(connection: AsyncConnection, of: Range) -> Sequence[RowMapping]:
    """Leaves in their order."""
    start, end = of
    query = select(tree_leaf).where(tree_leaf.c.position >= start, tree_leaf.c.position < end)
    return (await connection.execute(query.order_by(tree_leaf.c.position))).mappings().all()


async def sealed(connection: AsyncConnection, source: Source, of: Range) -> Sequence[RowMapping]:
    """The rows of a table that are leaves in a range, as they are now."""
    table, _ = _TABLES[source]
    query = select(tree_leaf.c.position, table).join_from(tree_leaf, table, _same(source))
    query = query.where(tree_leaf.c.position >= of[0], tree_leaf.c.position < of[1])
    return (await connection.execute(query)).mappings().all()


async def position_of(connection: AsyncConnection, name: Name) -> int | None:
    """Which leaf a row is."""
    first, second, third = name.key
    leaf = tree_leaf.c
    same = (leaf.source == name.source, leaf.first == first, leaf.second == second, leaf.third == third)
    found: int | None = await connection.scalar(select(leaf.position).where(*same))
    return found


async def keep(connection: AsyncConnection, new: list[dict[str, Any]], made: list[tuple[Subtree, bytes]]) -> None:
    """Write new leaves, and of the subtrees that they made complete those that are kept."""
    await insert_rows(connection, tree_leaf, new)
    nodes = [
        {"level": level, "place": place, "hash": found} for (level, place), found in made if level % KEPT_LEVELS == 0
    ]
    await insert_rows(connection, tree_node, nodes)


async def hash_over(connection: AsyncConnection, of: Range) -> bytes:
    """The hash over the leaves of a range that a path is made of."""
    return joined([await subtree(connection, part) for part in covering(of)])


async def subtree(connection: AsyncConnection, of: Subtree) -> bytes:
    """The hash of one complete subtree: from the kept ones below it, at most 128."""
    level, place = of
    base = level - level % KEPT_LEVELS
    start, end = place << (level - base), (place + 1) << (level - base)
    if base:
        number, query = tree_node.c.place, select(tree_node.c.hash).where(tree_node.c.level == base)
    else:
        number, query = tree_leaf.c.position, select(tree_leaf.c.hash)
    rows = await connection.execute(query.where(number >= start, number < end).order_by(number))
    frontier = Frontier()
    for row in rows:
        frontier.push(bytes(row.hash))
    return frontier.root()


async def newest_head(connection: AsyncConnection) -> Head | None:
    """The newest head."""
    found = await heads(connection, limit=1)
    return found[0] if found else None


async def heads(connection: AsyncConnection, *, before: int | None = None, limit: int) -> list[Head]:
    """The newest heads, newest first."""
    query = select(tree_head)
    if before is not None:
        query = query.where(tree_head.c.number < before)
    return [_head(row) for row in await connection.execute(query.order_by(tree_head.c.number.desc()).limit(limit))]


async def head_numbered(connection: AsyncConnection, number: int) -> Head | None:
    """One head."""
    row = (await connection.execute(select(tree_head).where(tree_head.c.number == number))).one_or_none()
    return None if row is None else _head(row)


async def first_over(connection: AsyncConnection, position: int) -> Head | None:
    """The oldest head of a tree that holds a position."""
    query = select(tree_head).where(tree_head.c.size > position).order_by(tree_head.c.number).limit(1)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else _head(row)


async def heads_behind(connection: AsyncConnection, number: int, size_max: int) -> list[Head]:
    """The heads behind one, oldest first, of trees no larger than this."""
    query = select(tree_head).where(tree_head.c.number > number, tree_head.c.size <= size_max)
    return [_head(row) for row in await connection.execute(query.order_by(tree_head.c.number))]


async def keep_head(connection: AsyncConnection, head: Head) -> None:
    """Write a new head."""
    values = {name: getattr(head, name) for name in Head.__slots__}
    await connection.execute(insert(tree_head).values(values))


def _same(source: Source) -> ColumnElement[bool]:
    _, keys = _TABLES[source]
    columns = (tree_leaf.c.first, tree_leaf.c.second, tree_leaf.c.third)
    padded = (*keys, *(literal(0) for _ in columns[len(keys) :]))
    return and_(tree_leaf.c.source == source, *(one == other for one, other in zip(columns, padded, strict=True)))


def _head(row: Any) -> Head:
    return Head(row.number, row.server_epoch, row.day, row.size, bytes(row.root), row.at, bytes(row.jws))
