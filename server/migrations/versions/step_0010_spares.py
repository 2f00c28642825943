"""Spare terminals, and who stands in whose place."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """One step up. Nobody was a spare."""
    op.add_column("terminal", sa.Column("spare", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("terminal", sa.Column("replaced_by", sa.String(32), nullable=False, server_default=""))
    op.add_column("terminal", sa.Column("placed_at", sa.BigInteger(), nullable=False, server_default="0"))


def downgrade() -> None:
    """One step down."""
    for column in ("placed_at", "replaced_by", "spare"):
        op.drop_column("terminal", column)
