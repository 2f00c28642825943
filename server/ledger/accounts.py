"""The accounts of the double-entry ledger, and what they mean.

Amounts are signed cents with credit positive: what we owe (purses, merchants) is positive, what we have (drawers,
bank) is negative, and everything together is always zero.
"""

import enum
from dataclasses import dataclass

from protocol.ids import CardKey, CardNo, ChannelId, MerchantId, ShiftNo, TerminalId, Tno
from protocol.money import Cents


class AccountKind(enum.StrEnum):
    """What an account is for; `owner` says whose."""

    PURSE = "purse"
    """Value on a card, by card/generation."""
    SUBSIDY = "subsidy"
    """Value in a card's expiring purse."""
    PENDING = "pending"
    """Owed to a card's holder, not yet on the card; by card."""
    PENDING_SUBSIDY = "pending_subsidy"
    MERCHANT = "merchant"
    """Owed to a merchant."""
    SUSPENSE = "suspense"
    """Whose it is is not yet known; by what it waits for."""
    DEPOSIT = "deposit"
    FEES = "fees"
    DRAWER = "drawer"
    """Cash in a terminal's drawer, by terminal/tno/shift: each of its epochs counts its shifts from 1."""
    VAULT = "vault"
    BANK = "bank"
    CLEARING = "clearing"
    """Top-ups whose outside document is still to come, by channel."""
    PROVIDER = "provider"
    """Owed to us by a payment provider."""
    FUNDER = "funder"
    """Subsidies not yet funded, by funder."""
    PROMOTION = "promotion"
    OPERATOR_LOSS = "operator_loss"
    """What a counted drawer had too much or too little stands under the drawer's own name."""
    FRAUD_LOSS = "fraud_loss"


WE_HAVE = frozenset(
    {AccountKind.DRAWER, AccountKind.VAULT, AccountKind.BANK, AccountKind.CLEARING, AccountKind.PROVIDER}
)
"""The right-hand side of the float proof; each has an outside document (SPEC, "Float proof")."""


@dataclass(frozen=True, slots=True, order=True)
class Account:
    """One account of the ledger."""

    kind: AccountKind
    owner: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.owner}"


@dataclass(frozen=True, slots=True)
class Posting:
    """One leg: what an account gains (positive: we owe more, or have less)."""

    account: Account
    cents: Cents


Postings = tuple[Posting, ...]


def owner_of(card: CardKey) -> str:
    """A card as the owner of an account: issue number/generation."""
    return f"{card[0]}/{card[1]}"


def purse(card: CardKey) -> Account:
    """The main purse of one plastic card."""
    return Account(AccountKind.PURSE, owner_of(card))


def subsidy(card: CardKey) -> Account:
    """The subsidy purse of one plastic card."""
    return Account(AccountKind.SUBSIDY, owner_of(card))


def pending(card: CardNo) -> Account:
    """What the holder of an issue number is still to get; it survives a replacement of the plastic."""
    return Account(AccountKind.PENDING, str(card))


def pending_subsidy(card: CardNo) -> Account:
    """Subsidy granted and not yet on the card."""
    return Account(AccountKind.PENDING_SUBSIDY, str(card))


def merchant(name: MerchantId) -> Account:
    """What a merchant is owed."""
    return Account(AccountKind.MERCHANT, name)


def drawer(tid: TerminalId, tno: Tno, shift: ShiftNo) -> Account:
    """The cash drawer of one shift."""
    return Account(AccountKind.DRAWER, f"{tid}/{tno}/{shift}")


def shift_of(owner: str) -> tuple[TerminalId, Tno, ShiftNo]:
    """The shift whose drawer has this name."""
    tid, tno, shift = owner.split("/")
    return TerminalId(tid), Tno(int(tno)), ShiftNo(int(shift))


def difference_of(counted: Account) -> Account:
    """What a counted drawer had too much (positive) or too little."""
    return Account(AccountKind.OPERATOR_LOSS, counted.owner)


def clearing(channel: ChannelId) -> Account:
    """Top-ups of one channel whose outside document is still to come."""
    return Account(AccountKind.CLEARING, channel)


def suspense(tno: Tno, branch: int, seq: int) -> Account:
    """Money that waits for one step's outcome."""
    return Account(AccountKind.SUSPENSE, f"{tno}.{branch}.{seq}")


VAULT = Account(AccountKind.VAULT)
FUNDER = Account(AccountKind.FUNDER)
OPERATOR_LOSS = Account(AccountKind.OPERATOR_LOSS)
FRAUD_LOSS = Account(AccountKind.FRAUD_LOSS)
ADOPTED = Account(AccountKind.CLEARING, "adopted")
"""Loads that a restored server had forgotten, until their channel's document explains them."""


def balanced(*legs: tuple[Account, int]) -> Postings:
    """Make postings of legs; legs of zero are left out. Asserts that they sum to zero."""
    assert sum(cents for _, cents in legs) == 0, "the postings of one cause sum to zero"
    return tuple(Posting(account, Cents(cents)) for account, cents in legs if cents)
