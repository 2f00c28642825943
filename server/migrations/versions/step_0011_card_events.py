"""The history of cards themselves. What was posted before this step stands in the journals only."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """One step up."""
    op.create_table(
        "card_event",
        sa.Column("tno", sa.BigInteger(), nullable=False),
        sa.Column("branch", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("card", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("uid", sa.String(20), nullable=False),
        sa.Column("was", sa.BigInteger(), nullable=False),
        sa.Column("now", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.String(200), nullable=False),
        sa.Column("staff", sa.String(32), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tno", "branch", "seq"),
    )
    op.create_index("card_event_by_card", "card_event", ["card", "at"])


def downgrade() -> None:
    """One step down."""
    op.drop_table("card_event")
