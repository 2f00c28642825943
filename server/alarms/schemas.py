"""Alarms as the API takes and shows them."""

from server.alarms.rules import AlarmKind
from server.fields import Form, Instant, View, Words


class AlarmView(View):
    """What somebody must look at. `about`: a terminal, or the server; `text`: what was seen, at `last_at`."""

    number: int
    kind: AlarmKind
    about: str
    text: str
    count: int
    first_at: Instant
    last_at: Instant
    ended_at: Instant
    """When it was over; 0: it goes on, or is of a kind that has happened."""
    acknowledged_at: Instant
    acknowledged_by: str
    answer: str


class AcknowledgeForm(Form):
    """What is done about it."""

    answer: Words
