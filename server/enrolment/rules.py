"""When a claim code still opens something, and how often anybody may ask."""

import enum
from dataclasses import dataclass

from protocol.instants import HOUR_MS, MINUTE_MS, UtcMs

CLAIM_HOLDS_MS = 48 * HOUR_MS
CLAIM_TRIES_MAX = 5
ATTEMPTS_MAX, ATTEMPTS_WITHIN_MS = 20, MINUTE_MS
"""Attempts of one address: 50 bits cannot be guessed at this rate."""
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


class Attempts:
    """Counts what each address asks within a minute, for a bounded number of addresses."""

    def __init__(self, addresses_max: int = 10_000) -> None:
        self._seen: dict[str, tuple[UtcMs, int]] = {}
        self._addresses_max = addresses_max

    def allows(self, address: str, at: UtcMs) -> bool:
        """Whether an address may ask once more."""
        since, count = self._seen.get(address, (at, 0))
        if at - since >= ATTEMPTS_WITHIN_MS:
            since, count = at, 0
        if len(self._seen) >= self._addresses_max and address not in self._seen:
            self._seen = {known: seen for known, seen in self._seen.items() if at - seen[0] < ATTEMPTS_WITHIN_MS}
            if len(self._seen) >= self._addresses_max:
                return False
        self._seen[address] = (since, count + 1)
        return count < ATTEMPTS_MAX
