"""A real server in this process for a real browser: real sockets, real accounts, a clock that tests may move."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import uvicorn
from pyotp.totp import TOTP

from server.accounts.service import Accounts
from server.app import House, open_house
from server.auth.rules import Role
from tests.server.desk import Clock
from tests.server.office import install, settings_in

_Result = TypeVar("_Result")
OPERATORS = {
    "ann": Role.ADMIN,
    "bob": Role.FINANCE,
    "cleo": Role.CARD_OFFICE,
    "eve": Role.VIEWER,
    "tom": Role.TECHNICIAN,
    "uma": Role.AUDITOR,
}


@dataclass
class Person:
    """Somebody with an account."""

    name: str
    password: str
    otp: str


@dataclass
class WebHouse:
    """The server, seen from the thread of a test."""

    house: House
    clock: Clock
    url: str
    loop: asyncio.AbstractEventLoop
    people: dict[str, Person] = field(default_factory=dict[str, Person])
    sessions: dict[str, list[Any]] = field(default_factory=dict[str, list[Any]])
    """The browser's cookies of who signed in and was let in."""

    def do(self, work: Callable[[House], Awaitable[_Result]]) -> _Result:
        """Do something with the services, in the server's own loop."""

        async def done() -> _Result:
            return await work(self.house)

        return asyncio.run_coroutine_threadsafe(done(), self.loop).result(60)

    def code(self, name: str) -> str:
        """What this person's phone shows. Each code counts once, so time goes on by a step."""
        self.clock.pass_ms(30_000)
        return TOTP(self.people[name].otp).at(self.clock() // 1_000)


@contextmanager
def web_house(directory: Path, prepare: Callable[[House, Clock], Awaitable[Any]] | None = None) -> Iterator[WebHouse]:
    """Everything runs meanwhile; `prepare` fills it before anybody looks."""
    started, ended = threading.Event(), threading.Event()
    found: list[WebHouse | BaseException] = []

    async def serve() -> None:
        clock = Clock()
        clock.pass_ms(3_600_000)
        await install(directory, clock)
        async with open_house(settings_in(directory), clock) as house:
            accounts: Accounts = house.app.state.accounts
            if prepare is not None:
                await prepare(house, clock)
            people = {name: await accounts.add(name, [role], ready=True) for name, role in OPERATORS.items()}
            config = uvicorn.Config(house.app, "127.0.0.1", 0, log_config=None, access_log=False, lifespan="off")
            server = uvicorn.Server(config)
            serving = asyncio.create_task(server.serve())
            while not server.started:  # noqa: ASYNC110  uvicorn offers no event
                await asyncio.sleep(0.01)
            port = server.servers[0].sockets[0].getsockname()[1]
            made = WebHouse(house, clock, f"http://127.0.0.1:{port}", asyncio.get_running_loop())
            made.people = {name: Person(name, one.password, one.otp) for name, one in people.items()}
            found.append(made)
            started.set()
            await asyncio.to_thread(ended.wait)
            server.should_exit = True
            await serving

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:  # noqa: BLE001  raised where it can be seen
            found.append(error)
            started.set()

    thread = threading.Thread(target=run, name="web-house", daemon=True)
    thread.start()
    started.wait(60)
    try:
        made = found[0] if found else TimeoutError("the server did not start")
        if isinstance(made, BaseException):
            raise made
        yield made
    finally:
        ended.set()
        thread.join(20)
