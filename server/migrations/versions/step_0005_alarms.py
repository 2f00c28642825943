"""Alarms."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """One step up. That a server was restored was a case, and is an alarm."""
    op.create_table(
        "alarm",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("current", sa.String(80), unique=True),
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("about", sa.String(40), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=False),
        sa.Column("acknowledged_at", sa.BigInteger(), nullable=False),
        sa.Column("acknowledged_by", sa.String(80), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
    )
    op.execute(
        "INSERT INTO alarm (kind, about, text, count, first_at, last_at, ended_at, acknowledged_at, acknowledged_by,"
        " answer) SELECT 'server_restored', 'server', text, 1, opened_at, opened_at, 0, closed_at, closed_by, outcome"
        " FROM case_file WHERE cls = 'server_restored'"
    )
    op.execute(
        "UPDATE alarm SET current = 'server_restored/server' WHERE number ="
        " (SELECT max(number) FROM alarm WHERE acknowledged_at = 0)"
    )
    op.execute("DELETE FROM case_file WHERE cls = 'server_restored'")


def downgrade() -> None:
    """One step down."""
    op.drop_table("alarm")
