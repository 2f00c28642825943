"""Operators, roles and permissions; and how a decision of two people comes about."""

import enum
from dataclasses import dataclass
from typing import assert_never

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


@dataclass(frozen=True, slots=True)
class Proposal:
    """What one person proposed; `body` is canonical, so that two people confirm the very same thing."""

    action: str
    subject: str
    body: str
    by: str
    at: UtcMs


class Step(enum.StrEnum):
    """What a request of one of two people leads to."""

    PROPOSED = "proposed"
    CONFIRMED = "confirmed"
    SAME_PERSON = "same_person"


def two_people(known: Proposal | None, asked: Proposal) -> Step:
    """Whether a request proposes something or is the second person's yes to the very same thing."""
    if known is None or known.body != asked.body or asked.at - known.at > PROPOSAL_HOLDS_MS:
        return Step.PROPOSED
    return Step.SAME_PERSON if known.by == asked.by else Step.CONFIRMED


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
