"""Enrolment: claims, machines that asked, certificates."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """One step up."""
    op.create_table(
        "certificate",
        sa.Column("serial", sa.String(length=40), nullable=False),
        sa.Column("tid", sa.String(length=32), nullable=False),
        sa.Column("pem", sa.Text(), nullable=False),
        sa.Column("issued_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tid"],
            ["terminal.tid"],
        ),
        sa.PrimaryKeyConstraint("serial"),
    )
    op.create_index("certificate_by_revocation", "certificate", ["revoked_at"], unique=False)
    op.create_index("certificate_by_terminal", "certificate", ["tid"], unique=False)
    op.create_table(
        "claim",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("tid", sa.String(length=32), nullable=False),
        sa.Column("made_by", sa.String(length=80), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tid"],
            ["terminal.tid"],
        ),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index("claim_by_terminal", "claim", ["tid"], unique=False)
    op.create_table(
        "enrolment",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("ticket", sa.String(length=64), nullable=False),
        sa.Column("claim", sa.String(length=64), nullable=False),
        sa.Column("tid", sa.String(length=32), nullable=False),
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("journal_key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=False),
        sa.Column("nonce", sa.LargeBinary(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("decided_by", sa.String(length=80), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=False),
        sa.Column("grant_jws", sa.LargeBinary(), nullable=False),
        sa.Column("certificate", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["claim"],
            ["claim.digest"],
        ),
        sa.ForeignKeyConstraint(
            ["tid"],
            ["terminal.tid"],
        ),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("ticket"),
    )
    op.create_index("enrolment_by_state", "enrolment", ["state"], unique=False)


def downgrade() -> None:
    """One step down."""
    op.drop_index("enrolment_by_state", table_name="enrolment")
    op.drop_table("enrolment")
    op.drop_index("claim_by_terminal", table_name="claim")
    op.drop_table("claim")
    op.drop_index("certificate_by_terminal", table_name="certificate")
    op.drop_index("certificate_by_revocation", table_name="certificate")
    op.drop_table("certificate")
