"""The server as six processes on one PostgreSQL, with real terminals of two sites; those that do what there is one of
are killed and put to sleep in the middle of it.
"""

import asyncio
import os
import re
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from protocol.ids import SiteId
from protocol.purse import Technology
from server.broker.certificates import server_name
from server.broker.configuration import ACCESS
from server.leases.rules import KEEPER, NOBODYS, of_site, share
from server.run_command import REPLACED
from tests.integration.campus import SITE, Campus, Till, wait_until
from tests.integration.fuse import Card
from tests.integration.programs import ServerProgram
from tests.integration.test_disasters import comes_to_the_cards, has_all_of, tried
from tests.integration.test_flaps import sell_for_cash
from tests.server.postgres import new_database, private_postgres

pytestmark = pytest.mark.integration

START, PRICE, BACKLOG = 5_000, 100, 1_500
WORKERS = [server_name(1), server_name(2)]
ELSEWHERE = next(
    site
    for site in (f"campus-{number}" for number in range(100))
    if share([SiteId(SITE)], WORKERS, WORKERS[0]) != share([SiteId(site)], WORKERS, WORKERS[0])
)
"""A site that another worker has."""
TAKEN_OVER_S = 60.0


@dataclass
class SplitCampus(Campus):
    """`server` is one API process; beside it stand another one, two ingest workers, and two that may be the keeper."""

    servers: int = 4
    others: dict[str, ServerProgram] = field(default_factory=dict[str, ServerProgram])

    def start_server(self, config: Path) -> None:
        with config.open("a") as file:
            file.write("[metrics]\nlocal = true\n")
        self.server = self.begin(config, "api-1", "--role", "api")
        for number, role in enumerate(("ingest", "ingest", "nightly", "nightly"), 1):
            name = server_name(number)
            self.others[name] = self.begin(config, name, "--role", role, "--number", str(number))
        self.others["api-2"] = self.begin(config, "api-2", "--role", "api")

    def begin(self, config: Path, name: str, *options: str) -> ServerProgram:
        """Start one more process."""
        (self.directory / "server" / name).mkdir()
        program = ServerProgram(self.directory / "server" / name, config, *options, "--port", "0")
        return self._stack.enter_context(program)

    def holders(self, lease: str) -> list[str]:
        """Who says that it holds a lease now."""
        line = f'fanka_lease_held{{name="{lease}"}} 1.0'
        awake = {name: program for name, program in self.others.items() if program.running and not is_asleep(program)}
        return [name for name, program in awake.items() if line in told_by(program)]

    def holder(self, lease: str, *, but: str = "") -> str:
        """Wait until exactly one does, and not this one."""
        found = list[str]()

        def has_one() -> bool:
            found[:] = self.holders(lease)
            return len(found) == 1 and found != [but]

        wait_until(has_one, f"a holder of {lease}", TAKEN_OVER_S)
        return found[0]

    def wait_held(self, lease: str, name: str) -> None:
        """Until this one holds it, and no other."""
        wait_until(lambda: self.holders(lease) == [name], f"{name} to hold {lease}", TAKEN_OVER_S)


def told_by(program: ServerProgram) -> str:
    return httpx.get(f"{program.url}/metrics", timeout=30).text


