"""The newest word of each terminal about itself."""

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, String, Table, Text

from server.tables import metadata

terminal_state = Table(
    "terminal_state",
    metadata,
    Column("tid", String(32), ForeignKey("terminal.tid"), primary_key=True),
    Column("online", Integer, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("said", Text, nullable=False, default=""),
    Column("said_at", BigInteger, nullable=False, default=0),
)
"""`online` is the broker's word (a last will); `said` what the terminal itself said last, as JSON."""
