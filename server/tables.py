"""Every table of the server. Money is an integer number of cents, instants are UTC ms, days are business days.

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
)

metadata = MetaData()

RowId = BigInteger().with_variant(Integer(), "sqlite")
"""A number the database gives to a row in the order of arrival."""


def _big(name: str, default: int | None = 0) -> Column[int]:
    return Column(name, BigInteger, nullable=False, default=default)


def _bigs(*names: str) -> list[Column[int]]:
    return [_big(name) for name in names]


def _name(name: str, length: int = 40) -> Column[str]:
    return Column(name, String(length), nullable=False, default="")


def _hash(name: str) -> Column[bytes]:
    return Column(name, LargeBinary(32), nullable=False)


terminal = Table(
    "terminal",
    metadata,
    Column("tid", String(32), primary_key=True),
    Column("site", String(32), nullable=False),
    _name("title", 80),
    _name("merchant"),
    *(Column(name, Boolean, nullable=False, default=False) for name in ("can_load", "can_issue", "spare")),
    *_bigs("registered_at", "placed_at"),
    _name("replaced_by", 32),
)

chain = Table(
    "chain",
    metadata,
    Column("tno", BigInteger, primary_key=True, autoincrement=False),
    Column("site", String(32), nullable=False),
    Column("tid", String(32), nullable=False),
    _big("epoch", None),
    _hash("key"),
    Column("grant_jws", LargeBinary, nullable=False),
    _hash("start_hash"),
    Column("status", String(16), nullable=False),
    *_bigs("revoked_at", "reported_at", "cards_version", "limits_version"),
    Column("each_signature", Boolean, nullable=False, default=False),
    _big("granted_at"),
    _big("received_at"),
    _big("tier"),
    UniqueConstraint("tid", "epoch"),
)
"""`tier`: where the terminal says that it keeps the epoch's journal key; 0 where nobody signed for more."""

branch = Table(
    "branch",
    metadata,
    Column("tno", BigInteger, ForeignKey("chain.tno"), nullable=False),
    _big("branch", None),
    _big("tip_seq", None),
    _hash("tip_hash"),
    _big("parent"),
    _big("forked_after"),
    _big("audited_seq"),
    PrimaryKeyConstraint("tno", "branch"),
)
"""`audited_seq`: every single signature up to there has been checked."""

entry = Table(
    "entry",
    metadata,
    Column("tno", BigInteger, ForeignKey("chain.tno"), nullable=False),
    _big("branch", None),
    _big("seq", None),
    _hash("hash"),
    Column("jws", LargeBinary, nullable=False),
    _name("kind", 20),
    _big("day", None),
    _big("at", None),
    Column("parked", Text, nullable=False, default=""),
    _big("received_at", None),
    PrimaryKeyConstraint("tno", "branch", "seq"),
    Index("entry_by_day", "day"),
)

parked = Table(
    "parked",
    metadata,
    _big("tno", None),
    _big("branch", None),
    _big("seq", None),
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
    _big("tno", None),
    _big("branch", None),
    _big("seq", None),
    _name("operation", 10),
    _name("stage", 10),
    _name("shape", 10),
    Column("body", Text, nullable=False),
    Column("last", Text, nullable=False),
    Column("tid", String(32), nullable=False),
    _big("shift"),
    _big("card", None),
    _big("generation", None),
    _big("counter", None),
    _big("counter_after", None),
    _big("amount", None),
    _big("main", None),
    _big("main_after", None),
    _big("subsidy", None),
    _big("subsidy_after", None),
    _big("below_tno"),
    _big("below_seq"),
    Column("use", String(16)),
    Column("resolved", String(16)),
    _big("torn_at"),
    Column("claimed", Boolean, nullable=False, default=False),
    Column("lost", Boolean, nullable=False, default=False),
    Column("returned", Boolean, nullable=False, default=False),
    _big("given_back_cents"),
    _big("day", None),
    _big("at", None),
    UniqueConstraint("tno", "branch", "seq"),
    Index("step_by_card", "card", "generation", "counter_after"),
    Index("step_by_mark_below", "below_tno", "below_seq"),
    Index("step_by_stage", "stage", "resolved"),
)
"""One row for each card operation. `below_tno`, `below_seq`: the mark the card showed at the counter it builds on."""

shift = Table(
    "shift",
    metadata,
    _big("tno", None),
    _big("number", None),
    Column("status", String(16), nullable=False),
    PrimaryKeyConstraint("tno", "number"),
)
"""Cashiers' shifts that have been heard of, and whether their drawer was counted."""

person = Table(
    "person",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(120), nullable=False),
    _big("card_class", None),
    _big("created_at"),
)

