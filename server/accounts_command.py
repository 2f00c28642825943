"""`python -m server accounts ...`: who may use the pages. The server may run meanwhile: on SQLite this is a guest of
its database (`server/db.py` says why that is safe).

accounts add NAME --roles ROLE,...   a new account; prints a password to hand over, shown this once
accounts list                        all accounts
accounts roles NAME --roles ROLE,... what somebody may do
accounts reset NAME                  a new password, and codes from another phone
accounts off NAME                    nobody signs in under this name; all its sessions end now
accounts on NAME                     somebody does again

Whoever signs in first chooses a password and scans a code for one-time passwords with a phone. A name that an operator
has in the settings too is the same person: two accounts of one person must not count as two people.
"""

import argparse
import asyncio
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from sqlalchemy import RowMapping

from protocol.texts import sentence_of
from server.accounts.rules import wait_ms
from server.accounts.secrets import OTP_KEY, OtpSecrets
from server.accounts.service import Accounts, Handed
from server.auth.rules import Role
from server.clock import utc_now
from server.config import ConfigWrong, read_settings
from server.db import Database, DatabaseUnusable
from server.errors import ServerError
from server.keys import KeysUnusable

OK, NOT_DONE = 0, 2
Say = Callable[[str], None]


def main(arguments: list[str], say: Say, warn: Say) -> int:
    """Carry out one command. Returns 2 and says why where it was not done."""
    given = _parser().parse_args(arguments)
    try:
        asyncio.run(_do(given, say))
    except (ConfigWrong, DatabaseUnusable, KeysUnusable, ServerError, OSError) as error:
        warn(f"fanka server: {sentence_of(error)}")
        return NOT_DONE
    return OK


async def _do(given: argparse.Namespace, say: Say) -> None:
    settings = read_settings(given.config)
    key = Path(settings.data) / "keys" / OTP_KEY
    async with Database(settings.database, is_guest=True) as database:
        if await database.is_new():
            raise ConfigWrong(f"{given.config}: its database is empty. Start the server once, then make accounts")
        if not (await database.is_current() and await asyncio.to_thread(key.exists)):
            raise ConfigWrong(f"{given.config}: the server of this version has not run. Start it once, then try again")
        otp = OtpSecrets(key)
        accounts = Accounts(database, otp, utc_now, lambda: time.monotonic_ns() // 1_000_000)
        await _carry_out(given, accounts, say)


async def _carry_out(given: argparse.Namespace, accounts: Accounts, say: Say) -> None:
    match given.what:
        case "add":
            _tell(await accounts.add(given.name, given.roles, ready=given.ready), say)
        case "reset":
            _tell(await accounts.reset(given.name), say)
        case "roles":
            await accounts.set_roles(given.name, given.roles)
        case "on" | "off":
            await accounts.switch(given.name, is_on=given.what == "on")
        case _:
            for row in await accounts.every():
                say(_line(row))


def _tell(handed: Handed, say: Say) -> None:
    say(f"name      {handed.name}")
    say(f"password  {handed.password}")
    if handed.otp:
        say(f"codes     {handed.otp}")


def _line(row: RowMapping) -> str:
    state = "off" if row["is_off"] else "has not signed in yet" if row["is_new"] else ""
    locked = "locked for a while" if wait_ms(row["failures"]) else ""
    return f"{row['name']:<20} {row['roles']:<30} {', '.join(word for word in (state, locked) if word)}".rstrip()


def _name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,32}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no name: write 1 to 32 of A-Z a-z 0-9 . _ -")
    return text


def _roles(text: str) -> Sequence[Role]:
    try:
        return [Role(part) for part in text.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}; roles are {', '.join(Role)}") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m server accounts", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="what", required=True)
    for what in ("add", "list", "roles", "reset", "off", "on"):
        command = commands.add_parser(what)
        command.add_argument("--config", type=Path, required=True, help="the server's TOML file")
        if what != "list":
            command.add_argument("name", type=_name)
        if what in ("add", "roles"):
            command.add_argument(
                "--roles", type=_roles, required=True, help=f"of {', '.join(Role)}, with commas between"
            )
    commands.choices["add"].add_argument(
        "--ready", action="store_true", help="nothing left to choose, with a secret for codes: for trials by machine"
    )
    return parser
