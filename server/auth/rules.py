"""Operators, roles and permissions; and how a decision of two people comes about."""

import enum
from dataclasses import dataclass
from typing import Any, assert_never

import msgspec

from protocol.instants import DAY_MS, UtcMs

PROPOSAL_HOLDS_MS = 7 * DAY_MS


class Permission(enum.StrEnum):
    """Something an operator may be allowed to do."""

    LOOK = "look"
    CARDS = "cards"
    DESK_MONEY = "desk_money"
    """Take money in and pay it out at a desk, for cards."""
    FINANCE = "finance"
    """Close days, prove them, set them against documents, move money between our own accounts."""
    TERMINALS = "terminals"
    LISTS = "lists"
    DECIDE = "decide"
    """Take part in a decision of two people."""
    AUDIT = "audit"
    """Read who did what."""


class Role(enum.StrEnum):
    """What an operator is employed as."""

    VIEWER = "viewer"
    CARD_OFFICE = "card_office"
    FINANCE = "finance"
    TECHNICIAN = "technician"
    AUDITOR = "auditor"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Operator:
    """A person at a desk."""

    name: str
    roles: tuple[Role, ...]

    def may(self, permission: Permission) -> bool:
        """Whether any of the operator's roles allows it."""
        return any(permission in _allowed(role) for role in self.roles)


class Meant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a proposal is about."""

    asked: dict[str, Any]
    """What the request says, in words that a second person can judge."""
    found: Any = None
    """What the server found it to be about at that time: both people mean the same."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What one person proposed; `body` is canonical, so that two people confirm the very same thing."""

    action: str
    subject: str
    body: str
    by: str
    at: UtcMs

    @property
    def ends_at(self) -> UtcMs:
        """From then on nobody can confirm it."""
        return UtcMs(self.at + PROPOSAL_HOLDS_MS)

    @property
    def meant(self) -> Meant | None:
        """What it is about; None where another version of this program has written it."""
        try:
            return msgspec.json.decode(self.body, type=Meant)
        except (msgspec.DecodeError, msgspec.ValidationError):
            return None


class Step(enum.StrEnum):
    """What a request of one of two people leads to."""

    PROPOSED = "proposed"
    CONFIRMED = "confirmed"
    REPEATED = "repeated"
    """The same person says the same again."""
    OTHER = "other"
    """Something else waits under that name."""


def is_same_person(name: str, other: str) -> bool:
    """Whether two names are one person's: capital letters make nobody else of somebody, at the API or at the pages."""
    return name.casefold() == other.casefold()


def two_people(known: Proposal | None, asked: Proposal) -> Step:
    """Whether a request proposes something or is the second person's yes to the very same thing.

    What was asked before and is about something else by now is proposed anew; what nobody asked takes no place.
    """
    before = known.meant if known is not None else None
    if known is None or before is None or asked.at > known.ends_at:
        return Step.PROPOSED
    if known.body == asked.body:
        return Step.REPEATED if is_same_person(known.by, asked.by) else Step.CONFIRMED
    return Step.PROPOSED if asked.meant is not None and before.asked == asked.meant.asked else Step.OTHER


def _allowed(role: Role) -> frozenset[Permission]:
    match role:
        case Role.VIEWER:
            return frozenset({Permission.LOOK})
        case Role.CARD_OFFICE:
            return frozenset({Permission.LOOK, Permission.CARDS, Permission.DESK_MONEY})
        case Role.FINANCE:
            return frozenset({Permission.LOOK, Permission.DESK_MONEY, Permission.FINANCE, Permission.DECIDE})
        case Role.TECHNICIAN:
            return frozenset({Permission.LOOK, Permission.TERMINALS, Permission.LISTS})
        case Role.AUDITOR:
            return frozenset({Permission.LOOK, Permission.AUDIT})
        case Role.ADMIN:
            return frozenset(Permission)
        case _:
            assert_never(role)
