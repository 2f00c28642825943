"""Postings of what people did, at desks and by acts: made anew from their own figures, held against what was asked.

Pure.

Who asked, whose account, how much: the row of the act, and the digest of the request, say that once more. Whether it
was so nobody here can tell.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from protocol.ids import CardKey, CardNo, Generation
from protocol.money import Cents
from server.auditor.rules import Row
from server.booking.rules import MOVEMENTS, REVERSIBLE
from server.ledger.accounts import (
    FUNDER,
    OPERATOR_LOSS,
    VAULT,
    Account,
    AccountKind,
    Postings,
    balanced,
    pending,
    pending_subsidy,
    purse,
    subsidy,
)
from server.ledger.rules import postings_of_count, reversed_postings
from server.requests import digest_of

OF_ACTS = frozenset({"movement", "correction", "count", "reversal"})
"""Each has a row in `act`."""
OF_REQUESTS = frozenset({"desk", "lapsed", "subsidy", "payout"})
"""Each was asked for under an id."""
OF_DESKS = OF_REQUESTS | frozenset({"replace", "close", "release", "missing"})
_SOURCES = (AccountKind.VAULT, AccountKind.DRAWER, AccountKind.CLEARING)
_PURSES = {AccountKind.PURSE: AccountKind.PENDING, AccountKind.SUBSIDY: AccountKind.PENDING}
_CARD = re.compile(r"([1-9][0-9]*)/([1-9][0-9]*)")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is kept beside the postings of people."""

    digest: str | None = None
    """Of the request; None: nobody asked."""
    act: Row | None = None
    undone: Postings | None = None
    """Of a reversal: what was posted for what it undoes."""
    counted: Collection[str] = ()
    """Owners of drawers that were counted."""


def request_of(cause: str) -> str:
    """Under which name the request was noted that a cause comes of."""
    kind, _, rest = cause.partition(":")
    return f"subsidy:{rest}" if kind == "lapsed" else cause


def fault_of_people(cause: str, stored: Postings, asked: Asked) -> str:
    """What is wrong with the postings of a cause that people have."""
    kind = cause.partition(":")[0]
    if kind in OF_ACTS and asked.act is None:
        return f"is posted for {cause}, and no act of that name was booked"
    if kind in OF_ACTS | OF_REQUESTS and asked.digest is None:
        return f"is posted for {cause}, and nobody asked for that"
    made = any(legs == stored for legs in _made_anew(kind, cause, stored, asked))
    if not stored or not made:
        shown = ", ".join(f"{leg.account} {leg.cents}" for leg in stored)
        return f"{cause} moves {shown}: not what such a booking moves"
    forms = list(_forms(kind, stored, asked.act))
    if forms and asked.digest not in {digest_of(form) for form in forms}:
        return f"{cause} moves something else than was asked for under that name"
    return ""


def _made_anew(kind: str, cause: str, stored: Postings, asked: Asked) -> Iterator[Postings]:
    if kind in OF_ACTS:
        assert asked.act is not None
        yield from _of_act(kind, cause, stored, asked.act, asked)
    elif kind in OF_REQUESTS:
        yield from _of_request(kind, stored)
    else:
        yield from _of_card(kind, cause.partition(":")[2], stored)


def _of_act(kind: str, cause: str, stored: Postings, act: Row, asked: Asked) -> Iterator[Postings]:
    """What a booked act must have moved: by its own columns, or by what it undoes."""
    name, owner, cents = act["name"], act["owner"], act["cents"]
    moved = sum(leg.cents for leg in stored if leg.cents > 0)
    if kind == "movement":
        movement = MOVEMENTS.get(name)
        if movement is not None and movement.has_owner == bool(owner) and cents > 0:
            yield movement.postings(owner, cents)
    elif kind == "count":
        own = Account(AccountKind.DRAWER, owner)
        if name == kind and owner in asked.counted:
            yield postings_of_count(own, sum(leg.cents for leg in stored if leg.account == own), Cents(cents))
    elif (name, owner, cents) != (kind, "", moved) or len({leg.account for leg in stored}) != len(stored):
        return
    elif kind == "correction" or _is_undone(cause, stored, asked.undone):
        yield stored


