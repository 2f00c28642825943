"""Which sale used what a token has shown of itself."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """One step up."""
    numbers = ("counter", "tno", "branch", "seq", "settled")
    op.create_table(
        "token_use",
        sa.Column("card", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in numbers),
        sa.PrimaryKeyConstraint("card", "generation", "kind", "counter"),
    )


def downgrade() -> None:
    """One step down."""
    op.drop_table("token_use")
