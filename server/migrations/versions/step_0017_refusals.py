"""What terminals refused is found by its day."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """One step up."""
    where = sa.text("kind = 'sale_refused'")
    op.create_index("refusal_by_day", "entry", ["day", "received_at"], sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    """One step down."""
    op.drop_index("refusal_by_day", "entry")
