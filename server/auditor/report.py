"""What an audit found, for people and for programs; pure."""

from base64 import b64encode
from collections import Counter
from collections.abc import Sequence

import msgspec

from server.auditor.rules import Difference

OPENSSL = "openssl pkeyutl -verify -pubin -inkey server.pem -rawin -in report.json -sigfile report.sig"
_SPKI_ED25519 = bytes.fromhex("302a300506032b6570032100")
"""What stands before the 32 bytes of an Ed25519 key in DER (RFC 8410 section 4)."""


class Step(msgspec.Struct, frozen=True):
    """One kind of check: what it was held against, how much, and how long that took."""

    name: str
    checked: dict[str, int]
    differences: int
    seconds: float


class Root(msgspec.Struct, frozen=True):
    """A sealed day: its root as the rows give it now."""

    number: int
    day: int
    rows: int
    root: str
    agrees: bool


class Found(msgspec.Struct, frozen=True):
    """A difference as it is told."""

    check: str
    row: str
    terminal: str
    seq: int
    found: str


class Report(msgspec.Struct, frozen=True):
    """All of it. `differences` holds at most so many as were asked for; `count` counts all."""

    made_at: int
    program: str
    database: str
    server_epoch: int
    root_key: str
    keys_version: int
    terminal: str
    first_day: int | None
    last_day: int | None
    agrees: bool
    count: int
    by_check: dict[str, int]
    differences: tuple[Found, ...]
    steps: tuple[Step, ...]
    roots: tuple[Root, ...]
    notes: tuple[str, ...]


class Differences:
    """Counts every difference and keeps the first ones to tell."""

    def __init__(self, told_max: int) -> None:
        self._told_max = told_max
        self.told: list[Difference] = []
        self.by_check: Counter[str] = Counter()

    @property
    def count(self) -> int:
        """How many there are."""
        return self.by_check.total()

    def add(self, found: Sequence[Difference]) -> None:
        """More of them."""
        self.by_check.update(one.check for one in found)
        self.told += found[: self._told_max - len(self.told)]


def told(differences: Differences) -> tuple[Found, ...]:
    """Differences as a report has them."""
    return tuple(Found(one.check, one.row, one.terminal, one.seq, one.found) for one in differences.told)


def encode_report(report: Report) -> bytes:
    """The report as it is written and signed: its first byte, `{`, keeps its signature from passing for another's."""
    return msgspec.json.format(msgspec.json.encode(report)) + b"\n"


def pem_of(raw: bytes) -> str:
    """A public key as openssl reads it."""
    body = b64encode(_SPKI_ED25519 + raw).decode()
    return f"-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n"


def as_text(report: Report) -> list[str]:
    """The report as people read it."""
    lines = [f"audit of {report.database}, server epoch {report.server_epoch}"]
    if report.terminal or report.first_day is not None or report.last_day is not None:
        days = f"business days {report.first_day or 'first'} to {report.last_day or 'last'}"
        lines.append(f"a part only: {f'terminal {report.terminal}, ' if report.terminal else ''}{days}")
    lines.append(f"keys: version {report.keys_version}, signed by root {report.root_key}")
    for step in report.steps:
        counted = ", ".join(f"{count:,} {what}" for what, count in step.checked.items())
        verdict = f"{step.differences:,} DIFFERENCES" if step.differences else "agrees"
        lines.append(f"{step.name}: {counted}: {verdict} ({step.seconds:.1f} s)")
    lines += [
        f"root {one.number}: business day {one.day}, {one.rows:,} rows, {one.root}, "
        f"{'agrees' if one.agrees else 'DIFFERS'}"
        for one in report.roots
    ]
    lines += [f"note: {note}" for note in report.notes]
    for one in report.differences:
        whose = f" ({one.terminal}, entry {one.seq})" if one.terminal else ""
        lines.append(f"DIFFERENCE {one.check}: {one.row}{whose}: {one.found}")
    if report.count > len(report.differences):
        lines.append(f"and {report.count - len(report.differences):,} more differences")
    by_check = ", ".join(f"{name} {count:,}" for name, count in sorted(report.by_check.items()))
    lines.append("everything agrees" if report.agrees else f"{report.count:,} DIFFERENCES: {by_check}")
    return lines
