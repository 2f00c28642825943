"""Balances added up from the ledger's rows against those that are kept; pure."""

from collections.abc import Iterator, Sequence, Set

from server.auditor.rules import Difference, Row
from server.ledger.accounts import AccountKind

Accounts = dict[tuple[str, str], int]
_KEPT = ((AccountKind.PURSE, "main_cents"), (AccountKind.SUBSIDY, "subsidy_cents"))


def wrong_balances(cards: Sequence[Row], accounts: Accounts) -> Iterator[Difference]:
    """Cards whose kept balances are not the sums of their postings. Takes their accounts out of `accounts`."""
    for row in cards:
        owner = f"{row['card']}/{row['generation']}"
        for kind, column in _KEPT:
            cents = accounts.pop((kind.value, owner), 0)
            if row[column] != cents:
                text = f"the column {column} has {row[column]}, its postings come to {cents}"
                yield Difference("balance", f"card/{owner}", "", 0, text)


def wrong_accounts(accounts: Accounts, total: int, counted: Set[str]) -> Iterator[Difference]:
    """Accounts, but for those of cards, that cannot hold what they do."""
    kinds, of_cards = {kind.value for kind in AccountKind}, {kind.value for kind, _ in _KEPT}
    if total:
        yield Difference("sum", "ledger", "", 0, f"everything together comes to {total} cents, not to zero")
    for (kind, owner), cents in sorted(accounts.items()):
        name = f"account/{kind}:{owner}"
        if kind not in kinds:
            yield Difference("balance", name, "", 0, f"holds {cents} cents, and there are no such accounts")
        elif kind in of_cards:
            yield Difference("balance", name, "", 0, f"holds {cents} cents, and there is no such card")
        elif kind == AccountKind.DRAWER and owner in counted and cents:
            yield Difference("balance", name, "", 0, f"holds {cents} cents, and the drawer was counted and emptied")
