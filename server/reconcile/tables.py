"""Tables of the night's proof: how far it is, what it found, and what others say that we have."""

from sqlalchemy import BigInteger, Column, Index, PrimaryKeyConstraint, String, Table, Text

from server.tables import big, bigs, label, metadata

reconciliation = Table(
    "reconciliation",
    metadata,
    big("day", None),
    big("number", None),
    big("revision", None),
    big("as_of", None),
    big("finished_at"),
    big("run", None),
    big("leased_until", None),
    big("card"),
    big("generation"),
    big("cards"),
    big("signatures"),
    *bigs("difference_cents", "unexplained_cents", "stand_in_cents"),
    PrimaryKeyConstraint("day", "number"),
)
"""The proofs of business days; `revision` is that of the day's report. `card`, `generation`: the last card that is
proven; it goes on there after a stop. `run`, `leased_until`: which run works on it, and until when nobody else may."""

finding = Table(
    "finding",
    metadata,
    big("day", None),
    big("number", None),
    Column("key", String(64), nullable=False),
    label("cls", 24),
    Column("card", BigInteger),
    Column("generation", BigInteger),
    big("counter"),
    big("cents", None),
    big("amount", None),
    big("of_day"),
    Column("text", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    PrimaryKeyConstraint("day", "number", "key"),
    Index("finding_by_card", "card", "generation"),
)
"""What a proof found: `cents` is the share of the card's difference, `amount` the money it is about."""

float_line = Table(
    "float_line",
    metadata,
    big("day", None),
    big("number", None),
    Column("account_kind", String(20), nullable=False),
    Column("owner", String(80), nullable=False),
    big("booked_cents", None),
    big("documented_cents", None),
    Column("document", String(120), nullable=False),
    Column("standing", String(16), nullable=False),
    PrimaryKeyConstraint("day", "number", "account_kind", "owner"),
)
"""The right-hand side of the float as a proof found it: each account next to what an outside document says."""

outside_document = Table(
    "outside_document",
    metadata,
    big("day", None),
    Column("account_kind", String(20), nullable=False),
    Column("owner", String(80), nullable=False),
    big("cents", None),
    Column("document", String(120), nullable=False),
    big("at", None),
    PrimaryKeyConstraint("day", "account_kind", "owner"),
)
"""What somebody else says that we have: a count, a statement, a bill. The newest word for a day stands."""
