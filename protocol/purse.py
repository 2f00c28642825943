"""What is on a card, whatever its technology: identity, purse, marks, load record, and how a step changes it.

The bytes of each technology are in `purse_classic.py` and `purse_desfire.py`; the signed record that brings
value onto a card is in `load_record.py`. Nothing here knows a reader.
"""

import enum
from dataclasses import dataclass, replace
from typing import Annotated

import msgspec
from msgspec import Meta

from protocol.ids import (
    U8,
    U32,
    CardField,
    CardKey,
    CardNo,
    Counter,
    CounterField,
    Generation,
    LoadSeq,
    Seq,
    Tno,
)
from protocol.instants import BusinessDay, Month
from protocol.money import Cents, PurseCents
from protocol.proofs import Proof

PIN_TRIES_MAX = 3
SPENT_CENTS_MAX = 2**24 - 1
"""A card of either technology counts what was spent in a day or month with 24 bits."""


class Technology(enum.StrEnum):
    """What kind of chip holds the purse."""

    CLASSIC = "classic"
    DESFIRE = "desfire"
    TOKEN = "token"  # noqa: S105  a chip, not a password
    """None: it only says who it is, and the purse is the server's row (SPEC, "Tokens")."""


PURSES = (Technology.CLASSIC, Technology.DESFIRE)
"""Chips that hold their purse themselves."""


class CardClass(enum.IntEnum):
    """Whose card it is; prices, limits and rights depend on it. The number is what the card stores."""

    STUDENT = 1
    STAFF = 2
    VISITOR = 3


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the card is: written at the card office only, authenticated at every tap."""

    card: CardNo
    generation: Generation
    card_class: CardClass
    pin_verifier: bytes = b""
    """Eight bytes (CMAC over the PIN under a key diversified per card), or empty: no PIN on this card."""

    @property
    def key(self) -> CardKey:
        """The plastic itself: the same person's replaced card is another key."""
        return (self.card, self.generation)


@dataclass(frozen=True, slots=True)
class Mark:
    """The prepared entry that made a step: where in which chain the reason of a write stands."""

    tno: Tno
    seq: Seq


NO_MARK = Mark(Tno(0), Seq(0))


@dataclass(frozen=True, slots=True)
class Spent:
    """What has been spent in the running day, month and meal, carried on the card so that it holds offline."""

    day: BusinessDay = BusinessDay(0)
    day_cents: Cents = Cents(0)
    month: Month = Month(0)
    month_cents: Cents = Cents(0)
    meal: int = 0
    meal_count: int = 0


@dataclass(frozen=True, slots=True)
class Purse:
    """Everything that one atomic write of a card replaces."""

    counter: Counter
    main_cents: Cents
    subsidy_cents: Cents = Cents(0)
    spent: Spent = Spent()
    pin_tries: int = 0
    period: int = 0
    """Which subsidy period the subsidy purse belongs to."""
    load_seq: LoadSeq = LoadSeq(0)
    load_copy: int = 0
    """Classic: which of the two load record copies is in force."""
    mark: Mark = NO_MARK

    def stepped(self, mark: Mark, *, main_cents: int = 0, subsidy_cents: int = 0) -> "Purse":
        """The purse one step later: counter up by one, both balances moved by these signed amounts, a new mark."""
        return replace(
            self,
            counter=Counter(self.counter + 1),
            main_cents=Cents(self.main_cents + main_cents),
            subsidy_cents=Cents(self.subsidy_cents + subsidy_cents),
            mark=mark,
        )


@dataclass(frozen=True, slots=True)
class LoadRecord:
    """The server's cumulative decision about one card: everything ever loaded, not what to add (SPEC, "Loads")."""

    card: CardNo
    generation: Generation
    load_seq: LoadSeq
    loaded_total_cents: Cents
    spent_known_cents: Cents = Cents(0)
    period: int = 0
    subsidy_total_cents: Cents = Cents(0)


@dataclass(frozen=True, slots=True)
class SignedLoad:
    """A load record with the server's Ed25519 signature (64 bytes) over its 32 canonical bytes."""

    record: LoadRecord
    signature: bytes


class SeenStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One thing a card remembers of an earlier step, as a tap saw it.

    Classic: one per slot, in slot order; an invalid slot is all zero. DESFire: the newest log record, always `ok`.
    """

    ok: Annotated[int, Meta(ge=0, le=1)] = 0
    tno: U32 = 0
    seq: U32 = 0
    counter: CounterField = Counter(0)
    main: PurseCents = Cents(0)
    subsidy: PurseCents = Cents(0)
    amount: PurseCents = Cents(0)


class CardId(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A card as entries name it."""

    no: CardField
    generation: Annotated[Generation, Meta(ge=1, le=2**16 - 1)]
    technology: Technology
    card_class: U8

    @property
    def key(self) -> CardKey:
        """The plastic itself."""
        return (self.no, self.generation)

    @property
    def is_token(self) -> bool:
        """Whether its purse is the server's row."""
        return self.technology is Technology.TOKEN


@dataclass(frozen=True, slots=True)
class CardRead:
    """One authenticated read of a card of ours."""

    technology: Technology
    uid: bytes
    key_set: int
    identity: Identity
    purse: Purse | None
    """The purse in force; None where no slot is valid (the card goes to the card office)."""
    last: tuple[SeenStep, ...]
    loaded: LoadRecord | None = None
    """What the card says was ever loaded onto it; None while nothing was."""
    load: SignedLoad | None = None
    """Classic: the same with the server's signature, read now or known to the terminal."""
    slot: int = 0
    """Classic: the index of the slot in force; the next step writes the other one."""
    proof: Proof | None = None
    """Tokens: how it showed by itself who it is; None: the server is asked whose its UID is."""
    genuine: bool = True
    """Tokens: false where it claims to be who it is and cannot prove it."""

    @property
    def id(self) -> CardId:
        """The card as entries name it."""
        who = self.identity
        return CardId(who.card, who.generation, self.technology, who.card_class)


class Right(enum.StrEnum):
    """Which key's right a write needs."""

    DEBIT = "debit"
    LIMITED_CREDIT = "limited_credit"
    CREDIT = "credit"


@dataclass(frozen=True, slots=True)
class PurseChange:
    """One step of a card, decided and journaled: what it was, what it becomes, by which right.

    `load` is the new signed record that a load brings along; its loaded total is on the card after the step.
    """

    before: CardRead
    after: Purse
    right: Right = Right.DEBIT
    load: SignedLoad | None = None

    @property
    def purse_before(self) -> Purse:
        """The purse the step builds on; a step is only ever decided on a readable card."""
        assert self.before.purse is not None
        return self.before.purse

    @property
    def amount_cents(self) -> Cents:
        """What the step moves over both purses; negative takes from the card."""
        before, after = self.purse_before, self.after
        return Cents(after.main_cents - before.main_cents + after.subsidy_cents - before.subsidy_cents)

    def __post_init__(self) -> None:
        before, after = self.purse_before, self.after
        assert after.counter == before.counter + 1, "a step raises the counter by exactly one"
        if self.right is Right.DEBIT:
            assert after.main_cents <= before.main_cents and after.subsidy_cents <= before.subsidy_cents


class Outcome(enum.StrEnum):
    """What a card that was made definite says about an intended step."""

    WRITTEN = "written"
    NOT_WRITTEN = "not_written"
    UNKNOWN = "unknown"
    """The card moved on so far that it no longer remembers: only the other terminals' chains can tell."""


def what_became_of(intended: Mark, counter_after: Counter, read: CardRead) -> Outcome:
    """Say from a *firm* read whether the step that would have reached `counter_after` was made (SPEC, "Made definite").

    Decisive are only: the card still where it was before; the step's own mark; another mark at that very counter.
    A card *below* the counter it had before was rolled back: it proves nothing.
    """
    if read.purse is None or read.purse.counter < counter_after - 1:
        return Outcome.UNKNOWN
    if read.purse.counter == counter_after - 1:
        return Outcome.NOT_WRITTEN
    at_counter = [step for step in read.last if step.ok and step.counter == counter_after]
    if any((step.tno, step.seq) == (intended.tno, intended.seq) for step in at_counter):
        return Outcome.WRITTEN
    return Outcome.NOT_WRITTEN if at_counter else Outcome.UNKNOWN
