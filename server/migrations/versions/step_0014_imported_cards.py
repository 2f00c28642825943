"""Which card of an old system became which of ours."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """One step up."""
    op.create_table(
        "imported_card",
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("number", sa.String(32), nullable=False),
        sa.Column("card", sa.BigInteger(), nullable=False),
        sa.Column("cents", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", "number"),
        sa.UniqueConstraint("card"),
    )


def downgrade() -> None:
    """One step down."""
    op.drop_table("imported_card")
