"""Which bound UIDs are tags that a card office made, and that prove themselves."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """One step up."""
    with op.batch_alter_table("token") as table:
        table.add_column(sa.Column("proves", sa.BigInteger(), nullable=False, server_default="0"))


def downgrade() -> None:
    """One step down."""
    with op.batch_alter_table("token") as table:
        table.drop_column("proves")
