"""Accounts and postings as the API shows them."""

from server.fields import AnyMoney, Day, Instant, View


class TrialBalance(View):
    """The sums of all accounts by kind; credit positive. `total_cents` is zero unless the books are wrong.

    `owed_cents` = `held_cents` is the float proof inside the books; each part of the right side has a document outside.
    """

    cents_by_kind: dict[str, AnyMoney]
    total_cents: AnyMoney
    owed_cents: AnyMoney
    held_cents: AnyMoney


class AccountView(View):
    """One account; credit positive: what we owe is positive, what we have is negative."""

    kind: str
    owner: str
    cents: AnyMoney


class PostingView(View):
    """One leg of a posting."""

    id: int
    cause: str
    line: int
    day: Day
    period_day: Day
    account_kind: str
    owner: str
    cents: AnyMoney
    at: Instant
