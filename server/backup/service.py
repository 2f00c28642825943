"""Backs a running server up, and makes a server from a backup.

    back_up      database copied -> keys and authority packed -> both sealed -> manifest -> the directory gets its name
    restore      manifest and sums -> nothing there yet? -> unsealed -> database -> schema -> LEAP -> keys, authority

The keys come last: without them no server starts, so none starts on a database that has not leapt.
"""

import asyncio
import io
import os
import tarfile
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.instants import UtcMs
from server.alarms.raising import raise_alarm
from server.alarms.rules import SERVER, AlarmKind
from server.backup.engines import SQLITE, bring_in, copy_out, engine_of, sqlite_file
from server.backup.manifest import (
    DATABASE,
    MANIFEST,
    SECRETS,
    Holds,
    Manifest,
    NotABackup,
    part_of,
    verified_manifest,
    write_manifest,
)
from server.config import Settings
from server.db import Database
from server.durable import replace_file
from server.envelope import seal, unseal
from server.numbers import leap, server_epoch
from server.schema import revision
from server.tables import entry, posting

KEPT = ("keys", "authority")
"""Directories of a server that nobody can make again: terminals believe in what they hold."""
_SECRET_MODE = 0o600


async def back_up(settings: Settings, into: Path, passphrase: bytes, at: UtcMs) -> Path:
    """Write a backup into a directory that is there; its own one, named by the instant. Raises NotABackup, OSError.

    The server may run meanwhile.
    """
    name = datetime.fromtimestamp(at / 1_000, UTC).strftime("fanka-%Y%m%dT%H%M%SZ")
    await asyncio.to_thread(_begin, settings, into, name)
    try:
        async with Database(settings.database) as database, database.reading() as connection:
            least = await _known(connection)
    except DBAPIError as error:
        raise NotABackup(f"the database cannot be read: {error.orig}") from error
    with _workplace(into) as draft:
        clear = draft / "database"
        await asyncio.to_thread(copy_out, settings.database, clear)
        await asyncio.to_thread(_seal_file, clear, draft / DATABASE, passphrase)
        await asyncio.to_thread(_seal_secrets, Path(settings.data), draft / SECRETS, passphrase)
        parts = {name: part_of(draft / name) for name in (DATABASE, SECRETS)}
        made = Manifest(1, at, engine_of(settings.database), least, parts)
        await asyncio.to_thread(_finish, draft, into / name, made)
    return into / name


async def restore(settings: Settings, backup: Path, passphrase: bytes, at: UtcMs, *, above_epoch: int = 0) -> Holds:
    """Make a server from a backup where there is none; what it holds. Raises NotABackup, NotOpened, OSError.

    `above_epoch`: the highest server epoch that was ever seen, where it is not the backup's: after a second restore
    from the same backup.
    """
    manifest, data = await asyncio.to_thread(verified_manifest, backup), Path(settings.data)
    if manifest.engine != engine_of(settings.database):
        raise NotABackup(f"this is a backup of {manifest.engine}, the settings name a database of another engine")
    await _refuse_to_overwrite(settings)
    await asyncio.to_thread(data.mkdir, 0o700, parents=True, exist_ok=True)
    with _workplace(data) as draft:
        await asyncio.to_thread(_unseal_file, backup / SECRETS, draft / SECRETS, passphrase)
        await asyncio.to_thread(_unseal_file, backup / DATABASE, draft / DATABASE, passphrase)
        if manifest.engine == SQLITE:  # leaps before it has its name
            holds = await _leap(f"sqlite+aiosqlite:///{draft / DATABASE}", manifest, at, above_epoch)
            _sync(draft / DATABASE)
            await asyncio.to_thread(bring_in, settings.database, draft / DATABASE)
            _sync(sqlite_file(settings.database).parent)
        else:
            await asyncio.to_thread(bring_in, settings.database, draft / DATABASE)
            holds = await _leap(settings.database, manifest, at, above_epoch)
        await asyncio.to_thread(_unpack, draft / SECRETS, data)
    return holds


