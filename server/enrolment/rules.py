"""When a claim code still opens something."""

import enum
from dataclasses import dataclass

from protocol.instants import HOUR_MS, MINUTE_MS, UtcMs

CLAIM_HOLDS_MS = 48 * HOUR_MS
CLAIM_TRIES_MAX = 5
RENEWAL_SKEW_MS = 10 * MINUTE_MS
"""How far the instant in a renewal may lie from the server's."""


class State(enum.StrEnum):
    """How far an enrolment has come."""

    BEGUN = "begun"
    """The nonce is given; the keys have not signed it."""
    WAITING = "waiting"
    """Both keys have; a person compares the words."""
    APPROVED = "approved"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Claim:
    """What is known of a claim code."""

    ends_at: UtcMs
    tries: int
    used_at: UtcMs


def why_closed(claim: Claim | None, at: UtcMs) -> str:
    """Why a claim code opens nothing; empty where it does. Who guesses learns no more than that."""
    if claim is None:
        return "no terminal is claimed with this code"
    if claim.used_at:
        return "this code was used; a code enrols one machine"
    if at >= claim.ends_at:
        return "this code has expired; make a new one at the desk"
    if claim.tries >= CLAIM_TRIES_MAX:
        return f"this code was tried {CLAIM_TRIES_MAX} times; make a new one at the desk"
    return ""
