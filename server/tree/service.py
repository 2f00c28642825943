"""Seals what was booked and asked for, proves it afterwards, and looks every night whether it is still what was sealed.

    night   check (every leaf against its row, every root) -> alarm -> grow, a chunk a transaction -> sign the root
    desk    heads, a row with its path, the path between two heads, the rows of a night

Killed anywhere, the next run goes on: leaves that are there stay, and the check keeps its place. A night needs the
memory of a chunk, and of one hash for each level of the tree.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.instants import BusinessDay, UtcMs
from protocol.merkle import (
    Frontier,
    Range,
    Subtree,
    consistency_ranges,
    continues,
    covering,
    includes,
    inclusion_ranges,
)
from protocol.messages import TreeHead, sign
from protocol.sealed_rows import leaf_of, row_text
from protocol.signing import sha256_of, to_base64url
from server.alarms.rules import SERVER, AlarmKind
from server.alarms.service import Alarms
from server.db import Database
from server.errors import Conflict, Invalid, NotFound
from server.keys import ServerKeys
from server.numbers import hold, read_setting, server_epoch, write_setting
from server.tree import store
from server.tree.rules import (
    BEFORE_ALL,
    Check,
    Head,
    Key,
    Leaf,
    Name,
    Source,
    checked,
    key_in,
    sealed_row,
    told,
)

CHUNK_ROWS = 1_000
KEEPS_PLACE_EVERY = 64
"""Chunks between two writes of how far a check is."""
TREE, CHECKED = "tree:lock", "tree:checked"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Included:
    """A row as it is now, and the path from its leaf to a head's root."""

    head: Head
    row: str
    position: int
    path: list[bytes]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows in the order of the leaves, behind the first `start` ones, whose complete subtrees are the frontier."""

    start: int
    frontier: list[bytes]
    rows: list[str]


class Tree:
    """The tree of one installation."""

    def __init__(
        self,
        database: Database,
        keys: ServerKeys,
        alarms: Alarms,
        clock: Callable[[], UtcMs],
        *,
        chunk_rows: int = CHUNK_ROWS,
    ) -> None:
        self._database, self._keys, self._alarms, self._clock = database, keys, alarms, clock
        self._chunk_rows = chunk_rows

    async def run(self, day: BusinessDay) -> None:
        """Check what is sealed, then seal what came since, and sign the root as this day's; once a day.

        A root that a clock ahead of its time has signed stands in the way of none.
        """
        async with self._database.glancing() as connection:
            newest = await store.newest_head(connection)
        if newest is not None and self._is_signed(newest, day):
            return
        await self.check()
        await self._database.transact(_make_lock)
        frontier = Frontier()
        for source in Source:
            frontier = await self._grow(source, frontier)
        head = await self._database.transact(lambda connection: self._sign(connection, day))
        log.info("business day %s: %s rows are sealed, head %s", day, head.size, head.number)

    async def check(self) -> int:
        """Hold every leaf against its row and every root against the leaves; how much is wrong. An alarm says so."""
        async with self._database.reading() as connection:
            kept, newest = await read_setting(connection, CHECKED), await store.newest_head(connection)
        check = msgspec.json.decode(kept, type=Check) if kept else Check()
        end, chunks = newest.size if newest else 0, 0
        while True:
            async with self._database.reading() as connection:
                upto = min(end, check.size + self._chunk_rows)
                heads = await store.heads_behind(connection, check.heads, upto)
                leaves = await _leaves(connection, (check.size, upto))
            check, chunks = checked(check, heads, leaves), chunks + 1
            if check.size == end:
                break
            if chunks % KEEPS_PLACE_EVERY == 0:
                await self._keep_place(msgspec.json.encode(check).decode())
        await self._alarms.see(AlarmKind.RECORD_CHANGED, {SERVER: told(check)} if check.count else {})
        if kept or chunks >= KEEPS_PLACE_EVERY:
            await self._keep_place("")
        return check.count

    async def _keep_place(self, text: str) -> None:
        await self._database.transact(lambda connection: write_setting(connection, CHECKED, text))

    async def _grow(self, source: Source, frontier: Frontier) -> Frontier:
        """Seal what is new in a table."""
        after: Key | None = BEFORE_ALL
        while after is not None:
            grow = partial(self._grow_chunk, source=source, after=after, known=frontier)
            frontier, after = await self._database.transact(grow)
        return frontier

    async def _grow_chunk(
        self, connection: AsyncConnection, *, source: Source, after: Key, known: Frontier
    ) -> tuple[Frontier, Key | None]:
        """Seal the next rows of a table; the frontier then, and the key of the last row unless there are no more."""
        await hold(connection, TREE)
        size = await store.size(connection)
        frontier = Frontier(size, known.hashes if known.size == size else await _frontier(connection, size))
        rows = await store.unsealed(connection, source, after, self._chunk_rows)
        new, made = list[dict[str, Any]](), list[tuple[Subtree, bytes]]()
        for row in rows:
            first, second, third = key_in(source, row)
            key = {"source": source.value, "first": first, "second": second, "third": third}
            found = leaf_of(row_text(sealed_row(source, row)))
            new.append({"position": frontier.size, **key, "hash": found})
            made += frontier.push(found)
        await store.keep(connection, new, made)
        return frontier, key_in(source, rows[-1]) if len(rows) == self._chunk_rows else None

    async def _sign(self, connection: AsyncConnection, day: BusinessDay) -> Head:
        await hold(connection, TREE)
        before = await store.newest_head(connection)
        if before is not None and self._is_signed(before, day):
            return before
        size, now, epoch = await store.size(connection), self._clock(), await server_epoch(connection)
        root, number = await store.hash_over(connection, (0, size)), before.number + 1 if before else 1
        prev = to_base64url(sha256_of(before.jws)) if before else ""
        jws = sign(TreeHead(epoch, number, day, size, to_base64url(root), now, prev), self._keys.ack)
        head = Head(number, epoch, day, size, root, now, jws)
        await store.keep_head(connection, head)
        return head

    def _is_signed(self, newest: Head, day: BusinessDay) -> bool:
        return newest.day >= day and newest.at <= self._clock()

    async def heads(self, *, before: int | None, limit: int) -> list[Head]:
        """The newest heads, newest first."""
        async with self._database.glancing() as connection:
            return await store.heads(connection, before=before, limit=limit)

    async def sealed_by(self, name: Name) -> Head | None:
        """The head of the night that sealed a row; None: no night has yet."""
        async with self._database.reading() as connection:
            position = await store.position_of(connection, name)
            return None if position is None else await store.first_over(connection, position)

    async def prove_row(self, number: int, name: Name) -> Included:
        """That a row is sealed under a head. Raises NotFound; Conflict where it cannot be proven any more."""
        async with self._database.reading() as connection:
            head = await _head(connection, number)
            position = await store.position_of(connection, name)
            if position is None or position >= head.size:
                raise NotFound("not_sealed", f"{name} is not among the rows of head {number}")
            (leaf,) = await _leaves(connection, (position, position + 1))
            text = leaf.row if leaf and leaf.row else ""
            path = [await store.hash_over(connection, of) for of in inclusion_ranges(position, head.size)]
        if not includes(head.root, head.size, position, leaf_of(text), path):
            raise Conflict("record_changed", f"{name} is not any more what was sealed under head {number}")
        return Included(head, text, position, path)

    async def prove_growth(self, older: int, number: int) -> tuple[Head, Head, list[bytes]]:
        """That nothing under an older head has changed. Raises NotFound, Invalid; Conflict where it is not so."""
        async with self._database.reading() as connection:
            before, head = await _head(connection, older), await _head(connection, number)
            if before.size > head.size:
                raise Invalid("not_older", f"head {older} is not older than head {number}")
            ranges = consistency_ranges(before.size, head.size)
            path = [await store.hash_over(connection, of) for of in ranges]
        if not continues(before.root, before.size, head.root, head.size, path):
            raise Conflict("record_changed", f"head {number} does not go on from head {older}")
        return before, head, path

    async def rows(self, number: int, start: int | None, limit: int) -> Rows:
        """The rows sealed under a head, from a position on: of this head's own night, if none is named."""
        async with self._database.reading() as connection:
            head = await _head(connection, number)
            before = await store.head_numbered(connection, number - 1)
            start = start if start is not None else before.size if before else 0
            if start > head.size:
                raise Invalid("not_sealed", f"head {number} has {head.size} rows")
            frontier = await _frontier(connection, start)
            found = await _leaves(connection, (start, min(head.size, start + limit)))
        return Rows(start, frontier, [leaf.row if leaf and leaf.row else "" for leaf in found])


