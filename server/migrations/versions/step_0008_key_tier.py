"""Where the journal key of an epoch is kept, as its terminal says."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """One step up. What was enrolled before had its key in a file."""
    for table in ("chain", "enrolment"):
        op.add_column(table, sa.Column("tier", sa.BigInteger(), nullable=False, server_default="0"))


def downgrade() -> None:
    """One step down."""
    for table in ("enrolment", "chain"):
        op.drop_column(table, "tier")
