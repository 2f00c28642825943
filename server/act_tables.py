"""Tables of what people ask for and book, and of work left for later; the rest is in `server/tables.py`."""

from sqlalchemy import BigInteger, Column, Index, PrimaryKeyConstraint, String, Table, Text

from server.tables import RowId, metadata

act = Table(
    "act",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("cause", String(80), nullable=False, unique=True),
    Column("name", String(24), nullable=False),
    Column("owner", String(80), nullable=False),
    Column("cents", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("proposed_by", String(80), nullable=False),
    Column("by", String(80), nullable=False),
    Column("at", BigInteger, nullable=False),
)
"""Movements, corrections and reversals: who booked the postings of a cause, why, and on what evidence."""

request = Table(
    "request",
    metadata,
    Column("cause", String(80), primary_key=True),
    Column("digest", String(64), nullable=False),
)
"""What callers asked for under ids of their own: the hash of all of it, so that an id is never used for two things."""

proposal = Table(
    "proposal",
    metadata,
    Column("action", String(40), nullable=False),
    Column("subject", String(80), nullable=False),
    Column("body", Text, nullable=False),
    Column("by", String(80), nullable=False),
    Column("at", BigInteger, nullable=False),
    PrimaryKeyConstraint("action", "subject"),
)
"""What one person proposed and a second one has yet to confirm; the row goes when it is done."""

trail = Table(
    "trail",
    metadata,
    Column("number", RowId, primary_key=True, autoincrement=True),
    Column("operator", String(80), nullable=False),
    Column("roles", String(80), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("action", String(40), nullable=False),
    Column("subject", String(160), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("proposed_by", String(80), nullable=False),
    Index("trail_by_subject", "subject"),
    Index("trail_by_operator", "operator", "number"),
    Index("trail_by_time", "at"),
)
"""Who asked for which change, or looked at whom; rows are only ever added. No personal data: a person is named by the
id in the subject, and of what was sent only the SHA-256 is kept."""

due = Table(
    "due",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("what", String(16), nullable=False),
    Column("card", BigInteger, nullable=False),
    Index("due_by_card", "what", "card"),
)
"""Work left for later by the transaction that made it necessary; a row goes when it is done."""
