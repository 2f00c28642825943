"""The money core: entries, cards, ledger, reconciliation, and what people ask for."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """One step up."""
    op.create_table(
        "act",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("cause", sa.String(length=80), nullable=False),
        sa.Column("name", sa.String(length=24), nullable=False),
        sa.Column("owner", sa.String(length=80), nullable=False),
        sa.Column("cents", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("proposed_by", sa.String(length=80), nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("cause"),
    )
    op.create_table(
        "business_day",
        sa.Column("day", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day"),
    )
    op.create_table(
        "case_file",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("cls", sa.String(length=40), nullable=False),
        sa.Column("card", sa.BigInteger(), nullable=True),
        sa.Column("generation", sa.BigInteger(), nullable=True),
        sa.Column("tno", sa.BigInteger(), nullable=False),
        sa.Column("branch", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("cents", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_by", sa.String(length=80), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("case_by_class", "case_file", ["cls", "closed_at"], unique=False)
    op.create_table(
        "chain",
        sa.Column("tno", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("site", sa.String(length=32), nullable=False),
        sa.Column("tid", sa.String(length=32), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("grant_jws", sa.LargeBinary(), nullable=False),
        sa.Column("start_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("reported_at", sa.BigInteger(), nullable=False),
        sa.Column("cards_version", sa.BigInteger(), nullable=False),
        sa.Column("limits_version", sa.BigInteger(), nullable=False),
        sa.Column("each_signature", sa.Boolean(), nullable=False),
        sa.Column("granted_at", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tno"),
        sa.UniqueConstraint("tid", "epoch"),
    )
    op.create_table(
        "due",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("what", sa.String(length=16), nullable=False),
        sa.Column("card", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("due_by_card", "due", ["what", "card"], unique=False)
    op.create_table(
        "finding",
        sa.Column("day", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("cls", sa.String(length=24), nullable=False),
        sa.Column("card", sa.BigInteger(), nullable=True),
        sa.Column("generation", sa.BigInteger(), nullable=True),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.Column("cents", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("of_day", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("day", "number", "key"),
    )
    op.create_index("finding_by_card", "finding", ["card", "generation"], unique=False)
    op.create_table(
        "float_line",
        sa.Column("day", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("account_kind", sa.String(length=20), nullable=False),
        sa.Column("owner", sa.String(length=80), nullable=False),
        sa.Column("booked_cents", sa.BigInteger(), nullable=False),
        sa.Column("documented_cents", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.String(length=120), nullable=False),
        sa.Column("standing", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("day", "number", "account_kind", "owner"),
    )
    op.create_table(
        "list_file",
        sa.Column("site", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("site", "name", "version"),
    )
    op.create_table(
        "list_part",
        sa.Column("site", sa.String(length=32), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("named_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("site", "sha256"),
    )
    op.create_table(
        "load",
        sa.Column("card", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("load_seq", sa.BigInteger(), nullable=False),
        sa.Column("loaded_total_cents", sa.BigInteger(), nullable=False),
        sa.Column("spent_known_cents", sa.BigInteger(), nullable=False),
        sa.Column("period", sa.BigInteger(), nullable=False),
        sa.Column("subsidy_total_cents", sa.BigInteger(), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("card", "generation", "load_seq"),
    )
    op.create_table(
        "outside_document",
        sa.Column("day", sa.BigInteger(), nullable=False),
        sa.Column("account_kind", sa.String(length=20), nullable=False),
        sa.Column("owner", sa.String(length=80), nullable=False),
        sa.Column("cents", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.String(length=120), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", "account_kind", "owner"),
    )
    op.create_table(
        "parked",
        sa.Column("tno", sa.BigInteger(), nullable=False),
        sa.Column("branch", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("card", sa.BigInteger(), nullable=True),
        sa.Column("generation", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("tno", "branch", "seq"),
    )
    op.create_index("parked_by_card", "parked", ["card", "generation"], unique=False)
    op.create_table(
        "person",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("card_class", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "posting",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("cause", sa.String(length=80), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.BigInteger(), nullable=False),
        sa.Column("period_day", sa.BigInteger(), nullable=False),
        sa.Column("account_kind", sa.String(length=20), nullable=False),
        sa.Column("owner", sa.String(length=80), nullable=False),
        sa.Column("cents", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("cause", "line"),
    )
    op.create_index(
        "difference_by_day",
        "posting",
        ["day", "at"],
        unique=False,
        sqlite_where=sa.text("account_kind = 'operator_loss' AND owner != ''"),
        postgresql_where=sa.text("account_kind = 'operator_loss' AND owner != ''"),
    )
    op.create_index("posting_by_account", "posting", ["account_kind", "owner", "period_day", "cents"], unique=False)
    op.create_index("posting_by_day", "posting", ["period_day"], unique=False)
    op.create_table(
        "product",
        sa.Column("site", sa.String(length=32), nullable=False),
        sa.Column("product", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("site", "product"),
    )
    op.create_table(
        "proposal",
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=80), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("action", "subject"),
    )
    op.create_table(
        "provisional",
        sa.Column("card", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.Column("cause", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("card", "generation", "counter"),
    )
    op.create_table(
        "reconciliation",
        sa.Column("day", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("as_of", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=False),
        sa.Column("run", sa.BigInteger(), nullable=False),
        sa.Column("leased_until", sa.BigInteger(), nullable=False),
        sa.Column("card", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("cards", sa.BigInteger(), nullable=False),
        sa.Column("signatures", sa.BigInteger(), nullable=False),
        sa.Column("difference_cents", sa.BigInteger(), nullable=False),
        sa.Column("unexplained_cents", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", "number"),
    )
    op.create_table(
        "request",
        sa.Column("cause", sa.String(length=80), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("cause"),
    )
    op.create_table(
        "setting",
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "shift",
        sa.Column("tno", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("tno", "number"),
    )
    op.create_table(
        "step",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("tno", sa.BigInteger(), nullable=False),
        sa.Column("branch", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("operation", sa.String(length=10), nullable=False),
        sa.Column("stage", sa.String(length=10), nullable=False),
        sa.Column("shape", sa.String(length=10), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("last", sa.Text(), nullable=False),
        sa.Column("tid", sa.String(length=32), nullable=False),
        sa.Column("shift", sa.BigInteger(), nullable=False),
        sa.Column("card", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.Column("counter_after", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("main", sa.BigInteger(), nullable=False),
        sa.Column("main_after", sa.BigInteger(), nullable=False),
        sa.Column("subsidy", sa.BigInteger(), nullable=False),
        sa.Column("subsidy_after", sa.BigInteger(), nullable=False),
        sa.Column("below_tno", sa.BigInteger(), nullable=False),
        sa.Column("below_seq", sa.BigInteger(), nullable=False),
        sa.Column("use", sa.String(length=16), nullable=True),
        sa.Column("resolved", sa.String(length=16), nullable=True),
        sa.Column("torn_at", sa.BigInteger(), nullable=False),
        sa.Column("claimed", sa.Boolean(), nullable=False),
        sa.Column("lost", sa.Boolean(), nullable=False),
        sa.Column("returned", sa.Boolean(), nullable=False),
        sa.Column("given_back_cents", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("tno", "branch", "seq"),
    )
    op.create_index("step_by_card", "step", ["card", "generation", "counter_after"], unique=False)
    op.create_index("step_by_mark_below", "step", ["below_tno", "below_seq"], unique=False)
    op.create_index("step_by_stage", "step", ["stage", "resolved"], unique=False)
    op.create_table(
        "terminal",
        sa.Column("tid", sa.String(length=32), nullable=False),
        sa.Column("site", sa.String(length=32), nullable=False),
        sa.Column("title", sa.String(length=80), nullable=False),
        sa.Column("merchant", sa.String(length=40), nullable=False),
        sa.Column("can_load", sa.Boolean(), nullable=False),
        sa.Column("can_issue", sa.Boolean(), nullable=False),
        sa.Column("registered_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tid"),
    )
    op.create_table(
        "trail",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("operator", sa.String(length=80), nullable=False),
        sa.Column("roles", sa.String(length=80), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=160), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("proposed_by", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("trail_by_operator", "trail", ["operator", "number"], unique=False)
    op.create_index("trail_by_subject", "trail", ["subject"], unique=False)
    op.create_index("trail_by_time", "trail", ["at"], unique=False)
    op.create_table(
        "branch",
        sa.Column("tno", sa.BigInteger(), nullable=False),
        sa.Column("branch", sa.BigInteger(), nullable=False),
        sa.Column("tip_seq", sa.BigInteger(), nullable=False),
        sa.Column("tip_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("parent", sa.BigInteger(), nullable=False),
        sa.Column("forked_after", sa.BigInteger(), nullable=False),
        sa.Column("audited_seq", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tno"],
            ["chain.tno"],
        ),
        sa.PrimaryKeyConstraint("tno", "branch"),
    )
    op.create_table(
        "card",
        sa.Column("card", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("card_class", sa.BigInteger(), nullable=False),
        sa.Column("technology", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("main_cents", sa.BigInteger(), nullable=False),
        sa.Column("subsidy_cents", sa.BigInteger(), nullable=False),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.Column("load_seq", sa.BigInteger(), nullable=False),
        sa.Column("load_seq_floor", sa.BigInteger(), nullable=False),
        sa.Column("loaded_total_cents", sa.BigInteger(), nullable=False),
        sa.Column("collected_cents", sa.BigInteger(), nullable=False),
        sa.Column("arrived_cents", sa.BigInteger(), nullable=False),
        sa.Column("adopted_cents", sa.BigInteger(), nullable=False),
        sa.Column("explained_cents", sa.BigInteger(), nullable=False),
        sa.Column("subsidy_total_cents", sa.BigInteger(), nullable=False),
        sa.Column("subsidy_arrived_cents", sa.BigInteger(), nullable=False),
        sa.Column("period", sa.BigInteger(), nullable=False),
        sa.Column("period_load_seq", sa.BigInteger(), nullable=False),
        sa.Column("spent_known_cents", sa.BigInteger(), nullable=False),
        sa.Column("excused", sa.Text(), nullable=False),
        sa.Column("exchange", sa.Boolean(), nullable=False),
        sa.Column("person", sa.String(length=32), nullable=True),
        sa.Column("issued_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_version", sa.BigInteger(), nullable=False),
        sa.Column("closed_for", sa.String(length=16), nullable=False),
        sa.Column("moved_at", sa.BigInteger(), nullable=False),
        sa.Column("subsidy_seq", sa.BigInteger(), nullable=False),
        sa.Column("listed_counter", sa.BigInteger(), nullable=False),
        sa.Column("listed_load_seq", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["person"],
            ["person.id"],
        ),
        sa.PrimaryKeyConstraint("card", "generation"),
    )
    op.create_index("card_by_person", "card", ["person"], unique=False)
    op.create_index("card_by_status", "card", ["status"], unique=False)
    op.create_table(
        "entry",
        sa.Column("tno", sa.BigInteger(), nullable=False),
        sa.Column("branch", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("jws", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("day", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("parked", sa.Text(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tno"],
            ["chain.tno"],
        ),
        sa.PrimaryKeyConstraint("tno", "branch", "seq"),
    )
    op.create_index("entry_by_day", "entry", ["day"], unique=False)
    op.create_table(
        "hole",
        sa.Column("tno", sa.BigInteger(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("asked", sa.BigInteger(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(
            ["tno"],
            ["chain.tno"],
        ),
        sa.PrimaryKeyConstraint("tno", "first"),
    )


def downgrade() -> None:
    """One step down."""
    op.drop_table("hole")
    op.drop_index("entry_by_day", table_name="entry")
    op.drop_table("entry")
    op.drop_index("card_by_status", table_name="card")
    op.drop_index("card_by_person", table_name="card")
    op.drop_table("card")
    op.drop_table("branch")
    op.drop_index("trail_by_time", table_name="trail")
    op.drop_index("trail_by_subject", table_name="trail")
    op.drop_index("trail_by_operator", table_name="trail")
    op.drop_table("trail")
    op.drop_table("terminal")
    op.drop_index("step_by_stage", table_name="step")
    op.drop_index("step_by_mark_below", table_name="step")
    op.drop_index("step_by_card", table_name="step")
    op.drop_table("step")
    op.drop_table("shift")
    op.drop_table("setting")
    op.drop_table("request")
    op.drop_table("reconciliation")
    op.drop_table("provisional")
    op.drop_table("proposal")
    op.drop_table("product")
    op.drop_index("posting_by_day", table_name="posting")
    op.drop_index("posting_by_account", table_name="posting")
    op.drop_index(
        "difference_by_day",
        table_name="posting",
        sqlite_where=sa.text("account_kind = 'operator_loss' AND owner != ''"),
        postgresql_where=sa.text("account_kind = 'operator_loss' AND owner != ''"),
    )
    op.drop_table("posting")
    op.drop_table("person")
    op.drop_index("parked_by_card", table_name="parked")
    op.drop_table("parked")
    op.drop_table("outside_document")
    op.drop_table("load")
    op.drop_table("list_part")
    op.drop_table("list_file")
    op.drop_table("float_line")
    op.drop_index("finding_by_card", table_name="finding")
    op.drop_table("finding")
    op.drop_index("due_by_card", table_name="due")
    op.drop_table("due")
    op.drop_table("chain")
    op.drop_index("case_by_class", table_name="case_file")
    op.drop_table("case_file")
    op.drop_table("business_day")
    op.drop_table("act")
