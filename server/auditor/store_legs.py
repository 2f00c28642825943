"""Reads the rows of the ledger that belong to some causes."""

import json
from collections.abc import Iterable

from sqlalchemy import ARRAY, ColumnElement, Connection, RowMapping, String, bindparam, func, select

from server.auditor.parts import Leg
from server.tables import posting


def legs_of(connection: Connection, causes: Iterable[str]) -> dict[str, tuple[Leg, ...]]:
    """The rows of the ledger of these causes, in the order of their lines."""
    found: dict[str, list[Leg]] = {}
    query = select(posting).where(_among(connection, posting.c.cause, causes))
    query = query.order_by(posting.c.cause, posting.c.line, posting.c.id)
    for row in connection.execute(query).mappings():
        found.setdefault(row["cause"], []).append(leg_of(row))
    return {cause: tuple(legs) for cause, legs in found.items()}


def leg_of(row: RowMapping) -> Leg:
    """A row of the ledger."""
    return Leg(
        row["id"], row["line"], row["day"], row["period_day"], row["account_kind"], row["owner"], row["cents"],
        row["at"],
    )  # fmt: skip


def _among(connection: Connection, column: ColumnElement[str], values: Iterable[str]) -> ColumnElement[bool]:
    wanted = sorted(set(values))
    if connection.dialect.name == "postgresql":
        return column == func.any(bindparam(None, wanted, type_=ARRAY(String), unique=True))
    return column.in_(select(func.json_each(json.dumps(wanted)).table_valued("value").c.value))
