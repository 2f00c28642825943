"""Which alarms there are, and which of them end by themselves."""

import enum


class AlarmKind(enum.StrEnum):
    """What is wrong with a machine, a clock, a disk or a line. Closed: dashboards and rules count by it."""

    CHAIN_BREAK = "chain_break"
    """A terminal's journal goes on in two ways, or holds what its key did not sign."""
    HISTORIES = "histories"
    """It goes on in more ways than are kept."""
    REFUSED_BATCH = "refused_batch"
    """A terminal sends what is no batch of its own chain."""
    QUARANTINE = "quarantine"
    """A revoked terminal still brings entries."""
    LOST_SPEAKS = "lost_speaks"
    """A terminal, or one epoch of it, that two people declared lost is there again."""
    ENTRY_WAITS = "entry_waits"
    """What a terminal brought is not posted until two people have looked at it."""
    CLOCK_OFF = "clock_off"
    """A clock is far from the server's, or the server's own has jumped."""
    BACKLOG = "backlog"
    """A terminal has much that is not here."""
    TERMINAL_SAYS = "terminal_says"
    """A terminal's own word."""
    TERMINAL_SILENT = "terminal_silent"
    SERVER_RESTORED = "server_restored"
    TERMINAL_UNKNOWN = "terminal_unknown"
    """Somebody with a certificate of ours says hello with an epoch that is not in the register."""
    GRANT_ADOPTED = "grant_adopted"
    NO_PARTICULARS = "no_particulars"
    """A terminal was put back by its grant alone: nobody has said whose it is."""
    CLAIM_TURNED_AWAY = "claim_turned_away"
    OTHER_WORDS = "other_words"
    """Somebody compared other words than the machine's."""
    OTHER_TIER = "other_tier"
    """A terminal says that its journal key is kept elsewhere than it said before."""
    OTHER_DAYS = "other_days"
    """A terminal counts its days otherwise than the server does."""
    BROKER_DEAF = "broker_deaf"
    """It could not be told who may connect."""
    BROKER_DOWN = "broker_down"
    REVOCATIONS_OLD = "revocations_old"
    """The list of revoked certificates nears its end; then the broker turns everybody away."""
    DISK_LOW = "disk_low"
    NIGHT_NOT_DONE = "night_not_done"
    RECORD_CHANGED = "record_changed"
    """A row of the books or of the trail is not any more what was sealed, or a root does not follow from them."""
    SITE_UNSERVED = "site_unserved"
    """Nobody takes in what a site's terminals send."""


LASTING = frozenset(
    {
        AlarmKind.BACKLOG,
        AlarmKind.TERMINAL_SAYS,
        AlarmKind.TERMINAL_SILENT,
        AlarmKind.NO_PARTICULARS,
        AlarmKind.OTHER_DAYS,
        AlarmKind.BROKER_DEAF,
        AlarmKind.BROKER_DOWN,
        AlarmKind.REVOCATIONS_OLD,
        AlarmKind.DISK_LOW,
        AlarmKind.NIGHT_NOT_DONE,
        AlarmKind.RECORD_CHANGED,
        AlarmKind.SITE_UNSERVED,
    }
)
"""They last until what is wrong is over; the others say that something has happened."""

SERVER = "server"
"""What an alarm is about that is about no terminal."""


def key_of(kind: AlarmKind, about: str) -> str:
    """One alarm of a kind about one thing is current at a time."""
    return f"{kind}/{about}"
