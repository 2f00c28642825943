"""What is wrong with the settings or around them is told in one sentence; nothing is shown that must stay secret."""

import contextlib
import logging
import os
import re
import socket
import sqlite3
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from server import app
from server.__main__ import main
from server.app import open_house
from server.broker.before_start import closed_to
from server.broker.process import free_port
from server.config import BrokerTable, ConfigWrong, HttpSettings, Settings, read_settings
from server.db import DatabaseUnusable
from server.run_command import OK, PORT_TAKEN, WRONG_CONFIG, listen
from tests.server.desk import sqlite_url

Say = Callable[..., tuple[int, str]]


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Say:
    """Start the server with these settings; how it ended, and what it said."""

    def start(text: str, *options: str) -> tuple[int, str]:
        path = tmp_path / "server.toml"
        path.write_text(text)
        monkeypatch.setattr(sys, "argv", ["server", "--config", str(path), *options])
        return main(), capsys.readouterr().err

    return start


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """A program that is started in here logs as it likes, and what comes after as it did."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


DATA = 'data = "d"\n'
HTTP = "[http]\nport = 0\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f'{DATA}database = "nonsense:secret"\n', "database: expected sqlite+aiosqlite:///FILE or postgresql+psycopg://"),
        (f'{DATA}database = "postgresql://u:secret@h/d"\n', "It begins with postgresql://"),
        (f'{DATA}database = "sqlite:///x.db"\n', "It begins with sqlite://"),
        (f'{DATA}database = "magic+driver://u:secret@h/d"\n', "It begins with magic+driver://"),
        (f'{DATA}database = "sqlite+aiosqlite:////no/such/x.db"\n', "/no/such/x.db cannot be opened: unable to open"),
        (
            f'{DATA}database = "postgresql+psycopg://u:secret@127.0.0.1:1/d"\n',
            "postgresql+psycopg://u:***@127.0.0.1:1/d cannot be opened",
        ),
        ('data = ""\n', "data: expected text in quotes"),
        ('data = "server.toml"\n', "server.toml is no directory: a file of that name"),
        ('data = "server.toml/d"\n', "is no directory: a file of that name"),
        (f'{DATA}[mqtt]\nca = "none.pem"\n', "mqtt.ca: there is no file"),
        (f'{DATA}[mqtt]\nca = "server.toml"\n', "no certificates as TLS needs them"),
        (f'{DATA}[mqtt]\nca = "server.toml"\ncert = "server.toml"\n', "cert and key belong together"),
        (f'{DATA}[mqtt]\nport = 0\n', "mqtt.port: expected a whole number from 1 to 65535"),
        (f'{DATA}[[operators]]\nname = "a b"\n', "operators 1.name: expected text in quotes: 1 to 32 of A-Z"),
        (f'{DATA}[[operators]]\nname = "a"\n', "operators 1: the key 'token_sha256' is missing: text in quotes: 64"),
        (f'{DATA}[http]\nhost = 1\n', "http.host: expected text in quotes, not a number"),
    ],
)  # fmt: skip
def test_it_says_what_is_wrong_and_ends(started: Say, text: str, told: str) -> None:
    code, said = started(text if "[http]" in text else text.replace("[", HTTP + "[", 1) if "[" in text else text + HTTP)
    assert code == WRONG_CONFIG
    line = said.strip().splitlines()[-1]
    assert line.startswith("fanka server: ") and told in line
    assert "Traceback" not in said and "secret" not in said and "regex" not in said


@pytest.mark.parametrize("in_the_way", ["keys", "authority", "server.lock", "has-books"])
def test_what_the_disk_says_at_a_start_is_told(started: Say, tmp_path: Path, in_the_way: str) -> None:
    """Here a link that leads to itself is in the way; a disk that is full or broken speaks in the same place."""
    place = tmp_path / "d"
    place.mkdir()
    (place / in_the_way).symlink_to(in_the_way)
    code, said = started(f'data = "{place}"\n{HTTP}')
    assert code == WRONG_CONFIG
    assert said.strip().splitlines()[-1].startswith(f"fanka server: data: {place / in_the_way}: ")


async def test_a_database_whose_pages_cannot_be_read_is_told(tmp_path: Path) -> None:
    settings = Settings(str(tmp_path), sqlite_url(tmp_path))
    async with open_house(settings):
        pass
    database = tmp_path / "server.db"
    pages = bytearray(database.read_bytes())
    with contextlib.closing(sqlite3.connect(database)) as db:
        (root,) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'alembic_version'").fetchone()
        (size,) = db.execute("PRAGMA page_size").fetchone()
    pages[(root - 1) * size : root * size] = b"\xff" * size
    database.write_bytes(pages)
    with pytest.raises(DatabaseUnusable, match="malformed"):
        async with open_house(settings):
            pass


def test_an_answer_in_two_pieces_waits_for_nobody() -> None:
    """Head and body are sent apart: the second would wait 40 ms for a client that delays its ACK (RFC 9293, 3.7.4)."""
    with listen(HttpSettings(port=0)) as listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_port_that_is_taken_is_told_before_anything_is_touched(started: Say, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said = started(f"{DATA}[http]\nport = {port}\n")
    assert code == PORT_TAKEN
    assert said.startswith(f"fanka server: http: cannot listen at 127.0.0.1 port {port}: Address already in use")
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--role", "api"), "--role api needs PostgreSQL: on SQLite one process does everything. Leave --role away"),
        (("--role", "ingest"), "--role ingest needs PostgreSQL"),
        (("--role", "nightly"), "--role nightly needs PostgreSQL"),
        (("--number", "0"), "--number 0: a number from 1 on"),
        (("--number", "3"), "the broker lets in 2 of the server's programs. Set `servers = 3` in [broker]"),
        (("--port", "70000"), "--port 70000: a port from 0 to 65535"),
    ],
)
def test_what_a_process_cannot_do_here_is_told(
    started: Say, tmp_path: Path, options: tuple[str, ...], told: str
) -> None:
    code, said = started(f'{DATA}{HTTP}[broker]\ndirectory = "b"\nservers = 2\n', *options)
    assert code == WRONG_CONFIG
    assert said.startswith("fanka server: ") and told in said and said.count("\n") == 1
    assert not (tmp_path / "d").exists(), "nothing was touched"


async def test_on_sqlite_a_second_process_is_refused(tmp_path: Path) -> None:
    settings = Settings(str(tmp_path), sqlite_url(tmp_path))
    async with open_house(settings):
        with pytest.raises(ConfigWrong, match=r"another server works in .*on SQLite there is only one\. Stop it"):
            async with open_house(settings):
                pass
    async with open_house(settings):
        pass


async def test_a_server_whose_database_is_gone_begins_no_empty_books(tmp_path: Path) -> None:
    settings, lost = (
        Settings(str(tmp_path), sqlite_url(tmp_path)),
        Settings(str(tmp_path), sqlite_url(tmp_path / "keys")),
    )
    async with open_house(settings):
        pass
    with pytest.raises(ConfigWrong, match=r"database: it is empty, .* has books\. Restore it from the backup"):
        async with open_house(lost):
            pass
    async with open_house(settings):
        pass


async def test_a_server_in_another_data_directory_takes_no_broker_over(tmp_path: Path) -> None:
    """A misspelt `data`, or a disk that is not mounted, looks like a first start."""
    broker = BrokerTable(directory=str(tmp_path / "broker"), names=("localhost",))
    settings = Settings(str(tmp_path / "data"), sqlite_url(tmp_path / "data"), broker=broker)
    async with open_house(settings):
        pass
    told = (tmp_path / "broker" / "ca.crt").read_bytes()
    (tmp_path / "data").rename(tmp_path / "unmounted")
    for _ in range(2):
        with pytest.raises(ConfigWrong, match=r"serves the terminals of another authority than .*mounted\?"):
            async with open_house(settings):
                pass
    assert (tmp_path / "broker" / "ca.crt").read_bytes() == told
    assert not (tmp_path / "data" / "keys").exists(), "nothing was made that looks like a site"


EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "server.toml"


async def test_a_first_start_that_was_cut_short_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it was cut: a server with a schema and without its authority would ask for a backup that nobody has."""
    settings = Settings(str(tmp_path), sqlite_url(tmp_path))
    for step in ("open_keys", "authority_of", "_otp_of", "prepare_broker"):
        with monkeypatch.context() as cut:
            cut.setattr(app, step, power_cut)
            with pytest.raises(EOFError):
                await open_house(settings).__aenter__()
    async with open_house(settings) as house:
        assert await house.database.is_current()


