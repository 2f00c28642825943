"""The float proof of a day: what we owe equals what we have, and what we have stands in somebody else's document.

    purses + pending credit + suspense + merchants + deposits + fees
      - subsidies and promotions not yet funded - losses not yet covered
    = bank statement + drawers + vault + provider receivables + top-up clearing

The ledger's own two sides are equal by double entry; the proof is the right-hand side, line by line against its
document (SPEC, "Float proof"). Credit is positive in the ledger, so what we have is the negative of its balance.
"""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from protocol.instants import BusinessDay
from protocol.money import format_cents
from server.ledger.accounts import WE_HAVE, Account, AccountKind
from server.reconcile.facts import Difference, Finding


class Standing(enum.StrEnum):
    """How a line of the right-hand side stands to its document."""

    PROVEN = "proven"
    DIFFERS = "differs"
    UNDOCUMENTED = "undocumented"
    """Money is booked there and nobody else has said so."""


@dataclass(frozen=True, slots=True)
class Document:
    """What somebody else says about one account: counted drawer, vault count, bank statement, provider's bill."""

    account: Account
    cents: int
    name: str


@dataclass(frozen=True, slots=True)
class Line:
    """One account we have money in, next to its document."""

    account: Account
    booked_cents: int
    documented_cents: int
    document: str
    standing: Standing

    @property
    def account_kind(self) -> AccountKind:
        """What the account is for."""
        return self.account.kind

    @property
    def owner(self) -> str:
        """Whose account it is."""
        return self.account.owner

    @property
    def difference_cents(self) -> int:
        """What the document says more than the books; 0 while there is none."""
        return 0 if self.standing is Standing.UNDOCUMENTED else self.documented_cents - self.booked_cents


@dataclass(frozen=True, slots=True)
class FloatProof:
    """Both sides of one day."""

    day: BusinessDay
    owed: Mapping[AccountKind, int]
    """Left-hand side by kind; what is not yet funded or covered is negative."""
    lines: tuple[Line, ...]

    @property
    def owed_cents(self) -> int:
        """The left-hand side."""
        return sum(self.owed.values())

    @property
    def booked_cents(self) -> int:
        """The right-hand side as booked."""
        return sum(line.booked_cents for line in self.lines)

    @property
    def unexplained_cents(self) -> int:
        """What the two sides of the ledger differ by: 0, or postings were lost."""
        return self.owed_cents - self.booked_cents

    @property
    def holds(self) -> bool:
        """Whether both sides are equal and every line is proven."""
        return not self.unexplained_cents and all(line.standing is Standing.PROVEN for line in self.lines)


_CLASS_OF = {
    AccountKind.DRAWER: Difference.SHIFT_DIFFERENCE,
    AccountKind.VAULT: Difference.SHIFT_DIFFERENCE,
    AccountKind.BANK: Difference.PROVIDER_DIFFERENCE,
    AccountKind.CLEARING: Difference.PROVIDER_DIFFERENCE,
    AccountKind.PROVIDER: Difference.PROVIDER_DIFFERENCE,
}
assert set(_CLASS_OF) == WE_HAVE


def prove_float(day: BusinessDay, totals: Mapping[Account, int], documents: Sequence[Document]) -> FloatProof:
    """Set account totals (credit positive) of the end of a day against what others say. Purses may come as one sum."""
    said = {document.account: document for document in documents}
    assert len(said) == len(documents), "one document for each account"
    assert all(account.kind in WE_HAVE for account in said), "documents are about what we have"
    owed: dict[AccountKind, int] = {}
    for account, cents in totals.items():
        if account.kind not in WE_HAVE:
            owed[account.kind] = owed.get(account.kind, 0) + cents
    booked = {account: -cents for account, cents in totals.items() if account.kind in WE_HAVE}
    lines = [_line(account, booked.get(account, 0), said.get(account)) for account in sorted({*booked, *said})]
    return FloatProof(day, owed, tuple(line for line in lines if line.booked_cents or line.document))


def findings_of(proof: FloatProof) -> list[Finding]:
    """Lines whose document says otherwise, or that have none, in the classes of reconciliation."""
    return [_finding(proof.day, line) for line in proof.lines if line.standing is not Standing.PROVEN]


def _finding(day: BusinessDay, line: Line) -> Finding:
    kind, causes = line.account.kind, (f"{line.account}:{line.document}",)
    if line.standing is Standing.UNDOCUMENTED:
        text = f"{kind}: money is booked here and no document says so"
        return Finding(_CLASS_OF[kind], 0, -line.booked_cents, text, day=day, causes=causes)
    said, booked = format_cents(line.documented_cents), format_cents(line.booked_cents)
    name = f"{kind} {line.owner}".rstrip()
    text = f"{name}: {line.document!r} says {said}, the books say {booked}"
    about = f"{about_documents_of(day)}{line.account}"
    return Finding(_CLASS_OF[kind], 0, line.difference_cents, text, day=day, causes=causes, about=about)


def about_documents_of(day: BusinessDay) -> str:
    """How what is said about a document of this day begins."""
    return f"{day}/"


def _line(account: Account, booked_cents: int, document: Document | None) -> Line:
    if document is None:
        standing = Standing.UNDOCUMENTED if booked_cents else Standing.PROVEN
        return Line(account, booked_cents, 0, "", standing)
    standing = Standing.PROVEN if document.cents == booked_cents else Standing.DIFFERS
    return Line(account, booked_cents, document.cents, document.name, standing)
