"""Tables of journals, cards, the ledger. Money is an integer number of cents, instants are UTC ms, days business days.

`entry`, `posting`, `load` and `list_file` only ever grow. The card row is the only cached balance; it always equals the
sum of its postings. Nothing here is special to one database.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    literal_column,
)

metadata = MetaData()

RowId = BigInteger().with_variant(Integer(), "sqlite")
"""A number the database gives to a row in the order of arrival."""


def big(name: str, default: int | None = 0) -> Column[int]:
    """A whole number: cents, an instant, a count; without a default where it has to be given."""
    return Column(name, BigInteger, nullable=False, default=default)


def bigs(*names: str) -> list[Column[int]]:
    """Whole numbers that begin at zero."""
    return [big(name) for name in names]


def label(name: str, length: int = 40) -> Column[str]:
    """A short text, empty where nothing was said."""
    return Column(name, String(length), nullable=False, default="")


def _hash(name: str) -> Column[bytes]:
    return Column(name, LargeBinary(32), nullable=False)


terminal = Table(
    "terminal",
    metadata,
    Column("tid", String(32), primary_key=True),
    Column("site", String(32), nullable=False),
    label("title", 80),
    label("merchant"),
    *(Column(name, Boolean, nullable=False, default=False) for name in ("can_load", "can_issue", "spare")),
    *bigs("registered_at", "placed_at"),
    label("replaced_by", 32),
)

chain = Table(
    "chain",
    metadata,
    Column("tno", BigInteger, primary_key=True, autoincrement=False),
    Column("site", String(32), nullable=False),
    Column("tid", String(32), nullable=False),
    big("epoch", None),
    _hash("key"),
    Column("grant_jws", LargeBinary, nullable=False),
    _hash("start_hash"),
    Column("status", String(16), nullable=False),
    *bigs("revoked_at", "reported_at", "cards_version", "limits_version"),
    Column("each_signature", Boolean, nullable=False, default=False),
    big("granted_at"),
    big("received_at"),
    big("tier"),
    UniqueConstraint("tid", "epoch"),
)
"""`tier`: where the terminal says that it keeps the epoch's journal key; 0 where nobody signed for more."""

branch = Table(
    "branch",
    metadata,
    Column("tno", BigInteger, ForeignKey("chain.tno"), nullable=False),
    big("branch", None),
    big("tip_seq", None),
    _hash("tip_hash"),
    big("parent"),
    big("forked_after"),
    big("audited_seq"),
    PrimaryKeyConstraint("tno", "branch"),
)
"""`audited_seq`: every single signature up to there has been checked."""

entry = Table(
    "entry",
    metadata,
    Column("tno", BigInteger, ForeignKey("chain.tno"), nullable=False),
    big("branch", None),
    big("seq", None),
    _hash("hash"),
    Column("jws", LargeBinary, nullable=False),
    label("kind", 20),
    big("day", None),
    big("at", None),
    Column("parked", Text, nullable=False, default=""),
    big("received_at", None),
    PrimaryKeyConstraint("tno", "branch", "seq"),
    Index("entry_by_day", "day"),
)

IS_REFUSAL = entry.c.kind == literal_column("'sale_refused'")
"""Entries that tell why nothing was sold."""
Index("refusal_by_day", entry.c.day, entry.c.received_at, sqlite_where=IS_REFUSAL, postgresql_where=IS_REFUSAL)

parked = Table(
    "parked",
    metadata,
    big("tno", None),
    big("branch", None),
    big("seq", None),
    Column("card", BigInteger),
    Column("generation", BigInteger),
    PrimaryKeyConstraint("tno", "branch", "seq"),
    Index("parked_by_card", "card", "generation"),
)
"""The entries that wait to be posted, and for which card; a row goes when its entry is posted."""

step = Table(
    "step",
    metadata,
    Column("number", RowId, primary_key=True, autoincrement=True),
    big("tno", None),
    big("branch", None),
    big("seq", None),
    label("operation", 10),
    label("stage", 10),
    label("shape", 10),
    Column("body", Text, nullable=False),
    Column("last", Text, nullable=False),
    Column("tid", String(32), nullable=False),
    big("shift"),
    big("card", None),
    big("generation", None),
    big("counter", None),
    big("counter_after", None),
    big("amount", None),
    big("main", None),
    big("main_after", None),
    big("subsidy", None),
    big("subsidy_after", None),
    big("below_tno"),
    big("below_seq"),
    Column("use", String(16)),
    Column("resolved", String(16)),
    big("torn_at"),
    Column("claimed", Boolean, nullable=False, default=False),
    Column("lost", Boolean, nullable=False, default=False),
    Column("returned", Boolean, nullable=False, default=False),
    big("given_back_cents"),
    big("day", None),
    big("at", None),
    UniqueConstraint("tno", "branch", "seq"),
    Index("step_by_card", "card", "generation", "counter_after"),
    Index("step_by_mark_below", "below_tno", "below_seq"),
    Index("step_by_stage", "stage", "resolved"),
)
"""One row for each card operation. `below_tno`, `below_seq`: the mark the card showed at the counter it builds on."""

shift = Table(
    "shift",
    metadata,
    big("tno", None),
    big("number", None),
    Column("status", String(16), nullable=False),
    PrimaryKeyConstraint("tno", "number"),
)
"""Cashiers' shifts that have been heard of, and whether their drawer was counted."""

