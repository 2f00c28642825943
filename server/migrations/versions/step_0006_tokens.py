"""Tokens: whose a UID is, what is held back for sales, and an index for what a token has spent."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """One step up."""
    op.create_table(
        "token",
        sa.Column("uid", sa.String(20), primary_key=True),
        sa.Column("card", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("bound_at", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("card", "generation"),
    )
    op.create_table(
        "hold",
        sa.Column("tno", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.Column("card", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("main_cents", sa.BigInteger(), nullable=False),
        sa.Column("subsidy_cents", sa.BigInteger(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tno", "seq"),
    )
    op.create_index("hold_by_card", "hold", ["card", "generation", "ends_at"])
    without_counter = sa.text("counter_after = 0")
    op.create_index(
        "step_without_counter",
        "step",
        ["card", "generation", "day"],
        sqlite_where=without_counter,
        postgresql_where=without_counter,
    )


def downgrade() -> None:
    """One step down."""
    op.drop_index("step_without_counter", "step")
    op.drop_table("hold")
    op.drop_table("token")