def _is_undone(cause: str, stored: Postings, undone: Postings | None) -> bool:
    """A reversal gives back what was posted; what was on a card that is in use no more is owed to its number."""
    if undone is None or cause.partition(":")[2].partition(":")[0] not in REVERSIBLE:
        return False
    return _off_cards(stored) == _off_cards(reversed_postings(undone))


def _off_cards(legs: Postings) -> dict[Account, int]:
    sums = Counter[Account]()
    for leg in legs:
        kind = _PURSES.get(leg.account.kind, leg.account.kind)
        is_of_card = leg.account.kind in _PURSES
        sums[Account(kind, leg.account.owner.partition("/")[0] if is_of_card else leg.account.owner)] += leg.cents
    return {account: cents for account, cents in sums.items() if cents}


def _of_request(kind: str, stored: Postings) -> Iterator[Postings]:
    if len(stored) != 2 or stored[1].cents <= 0:
        return
    first, cents = stored[0].account, int(stored[1].cents)
    if kind == "desk" and first.kind in _SOURCES:
        yield balanced((first, -cents), (pending(_number(stored[1].account)), cents))
    elif kind == "payout":
        yield balanced((pending(_number(first)), -cents), (VAULT, cents))
    elif kind == "subsidy":
        yield balanced((FUNDER, -cents), (pending_subsidy(_number(stored[1].account)), cents))
    elif kind == "lapsed":
        yield balanced((pending_subsidy(_number(first)), -cents), (FUNDER, cents))


def _of_card(kind: str, name: str, stored: Postings) -> Iterator[Postings]:
    """What a card gave up, by the card that the cause names and by how much its purses moved."""
    found = _CARD.fullmatch(name.partition("@")[0])
    if found is None:
        return
    key: CardKey = (CardNo(int(found[1])), Generation(int(found[2])))
    own, granted, owed = purse(key), subsidy(key), pending(key[0])
    main, left, paid = (-_sum(stored, account) for account in (own, granted, VAULT))
    if kind == "replace" and main > 0:
        yield balanced((own, -main), (owed, main))
    elif kind == "close" and main >= 0 and paid <= 0:
        yield balanced((own, -main), (owed, main + paid), (VAULT, -paid))
    elif kind == "release":
        to_main = owed if main > 0 else OPERATOR_LOSS
        for to in (pending_subsidy(key[0]), FUNDER) if left > 0 else (OPERATOR_LOSS,):
            yield balanced((own, -main), (to_main, main), (granted, -left), (to, left))
    elif kind == "missing":
        for lacking in (own, granted):
            cents = _sum(stored, lacking)
            if cents > 0 and name.endswith(f".{lacking.kind}"):
                yield balanced((lacking, cents), (OPERATOR_LOSS, -cents))


def _forms(kind: str, stored: Postings, act: Row | None) -> Iterator[object]:
    """What was asked for, as it was hashed; nothing where the postings do not say all of it."""
    if kind == "desk":
        source, cents = stored[0].account, stored[1].cents
        for explains in (None, False, True):
            no = _number(stored[1].account)
            yield {"card": no, "cents": cents, "from": str(source), "explains": explains}
    elif kind == "payout":
        yield {"card": _number(stored[0].account), "cents": stored[1].cents}
    elif kind == "count" and act is not None:
        yield [act["owner"], str(act["cents"]), act["reason"], act["evidence"]]
    elif act is not None:
        yield [*(f"{leg.account}={leg.cents}" for leg in stored), act["name"], act["reason"], act["evidence"]]


def _number(account: Account) -> CardNo:
    """The number in the name of what is owed; 0, which no card has, where it is no such account."""
    return CardNo(int(account.owner) if account.owner.isdecimal() else 0)


def _sum(legs: Postings, account: Account) -> int:
    return sum(leg.cents for leg in legs if leg.account == account)
