"""How often anybody may ask what a stranger may ask."""

import enum
import ipaddress

from protocol.instants import MINUTE_MS


class Asked(enum.StrEnum):
    """What a stranger may ask; each is counted by itself, so that none uses up another."""

    TIME = "time"
    ENROL = "enrol"
    RENEW = "renew"
    SIGN_IN = "sign_in"


PER_MINUTE_MAX = {Asked.TIME: 120, Asked.ENROL: 20, Asked.RENEW: 60, Asked.SIGN_IN: 30}
"""A campus may be behind one address. 50 bits of a claim code cannot be guessed at this rate;
of one account's password only the first few guesses count (`server/accounts/rules.py`)."""
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
