"""Pages of a server with a year of business beside the same pages of one that has only begun, in one run.

A year is a million sales on 250 days (`FANKA_BENCH_STEPS` says how many). The clock of each request runs from the call
of the application to its whole answer, with the session looked up and everything drawn. A read through the API, with
the operator's token looked up, stands beside a call that reads nothing (`/health`). Weight is what a browser
fetches the first time: the page, style and script as they travel, compressed.
"""

import asyncio
import gzip
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path

import httpx
from pyotp.totp import TOTP

from protocol.instants import UtcMs
from server.accounts.service import Accounts
from server.app import House, open_house
from server.auth.rules import Role
from server.config import OperatorSettings, Settings
from server.web.door import COOKIE
from tests.bench.bench_reconcile import NOON, STEPS, STEPS_OF_CARD, fill
from tests.bench.figures import Line, ahead_of_others, cost, on_disk, undisturbed
from tests.server.postgres import new_database, private_postgres

DAYS, ROUNDS = 250, 30
READS = {
    "read_card_steps": "/api/1/cards/3/steps?limit=1",
    "read_terminals": "/api/1/terminals",
    "read_account": "/api/1/ledger/accounts/bank",
}
TOKEN = "bench"
READ_BAR = 2.0
TID = "till-2"
PATHS = ("/overview", "/alarms", "/account", "/terminals", "/shifts", "/trail")
STATIC = Path(__file__).resolve().parents[2] / "server" / "web" / "static"


def run(scale: float = 1.0) -> Iterator[Line]:
    """Milliseconds and bytes of each page."""
    steps = max(10 * STEPS_OF_CARD, int(STEPS * scale))
    with on_disk() as directory:
        rounds = max(3, int(ROUNDS * min(1.0, 10 * scale)))
        yield from asyncio.run(_measure(Path(directory), steps, rounds))
        yield from asyncio.run(_reads(Path(directory) / "reads", rounds))


async def _measure(directory: Path, steps: int, rounds: int) -> list[Line]:
    lines: list[Line] = []
    places = directory / "new", directory / "year"
    few, many = (f"sqlite+aiosqlite:///{place / 'server.db'}" for place in places)
    async with _opened(places[0], few, 10 * STEPS_OF_CARD) as new, _opened(places[1], many, steps) as year:
        for path in PATHS:
            spent: dict[bool, list[float]] = {False: [], True: []}
            body = b""
            for _ in range(rounds):
                for is_year, client in ((False, new), (True, year)):
                    started = time.perf_counter()
                    answer = await client.get(f"/desk{path}")
                    spent[is_year].append(time.perf_counter() - started)
                    assert answer.status_code == 200, f"{path}: {answer.text}"
                    body = answer.content
            value, baseline = (undisturbed(spent[is_year]) / 1_000 for is_year in (True, False))
            name = path.strip("/").replace("/", "_")
            lines.append(cost(f"page_{name}", value, baseline, "ms", None, page_bytes=len(body)))
    around = sum(len(gzip.compress((STATIC / name).read_bytes())) for name in ("app.css", "app.js", "look.js"))
    around += sum(path.stat().st_size for path in STATIC.glob("*.woff2"))
    largest = max(int(line["page_bytes"]) for line in lines)
    return [*lines, cost("page_weight", around + largest, largest, "bytes")]


async def _reads(directory: Path, rounds: int) -> list[Line]:
    """On PostgreSQL, as on a large campus."""
    with private_postgres() as cluster, ahead_of_others():
        async with _opened(directory, new_database(cluster, "reads"), 10 * STEPS_OF_CARD) as client:
            return [await _read(name, path, client, rounds) for name, path in READS.items()]


async def _read(name: str, path: str, client: httpx.AsyncClient, rounds: int) -> Line:
    """What a read through the API costs beside a call that reads nothing."""
    spent: dict[str, list[float]] = {path: [], "/health": []}
    for _ in range(10 * rounds):
        for asked, times in spent.items():
            started = time.perf_counter()
            answer = await client.get(asked, headers={"Authorization": f"Bearer {TOKEN}"})
            times.append(time.perf_counter() - started)
            assert answer.status_code == 200, f"{asked}: {answer.text}"
    return cost(name, undisturbed(spent[path]) / 1_000, undisturbed(spent["/health"]) / 1_000, "ms", READ_BAR)


@asynccontextmanager
async def _opened(directory: Path, url: str, steps: int) -> AsyncIterator[httpx.AsyncClient]:
    """A filled server, and an administrator's browser."""
    now = NOON + 60_000
    operator = OperatorSettings("bench", sha256(TOKEN.encode()).hexdigest(), (Role.VIEWER,))
    settings = Settings(str(directory), url, operators=(operator,))
    async with open_house(settings, lambda: UtcMs(now)) as house:
        await fill(house.database, steps, DAYS)
        transport = httpx.ASGITransport(house.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            client.cookies.set(COOKIE, await _session(house, now), path="/desk")
            yield client


async def _session(house: House, now: int) -> str:
    accounts: Accounts = house.app.state.accounts
    handed = await accounts.add("ann", [Role.ADMIN], ready=True)
    half = await accounts.sign_in(handed.name, handed.password, "127.0.0.1")
    return await accounts.confirm(half, TOTP(handed.otp).at(now // 1_000))
