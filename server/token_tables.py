"""Tables of tokens: whose a UID is, and what is held back for sales that were asked about."""

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
    literal_column,
)

from server.tables import metadata, step

token = Table(
    "token",
    metadata,
    Column("uid", String(20), primary_key=True),
    Column("card", BigInteger, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("bound_at", BigInteger, nullable=False),
    Column("proves", BigInteger, nullable=False, server_default="0"),
    UniqueConstraint("card", "generation"),
)
"""`proves`: 0 bound at the desk: whoever shows this UID is the holder; 1 a card office made a tag of it, which says and
proves itself whose it is: its bare UID is nobody's."""

phone = Table(
    "phone",
    metadata,
    Column("card", BigInteger, primary_key=True, autoincrement=False),
    Column("generation", BigInteger, nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    Column("bound_at", BigInteger, nullable=False),
)
"""The one phone that shows pay codes for a number. `digest`: of its secret, which nobody keeps but the phone."""

hold = Table(
    "hold",
    metadata,
    Column("tno", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
    Column("card", BigInteger, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("main_cents", BigInteger, nullable=False),
    Column("subsidy_cents", BigInteger, nullable=False),
    Column("asked_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    Column("answer", LargeBinary, nullable=False),
    PrimaryKeyConstraint("tno", "seq"),
    Index("hold_by_card", "card", "generation", "ends_at"),
)
"""What was answered about a sale, by the place of its prepared entry. `main_cents`, `subsidy_cents`: what is held back
until `ends_at`; 0 there: the sale was refused or its outcome is posted, and nothing is held back."""

token_use = Table(
    "token_use",
    metadata,
    Column("card", BigInteger, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("kind", String(8), nullable=False),
    Column("counter", BigInteger, nullable=False),
    Column("tno", BigInteger, nullable=False),
    Column("branch", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("settled", BigInteger, nullable=False),
    PrimaryKeyConstraint("card", "generation", "kind", "counter"),
)
"""Which sale used what a token has shown. `settled`: 0 it was only asked about, 1 its settled entry is posted."""

WITHOUT_COUNTER = step.c.counter_after == literal_column("0")
"""Steps of tokens, and few others."""
Index(
    "step_without_counter",
    *(step.c[name] for name in ("card", "generation", "day")),
    sqlite_where=WITHOUT_COUNTER,
    postgresql_where=WITHOUT_COUNTER,
)
