"""Phones that show pay codes for a token."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """One step up."""
    op.create_table(
        "phone",
        sa.Column("card", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("bound_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("card"),
        sa.UniqueConstraint("digest"),
    )


def downgrade() -> None:
    """One step down."""
    op.drop_table("phone")
