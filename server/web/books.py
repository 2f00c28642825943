"""Accounts, terminals and persons by the names that people know them by."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from protocol.ids import CardNo, PersonId, TerminalId
from server.cards.service import Cards
from server.errors import NotFound
from server.ledger.accounts import WE_HAVE, Account, AccountKind, shift_of
from server.people.service import People
from server.terminals.service import Terminals
from server.web.page import Page

TO_COVER: Final = frozenset(
    {AccountKind.FUNDER, AccountKind.PROMOTION, AccountKind.OPERATOR_LOSS, AccountKind.FRAUD_LOSS}
)
"""What somebody has still to pay for: like what we have it is negative in the ledger."""
_OF_CARDS: Final = frozenset({AccountKind.PURSE, AccountKind.SUBSIDY, AccountKind.PENDING, AccountKind.PENDING_SUBSIDY})


def change_of(kind: str, cents: int) -> int:
    """By how much an account grows as people see it: more in the vault, more owed to a merchant, a larger loss."""
    return -cents if kind in WE_HAVE or kind in TO_COVER else cents


@dataclass(frozen=True, slots=True)
class Names:
    """Terminals by the titles that somebody gave them."""

    by_tid: Mapping[str, str]
    by_tno: Mapping[int, str]

    def terminal(self, tid: str) -> str:
        """Its title and its id."""
        title = self.by_tid.get(tid, "")
        return f"{title} ({tid})" if title and title != tid else tid


async def names_of(page: Page) -> Names:
    """The names of all terminals and of their chains."""
    register: Terminals = page.house.terminals
    every = await register.every()
    return Names(
        {known.row["tid"]: known.row["title"] for known in every},
        {chain["tno"]: known.row["tid"] for known in every for chain in known.chains},
    )


async def person_named(page: Page, person: str | None) -> str:
    """A person's name and id; in words that there is none."""
    if not person:
        return page.say("books.nobody")
    people: People = page.house.people
    try:
        return f"{(await people.get(PersonId(person))).name} ({person})"
    except NotFound:
        return person


async def holder_of(page: Page, no: int) -> str | None:
    """The id of who has the card of a number."""
    office: Cards = page.house.cards
    try:
        found: str | None = (await office.get(CardNo(no))).rows[-1]["person"]
    except NotFound:
        return None
    return found


async def holder_named(page: Page, no: int) -> str:
    """Who has the card of a number."""
    return await person_named(page, await holder_of(page, no))


async def account_named(page: Page, account: Account, names: Names) -> str:
    """What an account is for and whose it is."""
    kind, owner = page.say(f"account.{account.kind}"), account.owner
    if not owner:
        return kind
    if account.kind in _OF_CARDS:
        no = owner.partition("/")[0]
        return f"{kind} {owner} · {await holder_named(page, int(no))}" if no.isdigit() else f"{kind} {owner}"
    if account.kind in (AccountKind.DRAWER, AccountKind.OPERATOR_LOSS) and owner.count("/") == 2:
        tid, _, shift = shift_of(owner)
        return f"{kind} · {names.terminal(TerminalId(tid))} · {page.say('books.shift', shift=shift)}"
    return f"{kind} · {owner}"
