"""Shows one entry with all that proves it."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.entries import Stage
from protocol.ids import Epoch, TerminalId
from protocol.journal import NotAnEntry
from protocol.price_list import Names, NotAPriceList, decode_prices
from protocol.signing import VerifyKey
from server.db import Database
from server.entries import store
from server.entries.rules import (
    OUTCOME_WITHIN,
    Checked,
    Line,
    Signer,
    branch_with,
    checked,
    outcomes_of,
    prepared_by,
)
from server.errors import Conflict, NotFound


@dataclass(frozen=True, slots=True)
class Card:
    """The step of a card that an entry belongs to, among those around it."""

    step: RowMapping
    below: Sequence[RowMapping]
    """What the card did right before, by its counter."""
    beside: Sequence[RowMapping]
    """Others at the same counter."""
    above: Sequence[RowMapping]


@dataclass(frozen=True, slots=True)
class Evidence:
    """An entry, what was recomputed of it, and what stands around it."""

    row: RowMapping
    chain: RowMapping
    line: Line
    signer: Signer
    checked: Checked
    before: Line | None
    missing: RowMapping | None
    """The hole in the chain right before it, if there is one."""
    after: Sequence[Line]
    """The entry behind it, and the first ones of histories that leave here."""
    prepared: Line | None
    """Where it is an outcome: the entry that began it."""
    outcomes: Sequence[tuple[Line, str]]
    """Where it began something: what came of it, with the kinds."""
    card: Card | None
    names: dict[str, Names]
    """Of the products that it sold, by the price list that was in force."""

    @property
    def places(self) -> list[tuple[int, int, int]]:
        """It and all entries of the same operation: the money of one is that of all."""
        lines = [self.line, self.prepared, *(line for line, _ in self.outcomes)]
        return [line.place for line in lines if line is not None]


class Entries:
    """Reads the journals that came."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def line(self, tno: int, branch: int, seq: int) -> tuple[Line, Signer, bytes]:
        """An entry's bytes, whose they are, and the grant that says so. Raises NotFound."""
        async with self._database.reading() as connection:
            row, chain = await _entry(connection, tno, branch, seq)
        return _line(row), _signer(chain), bytes(chain["grant_jws"])

    async def evidence(self, tno: int, branch: int, seq: int) -> Evidence:
        """Everything about an entry. Raises NotFound; Conflict where what is kept is no entry any more."""
        async with self._database.reading() as connection:
            row, chain = await _entry(connection, tno, branch, seq)
            line, signer = _line(row), _signer(chain)
            branches = await store.branches(connection, tno)
            before, missing = await self._before(connection, line, branches)
            behind = [_line(one) for one in await store.behind(connection, tno, branch, seq, OUTCOME_WITHIN)]
            forks = [_line(one) for one in await store.forks_behind(connection, tno, branch, seq)]
            after = [*(one for one in behind[:1] if one.seq == seq + 1), *forks]
            try:
                found = checked(line, signer, before, after)
            except NotAnEntry as error:
                raise Conflict("not_an_entry", f"what is kept as {tno}/{branch}/{seq} is no entry: {error}") from error
            began = await self._began(connection, line, found, branches)
            outcomes = outcomes_of(seq, behind, signer) if _is_begun(row["kind"]) else []
            return Evidence(
                row, chain, line, signer, found, before, missing, after, began, outcomes,
                await self._card(connection, began or line), await self._names(connection, found),
            )  # fmt: skip

    async def _before(
        self, connection: AsyncConnection, line: Line, branches: dict[int, tuple[int, int]]
    ) -> tuple[Line | None, RowMapping | None]:
        if line.seq == 1:
            return None, None
        place = line.tno, branch_with(branches, line.branch, line.seq - 1), line.seq - 1
        row = await store.entry_at(connection, *place)
        if row is not None:
            return _line(row), None
        return None, await store.hole_over(connection, line.tno, line.seq - 1)

    async def _began(
        self, connection: AsyncConnection, line: Line, found: Checked, branches: dict[int, tuple[int, int]]
    ) -> Line | None:
        seq = prepared_by(found.entry)
        if not seq:
            return None
        row = await store.entry_at(connection, line.tno, branch_with(branches, line.branch, seq), seq)
        return _line(row) if row is not None else None

    async def _card(self, connection: AsyncConnection, began: Line) -> Card | None:
        step = await store.step_at(connection, *began.place)
        if step is None:
            return None
        below, above = await store.neighbours(connection, step)
        return Card(step, below, await store.beside(connection, step), above)

    async def _names(self, connection: AsyncConnection, found: Checked) -> dict[str, Names]:
        """Only where something was sold: a long price list takes a while to read."""
        entry = found.entry
        sold = {line.product for line in getattr(entry.body, "lines", ())} if entry is not None else set[str]()
        if entry is None or not sold:
            return {}
        body = await store.list_body(connection, entry.site, "prices", entry.lists.prices)
        try:
            products = decode_prices(bytes(body)).products if body is not None else ()
        except NotAPriceList:
            return {}
        return {product.id: product.names for product in products if product.id in sold}


async def _entry(connection: AsyncConnection, tno: int, branch: int, seq: int) -> tuple[RowMapping, RowMapping]:
    row = await store.entry_at(connection, tno, branch, seq)
    chain = await store.chain_numbered(connection, tno)
    if row is None or chain is None:
        raise NotFound("no_such_entry", f"no entry {seq} of chain {tno}, branch {branch} has come")
    return row, chain


def _is_begun(kind: str) -> bool:
    return kind.endswith(f"_{Stage.PREPARED}")


def _line(row: RowMapping) -> Line:
    return Line(row["tno"], row["branch"], row["seq"], bytes(row["jws"]), bytes(row["hash"]))


def _signer(chain: RowMapping) -> Signer:
    key = VerifyKey(bytes(chain["key"]))
    return Signer(TerminalId(chain["tid"]), Epoch(chain["epoch"]), key, bytes(chain["start_hash"]))
