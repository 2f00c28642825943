"""What a correction of a case most likely is: the legs that its form is filled with."""

from sqlalchemy import RowMapping

from server.ingest.book import CaseClass
from server.ledger.accounts import WE_HAVE, Account, AccountKind, difference_of
from server.web.books import change_of

Suggested = tuple[Account, int]
"""An account and by how much it grows, as people see it; 0: whoever corrects says."""


def suggested(case: RowMapping) -> list[Suggested]:
    """The legs of a case's correction, as far as they are obvious.

    A drawer that was counted has left its difference in the operating loss: cash that was found meanwhile lies in the
    vault. Where a document differs from the books, they are brought to what it says, at the operator's loss.
    """
    account = account_of(case)
    if account is None:
        on_card = f"{case['card']}/{case['generation']}"
        return [] if case["card"] is None else [(Account(AccountKind.PURSE, on_card), 0)]
    cents = int(case["cents"])
    of_count = account.kind is AccountKind.DRAWER and not str(case["about"])[0].isdigit()
    first, cents = (Account(AccountKind.VAULT), -cents) if of_count else (account, cents)
    if account.kind in (AccountKind.DRAWER, AccountKind.VAULT):
        loss = difference_of(account)
        return [(first, cents), (loss, change_of(loss.kind, cents))]
    return [(first, cents)]


def account_of(case: RowMapping) -> Account | None:
    """The account that a count or a document was about, `[DAY/]KIND:OWNER`."""
    if case["cls"] not in (CaseClass.SHIFT_DIFFERENCE, CaseClass.PROVIDER_DIFFERENCE):
        return None
    place, _, owner = str(case["about"]).rpartition(":")
    kind = place.rpartition("/")[2]
    return Account(AccountKind(kind), owner) if kind in WE_HAVE else None