def power_cut(*_: object, **__: object) -> None:
    raise EOFError("the power is cut")


def test_the_example_of_a_settings_file_is_one_and_complete(tmp_path: Path) -> None:
    """As it stands, and with every key that it only mentions; what is commented out is the default."""
    path = tmp_path / "server.toml"
    path.write_text(EXAMPLE.read_text())
    settings = read_settings(path)
    assert settings.mqtt is None and [operator.name for operator in settings.operators] == ["li.wei"]
    tables = tomllib.loads(re.sub(r"(?m)^# (?=[a-z0-9_]+ = |\[)", "", EXAMPLE.read_text()))
    schema = msgspec.json.schema(Settings)["$defs"]
    assert set(tables) == set(schema["Settings"]["properties"])
    assert set(tables["operators"][0]) == set(schema["OperatorSettings"]["properties"])
    kinds = {name: f"{name.title()}Settings" for name in ("http", "mqtt", "campus", "money", "metrics", "log")}
    kinds |= {"lists": "ListSettings", "alarms": "AlarmSettings", "broker": "BrokerTable"}
    for name, kind in kinds.items():
        known = schema[kind]["properties"]
        assert set(tables[name]) == set(known), name
        wrong = [key for key in tables[name] if tables[name][key] != known[key].get("default") and key != "names"]
        assert not wrong, name