async def _leap(url: str, manifest: Manifest, at: UtcMs, above_epoch: int) -> Holds:
    made = datetime.fromtimestamp(manifest.made_at / 1_000, UTC).isoformat(timespec="seconds")

    async def work(connection: AsyncConnection) -> None:
        held, least = await _known(connection), manifest.holds_at_least
        if held.entries < least.entries or held.postings < least.postings:
            raise NotABackup(f"the copy holds {held}, the manifest promises {least}")
        epoch = await leap(connection, max(above_epoch, await server_epoch(connection)))
        text = f"restored from the backup of {made}; the server's epoch is now {epoch}"
        await raise_alarm(connection, AlarmKind.SERVER_RESTORED, SERVER, text, at)

    async with Database(url) as database:
        await database.migrate()
        await database.transact(work)
        async with database.reading() as connection:
            return await _known(connection)


async def _known(connection: AsyncConnection) -> Holds:
    schema = await connection.run_sync(revision) or ""
    entries = await connection.scalar(select(func.count()).select_from(entry))
    postings = await connection.scalar(select(func.count()).select_from(posting))
    return Holds(schema, await server_epoch(connection), int(entries or 0), int(postings or 0))


async def _refuse_to_overwrite(settings: Settings) -> None:
    for name in KEPT:
        path = Path(settings.data) / name
        if path.exists():
            raise NotABackup(f"{path} is there: a server was begun here. Move all of {settings.data} away first")
    if engine_of(settings.database) == SQLITE:
        path = sqlite_file(settings.database)
        if path.exists():
            raise NotABackup(f"{path} is there: move it away first; nothing is overwritten")
        return
    async with Database(settings.database) as database:
        if not await database.is_new():
            raise NotABackup("the database is not empty: make a new one, and name it in the settings")


def _begin(settings: Settings, into: Path, name: str) -> None:
    if not into.is_dir():
        raise NotABackup(f"there is no directory {into}. Is its disk mounted? Make it, or name another one")
    if (into / name).exists():
        raise NotABackup(f"{into / name} is there already")
    if engine_of(settings.database) == SQLITE and not sqlite_file(settings.database).is_file():
        raise NotABackup(f"there is no database {sqlite_file(settings.database)}")


def _finish(draft: Path, target: Path, manifest: Manifest) -> None:
    """Only what is whole and on disk gets its name."""
    write_manifest(draft, manifest)
    part = target.with_name(f".{target.name}")
    part.mkdir(mode=0o700)
    for name in (*manifest.parts, MANIFEST):
        (draft / name).replace(part / name)
        _sync(part / name)
    _sync(part)
    part.rename(target)
    _sync(target.parent)


def _seal_file(source: Path, target: Path, passphrase: bytes) -> None:
    with source.open("rb") as clear, target.open("xb") as sealed:
        seal(clear, sealed, passphrase, target.name)


def _unseal_file(source: Path, target: Path, passphrase: bytes) -> None:
    with source.open("rb") as sealed, target.open("xb") as clear:
        unseal(sealed, clear, passphrase, source.name)


def _seal_secrets(data: Path, target: Path, passphrase: bytes) -> None:
    """The keys are never in the clear on the backup's disk."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path in sorted(path for name in KEPT for path in (data / name).iterdir() if path.is_file()):
            archive.add(path, str(path.relative_to(data)))
    packed.seek(0)
    with target.open("xb") as sealed:
        seal(packed, sealed, passphrase, target.name)


def _unpack(packed: Path, data: Path) -> None:
    with tarfile.open(packed) as archive:
        for member in archive:
            directory, _, name = member.name.partition("/")
            content = archive.extractfile(member)
            if directory not in KEPT or not name or "/" in name or content is None:
                raise NotABackup(f"{member.name} has no place in a backup")
            (data / directory).mkdir(mode=0o700, exist_ok=True)
            replace_file(data / directory / name, content.read(), member.mode & _SECRET_MODE | 0o400)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _workplace(beside: Path) -> Generator[Path]:
    """A directory that only its owner reads, on the same disk; it goes, whatever happens."""
    with tempfile.TemporaryDirectory(prefix=".fanka-", dir=beside) as name:
        yield Path(name)
