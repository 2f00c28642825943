"""The server itself: until a signal comes, or until the broker's directory is ready (`broker`)."""

import argparse
import asyncio
import contextlib
import shlex
import signal
import socket
import sys
from collections.abc import Generator
from pathlib import Path

import uvicorn

from server.app import House, open_house
from server.broker.authority import AuthorityUnusable
from server.broker.before_start import port_fault, way_fault
from server.broker.configuration import CONFIG
from server.clock import utc_now
from server.config import ConfigWrong, HttpSettings, LogSettings, Settings, read_settings, settings_at
from server.db import DatabaseUnusable
from server.keys import KeysUnusable
from server.leases.service import Replaced
from server.logs import begin_logging
from server.place import authority_of, prepare_broker, require_own_broker
from server.roles import Role
from server.running import running
from server.service_manager import tell

OK, WRONG_CONFIG, PORT_TAKEN, REPLACED = 0, 2, 3, 4


class PortTaken(Exception):
    """Nobody can reach the API or the broker there; the text says why."""


class _Api(uvicorn.Server):
    """uvicorn that leaves signals to us and says when it listens."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            port = self.servers[0].sockets[0].getsockname()[1]
            tell("READY=1")
            print(f"fanka server ready: http://{self.config.host}:{port}", flush=True)


def main(arguments: list[str], description: str | None) -> int:
    """Run until SIGTERM or SIGINT.

    Returns 0; 2 when the configuration is wrong, 3 when a port is taken, 4 when another of its name has begun.
    """
    parser = argparse.ArgumentParser(
        prog="python -m server", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "what", nargs="?", choices=["run", "broker"], default="run", metavar="COMMAND", help="see above"
    )
    parser.add_argument("--config", type=Path, required=True, help="a TOML file")
    parser.add_argument(
        "--role", choices=[str(role) for role in Role], default=str(Role.ALL), help="what this process does"
    )
    parser.add_argument("--number", type=int, default=1, help="which of the processes that talk to the broker it is")
    parser.add_argument("--port", type=int, help="instead of [http] port, where several run on this machine")
    given = parser.parse_args(arguments)
    begin_logging(LogSettings())
    try:
        settings = read_settings(given.config)
        begin_logging(settings.log)
        if given.what == "broker":
            return _prepare(settings)
        asyncio.run(_serve(settings_at(settings, given.port), Role(given.role), given.number))
    except PortTaken as error:
        return _failed(error, PORT_TAKEN)
    except Replaced as error:
        return _failed(error, REPLACED)
    except (AuthorityUnusable, ConfigWrong, DatabaseUnusable, KeysUnusable) as error:
        return _failed(error, WRONG_CONFIG)
    return OK


def _warn(text: str) -> None:
    print(text, file=sys.stderr)


def _failed(error: Exception, code: int) -> int:
    print(f"fanka server: {error}", file=sys.stderr)
    return code


def _prepare(settings: Settings) -> int:
    now = utc_now()
    is_first = not (Path(settings.data) / "keys").exists()
    require_own_broker(settings, may_create=is_first)
    site = prepare_broker(settings, authority_of(settings, now, may_create=is_first), now)
    if site is None:
        raise ConfigWrong("there is no [broker] table: this machine runs no Mosquitto for this server")
    if fault := port_fault(site):
        raise PortTaken(fault)
    if fault := way_fault(site.settings):
        _warn(f"fanka server: {fault}")
    print(f"ready: /usr/sbin/mosquitto --config-file {shlex.quote(str(site.settings.file(CONFIG)))}")
    return 0


async def _serve(settings: Settings, role: Role, number: int) -> None:
    with listen(settings.http) as listening:
        async with open_house(settings, role=role, number=number) as house, running(house) as renewing:
            await _answer(house, settings.http, listening, renewing)


async def _answer(
    house: House, settings: HttpSettings, listening: socket.socket, renewing: "asyncio.Task[None]"
) -> None:
    """Until a signal comes. Raises Replaced."""
    api = _Api(_api_config(house.app, settings))

    def end(*_: object) -> None:
        api.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end)
    renewing.add_done_callback(end)
    await api.serve([listening])
    tell("STOPPING=1")
    if renewing.done():
        renewing.result()


def listen(settings: HttpSettings) -> socket.socket:
    """Take the port before anything else is touched; an answer goes out at once. Raises PortTaken."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listening = socket.create_server((settings.host, settings.port), family=family, backlog=2_048)
        # Connections inherit it. Without it a client's delayed ACK costs 40 ms a request; asyncio does it for its own.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listening
    except OSError as error:
        where = f"{settings.host} port {settings.port}"
        raise PortTaken(
            f"http: cannot listen at {where}: {error.strerror}. Does another server run? Stop it, or choose another "
            "host or port in [http]"
        ) from error


def _api_config(app: object, settings: HttpSettings) -> uvicorn.Config:
    return uvicorn.Config(app, settings.host, settings.port, log_config=None, access_log=False)  # type: ignore[arg-type]
