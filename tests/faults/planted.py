"""What must not survive a fault: programs that say OK too early, or that do not hear what the disk says."""

import sqlite3
from functools import partialmethod
from typing import Any, Final, cast

from protocol.journal import Sealed, seal
from terminal.journal_file import JournalFile
from tests.crash import controls

IGNORED: Final = "commit-error-ignored"
"""A commit that failed counts as made."""
SWALLOWED: Final = "sync-error-swallowed"
"""A sync that failed is not heard of, and what it left behind is gone: planted in the disk (`fault.c`)."""
_EARLY: Final = (controls.EARLY.name, controls.GOODS_EARLY.name, controls.CARD_EARLY.name)
CONTROLS: Final = {"terminal": (*_EARLY, IGNORED, SWALLOWED), "server": (controls.EARLY.name, SWALLOWED)}


def plant_in_terminal(name: str) -> None:
    """Change how the journal of this process works; an empty name changes nothing."""
    if name == IGNORED:
        JournalFile._append = partialmethod(_stored_anyhow, JournalFile._append)  # type: ignore[method-assign, assignment]
    elif name != SWALLOWED:
        controls.plant_in_terminal(name)


def plant_in_server(name: str) -> None:
    """Change how the database of this process works; an empty name changes nothing."""
    if name != SWALLOWED:
        controls.plant_in_server(name)


def _stored_anyhow(file: JournalFile, shipping: Any, draft: Any, snapshot: bytes | None) -> Sealed:
    try:
        return cast("Sealed", shipping(file, draft, snapshot))
    except sqlite3.Error:
        sealed = seal(file._entry(draft), file._identity.key)
        file._advance(sealed)
        return sealed
