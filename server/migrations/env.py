"""Alembic's entry: it works on the connection that it is given, inside that transaction."""

from alembic import context

from server import act_tables
from server.enrolment import tables

assert act_tables.act.metadata is tables.claim.metadata, "every table stands in the same metadata"
connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=tables.claim.metadata, render_as_batch=True, compare_type=True)
with context.begin_transaction():
    context.run_migrations()
