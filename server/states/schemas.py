"""What terminals say of themselves, as the API shows it."""

from server.fields import Instant, View


class RunsView(View):
    """One list at one terminal."""

    name: str
    applied: int
    """The version it says it runs; 0 none."""
    newest: int
    behind: bool


class StateView(View):
    """What a terminal said of itself last, and since when it is there or gone."""

    tid: str
    site: str
    online: bool
    """Whether it is at the broker and may be."""
    shut_out: str
    """Why it may not be: revoked, lost, replaced; empty: it may."""
    changed_at: Instant
    said_at: Instant
    epoch: int
    manifest: int
    as_of: Instant
    keys: int
    """Version of the server's keys that it believes."""
    card_sets: list[int]
    """Sets of card keys that it says it holds, the one that new cards get first."""
    alarm: str
    """What somebody must look at; empty if nothing."""
    lists: list[RunsView]