person = Table(
    "person",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(120), nullable=False),
    big("card_class", None),
    big("created_at"),
)

card = Table(
    "card",
    metadata,
    big("card", None),
    big("generation", None),
    big("card_class", 1),
    label("technology", 16),
    Column("status", String(16), nullable=False),
    *bigs("main_cents", "subsidy_cents", "counter", "load_seq", "load_seq_floor", "loaded_total_cents"),
    *bigs("collected_cents", "arrived_cents", "adopted_cents", "explained_cents", "subsidy_total_cents"),
    *bigs("subsidy_arrived_cents", "period", "period_load_seq", "spent_known_cents"),
    Column("excused", Text, nullable=False, default=""),
    Column("exchange", Boolean, nullable=False, default=False),
    Column("person", String(32), ForeignKey("person.id")),
    *bigs("issued_at", "closed_at", "closed_version"),
    Column("closed_for", String(16), nullable=False, default=""),
    *bigs("moved_at", "subsidy_seq", "listed_counter", "listed_load_seq"),
    PrimaryKeyConstraint("card", "generation"),
    Index("card_by_status", "status"),
    Index("card_by_person", "person"),
)
"""One row for each plastic. `closed_version`: the `cards` list that first said so; `moved_at`: when what it had not
collected went to the next card; `subsidy_seq`: the load that brings its newest subsidy; `listed_*`: floors."""

posting = Table(
    "posting",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("cause", String(80), nullable=False),
    big("line", None),
    big("day", None),
    big("period_day", None),
    Column("account_kind", String(20), nullable=False),
    Column("owner", String(80), nullable=False),
    big("cents", None),
    big("at", None),
    UniqueConstraint("cause", "line"),
    Index("posting_by_account", "account_kind", "owner", "period_day", "cents"),
    Index("posting_by_day", "period_day"),
)
"""Double entry: the lines of a cause sum to zero. `day` is when it happened, `period_day` the open day it counts in."""
IS_OF_DRAWER = and_(posting.c.account_kind == "operator_loss", posting.c.owner != "")
"""Lines that say what a counted drawer had too much or too little."""
Index("difference_by_day", posting.c.day, posting.c.at, sqlite_where=IS_OF_DRAWER, postgresql_where=IS_OF_DRAWER)

case_file = Table(
    "case_file",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("cls", String(40), nullable=False),
    Column("card", BigInteger),
    Column("generation", BigInteger),
    big("tno"),
    big("branch"),
    big("seq"),
    big("cents"),
    Column("text", Text, nullable=False),
    big("opened_at"),
    big("closed_at"),
    Column("closed_by", String(80), nullable=False, default=""),
    Column("outcome", Text, nullable=False, default=""),
    label("about", 120),
    Index("case_by_class", "cls", "closed_at"),
    Index("case_by_account", "about"),
)
"""`about`: of a count or a document the account, after the document's day; each has one open case at most."""

hole = Table(
    "hole",
    metadata,
    Column("tno", BigInteger, ForeignKey("chain.tno"), nullable=False),
    big("first", None),
    big("last", None),
    _hash("hash"),
    big("asked", None),
    big("asked_at", None),
    Column("status", String(16), nullable=False),
    PrimaryKeyConstraint("tno", "first"),
)

provisional = Table(
    "provisional",
    metadata,
    big("card", None),
    big("generation", None),
    big("counter", None),
    Column("cause", String(80), nullable=False),
    PrimaryKeyConstraint("card", "generation", "counter"),
)
"""Steps of a hole that are posted from the cards' own chains; a row goes when its entry is found."""

load = Table(
    "load",
    metadata,
    big("card", None),
    big("generation", None),
    big("load_seq", None),
    big("loaded_total_cents", None),
    big("spent_known_cents", None),
    big("period", None),
    big("subsidy_total_cents", None),
    Column("record", LargeBinary, nullable=False),
    big("at", None),
    PrimaryKeyConstraint("card", "generation", "load_seq"),
)

setting = Table(
    "setting",
    metadata,
    Column("name", String(60), primary_key=True),
    Column("value", Text, nullable=False),
)

list_file = Table(
    "list_file",
    metadata,
    Column("site", String(32), nullable=False),
    Column("name", String(16), nullable=False),
    big("version", None),
    Column("sha256", String(64), nullable=False),
    Column("body", LargeBinary, nullable=False),
    big("at", None),
    PrimaryKeyConstraint("site", "name", "version"),
)

product = Table(
    "product",
    metadata,
    Column("site", String(32), nullable=False),
    Column("product", String(32), nullable=False),
    PrimaryKeyConstraint("site", "product"),
)
"""Every product that a price list of a site ever had: entries may come long after it was taken off."""

list_part = Table(
    "list_part",
    metadata,
    Column("site", String(32), nullable=False),
    Column("sha256", String(64), nullable=False),
    big("named_at", None),
    PrimaryKeyConstraint("site", "sha256"),
)
"""Parts that lie retained at the broker, and when a manifest last named them."""

business_day = Table(
    "business_day",
    metadata,
    Column("day", BigInteger, primary_key=True, autoincrement=False),
    big("closed_at"),
    big("revision"),
)
"""Days that were closed or restated; every day up to the newest is closed. A late
posting counts in an open day and raises the revision of its own."""