card = Table(
    "card",
    metadata,
    _big("card", None),
    _big("generation", None),
    _big("card_class", 1),
    _name("technology", 16),
    Column("status", String(16), nullable=False),
    *_bigs("main_cents", "subsidy_cents", "counter", "load_seq", "load_seq_floor", "loaded_total_cents"),
    *_bigs("collected_cents", "arrived_cents", "adopted_cents", "explained_cents", "subsidy_total_cents"),
    *_bigs("subsidy_arrived_cents", "period", "period_load_seq", "spent_known_cents"),
    Column("excused", Text, nullable=False, default=""),
    Column("exchange", Boolean, nullable=False, default=False),
    Column("person", String(32), ForeignKey("person.id")),
    *_bigs("issued_at", "closed_at", "closed_version"),
    Column("closed_for", String(16), nullable=False, default=""),
    *_bigs("moved_at", "subsidy_seq", "listed_counter", "listed_load_seq"),
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
    _big("line", None),
    _big("day", None),
    _big("period_day", None),
    Column("account_kind", String(20), nullable=False),
    Column("owner", String(80), nullable=False),
    _big("cents", None),
    _big("at", None),
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
    _big("tno"),
    _big("branch"),
    _big("seq"),
    _big("cents"),
    Column("text", Text, nullable=False),
    _big("opened_at"),
    _big("closed_at"),
    Column("closed_by", String(80), nullable=False, default=""),
    Column("outcome", Text, nullable=False, default=""),
    Index("case_by_class", "cls", "closed_at"),
)

hole = Table(
    "hole",
    metadata,
    Column("tno", BigInteger, ForeignKey("chain.tno"), nullable=False),
    _big("first", None),
    _big("last", None),
    _hash("hash"),
    _big("asked", None),
    _big("asked_at", None),
    Column("status", String(16), nullable=False),
    PrimaryKeyConstraint("tno", "first"),
)

provisional = Table(
    "provisional",
    metadata,
    _big("card", None),
    _big("generation", None),
    _big("counter", None),
    Column("cause", String(80), nullable=False),
    PrimaryKeyConstraint("card", "generation", "counter"),
)
"""Steps of a hole that are posted from the cards' own chains; a row goes when its entry is found."""

load = Table(
    "load",
    metadata,
    _big("card", None),
    _big("generation", None),
    _big("load_seq", None),
    _big("loaded_total_cents", None),
    _big("spent_known_cents", None),
    _big("period", None),
    _big("subsidy_total_cents", None),
    Column("record", LargeBinary, nullable=False),
    _big("at", None),
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
    _big("version", None),
    Column("sha256", String(64), nullable=False),
    Column("body", LargeBinary, nullable=False),
    _big("at", None),
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
    _big("named_at", None),
    PrimaryKeyConstraint("site", "sha256"),
)
"""Parts that lie retained at the broker, and when a manifest last named them."""

business_day = Table(
    "business_day",
    metadata,
    Column("day", BigInteger, primary_key=True, autoincrement=False),
    _big("closed_at"),
    _big("revision"),
)
"""Days that were closed or restated; every day up to the newest is closed. A late
posting counts in an open day and raises the revision of its own."""

reconciliation = Table(
    "reconciliation",
    metadata,
    _big("day", None),
    _big("number", None),
    _big("revision", None),
    _big("as_of", None),
    _big("finished_at"),
    _big("run", None),
    _big("leased_until", None),
    _big("card"),
    _big("generation"),
    _big("cards"),
    _big("signatures"),
    *_bigs("difference_cents", "unexplained_cents", "stand_in_cents"),
    PrimaryKeyConstraint("day", "number"),
)
"""The proofs of business days; `revision` is that of the day's report. `card`, `generation`: the last card that is
proven; it goes on there after a stop. `run`, `leased_until`: which run works on it, and until when nobody else may."""

finding = Table(
    "finding",
    metadata,
    _big("day", None),
    _big("number", None),
    Column("key", String(64), nullable=False),
    _name("cls", 24),
    Column("card", BigInteger),
    Column("generation", BigInteger),
    _big("counter"),
    _big("cents", None),
    _big("amount", None),
    _big("of_day"),
    Column("text", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    PrimaryKeyConstraint("day", "number", "key"),
    Index("finding_by_card", "card", "generation"),
)
"""What a proof found: `cents` is the share of the card's difference, `amount` the money it is about."""

float_line = Table(
    "float_line",
    metadata,
    _big("day", None),
    _big("number", None),
    Column("account_kind", String(20), nullable=False),
    Column("owner", String(80), nullable=False),
    _big("booked_cents", None),
    _big("documented_cents", None),
    Column("document", String(120), nullable=False),
    Column("standing", String(16), nullable=False),
    PrimaryKeyConstraint("day", "number", "account_kind", "owner"),
)
"""The right-hand side of the float as a proof found it: each account next to what an outside document says."""

outside_document = Table(
    "outside_document",
    metadata,
    _big("day", None),
    Column("account_kind", String(20), nullable=False),
    Column("owner", String(80), nullable=False),
    _big("cents", None),
    Column("document", String(120), nullable=False),
    _big("at", None),
    PrimaryKeyConstraint("day", "account_kind", "owner"),
)
"""What somebody else says that we have: a count, a statement, a bill. The newest word for a day stands."""
