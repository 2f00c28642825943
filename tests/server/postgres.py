"""A PostgreSQL of our own for tests: a new cluster in a temporary directory, reached over its socket only."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

ACCOUNT = "postgres"
CLUSTERS = Path("/usr/lib/postgresql")
"""Debian keeps `initdb` and `postgres` here, one directory a release, and not in PATH."""


@contextmanager
def private_postgres(*, durable: bool = False) -> Generator[str]:
    """The socket directory of a running cluster, for `new_database`; `durable`: it waits for its disk."""
    with tempfile.TemporaryDirectory(prefix="fanka-pg-") as name:
        directory = Path(name)
        if os.geteuid() == 0:
            shutil.chown(directory, ACCOUNT, ACCOUNT)
        data = directory / "data"
        _run("initdb", "-D", str(data), "-U", ACCOUNT, "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
        options = (
            *(() if durable else ("-F",)),
            "-c",
            "listen_addresses=",
            "-c",
            f"unix_socket_directories={directory}",
            "-c",
            "max_connections=100",
        )
        with (directory / "log").open("wb") as log:
            server = subprocess.Popen(
                [*_as_owner(), "postgres", "-D", str(data), *options], stdout=log, stderr=log, env=_environment()
            )
        try:
            _wait_until_ready(directory, server)
            yield str(directory)
        finally:
            server.terminate()
            server.wait(30)


def new_database(socket_directory: str, name: str, template: str = "template0") -> str:
    """Create a database, empty or as a copy of another one that nobody is connected to; its SQLAlchemy URL."""
    _run("createdb", "-h", socket_directory, "-U", ACCOUNT, "-T", template, name)
    return f"postgresql+psycopg://{ACCOUNT}@/{name}?host={socket_directory}"


def _as_owner() -> list[str]:
    if os.geteuid() != 0:
        return []
    return ["setpriv", f"--reuid={ACCOUNT}", f"--regid={ACCOUNT}", "--clear-groups", "--pdeathsig", "INT"]


def _run(*command: str) -> None:
    done = subprocess.run(
        [*_as_owner(), *command], capture_output=True, text=True, timeout=120, cwd="/", env=_environment()
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")


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
