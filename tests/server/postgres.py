"""A PostgreSQL of our own for tests: a new cluster in a temporary directory, reached over its socket only."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from sqlalchemy.engine import make_url

ACCOUNT, STANDBY = "postgres", "standby"
CLUSTERS = Path("/usr/lib/postgresql")
"""Debian keeps `initdb` and `postgres` here, one directory a release, and not in PATH."""


class Cluster:
    """A cluster that can be killed, started again, copied to a standby; it listens in `directory`."""

    def __init__(self, directory: Path, *, durable: bool = False) -> None:
        self.directory, self._durable = directory, durable
        self._server: subprocess.Popen[bytes] | None = None
        directory.mkdir(exist_ok=True)
        if os.geteuid() == 0:
            shutil.chown(directory, ACCOUNT, ACCOUNT)

    def create(self) -> None:
        """Make its files."""
        auth = ("-U", ACCOUNT, "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
        _run("initdb", "-D", str(self.directory / "data"), *auth)

    def follow(self, primary: "Cluster") -> None:
        """Become a standby of another one, which from now on answers no commit before it is on both disks."""
        source = f"host={primary.directory} user={ACCOUNT} application_name={STANDBY}"
        _run("pg_basebackup", "-D", str(self.directory / "data"), "-R", "-X", "stream", "-c", "fast", "-d", source)
        self.start()
        primary.say(f"ALTER SYSTEM SET synchronous_standby_names = '{STANDBY}'")
        primary.say("SELECT pg_reload_conf()")
        while "sync" not in primary.say("SELECT sync_state FROM pg_stat_replication").split():
            time.sleep(0.05)

    def start(self) -> None:
        """Return when it answers."""
        options = {"listen_addresses": "", "unix_socket_directories": self.directory, "max_connections": 100}
        given = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        command = [*_as_owner(), "postgres", "-D", str(self.directory / "data"), *([] if self._durable else ["-F"])]
        with (self.directory / "log").open("ab") as log:
            self._server = subprocess.Popen([*command, *given], stdout=log, stderr=log, env=_environment())
        _wait_until_ready(self.directory, self._server)

    def kill(self) -> None:
        """kill -9; return when its last process has let go of its memory."""
        assert self._server is not None
        self._server.kill()
        self._server.wait(30)
        self._server = None
        while any(_is_in(process, self.directory / "data") for process in Path("/proc").glob("[0-9]*")):
            time.sleep(0.05)

    def stop(self) -> None:
        """End it, if it runs."""
        if self._server is not None:
            self._server.terminate()
            self._server.wait(30)
            self._server = None

    def say(self, statement: str) -> str:
        """One statement on the database `postgres`; what it answers."""
        return _run("psql", "-X", "-A", "-t", "-h", str(self.directory), "-U", ACCOUNT, "-c", statement, "postgres")


@contextmanager
def private_postgres(*, durable: bool = False) -> Generator[str]:
    """The socket directory of a running cluster, for `new_database`; `durable`: it waits for its disk."""
    with tempfile.TemporaryDirectory(prefix="fanka-pg-") as name:
        cluster = Cluster(Path(name), durable=durable)
        try:
            cluster.create()
            cluster.start()
            yield name
        finally:
            cluster.stop()


def new_database(socket_directory: str, name: str, template: str = "template0") -> str:
    """Create a database, empty or as a copy of another one that nobody is connected to; its SQLAlchemy URL."""
    _run("createdb", "-h", socket_directory, "-U", ACCOUNT, "-T", template, name)
    return f"postgresql+psycopg://{ACCOUNT}@/{name}?host={socket_directory}"


def renew_database(url: str) -> None:
    """Put an empty database in the place of one that `new_database` made."""
    found = make_url(url)
    _run("dropdb", "-h", str(found.query["host"]), "-U", ACCOUNT, "--force", str(found.database))
    new_database(str(found.query["host"]), str(found.database))


def _as_owner() -> list[str]:
    if os.geteuid() != 0:
        return []
    return ["setpriv", f"--reuid={ACCOUNT}", f"--regid={ACCOUNT}", "--clear-groups", "--pdeathsig", "INT"]


def _is_in(process: Path, data: Path) -> bool:
    try:
        return (process / "cwd").readlink() == data
    except OSError:
        return False  # it has ended


def _run(*command: str) -> str:
    done = subprocess.run(
        [*_as_owner(), *command], capture_output=True, text=True, timeout=120, cwd="/", env=_environment()
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


@cache
def _environment() -> dict[str, str]:
    releases = sorted((int(path.name) for path in CLUSTERS.glob("[0-9]*")), reverse=True)
    places = [os.environ.get("PATH", "/usr/bin:/bin"), *(str(CLUSTERS / str(release) / "bin") for release in releases)]
    environment = {**os.environ, "PATH": ":".join(places)}
    if shutil.which("initdb", path=environment["PATH"]) is None:
        raise RuntimeError("PostgreSQL is not installed: apt-get install postgresql")
    return environment


def _wait_until_ready(directory: Path, server: "subprocess.Popen[bytes]") -> None:
    for _ in range(600):
        asked = ["pg_isready", "-q", "-h", str(directory), "-U", ACCOUNT]
        if subprocess.run(asked, timeout=10, cwd="/", env=_environment()).returncode == 0:
            return
        if server.poll() is not None:
            break
    raise RuntimeError((directory / "log").read_text(errors="replace"))
