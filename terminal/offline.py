"""Why there is no line to the server: a code that every language has a sentence for, and where or what exactly."""

import enum
from dataclasses import dataclass


class OfflineCause(enum.StrEnum):
    """Every language has `cause.<code>`."""

    NO_BROKER = "no_broker"
    TLS = "tls"
    NOT_STARTED = "not_started"
    CONNECTING = "connecting"
    NO_ANSWER = "no_answer"
    CERTIFICATE = "certificate"
    DATES = "dates"
    """Nothing but its dates, by this machine's clock, speaks against the broker's certificate."""
    REFUSED = "refused"
    REVOKED = "revoked"
    """The broker knows this terminal's certificate as withdrawn: revoked, declared lost, replaced or enrolled anew."""
    LOST = "lost"
    STOPPED = "stopped"

    @property
    def is_alarm(self) -> bool:
        """Whether somebody must look: no outage that ends by itself."""
        return self in (OfflineCause.TLS, OfflineCause.CERTIFICATE, OfflineCause.REFUSED, OfflineCause.REVOKED)


@dataclass(frozen=True, slots=True)
class Offline:
    """One cause, and where or what exactly."""

    cause: OfflineCause
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.cause}: {self.detail}" if self.detail else self.cause
