"""Copying a database while the server works on it, and making one from a copy: each engine by its own tool.

SQLite's backup API copies in one step under one read transaction; pg_dump and pg_restore are PostgreSQL's own. A
password goes to them by the environment, never by their arguments.
"""

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from sqlalchemy.engine import URL, make_url

from server.backup.manifest import NotABackup

SQLITE, POSTGRESQL = "sqlite", "postgresql"
CLUSTERS = Path("/usr/lib/postgresql")
"""Debian keeps the tools of each release here."""
_LIBPQ = {
    "host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
}  # fmt: skip


def engine_of(url: str) -> str:
    """Which engine a database URL is for."""
    return SQLITE if url.startswith(SQLITE) else POSTGRESQL


def sqlite_file(url: str) -> Path:
    """Where SQLite keeps the database."""
    return Path(make_url(url).database or "")


def copy_out(url: str, target: Path) -> None:
    """Write a consistent copy of the database to a file that is not there yet. Raises NotABackup."""
    if engine_of(url) == POSTGRESQL:
        _run(url, "pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={target}")
        return
    source = sqlite_file(url)
    try:
        with (
            closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as here,
            closing(sqlite3.connect(target)) as copy,
        ):
            here.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")
            (whole,) = copy.execute("PRAGMA quick_check").fetchone()
    except sqlite3.Error as error:
        raise NotABackup(f"{source}: {error}") from error
    if whole != "ok":
        raise NotABackup(f"the copy of {source} is damaged: {whole}")


def bring_in(url: str, source: Path) -> None:
    """Make the database from a copy: all of it or nothing. Raises NotABackup."""
    if engine_of(url) == POSTGRESQL:
        database = f"--dbname={make_url(url).database}"
        _run(
            url,
            "pg_restore",
            "--exit-on-error",
            "--single-transaction",
            "--no-owner",
            "--no-privileges",
            database,
            str(source),
        )
        return
    target = sqlite_file(url)
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)


def _run(url: str, program: str, *arguments: str) -> None:
    done = subprocess.run(
        [_tool(program), "--no-password", *arguments],
        env=_environment(make_url(url)),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise NotABackup(f"{program}: {done.stderr.strip()}")


def _tool(program: str) -> str:
    """The newest release's: an older pg_dump refuses a newer server."""
    releases = sorted((int(path.name) for path in CLUSTERS.glob("[0-9]*")), reverse=True)
    places = [*(str(CLUSTERS / str(release) / "bin") for release in releases), os.environ.get("PATH", "/usr/bin:/bin")]
    found = shutil.which(program, path=":".join(places))
    if found is None:
        raise NotABackup(f"{program} is not installed: apt-get install postgresql-client")
    return found


def _environment(url: URL) -> dict[str, str]:
    """The URL as PostgreSQL's own programs read it, several hosts included; a password is on no command line."""
    _, told = url.get_dialect()().create_connect_args(url)
    return {**os.environ, **{_LIBPQ[name]: str(value) for name, value in told.items() if name in _LIBPQ}}
