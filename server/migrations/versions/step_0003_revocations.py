"""Revoked apart from lost, and the epoch of a certificate."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """One step up. Since when a terminal is revoked was not kept: since its grant, for all that is known."""
    op.add_column("chain", sa.Column("revoked_at", sa.BigInteger(), nullable=False, server_default="0"))
    op.execute("UPDATE chain SET revoked_at = granted_at, status = 'active' WHERE status = 'revoked'")
    op.add_column("certificate", sa.Column("epoch", sa.BigInteger(), nullable=False, server_default="0"))
    op.execute("UPDATE certificate SET epoch = (SELECT max(chain.epoch) FROM chain WHERE chain.tid = certificate.tid)")


def downgrade() -> None:
    """One step down."""
    op.drop_column("certificate", "epoch")
    op.execute("UPDATE chain SET status = 'revoked' WHERE revoked_at > 0")
    op.drop_column("chain", "revoked_at")
