"""What the reconciliation desk reads and writes over HTTP."""

from typing import Annotated

import msgspec
from msgspec import Meta

from protocol.ids import CardNo, Generation, TerminalId
from protocol.instants import BusinessDay, UtcMs
from server.reconcile.facts import Difference


class FindingOut(msgspec.Struct, frozen=True):
    """One classified difference with its evidence."""

    key: str
    cls: Difference
    card: CardNo | None
    generation: Generation | None
    counter: int
    cents: int
    amount: int
    of_day: BusinessDay
    text: str
    steps: tuple[tuple[int, int, int], ...] = ()
    terminals: tuple[TerminalId, ...] = ()
    causes: tuple[str, ...] = ()


class ClassTotal(msgspec.Struct, frozen=True):
    """One class of a proof in figures."""

    cls: Difference
    count: int
    cents: int
    amount: int


class ProofOut(msgspec.Struct, frozen=True):
    """One proof of a business day."""

    day: BusinessDay
    revision: int
    as_of: UtcMs
    is_dry: bool
    is_finished: bool
    cards: int
    """How many cards had to be looked at one by one."""
    difference_cents: int
    unexplained_cents: int
    classes: tuple[ClassTotal, ...]
    findings: tuple[FindingOut, ...] = ()


class ReportLine(msgspec.Struct, frozen=True):
    """What a kind of account moved on a day: what happened on it, and what was settled in it."""

    account_kind: str
    owner: str
    happened_cents: int
    settled_cents: int
    late_cents: int
    """Happened on this day, settled in a later one."""


class DayOut(msgspec.Struct, frozen=True):
    """The report of a business day. The revision rises with everything that arrives after it was closed."""

    day: BusinessDay
    closed_at: UtcMs
    revision: int
    lines: tuple[ReportLine, ...]


class DocumentIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody else says about one account that we have money in."""

    account_kind: str
    cents: Annotated[int, Meta(ge=-(2**53) + 1, le=2**53 - 1)]
    document: Annotated[str, Meta(min_length=1, max_length=120)]
    owner: Annotated[str, Meta(max_length=80)] = ""


class FloatLineOut(msgspec.Struct, frozen=True):
    """One account of the right-hand side next to its document."""

    account_kind: str
    owner: str
    booked_cents: int
    documented_cents: int
    document: str
    standing: str


class FloatOut(msgspec.Struct, frozen=True):
    """Both sides of the float."""

    day: BusinessDay
    owed: dict[str, int]
    owed_cents: int
    booked_cents: int
    unexplained_cents: int
    holds: bool
    lines: tuple[FloatLineOut, ...]
