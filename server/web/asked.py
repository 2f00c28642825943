"""What a proposal asks for, as the feature that made it wrote it down: one type for each kind of decision.

Whoever matches over `Asked` cannot forget one: showing it and doing it again both do.
"""

from typing import Any, Final, get_args

import msgspec
from msgspec import Struct, field

from protocol.ids import ShiftNo, TerminalId, Tno
from server.auth.rules import Proposal
from server.ledger.accounts import Account, AccountKind, shift_of


class _Asked(Struct, frozen=True, forbid_unknown_fields=True):
    """A member that this version does not know is no reason to confirm the rest."""


class Load(_Asked, frozen=True, tag="load"):
    """Money taken in for a card."""

    card: int
    cents: int
    source: str = field(name="from")
    explains: bool | None

    @property
    def place(self) -> Account:
        """Where the money went."""
        kind, _, owner = self.source.partition(":")
        return Account(AccountKind(kind), owner)


class Subsidy(_Asked, frozen=True, tag="subsidise"):
    """A subsidy of a period."""

    card: int
    cents: int
    period: int


class Rights(_Asked, frozen=True, tag="put-terminal"):
    """A terminal's particulars, with a right that it has not now."""

    site: str
    title: str
    merchant: str
    can_load: bool
    can_issue: bool
    spare: bool


class Key(_Asked, frozen=True, tag="grant-epoch"):
    """A journal key for a terminal that has rights."""

    journal_key: str
    tier: int


class Machine(_Asked, frozen=True, tag="approve-machine"):
    """A machine that was compared word by word, and shall be a terminal with rights."""

    journal_key: str
    tier: int


class Place(_Asked, frozen=True, tag="place-spare"):
    """A spare for the place of another terminal."""

    instead_of: str
    since: int


class Reinstate(_Asked, frozen=True, tag="reinstate"):
    """A revoked terminal that was in nobody's hands after all."""


class Accept(_Asked, frozen=True, tag="accept-quarantined"):
    """Entries of a terminal that wait."""


class Lost(_Asked, frozen=True, tag="declare-lost"):
    """A terminal, or one epoch of it, that will not come back."""


class Hole(_Asked, frozen=True, tag="book-hole"):
    """Entries that are missing for good."""


class Leg(Struct, frozen=True, forbid_unknown_fields=True):
    """What an account gains; credit positive."""

    kind: AccountKind
    owner: str
    cents: int

    @property
    def account(self) -> Account:
        """The account."""
        return Account(self.kind, self.owner)


class _Act(_Asked, frozen=True):
    name: str
    cents: int
    reason: str
    evidence: str


class Movement(_Act, frozen=True, tag="movement"):
    """Money that moves by a name."""

    owner: str
    legs: tuple[Leg, ...]


class Correction(_Act, frozen=True, tag="correction"):
    """Legs that two people post."""

    owner: str
    legs: tuple[Leg, ...]


class Count(_Act, frozen=True, tag="count"):
    """The counted drawer of a shift that its terminal closes no more."""

    drawer: str

    @property
    def shift(self) -> tuple[TerminalId, Tno, ShiftNo]:
        """Whose drawer."""
        return shift_of(self.drawer)


class Reversal(_Act, frozen=True, tag="reversal"):
    """What was posted for a cause, undone."""


Asked = (
    Load
    | Subsidy
    | Rights
    | Key
    | Machine
    | Place
    | Reinstate
    | Accept
    | Lost
    | Hole
    | Movement
    | Correction
    | Count
    | Reversal
)
KINDS: Final = tuple(str(one.__struct_config__.tag) for one in get_args(Asked))
BOOK: Final = "book"


def kind_of(proposal: Proposal) -> str:
    """Its action; of what is booked the first word of its cause."""
    return proposal.subject.partition(":")[0] if proposal.action == BOOK else proposal.action


def request_of(proposal: Proposal) -> str:
    """Under which name of its own it was asked for."""
    return proposal.subject.partition(":")[2] if proposal.action == BOOK else proposal.subject


def read(proposal: Proposal) -> Asked | None:
    """What it asks for; None where another version of this program wrote it."""
    meant = proposal.meant
    if meant is None:
        return None
    try:
        found: Any = msgspec.convert({**meant.asked, "type": kind_of(proposal)}, Asked)
    except (msgspec.ValidationError, ValueError):
        return None
    asked: Asked = found
    return asked
