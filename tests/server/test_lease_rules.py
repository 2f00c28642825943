"""Who shall have which lease: pure rules."""

from hypothesis import given
from hypothesis import strategies as st

from protocol.ids import SiteId
from server.leases.rules import (
    BELIEVED_MS,
    KEEPER,
    LEASE_MS,
    LOOKS_MS,
    NOBODYS,
    UNSERVED_MS,
    Duties,
    Lease,
    Self,
    Turn,
    every,
    is_believed,
    of_site,
    of_worker,
    share,
    turn,
    unserved,
)

NOW = 1_000_000
ME, OTHER = Self("fanka.server", "a1"), Self("fanka.server-2", "b1")
NORTH, SOUTH = SiteId("north"), SiteId("south")
KEEPS = Duties(keeps=True, takes_in=False, sites=(NOBODYS, NORTH))
names = st.sets(st.text(min_size=1, max_size=8), min_size=1, max_size=6)


def row(name: str, holder: Self | None = None, term: int = 1, ends_at: int = NOW + 1) -> Lease:
    return Lease(name, holder.holder if holder else "", term, ends_at)


def takes(sites: int = 40) -> Duties:
    return Duties(keeps=False, takes_in=True, sites=[SiteId(f"site-{number}") for number in range(sites)])


def at(leases: list[Lease], duties: Duties, me: Self = ME, *, is_first: bool = False) -> Turn:
    return turn(leases, me, duties, NOW, is_first=is_first)


def test_only_what_is_free_is_taken() -> None:
    assert at([row(KEEPER)], KEEPS).take == [row(KEEPER)]
    assert at([row(KEEPER, OTHER)], KEEPS).take == []
    assert at([over := row(KEEPER, OTHER, ends_at=NOW)], KEEPS).take == [over]
    assert at([row(KEEPER, ME)], KEEPS) == Turn([], [])


def test_a_new_life_takes_at_once_what_its_name_left_behind_and_a_later_look_does_not() -> None:
    left = row(KEEPER, Self(ME.name, "a0"))
    assert at([left], KEEPS, is_first=True).take == [left]
    assert at([left], KEEPS).take == []
    assert at([row(KEEPER, OTHER)], KEEPS, is_first=True).take == []
    assert at([row(KEEPER, Self("fanka.server-1", "x"))], KEEPS, is_first=True).take == [], "names are whole"


def test_who_cannot_do_it_does_not_take_it() -> None:
    leases = [row(KEEPER), row(of_site(NORTH)), row(of_worker(ME.name))]
    assert at(leases, Duties(keeps=False, takes_in=False, sites=[NORTH])) == Turn([], [])
    assert at([row(KEEPER), row(of_site(NORTH))], KEEPS).take == [row(KEEPER)]


def test_every_site_is_exactly_one_worker_s_and_both_have_some() -> None:
    duties, rows = takes(), [row(of_site(site)) for site in takes().sites]
    both = [row(of_worker(me.name), me) for me in (ME, OTHER)]
    mine, others = ([lease.name for lease in at(rows + both, duties, me).take] for me in (ME, OTHER))
    assert sorted(mine + others) == sorted(lease.name for lease in rows)
    assert 0 < len(mine) < len(rows)


def test_a_worker_that_is_gone_leaves_its_sites_and_one_that_comes_is_left_its_share() -> None:
    duties, rows = takes(), [row(of_site(site), OTHER, ends_at=NOW) for site in takes().sites]
    gone = row(of_worker(OTHER.name), OTHER, ends_at=NOW)
    assert len(at([*rows, gone], duties).take) == len(rows)
    mine = [row(of_site(site), ME) for site in duties.sites]
    came = row(of_worker(OTHER.name), OTHER)
    left = at([*mine, came], duties).give_back
    free = [lease if lease.name not in left else row(lease.name) for lease in mine]
    taken = at([*free, came, row(of_worker(ME.name), ME)], duties, OTHER).take
    assert [lease.name for lease in taken] == left and left


@given(names, st.sets(st.text(max_size=8).map(SiteId), max_size=20))
def test_shares_are_a_partition(workers: set[str], sites: set[SiteId]) -> None:
    shares = [share(sites, workers, worker) for worker in workers]
    assert frozenset[SiteId]().union(*shares) == sites and sum(map(len, shares)) == len(sites)


@given(names, st.text(min_size=1, max_size=8), st.sets(st.text(max_size=8).map(SiteId), max_size=20))
def test_one_that_comes_only_takes_from_the_others(workers: set[str], new: str, sites: set[SiteId]) -> None:
    for worker in workers - {new}:
        assert share(sites, workers | {new}, worker) <= share(sites, workers - {new} or {worker}, worker)


def test_a_keeper_makes_the_rows_of_sites_that_nobody_serves_and_no_worker_s() -> None:
    assert every(ME, KEEPS) == {KEEPER, of_site(NOBODYS), of_site(NORTH)}
    assert every(ME, Duties(False, True, (NORTH,))) == {KEEPER, of_site(NORTH), of_worker(ME.name)}


def test_a_holder_stops_believing_before_anybody_can_take() -> None:
    assert is_believed(10, 10) and is_believed(10, 9 + BELIEVED_MS)
    assert not is_believed(10, 10 + BELIEVED_MS) and not is_believed(10, 9)
    assert 2 * LOOKS_MS < BELIEVED_MS < LEASE_MS, "one look may fail"


def test_a_site_is_unserved_when_nobody_has_had_it_for_long() -> None:
    since = NOW - UNSERVED_MS
    rows = [row(of_site(NORTH), OTHER, ends_at=since), row(of_site(SOUTH), OTHER, ends_at=since + 1)]
    assert unserved(rows, [SOUTH, NORTH, SiteId("west")], NOW) == [NORTH, SiteId("west")]
