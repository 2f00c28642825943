"""What a proof says that silent terminals may have sold to tokens."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """One step up. Earlier proofs did not ask."""
    op.add_column("reconciliation", sa.Column("stand_in_cents", sa.BigInteger(), nullable=False, server_default="0"))


def downgrade() -> None:
    """One step down."""
    op.drop_column("reconciliation", "stand_in_cents")
