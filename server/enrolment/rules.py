"""When a claim code still opens something, and how often anybody may ask."""

import enum
import ipaddress
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


class Asked(enum.StrEnum):
    """What a stranger may ask; each is counted by itself, so that none uses up another."""

    TIME = "time"
    ENROL = "enrol"
    RENEW = "renew"


PER_MINUTE_MAX = {Asked.TIME: 120, Asked.ENROL: 20, Asked.RENEW: 60}
"""A campus may be behind one address. 50 bits of a claim code cannot be guessed at this rate."""
_NAME_MAX = 64
_IPV6_SITE_BITS = 64
"""Whoever has one address of IPv6 has all of these."""


def origin_of(address: str) -> str:
    """Who counts as one asker: an IPv4 address, or the network of an IPv6 one."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:_NAME_MAX]
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, _IPV6_SITE_BITS), strict=False))
    return str(found)


class Attempts:
    """Counts what each origin asks within a minute, for a bounded number of origins: the oldest is forgotten first."""

    def __init__(self, origins_max: int = 10_000) -> None:
        self._seen: dict[tuple[Asked, str], tuple[int, int]] = {}
        self._origins_max = origins_max

    def allows(self, asked: Asked, address: str, mono_ms: int) -> bool:
        """Whether an address may ask once more. `mono_ms` is of a clock that only goes forward."""
        key = asked, origin_of(address)
        since, count = self._seen.pop(key, (mono_ms, 0))
        if mono_ms - since >= MINUTE_MS:
            since, count = mono_ms, 0
        if len(self._seen) >= self._origins_max:
            del self._seen[next(iter(self._seen))]
        self._seen[key] = since, min(count, PER_MINUTE_MAX[asked]) + 1
        return count < PER_MINUTE_MAX[asked]
