"""Reads leaves beside the rows that they seal, in the order of the leaves."""

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, Table, and_, func, literal, select
from sqlalchemy.sql.elements import ColumnElement

from server.act_tables import trail
from server.auditor.rules import Row
from server.auditor.sealed import Sealed, name_of_leaf
from server.tables import entry, posting
from server.tree.rules import Head, Source
from server.tree.tables import tree_head, tree_leaf, tree_node

LEAVES_AT_ONCE = 2_000
_KEYS: dict[Source, tuple[Table, tuple[ColumnElement[int], ...]]] = {
    Source.ENTRY: (entry, (entry.c.tno, entry.c.branch, entry.c.seq)),
    Source.POSTING: (posting, (posting.c.id,)),
    Source.TRAIL: (trail, (trail.c.number,)),
}


def heads(connection: Connection) -> list[Head]:
    """All heads, oldest first."""
    rows = connection.execute(select(tree_head).order_by(tree_head.c.number))
    return [
        Head(row.number, row.server_epoch, row.day, row.size, bytes(row.root), row.at, bytes(row.jws)) for row in rows
    ]


def count_leaves(connection: Connection) -> int:
    """How many leaves there are."""
    return connection.scalar(select(func.count()).select_from(tree_leaf)) or 0


def count_unsealed(connection: Connection) -> int:
    """How many rows no night has sealed yet."""
    rows = sum(connection.scalar(select(func.count()).select_from(table)) or 0 for table, _ in _KEYS.values())
    return rows - count_leaves(connection)


def leaves(connection: Connection) -> Iterator[list[Sealed | int]]:
    """All leaves in their order, some at a time; a number stands where that leaf is gone, or of no known table."""
    start, end = 0, connection.scalar(select(func.max(tree_leaf.c.position)))
    while end is not None and start <= end:
        upto = min(end + 1, start + LEAVES_AT_ONCE)
        within = (tree_leaf.c.position >= start, tree_leaf.c.position < upto)
        known = {row["position"]: row for row in connection.execute(select(tree_leaf).where(*within)).mappings()}
        found = {position: name for position, row in known.items() if (name := name_of_leaf(row))}
        rows = _rows(connection, within, {name.source for name in found.values()})
        yield [
            Sealed(position, found[position], bytes(known[position]["hash"]), rows.get(position))
            if position in found
            else position
            for position in range(start, upto)
        ]
        start = upto


def levels(connection: Connection) -> list[int]:
    """Of which levels subtrees are kept."""
    return list(connection.scalars(select(tree_node.c.level).distinct().order_by(tree_node.c.level)))


def nodes(connection: Connection, level: int, places: Sequence[int]) -> dict[int, bytes]:
    """The kept hashes of some subtrees of one level, by place."""
    found: dict[int, bytes] = {}
    for start in range(0, len(places), LEAVES_AT_ONCE):
        wanted = places[start : start + LEAVES_AT_ONCE]
        query = select(tree_node).where(tree_node.c.level == level, tree_node.c.place.in_(wanted))
        found.update({row.place: bytes(row.hash) for row in connection.execute(query)})
    return found


def _rows(connection: Connection, within: Sequence[ColumnElement[bool]], sources: set[Source]) -> dict[int, Row]:
    found: dict[int, Row] = {}
    for source in sorted(sources):
        table, keys = _KEYS[source]
        leaf = (tree_leaf.c.first, tree_leaf.c.second, tree_leaf.c.third)
        padded = (*keys, *(literal(0) for _ in leaf[len(keys) :]))
        same = and_(tree_leaf.c.source == source, *(one == other for one, other in zip(leaf, padded, strict=True)))
        query = select(tree_leaf.c.position, table).join_from(tree_leaf, table, same).where(*within)
        found.update({row["position"]: dict(row) for row in connection.execute(query).mappings()})
    return found
