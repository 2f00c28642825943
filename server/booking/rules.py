"""Money that moves between our own accounts, and to and from those we deal with: one table, each line with a document.

The debited account has more of ours afterwards, or we owe less on it; the credited one the other way round.
"""

from dataclasses import dataclass

from server.ledger.accounts import Account, AccountKind, Postings, balanced

OWNED = frozenset({AccountKind.MERCHANT, AccountKind.CLEARING, AccountKind.PROVIDER, AccountKind.DEPOSIT})
"""Of the accounts below those that have owners; a movement is about one owner."""
KNOWN_FIRST = frozenset({AccountKind.MERCHANT, AccountKind.CLEARING, AccountKind.PROVIDER})
"""Their owners are known before money moves by name: merchants by a terminal, channels by what was taken in, providers
by what their channel owes them first."""


@dataclass(frozen=True, slots=True)
class Movement:
    """What is debited and what is credited."""

    debit: AccountKind
    credit: AccountKind
    only_owed: bool = False
    """No more than we owe on the debited account."""
    at_desk: bool = False
    """A clerk at the card desk may book it."""

    @property
    def has_owner(self) -> bool:
        """Whether it must be said whose account it is."""
        return bool({self.debit, self.credit} & OWNED)

    @property
    def known_first(self) -> frozenset[AccountKind]:
        """Which of its accounts must be there before."""
        begun = {self.debit} & {AccountKind.PROVIDER}
        return frozenset(({self.debit, self.credit} - begun) & KNOWN_FIRST)

    def postings(self, owner: str, cents: int) -> Postings:
        """Its two legs."""
        debited, credited = (Account(kind, owner if kind in OWNED else "") for kind in (self.debit, self.credit))
        return balanced((debited, -cents), (credited, cents))


MOVEMENTS = {
    "vault_to_bank": Movement(AccountKind.BANK, AccountKind.VAULT),
    "bank_to_vault": Movement(AccountKind.VAULT, AccountKind.BANK),
    "channel_to_bank": Movement(AccountKind.BANK, AccountKind.CLEARING),
    "channel_to_provider": Movement(AccountKind.PROVIDER, AccountKind.CLEARING),
    "provider_to_bank": Movement(AccountKind.BANK, AccountKind.PROVIDER),
    "provider_fee": Movement(AccountKind.FEES, AccountKind.PROVIDER),
    "merchant_payout": Movement(AccountKind.MERCHANT, AccountKind.BANK, only_owed=True),
    "merchant_fee": Movement(AccountKind.MERCHANT, AccountKind.FEES, only_owed=True),
    "funder_to_bank": Movement(AccountKind.BANK, AccountKind.FUNDER),
    "promotion_to_merchant": Movement(AccountKind.PROMOTION, AccountKind.MERCHANT),
    "promotion_to_bank": Movement(AccountKind.BANK, AccountKind.PROMOTION),
    "deposit_taken": Movement(AccountKind.VAULT, AccountKind.DEPOSIT, at_desk=True),
    "deposit_returned": Movement(AccountKind.DEPOSIT, AccountKind.VAULT, only_owed=True, at_desk=True),
    "fee_taken": Movement(AccountKind.VAULT, AccountKind.FEES, at_desk=True),
    "loss_covered": Movement(AccountKind.BANK, AccountKind.OPERATOR_LOSS),
    "fraud_covered": Movement(AccountKind.BANK, AccountKind.FRAUD_LOSS),
}
REVERSIBLE = frozenset({"movement", "correction", "desk", "payout", "close"})
"""First words of the causes of whole acts of a person, which another act can undo.

A subsidy is none: its record stays signed and may be collected at any station, at any time.
"""
