"""Leases: what one program of the server does at a time; whose turn it is, and until when."""

from sqlalchemy import BigInteger, Column, String, Table

from server.tables import metadata

lease = Table(
    "lease",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("holder", String(80), nullable=False),
    Column("term", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
)
"""`holder` is empty where nobody has it. `term` is one more with every taking, and never less. `ends_at` is UTC ms by
the database's own clock, the only one that all programs share."""