async def _head(connection: AsyncConnection, number: int) -> Head:
    found = await store.head_numbered(connection, number)
    if found is None:
        raise NotFound("no_such_head", f"there is no head {number}")
    return found


async def _frontier(connection: AsyncConnection, size: int) -> list[bytes]:
    return [await store.subtree(connection, part) for part in covering((0, size))]


async def _leaves(connection: AsyncConnection, of: Range) -> list[Leaf | None]:
    """The leaves of a range beside their rows as they are now."""
    known = {leaf["position"]: leaf for leaf in await store.leaves(connection, of)}
    texts = {
        row["position"]: row_text(sealed_row(source, row))
        for source in sorted({Source(leaf["source"]) for leaf in known.values()})
        for row in await store.sealed(connection, source, of)
    }

    def at(position: int) -> Leaf | None:
        leaf = known.get(position)
        if leaf is None:
            return None
        name = Name(Source(leaf["source"]), (leaf["first"], leaf["second"], leaf["third"]))
        return Leaf(name, bytes(leaf["hash"]), texts.get(position))

    return [at(position) for position in range(*of)]


async def _make_lock(connection: AsyncConnection) -> None:
    """A row that is not there cannot be locked."""
    if await read_setting(connection, TREE) is None:
        await write_setting(connection, TREE, "")
