"""`python -m server backup` and `python -m server restore` (docs/operations.md)."""

import argparse
import asyncio
import os
import stat
from collections.abc import Callable
from pathlib import Path

from protocol.texts import sentence_of
from server.backup.manifest import NotABackup
from server.backup.service import back_up, restore
from server.clock import utc_now
from server.config import ConfigWrong, read_settings
from server.db import DatabaseUnusable
from server.envelope import NotOpened
from server.keys import ROOT_FILE

OK, NOT_DONE = 0, 2
PASSPHRASE_BYTES_MIN = 12
WHAT_NEXT = """What comes next:
- Start the server. Each terminal says hello, sees another life of the server, and sends again what this one lacks;
  until then the ledger is behind, and cards that were loaded since wait for that.
- Lists are published under higher versions; new cards, chains and loads get numbers far above all that was forgotten.
- Block again what was blocked, and revoke again who was revoked, since the backup: paper or the old log knows.
  Terminals enrolled since are an alarm (terminal_unknown): say again what they are (`PUT /terminals/T`), then bring
  their grant (`POST /grants`, the line of grant.jws), or enrol them again. docs/operations.md has the bodies.
- Movements booked by hand since are gone: book them again from their documents. The night shows what is missing."""

ROOT_IS_IN_IT = (
    "fanka server: {root} lies on this server, so that it is in this backup too: whoever has it and the passphrase can "
    "make keys that every terminal believes. It belongs on a machine without a network (docs/keys.md); move it there, "
    "make a backup without it, and delete the ones with it"
)


def main(arguments: list[str], say: Callable[[str], None], warn: Callable[[str], None]) -> int:
    """Carry out one command. Returns 2 and says why where it was not done."""
    given = _parser().parse_args(arguments)
    try:
        settings, passphrase = read_settings(given.config), _passphrase(given.passphrase_file)
        if given.what == "backup":
            made = asyncio.run(back_up(settings, given.to, passphrase, utc_now()))
            root = Path(settings.data) / "keys" / ROOT_FILE
            if root.exists():
                warn(ROOT_IS_IN_IT.format(root=root))
            say(str(made))
        else:
            work = restore(settings, given.backup, passphrase, utc_now(), above_epoch=given.above_epoch)
            found = asyncio.run(work)
            told = f"server epoch {found.server_epoch}, {found.entries:,} entries, {found.postings:,} postings"
            say(f"restored: {told}\n{WHAT_NEXT}")
    except (ConfigWrong, DatabaseUnusable, NotABackup, NotOpened, OSError) as error:
        warn(f"fanka server: {sentence_of(error)}")
        return NOT_DONE
    return OK


def _passphrase(path: Path) -> bytes:
    """The first line of a file that is nobody else's."""
    try:
        found = path.stat()
    except FileNotFoundError as error:
        make = f"openssl rand -base64 24 >{path}"
        raise NotABackup(
            f"there is no {path}. Name the file with the backup's passphrase; of a first: {make}"
        ) from error
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o077 and os.geteuid() == found.st_uid:
        raise NotABackup(f"{path} is open to others (mode {mode:04o}). Run: chmod 600 {path}")
    passphrase = path.read_bytes().split(b"\n")[0]
    if len(passphrase) < PASSPHRASE_BYTES_MIN:
        raise NotABackup(f"{path}: a passphrase has at least {PASSPHRASE_BYTES_MIN} characters")
    return passphrase


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m server", description=__doc__)
    commands = parser.add_subparsers(dest="what", required=True)
    backup = commands.add_parser("backup", help="write a backup; the server may run")
    backup.add_argument("--to", type=Path, required=True, help="the directory that backups are kept in")
    back = commands.add_parser("restore", help="make a server from a backup, where there is none")
    back.add_argument("--from", dest="backup", type=Path, required=True, help="the backup's own directory")
    back.add_argument("--above-epoch", type=int, default=0, help="the highest server epoch ever seen, if known")
    for command in (backup, back):
        command.add_argument("--config", type=Path, required=True, help="the server's TOML file")
        command.add_argument("--passphrase-file", type=Path, required=True, help="its first line seals the backup")
    return parser
