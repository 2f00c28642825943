"""Terminals as the API takes and shows them."""

from typing import Annotated, Any

from pydantic import Field

from server.fields import AnyMoney, Form, Id, Instant, PublicKey, Tier, View, WordsOrNone


class TerminalForm(Form):
    """A terminal's particulars."""

    site: Id
    title: WordsOrNone = ""
    merchant: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,32}$")] = ""
    can_load: bool = False
    """Whether it may put value onto cards, and take money in for that."""
    can_issue: bool = False
    """Whether it may tell of cards that the server does not know."""
    spare: bool = False
    """Whether it waits for a place: without a merchant and without rights it sells nothing."""


class PlaceForm(Form):
    """Where a spare is needed."""

    instead_of: Id
    since: Instant = 0
    """From when it sells there; 0: at once."""


class GrantForm(Form):
    """A journal key that wants an epoch."""

    journal_key: PublicKey


class GrantView(View):
    """A signed grant, compact JWS, and the server's public keys by purpose."""

    grant: str
    trust: dict[str, str]


class AdoptForm(Form):
    """A grant that this server signed and has forgotten."""

    grant: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,8000}$")]


class ChainView(View):
    """One epoch of a terminal."""

    tno: int
    epoch: int
    status: str
    """active, revoked or lost."""
    revoked_at: Instant
    """Since when it is revoked, a lost one too; 0: it is not."""
    tip: int
    head: str
    """SEQ:HASH of the newest entry, as `verify --expect-head` takes it."""
    reported_at: Instant
    received_at: Instant
    granted_at: Instant
    tier: Tier
    cards_version: int


class TerminalView(View):
    """A terminal with its epochs, newest last."""

    tid: str
    site: str
    title: str
    merchant: str
    can_load: bool
    can_issue: bool
    registered_at: Instant
    spare: bool
    placed_at: Instant
    """Since when a former spare stands in its place; 0: it was none."""
    replaced_by: str
    """The terminal that stands in its place; empty: it is in it."""
    epochs: list[ChainView]


class SuspendedLeg(View):
    """One posting; credit positive."""

    kind: str
    owner: str
    cents: AnyMoney


class ParkedView(View):
    """An entry that waits to be posted."""

    tno: int
    branch: int
    seq: int
    kind: str
    at: Instant
    why: str
    field: str
    """Which member of `tells` does not fit; empty where it is not one alone."""
    accept: str
    """The request by which two people let it be posted; empty where none does."""
    cents: int | None
    """The amount that it tells of; null where it tells of none."""
    card: int | None
    """The card that it is about."""
    person: str | None
    """Who holds that card now, by the register."""
    merchant: str
    """Who is paid; empty where nobody is."""
    tells: Any
    """The entry's own body, whole; null where it cannot be read."""
    suspended: list[SuspendedLeg]
    """What is booked for it until it is decided about: its money lies in suspense."""


class Done(View):
    """What a decision of two people has done."""

    count: int
    """How many entries or steps it touched; 0: there was none to touch, and it holds all the same."""
    says: str
    """The same in words."""


class FileTaken(View):
    """How an import went; `asked_for`: the first entry still missing, 0 when everything was taken."""

    batches: int
    asked_for: int
    entries: Annotated[int, Field(description="so many lines of the file are here now, from the first one on")]
    upto: Annotated[int, Field(description="the number of the last of these entries, in its own epoch")]
    fault: Annotated[str, Field(description="what is wrong with the line after them; empty: nothing")]
    new: Annotated[int, Field(description="so many of these entries were not here before; 0: all were taken already")]


class HoleView(View):
    """Entries `first` to `last` of a chain are missing."""

    tno: int
    first: int
    last: int
    asked: int
    status: str
