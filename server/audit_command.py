"""`python -m server audit`: check everything that the database holds, trusting nobody who runs it (docs/audit.md).

It only reads, and a server may work meanwhile. Exit status: 0 everything agrees; 1 there are differences; 2 there was
no audit.
"""

import argparse
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.engine import make_url

from protocol.messages import Ack, NotAMessage, TipAnswer, TreeHead, verified
from protocol.signing import SigningKey, to_base64url
from protocol.texts import sentence_of
from protocol.trust import Trust
from server.auditor.grants import read_ack
from server.auditor.progress import Progress
from server.auditor.reading import CannotRead, snapshot
from server.auditor.report import OPENSSL, Differences, Report, as_text, encode_report, pem_of, told
from server.auditor.rules import NONSENSE
from server.auditor.scope import Scope
from server.auditor.service import Audit, Kept, Spread
from server.auditor.workers import workers
from server.config import ConfigWrong, Settings, campus_of, read_settings
from server.durable import replace_file
from server.keys import KeysUnusable, open_key, trust_in

OK, DIFFERS, NOT_DONE = 0, 1, 2
SHOWN = 100
REPORT, SIGNATURE, KEY = "report.json", "report.sig", "server.pem"

Say = Callable[[str], None]


class NotUsable(Exception):
    """The command line or a file makes no sense; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for, as far as it makes sense."""

    settings: Settings
    trust: Trust
    scope: Scope
    kept: Kept
    shown: int
    out: Path | None
    key: SigningKey | None


def main(arguments: Sequence[str], say: Say, warn: Say) -> int:
    """Run the audit; returns the exit status."""
    given = _parser().parse_args(_joined(arguments))
    try:
        order = _order(given)
        with workers(given.processes) as spread, snapshot(order.settings.database) as connection:
            report = _audit(connection, order, spread, warn)
        raw = encode_report(report)
        if order.out is not None and order.key is not None:
            _write(order.out, raw, order.key)
    except (CannotRead, ConfigWrong, KeysUnusable, NotUsable, OSError) as error:
        warn(f"audit: {sentence_of(error)}")
        return NOT_DONE
    except NONSENSE as error:
        warn(f"audit: stopped at a row that makes no sense: {error!r}")
        return NOT_DONE
    for line in [raw.decode().rstrip("\n")] if given.json else as_text(report):
        say(line)
    if order.out is not None:
        warn(f"signed by the server's ack key; in {order.out}: {OPENSSL}")
    return OK if report.agrees else DIFFERS


def _order(given: argparse.Namespace) -> Order:
    """Everything that can be wrong before the work begins. Raises NotUsable."""
    settings = read_settings(given.config)
    keys = Path(settings.data) / "keys"
    trust = trust_in(keys)
    root = to_base64url(trust.root.raw)
    if given.root not in (None, root):
        raise NotUsable(f"--root {given.root}: the keys of this server are signed by another root, {root}")
    heads = tuple(_head(file, trust) for file in given.head)
    acks = tuple(ack for file in given.ack for ack in _acks(file, trust))
    key = None
    if given.out is not None:
        given.out.mkdir(parents=True, exist_ok=True)
        if any(given.out.iterdir()):
            raise NotUsable(f"--out {given.out}: there is something in it; name a new directory")
        key = open_key(keys / "ack.key")
    scope = Scope(given.terminal, given.first, given.last)
    return Order(settings, trust, scope, Kept(acks, heads), given.show, given.out, key)


def _audit(connection: Connection, order: Order, spread: Spread, warn: Say) -> Report:
    differences, scope, trust = Differences(order.shown), order.scope, order.trust
    campus = campus_of(order.settings)
    audit = Audit(connection, trust, campus, scope, spread, Progress(warn), differences, order.kept)
    made_at = time.time_ns() // 1_000_000
    audit.run()
    return Report(
        made_at=made_at,
        program=version("fanka"),
        database=make_url(order.settings.database).render_as_string(hide_password=True),
        server_epoch=audit.server_epoch,
        root_key=to_base64url(trust.root.raw),
        keys_version=trust.document.version,
        terminal=scope.terminal,
        first_day=scope.first_day,
        last_day=scope.last_day,
        agrees=differences.count == 0,
        count=differences.count,
        by_check=dict(sorted(differences.by_check.items())),
        differences=told(differences),
        steps=tuple(audit.steps),
        roots=tuple(audit.roots),
        notes=tuple(audit.notes),
    )


def _write(out: Path, raw: bytes, key: SigningKey) -> None:
    replace_file(out / REPORT, raw)
    replace_file(out / SIGNATURE, key.sign(raw))
    replace_file(out / KEY, pem_of(key.public.raw).encode())


def _head(file: Path, trust: Trust) -> TreeHead:
    try:
        return verified(file.read_bytes().strip(), TreeHead, trust.ack)
    except NotAMessage as error:
        raise NotUsable(f"--head {file}: {error}") from error


def _acks(file: Path, trust: Trust) -> list[Ack | TipAnswer]:
    try:
        return [read_ack(line, trust.ack) for line in file.read_bytes().split()]
    except NotAMessage as error:
        raise NotUsable(f"--ack {file}: {error}") from error


def _joined(arguments: Sequence[str]) -> list[str]:
    """One key in 64 begins with a hyphen in base64url, and argparse would take it for an option."""
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] == "--root":
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


def _day(text: str) -> int:
    """A business day: 2026-11-26, or its number."""
    try:
        return int(text) if text.isdigit() else (date.fromisoformat(text) - date(1970, 1, 1)).days
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no day: write 2026-11-26, or its number") from error


def _positive(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m server audit", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--config", type=Path, required=True, help="the server's TOML file")
    add("--terminal", default="", metavar="TID", help="only this terminal's chains")
    add("--from", type=_day, dest="first", metavar="DAY", help="from this business day on")
    add("--until", type=_day, dest="last", metavar="DAY", help="up to this business day")
    add("--root", metavar="KEY", help="the root's public key as you keep it: no other one will do")
    add("--head", type=Path, action="append", default=[], metavar="FILE", help="a sealed root that you kept")
    add("--ack", type=Path, action="append", default=[], metavar="FILE", help="signed acks of terminals, one a line")
    add("--json", action="store_true", help="the report as JSON")
    add("--out", type=Path, metavar="DIRECTORY", help="write the report there with a signature by the server")
    add("--show", type=int, default=SHOWN, metavar="N", help=f"name at most N differences (all are counted; {SHOWN})")
    add("--processes", type=_positive, default=len(os.sched_getaffinity(0)), help="how many check at once")
    return parser
