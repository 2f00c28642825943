"""Proofs, day reports and the float as the reconciliation desk reads and writes them over HTTP."""

from typing import Annotated

from pydantic import ConfigDict, Field

from server.fields import AnyMoney, Balance, Day, Form, Instant, View, Words
from server.ledger.accounts import AccountKind
from server.reconcile.facts import Difference
from server.reconcile.float_proof import Standing

AccountOwner = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9._/-]{0,80}$",
        description="TERMINAL/CHAIN/SHIFT of a drawer, the channel of clearing and provider",
    ),
]


class Read(View):
    """A view that is read off what the service answers."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class TriedView(Read):
    """What was refused how often, by terminals' clocks; `hashes` are those of the entries in `steps`, in their order.

    `shown_cents` is the most that the card showed, `ledger_cents` what the books say of it now; null: not known.
    """

    reason: str
    attempts: int
    first_at: Instant
    last_at: Instant
    asked_cents: AnyMoney
    hashes: list[str]
    shown_cents: AnyMoney | None
    ledger_cents: AnyMoney | None


class FindingView(Read):
    """One classified difference: its share of the card's difference, the money it is about, and the evidence.

    Of what was refused (`tried`) the amount is what the card showed above the books, or what was asked for where that
    is not known; 0 where no step was left open by it.
    """

    key: str
    cls: Difference
    card: int | None
    generation: int | None
    counter: int
    cents: AnyMoney
    amount: AnyMoney
    of_day: int
    text: str
    steps: list[tuple[int, int, int]]
    terminals: list[str]
    causes: list[str]
    tried: TriedView | None


class ClassView(Read):
    """One class of a proof in figures. `amount` is the sum of `above` (too much) and `below` (too little, negative)."""

    cls: Difference
    count: int
    cents: AnyMoney
    amount: AnyMoney
    above: AnyMoney
    below: AnyMoney


class FloatLineView(Read):
    """One account of the right-hand side next to its document."""

    account_kind: AccountKind
    owner: str
    booked_cents: AnyMoney
    documented_cents: AnyMoney
    document: str
    standing: Standing


class ProofView(Read):
    """One proof of a business day. `cards` were looked at one by one; `unexplained_cents` is 0 or something broke.

    `number` counts the proofs of a day (0: dry), `revision` is that of the report it proves. Findings with the largest
    amounts come first; those after one are asked for by its `key`. `lines`: the float at the end of the day.
    `signatures`: entries whose own signature was checked for this proof. `stand_in_cents`: the most that silent
    terminals may have sold to tokens without an answer by then; no card's difference, and perhaps never one.
    """

    day: Day
    number: int
    revision: int
    as_of: Instant
    is_dry: bool
    is_finished: bool
    cards: int
    difference_cents: AnyMoney
    unexplained_cents: AnyMoney
    stand_in_cents: AnyMoney
    classes: list[ClassView]
    findings: list[FindingView]
    lines: list[FloatLineView]
    signatures: int


class ReportLineView(Read):
    """What happened on a day, what was settled in it, and what of it was settled later."""

    account_kind: AccountKind
    owner: str
    happened_cents: AnyMoney
    settled_cents: AnyMoney
    late_cents: AnyMoney


class DayView(Read):
    """The report of a business day; its revision rises with everything that arrives after it was closed."""

    day: Day
    closed_at: Instant
    revision: int
    lines: list[ReportLineView]


class DocumentForm(Form):
    """What somebody else says about one account that we have money in."""

    cents: Balance
    document: Words


class DocumentView(View):
    """What is kept of it."""

    day: Day
    account_kind: AccountKind
    owner: str
    cents: AnyMoney
    document: str
    at: Instant


class FloatView(View):
    """Both sides of the float at the end of a day."""

    day: Day
    owed_cents_by_kind: dict[AccountKind, AnyMoney]
    owed_cents: AnyMoney
    booked_cents: AnyMoney
    unexplained_cents: AnyMoney
    holds: bool
    lines: list[FloatLineView]
    findings: list[FindingView]
