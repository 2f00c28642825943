"""Brings a database's schema up to this program's, or down again."""

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

HEAD, NOTHING = "head", "base"
_STEPS = "server:migrations"


class SchemaUnknown(Exception):
    """The database is of a newer program, or of none that kept count; the text says what to do."""


def upgrade(connection: Connection, to: str = HEAD) -> None:
    """Go up to a step. Raises SchemaUnknown; everything happens in the caller's transaction."""
    present = revision(connection)
    tables = inspect(connection).get_table_names()
    if present is None and tables and tables != ["alembic_version"]:
        raise SchemaUnknown("the database was made before its schema was counted: begin with a new one")
    steps = {step.revision for step in ScriptDirectory.from_config(_config(connection)).walk_revisions()}
    if present is not None and present not in steps:
        raise SchemaUnknown(f"the database is at step {present}, which only a newer program knows: start that one")
    command.upgrade(_config(connection), to)


def is_current(connection: Connection) -> bool:
    """Whether the schema is this program's own."""
    return revision(connection) == ScriptDirectory.from_config(_config(connection)).get_current_head()


def downgrade(connection: Connection, to: str) -> None:
    """Go down to a step; what only newer steps keep is gone then."""
    command.downgrade(_config(connection), to)


def revision(connection: Connection) -> str | None:
    """The step that a database is at; None before the first."""
    return MigrationContext.configure(connection).get_current_revision()


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", _STEPS)
    config.attributes["connection"] = connection
    return config
