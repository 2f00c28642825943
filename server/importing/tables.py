"""Which card of an old system became which of ours."""

from sqlalchemy import BigInteger, Column, PrimaryKeyConstraint, String, Table

from server.tables import metadata

imported_card = Table(
    "imported_card",
    metadata,
    Column("source", String(16), nullable=False),
    Column("number", String(32), nullable=False),
    Column("card", BigInteger, nullable=False, unique=True),
    Column("cents", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    PrimaryKeyConstraint("source", "number"),
)
"""Written before its money is posted; so a run that was cut short finds its number again."""