def test_help_lists_every_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["server", "--help"])
    with pytest.raises(SystemExit):
        main()
    listed = re.findall(r"^  ([a-z-]+)(?: FILE)?  +\S", capsys.readouterr().out, re.MULTILINE)
    assert {"run", "broker", "keys", "backup", "restore", "import-cards"} <= set(listed)


@pytest.mark.parametrize("is_taken", [True, False])
def test_a_broker_s_port_that_something_else_has_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, is_taken: bool
) -> None:
    port = free_port()
    (tmp_path / "server.toml").write_text(f'{DATA}[broker]\nnames = ["localhost"]\nport = {port}\n')
    monkeypatch.setattr(sys, "argv", ["server", "broker", "--config", str(tmp_path / "server.toml")])
    with contextlib.ExitStack() as stack:
        if is_taken:
            stack.enter_context(socket.create_server(("0.0.0.0", port)))
        code = main()
    said = capsys.readouterr()
    assert code == (PORT_TAKEN if is_taken else OK) and said.out.startswith("ready: ") is not is_taken
    assert (f"port {port}: Address already in use. `ss -ltnp" in said.err) is is_taken


def test_the_way_to_the_broker_s_directory_is_open_to_its_account(tmp_path: Path) -> None:
    """A site's directory made under `umask 077` is closed to the account that Mosquitto becomes."""
    site = tmp_path / "a site" / "data"
    site.mkdir(parents=True)
    site.chmod(0o700)
    site.parent.chmod(0o710)
    me, mine = os.getuid(), os.getgid()
    assert not {site, site.parent} & set(closed_to(me, mine, site / "broker"))
    assert [path for path in closed_to(me + 1, mine, site / "broker") if tmp_path in path.parents] == [site]
    closed = closed_to(me + 1, mine + 1, site / "broker")
    assert closed[-2:] == [site.parent, site], "to be opened from the outermost on"
    for path in (site, site.parent):
        path.chmod(path.stat().st_mode | 0o001)
    assert not {site, site.parent} & set(closed_to(me + 1, mine + 1, site / "broker"))
