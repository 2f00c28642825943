"""The tree over entries, postings and the trail; and nobody changes or removes what only ever grows."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

GROWING = ("trail", "posting", "tree_leaf", "tree_node", "tree_head")
"""`entry` is not among them: that it waits to be posted is written in its row."""


def upgrade() -> None:
    """One step up."""
    op.create_table(
        "tree_leaf",
        sa.Column("position", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("source", sa.String(8), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("second", sa.BigInteger(), nullable=False),
        sa.Column("third", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.UniqueConstraint("source", "first", "second", "third"),
    )
    op.create_table(
        "tree_node",
        sa.Column("level", sa.BigInteger(), nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("level", "place"),
    )
    op.create_table(
        "tree_head",
        sa.Column("number", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("server_epoch", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.BigInteger(), nullable=False, unique=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(32), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("jws", sa.LargeBinary(), nullable=False),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION only_grows() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN RAISE EXCEPTION ''rows of % are never changed or removed'', TG_TABLE_NAME; END'"
        )
        for table in GROWING:
            op.execute(
                f"CREATE TRIGGER {table}_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
                " FOR EACH STATEMENT EXECUTE FUNCTION only_grows()"
            )
        return
    for table in GROWING:
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} BEGIN"
                f" SELECT RAISE(ABORT, 'rows of {table} are never changed or removed'); END"
            )


def downgrade() -> None:
    """One step down: rows may be changed again."""
    if op.get_bind().dialect.name == "postgresql":
        for table in GROWING:
            op.execute(f"DROP TRIGGER {table}_only_grows ON {table}")
        op.execute("DROP FUNCTION only_grows()")
    else:
        for table in GROWING:
            op.execute(f"DROP TRIGGER {table}_no_update")
            op.execute(f"DROP TRIGGER {table}_no_delete")
    op.drop_table("tree_head")
    op.drop_table("tree_node")
    op.drop_table("tree_leaf")
