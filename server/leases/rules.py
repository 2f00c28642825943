"""Who shall have which lease: decided by each program for itself, from the same rows by the same rule.

A site belongs to one of the workers that are alive: the one whose hash with the site's name is the highest (rendezvous
hashing, Thaler and Ravishankar 1998). All agree without talking, and one that comes or goes moves only its own share.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from protocol.ids import SiteId
from protocol.signing import sha256_of

LEASE_MS = 15_000
"""So long a lease holds unless it is renewed."""
LOOKS_MS = 3_000
"""So often it is renewed, and others' are looked at."""
BELIEVED_MS = 12_000
"""So long after it asked a holder believes in its lease if it hears nothing: shorter, for clocks that drift."""
UNSERVED_MS = 60_000
"""So long a site may be without a worker before somebody must look."""

KEEPER = "keeper"
"""Publishing, the broker's gate, upkeep, nights and the watch: what there is one of."""
NOBODYS = SiteId("")
"""The site of terminals that nobody registered."""
_SITE, _WORKER = "site/", "worker/"


class Lease(NamedTuple):
    """A row; `ends_at` is UTC ms by the database's clock."""

    name: str
    holder: str
    term: int
    ends_at: int


@dataclass(frozen=True, slots=True)
class Self:
    """A program of the server: the name it always has, and its present life."""

    name: str
    life: str

    @property
    def holder(self) -> str:
        """As leases name it."""
        return f"{self.name}/{self.life}"


@dataclass(frozen=True, slots=True)
class Duties:
    """What a program can do: the keeper's work, and taking journals in. `sites`: all that these can come from."""

    keeps: bool
    takes_in: bool
    sites: Collection[SiteId]


@dataclass(frozen=True, slots=True)
class Turn:
    """What a program takes and gives back now."""

    take: Sequence[Lease]
    give_back: Sequence[str]


def of_site(site: SiteId) -> str:
    """The lease of a site's journals."""
    return f"{_SITE}{site}"


def of_worker(name: str) -> str:
    """The lease that shows a worker to be alive."""
    return f"{_WORKER}{name}"


def every(me: Self, duties: Duties) -> frozenset[str]:
    """The leases that must be there for a program to look at."""
    return frozenset({KEEPER, *map(of_site, duties.sites), *([of_worker(me.name)] if duties.takes_in else [])})


def turn(leases: Iterable[Lease], me: Self, duties: Duties, now: int, *, is_first: bool) -> Turn:
    """What to do after a look at all leases, at `now` (UTC ms) by the database's clock.

    `is_first`: this life has just begun, and takes at once what an earlier one of the same name left behind. Whoever
    still lives under that name is shut out by the term.
    """
    known = list(leases)
    alive = {row.name.removeprefix(_WORKER) for row in known if row.name.startswith(_WORKER) and row.ends_at > now}
    wanted = {KEEPER} if duties.keeps else set[str]()
    if duties.takes_in:
        wanted |= {of_worker(me.name), *map(of_site, share(duties.sites, {*alive, me.name}, me.name))}

    def is_free(row: Lease) -> bool:
        return not row.holder or row.ends_at <= now or (is_first and goes_by(row, me.name))

    mine = [row for row in known if row.holder == me.holder]
    take = [row for row in known if row.name in wanted and row not in mine and is_free(row)]
    return Turn(take, [row.name for row in mine if row.name not in wanted])


def share(sites: Iterable[SiteId], workers: Collection[str], me: str) -> frozenset[SiteId]:
    """The sites that are this worker's among these."""
    return frozenset(site for site in sites if me == max(workers, key=lambda name: _weight(name, site)))


def goes_by(row: Lease, name: str) -> bool:
    """Whether the holder has this name, in whatever life."""
    return row.holder.rpartition("/")[0] == name


def is_believed(asked_ms: int, now_ms: int) -> bool:
    """Whether a lease that was renewed after `asked_ms` still counts for its holder; both by its own clock."""
    return 0 <= now_ms - asked_ms < BELIEVED_MS


def unserved(leases: Iterable[Lease], sites: Collection[SiteId], now: int) -> list[SiteId]:
    """Sites that have been without a worker for too long; `now` is UTC ms by the database's clock."""
    ends = {row.name: row.ends_at for row in leases}
    return sorted(site for site in sites if ends.get(of_site(site), 0) <= now - UNSERVED_MS)


def _weight(worker: str, site: SiteId) -> bytes:
    return sha256_of(f"{worker}\0{site}".encode())
