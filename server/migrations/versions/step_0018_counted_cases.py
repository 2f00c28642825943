"""Which account a case about a count or a document is about."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """One step up."""
    with op.batch_alter_table("case_file") as table:
        table.add_column(sa.Column("about", sa.String(120), nullable=False, server_default=""))
        table.create_index("case_by_account", ["about"])


def downgrade() -> None:
    """One step down."""
    with op.batch_alter_table("case_file") as table:
        table.drop_index("case_by_account")
        table.drop_column("about")
