"""Alembic's entry: it works on the connection that it is given, inside that transaction."""

from alembic import context

from server import act_tables
from server.accounts.tables import account
from server.alarms.tables import alarm
from server.card_tables import card_event
from server.enrolment import tables
from server.importing.tables import imported_card
from server.lease_tables import lease
from server.reconcile.tables import reconciliation
from server.states.tables import terminal_state
from server.token_tables import token
from server.tree.tables import tree_head

METADATA = tables.claim.metadata
TABLES = (
    account, act_tables.act, alarm, card_event, imported_card, lease, reconciliation, terminal_state, token, tree_head,
)  # fmt: skip
assert all(each.metadata is METADATA for each in TABLES), "all tables stand in the same"
connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=METADATA, render_as_batch=True, compare_type=True)
with context.begin_transaction():
    context.run_migrations()