def is_asleep(program: ServerProgram) -> bool:
    assert program.process is not None
    return Path(f"/proc/{program.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def send(program: ServerProgram, number: signal.Signals) -> None:
    assert program.process is not None
    os.kill(program.process.pid, number)


@pytest.fixture(scope="module")
def campus() -> Iterator[SplitCampus]:
    with (
        private_postgres(durable=True) as cluster,
        tempfile.TemporaryDirectory(prefix="fanka-") as name,
        SplitCampus(Path(name) / "c", 3, database=new_database(cluster, "campus")) as campus,
    ):
        try:
            yield campus
        finally:
            for program in (campus.server, *campus.others.values(), *(till.program for till in campus.tills.values())):
                print(f"--- {program.log}\n{program.said()}")


@pytest.fixture(scope="module")
def office(campus: SplitCampus) -> Till:
    return campus.add_till("office-1", 0, may=("refund", "load", "office"))


@pytest.fixture(scope="module")
def here(campus: SplitCampus, office: Till) -> Till:
    """A till with a long journal that no server has heard of; it does not run yet."""
    till = campus.add_till("till-1", 1, start=False)
    asyncio.run(sell_for_cash(till.directory / "data", BACKLOG))
    return till


@pytest.fixture(scope="module")
def there(campus: SplitCampus, office: Till) -> Till:
    """A till of another site."""
    return campus.add_till("till-2", 2, site=ELSEWHERE)


@pytest.fixture(scope="module")
def cards(campus: SplitCampus, office: Till) -> dict[int, Card]:
    return dict(campus.issue(office, Technology.DESFIRE, START) for _ in range(3))


def wait_refused(till: Till, card: Card, mark: int) -> None:
    """Until a list has reached the till that says so; `mark`: its place in the events before the card was blocked."""
    till.program.wait("lists", since=mark, timeout_s=TAKEN_OVER_S)
    wait_until(lambda: tried(till, card) == "Not sold", f"a refusal at {till.tid}")


def test_an_ingest_worker_is_killed_under_load_and_the_other_one_goes_on(
    campus: SplitCampus, here: Till, there: Till, cards: dict[int, Card]
) -> None:
    owner, other = (campus.holder(of_site(SiteId(site))) for site in (SITE, ELSEWHERE))
    assert {owner, other} == set(WORKERS) and campus.holder(of_site(NOBODYS)) in WORKERS
    here.program.start()
    wait_until(lambda: campus.tip(here) > 0, "the first batch")
    campus.others[owner].kill()
    assert campus.tip(here) < BACKLOG, "it was killed in the middle"
    sold = [tried(till, card) for till in (here, there) for card in cards.values()]
    assert sold == ["Paid"] * 6
    has_all_of(campus, there)
    assert campus.holder(of_site(SiteId(SITE)), but=owner) == other
    wait_until(lambda: campus.tip(here) >= BACKLOG, "the backlog", 120)
    has_all_of(campus, here)
    comes_to_the_cards(campus, cards)
    assert BACKLOG * 125 in map(abs, campus.ledger()["cents_by_kind"].values())
    # It comes back, is left its site by the other one, and takes it in.
    campus.others[owner].start()
    campus.wait_held(of_site(SiteId(SITE)), owner)
    assert tried(here, next(iter(cards.values()))) == "Paid"
    has_all_of(campus, here)
    alarms = {known["kind"] for known in campus.ask("GET", "/alarms")}
    assert not alarms & {"chain_break", "refused_batch", "histories", "server_restored"}


def test_a_card_blocked_at_any_api_process_is_refused_at_every_site(
    campus: SplitCampus, here: Till, there: Till, cards: dict[int, Card]
) -> None:
    no, card = next(iter(cards.items()))
    marks = [till.program.mark() for till in (here, there)]
    url = f"{campus.others['api-2'].url}/api/1/cards/{no}/block"
    assert httpx.post(url, headers={"Authorization": f"Bearer {campus.token}"}).is_success
    for till, mark in zip((here, there), marks, strict=True):
        wait_refused(till, card, mark)


def test_two_nightly_processes_have_run_the_last_night_once(campus: SplitCampus) -> None:
    campus.holder(KEEPER)
    wait_until(lambda: len(nights(campus)) > 0, "a night")
    assert nights(campus) == ["1"]


def nights(campus: SplitCampus) -> list[str]:
    """The numbers of all proofs that any process has made."""
    logs = [program.log.read_text() for program in campus.others.values()]
    return [number for log in logs for number in re.findall(r"business day \d+, proof (\d+):", log)]


def test_the_keeper_is_killed_and_the_other_one_publishes_and_keeps_the_gate(
    campus: SplitCampus, here: Till, there: Till, cards: dict[int, Card]
) -> None:
    keeper = campus.holder(KEEPER)
    campus.others[keeper].kill()
    (_, no, last), mark = cards, here.program.mark()
    campus.ask("POST", f"/cards/{no}/block")
    campus.ask("POST", f"/terminals/{there.tid}/revoke")
    present = campus.holder(KEEPER, but=keeper)
    wait_refused(here, cards[no], mark)
    access = campus.broker.settings.file(ACCESS)
    wait_until(lambda: f"user {there.tid}\n" not in access.read_text(), "an access list without the revoked terminal")
    told = f"the session of {there.tid} was ended"
    wait_until(lambda: told in campus.others[present].log.read_text(), "the end of its session")
    campus.others[keeper].start()
    assert tried(here, cards[last]) == "Paid"
    has_all_of(campus, here)
    assert nights(campus) == ["1"], "and no night was run again"


def test_a_keeper_and_a_worker_that_sleep_through_their_leases_find_others_in_their_place(
    campus: SplitCampus, here: Till, cards: dict[int, Card]
) -> None:
    keeper, owner = campus.holder(KEEPER), campus.holder(of_site(SiteId(SITE)))
    last = [*cards][-1]
    for name in (keeper, owner):
        send(campus.others[name], signal.SIGSTOP)
    assert tried(here, cards[last]) == "Paid"
    mark = here.program.mark()
    campus.ask("POST", f"/cards/{last}/block")
    present = campus.holder(KEEPER, but=keeper)
    campus.holder(of_site(SiteId(SITE)), but=owner)
    has_all_of(campus, here)
    wait_refused(here, cards[last], mark)
    for name in (keeper, owner):
        send(campus.others[name], signal.SIGCONT)
    campus.wait_held(of_site(SiteId(SITE)), owner)  # it is given its share again
    campus.wait_held(KEEPER, present)
    assert tried(here, cards[last]) == "Not sold"
    mark = here.program.mark()
    campus.ask("POST", f"/cards/{last}/unblock")
    here.program.wait("lists", since=mark)
    wait_until(lambda: tried(here, cards[last]) == "Paid", "a sale")
    has_all_of(campus, here)
    comes_to_the_cards(campus, {last: cards[last]})
    assert nights(campus) == ["1"]


def test_of_two_processes_with_one_number_the_older_one_ends(campus: SplitCampus) -> None:
    keeper = campus.holder(KEEPER)
    older = campus.others[keeper]
    number = keeper.removeprefix(server_name(1)).lstrip("-")
    config = campus.directory / "server" / "server.toml"
    newer = campus.begin(config, "twin", "--role", "nightly", "--number", number)
    wait_until(lambda: not older.running, "the end of the older one")
    assert older.kill() == REPLACED and f"another program is called {keeper}" in older.said()
    campus.others[keeper] = newer
    campus.wait_held(KEEPER, keeper)


def test_every_process_says_how_it_is_and_only_the_api_answers_questions(campus: SplitCampus) -> None:
    for name, program in {**campus.others, "api-1": campus.server}.items():
        assert httpx.get(f"{program.url}/ready", timeout=30).status_code == 200
        found = httpx.get(f"{program.url}/api/1/alarms", headers={"Authorization": f"Bearer {campus.token}"})
        assert found.status_code == (200 if name.startswith("api") else 404)
        assert program.stop() == 0, "each ends in order"
