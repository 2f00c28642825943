"""Alarms, current and past."""

from sqlalchemy import BigInteger, Column, String, Table, Text

from server.tables import RowId, metadata

alarm = Table(
    "alarm",
    metadata,
    Column("number", RowId, primary_key=True, autoincrement=True),
    Column("current", String(80), unique=True),
    Column("kind", String(24), nullable=False),
    Column("about", String(40), nullable=False),
    Column("text", Text, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("first_at", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger, nullable=False, default=0),
    Column("acknowledged_at", BigInteger, nullable=False, default=0),
    Column("acknowledged_by", String(80), nullable=False, default=""),
    Column("answer", Text, nullable=False, default=""),
)
"""`current`: its kind and what it is about, until somebody has acknowledged it and it is over; then null. `text` is the
newest evidence."""
