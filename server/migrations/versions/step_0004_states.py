"""What terminals say of themselves."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """One step up."""
    op.create_table(
        "terminal_state",
        sa.Column("tid", sa.String(32), sa.ForeignKey("terminal.tid"), primary_key=True),
        sa.Column("online", sa.Integer(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.Column("said_at", sa.BigInteger(), nullable=False),
    )


def downgrade() -> None:
    """One step down."""
    op.drop_table("terminal_state")
