"""What terminals told of cards themselves: made, blocked, given other keys."""

from sqlalchemy import BigInteger, Column, Index, PrimaryKeyConstraint, String, Table

from server.tables import metadata

card_event = Table(
    "card_event",
    metadata,
    Column("tno", BigInteger, nullable=False),
    Column("branch", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("card", BigInteger, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("uid", String(20), nullable=False),
    Column("was", BigInteger, nullable=False),
    Column("now", BigInteger, nullable=False),
    Column("outcome", String(200), nullable=False),
    Column("staff", String(32), nullable=False),
    Column("at", BigInteger, nullable=False),
    PrimaryKeyConstraint("tno", "branch", "seq"),
    Index("card_event_by_card", "card", "at"),
)
"""One row for each posted entry of these kinds. `was`, `now`: key sets; 0 where the entry does not say. `outcome`: how
far a change of keys or an erasing came, or why a card was blocked."""
