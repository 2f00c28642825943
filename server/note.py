"""What a request of an operator leaves in the trail: one row, written by the first transaction that it makes.

The request's own task carries the note, so that no service has to hand it on and none can forget it.
"""

import enum
import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.instants import UtcMs
from server.act_tables import trail

OPERATOR_LETTERS_MAX = 80
_SUBJECT_MAX = 160

log = logging.getLogger(__name__)


class Outcome(enum.StrEnum):
    """What came of a request."""

    DONE = "done"
    CONFIRMED = "confirmed"
    """Two people have agreed, and work of many transactions began: its answer says how it went."""
    PROPOSED = "proposed"
    """It waits for a second person."""
    REPEATED = "repeated"
    """It had been done before: nothing was changed."""
    REFUSED = "refused"
    """The operator has no right to it, or compared other words than a machine's."""


@dataclass(slots=True)
class Note:
    """Who asked for what. Its digest is complete once the request has been read."""

    operator: str
    roles: str
    at: UtcMs
    action: Callable[[], str]
    subject: str
    digest: Callable[[], str]
    outcome: Outcome = Outcome.DONE
    proposed_by: str = ""
    """Of two people the first one, where this is the second."""
    is_written: bool = False

    def tell(self) -> None:
        """The log says it too: whoever restores an older backup finds there what the desk did since."""
        log.info("%s: %s %s, %s", self.operator, self.action(), self.subject, self.outcome)


NOTE: ContextVar[Note | None] = ContextVar("note", default=None)


async def leave_note(connection: AsyncConnection) -> Note | None:
    """Write the note of the present request, if there is one, with this transaction; the one that was written."""
    note = NOTE.get()
    if note is None or note.is_written:
        return None
    values = {
        "operator": note.operator,
        "roles": note.roles,
        "at": note.at,
        "action": note.action(),
        "subject": note.subject[:_SUBJECT_MAX],
        "digest": note.digest(),
        "outcome": note.outcome,
        "proposed_by": note.proposed_by,
    }
    await connection.execute(insert(trail).values(values))
    return note


@contextmanager
def noted(note: Note | None) -> Generator[None]:
    """What is changed meanwhile is changed for this; None: it is nothing that the trail need say."""
    before = NOTE.set(note)
    try:
        yield
    finally:
        NOTE.reset(before)


def note_subject(subject: str) -> None:
    """Say what the present request is about, where its path does not."""
    note = NOTE.get()
    if note is not None:
        note.subject = subject


def note_outcome(outcome: Outcome, *, proposed_by: str = "") -> None:
    """Say what comes of the present request; `proposed_by`: whose proposal it confirms."""
    note = NOTE.get()
    if note is not None:
        note.outcome, note.proposed_by = outcome, proposed_by
