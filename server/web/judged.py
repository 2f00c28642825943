"""A proposal in words that a second person can judge: what, how much, whose, from where and into what."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, assert_never, cast

import msgspec

from protocol.ids import TerminalId
from protocol.money import format_cents
from server.auth.rules import Permission, Proposal, is_same_person
from server.booking.rules import MOVEMENTS, OWNED
from server.enrolment.service import Enrolments
from server.ledger.accounts import Account, AccountKind
from server.terminals.service import Parked, Terminals
from server.web.again import may_confirm
from server.web.asked import (
    Accept,
    Asked,
    Correction,
    Count,
    Hole,
    Key,
    Leg,
    Load,
    Lost,
    Machine,
    Movement,
    Place,
    Reinstate,
    Reversal,
    Rights,
    Subsidy,
    kind_of,
    read,
    request_of,
)
from server.web.books import Names, account_named, change_of, names_of, person_named
from server.web.door import PAGES
from server.web.page import Page

PARKED_SHOWN_MAX = 20
"""A proposal shows so many of the entries that it is about; the terminal's page has all."""


@dataclass(frozen=True, slots=True)
class Fact:
    """Something to judge by; `key` names the sentence of its label."""

    key: str
    value: str
    link: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One account and by how much it changes."""

    account: str
    cents: int


@dataclass(frozen=True, slots=True)
class Judged:
    """What one person proposed, for another one to look at."""

    proposal: Proposal
    kind: str
    seen: str
    is_own: bool
    may_confirm: bool
    may_withdraw: bool
    facts: Sequence[Fact] = ()
    lines: Sequence[Line] = ()
    parked: Sequence[Parked] = field(default_factory=tuple)

    @property
    def wants_words(self) -> bool:
        """Whether the second person compares a machine's words too."""
        return self.kind == "approve-machine"


def seen_of(proposal: Proposal) -> str:
    """What exactly somebody looked at: another proposal under the same name is another one."""
    told = "\n".join((proposal.action, proposal.subject, proposal.body, proposal.by, str(proposal.at)))
    return sha256(told.encode()).hexdigest()


async def judged(page: Page, waiting: Sequence[Proposal]) -> list[Judged]:
    """What waits, with all names, oldest first."""
    names = await names_of(page)
    return [await _judged(page, known, names) for known in sorted(waiting, key=lambda known: known.at)]


async def _judged(page: Page, known: Proposal, names: Names) -> Judged:
    asked, is_own = read(known), is_same_person(known.by, page.operator.name)
    around = (known, kind_of(known), seen_of(known), is_own)
    may_withdraw = is_own or page.operator.may(Permission.DECIDE)
    if asked is None:
        return Judged(*around, False, may_withdraw)
    found = known.meant.found if known.meant is not None else None
    facts = await _facts(page, known, asked, found, names)
    lines = await _lines(page, asked, found, names)
    parked: Sequence[Parked] = ()
    if isinstance(asked, Reinstate | Accept):
        register: Terminals = page.house.terminals
        parked = await register.parked(TerminalId(known.subject), PARKED_SHOWN_MAX)
    return Judged(*around, may_confirm(page.operator, known, asked), may_withdraw, facts, lines, parked)


async def _facts(page: Page, known: Proposal, asked: Asked, found: Any, names: Names) -> list[Fact]:
    match asked:
        case Load() | Subsidy():
            return await _of_card(page, asked, found, names)
        case Rights() | Key() | Machine() | Place():
            return await _of_trust(page, known, asked, found, names)
        case Reinstate() | Accept() | Lost() | Hole():
            return _of_entries(known, asked, found, names)
        case Movement() | Correction() | Count() | Reversal():
            return await _of_books(page, known, asked, names)
        case _:
            assert_never(asked)


async def _of_card(page: Page, asked: Load | Subsidy, found: Any, names: Names) -> list[Fact]:
    person = _members(found).get("person")
    holder = await person_named(page, str(person) if person else None)
    facts = [_money(asked.cents), _card(asked.card), Fact("holder", holder)]
    match asked:
        case Load():
            facts.append(Fact("taken_into", await account_named(page, asked.place, names)))
            if asked.explains is not None:
                facts.append(Fact("explains", page.say("proposals.yes" if asked.explains else "proposals.no")))
        case Subsidy():
            facts += [
                Fact("from", page.say("account.funder")),
                Fact("into", page.say("account.pending_subsidy")),
                Fact("period", str(asked.period)),
            ]
        case _:
            assert_never(asked)
    return facts


async def _of_trust(
    page: Page, known: Proposal, asked: Rights | Key | Machine | Place, found: Any, names: Names
) -> list[Fact]:
    of_server = _members(found)
    match asked:
        case Rights():
            return [
                _terminal(known.subject, names),
                Fact("site", asked.site),
                Fact("title", asked.title or "–"),
                Fact("merchant", asked.merchant or "–"),
                Fact("rights", _rights(page, can_load=asked.can_load, can_issue=asked.can_issue)),
                Fact("key", str(of_server.get("journal_key") or "–")),
            ]
        case Key():
            return [_terminal(known.subject, names), Fact("key", asked.journal_key), _tier(page, asked.tier)]
        case Machine():
            enrolments: Enrolments = page.house.enrolments
            rows = [row for row, _, _ in await enrolments.waiting() if str(row["number"]) == known.subject]
            about = [_terminal(row["tid"], names) for row in rows] + [Fact("device", row["device"]) for row in rows]
            return [*about, Fact("key", asked.journal_key), _tier(page, asked.tier)]
        case Place():
            given = {name: bool(of_server.get(name)) for name in ("can_load", "can_issue")}
            return [
                _terminal(known.subject, names),
                Fact("instead_of", names.terminal(asked.instead_of), f"{PAGES}/terminals/{asked.instead_of}"),
                Fact("since", page.when(asked.since) if asked.since else page.say("proposals.at_once")),
                Fact("merchant", str(of_server.get("merchant") or "–")),
                Fact("rights", _rights(page, **given)),
                Fact("key", str(of_server.get("journal_key") or "–")),
            ]
        case _:
            assert_never(asked)


def _of_entries(known: Proposal, asked: Reinstate | Accept | Lost | Hole, found: Any, names: Names) -> list[Fact]:
    of_server = _members(found)
    name, _, epoch = known.subject.partition("/")
    match asked:
        case Reinstate():
            epochs = ", ".join(str(one) for one in of_server.get("epochs", ()))
            return [_terminal(name, names), Fact("epochs", epochs), Fact("entries", str(of_server.get("entries", 0)))]
        case Accept():
            return [_terminal(name, names), Fact("entries", str(of_server.get("entries", 0)))]
        case Lost():
            return [_terminal(name, names), Fact("epochs", epoch)] if epoch else [_terminal(name, names)]
        case Hole():
            tno, _, first = known.subject.partition(".")
            last = int(of_server.get("last", first))
            return [
                _terminal(names.by_tno.get(int(tno), tno), names),
                Fact("missing", f"{first} – {last} ({last - int(first) + 1})"),
            ]
        case _:
            assert_never(asked)


async def _of_books(
    page: Page, known: Proposal, asked: Movement | Correction | Count | Reversal, names: Names
) -> list[Fact]:
    reason, evidence = Fact("reason", asked.reason), Fact("evidence", asked.evidence)
    match asked:
        case Movement():
            movement = MOVEMENTS.get(asked.name)
            if movement is None:
                return [_money(asked.cents), Fact("document", asked.reason)]
            sides = (Account(kind, asked.owner if kind in OWNED else "") for kind in (movement.credit, movement.debit))
            credit, debit = [await account_named(page, side, names) for side in sides]
            what = Fact("what", page.say(f"movement.{asked.name}"))
            return [
                what,
                _money(asked.cents),
                Fact("from", credit),
                Fact("into", debit),
                Fact("document", asked.reason),
            ]
        case Correction():
            return [_money(asked.cents), reason, evidence]
        case Count():
            drawer = await account_named(page, Account(AccountKind.DRAWER, asked.drawer), names)
            return [Fact("drawer", drawer), Fact("counted", _yuan(asked.cents)), reason, evidence]
        case Reversal():
            return [Fact("undone", request_of(known)), _money(asked.cents), reason, evidence]
        case _:
            assert_never(asked)


async def _lines(page: Page, asked: Asked, found: Any, names: Names) -> list[Line]:
    """What exactly is posted."""
    legs: Sequence[Leg] = asked.legs if isinstance(asked, Correction) else ()
    if isinstance(asked, Reversal):
        legs = msgspec.convert(_members(found).get("legs", []), list[Leg])
    return [Line(await account_named(page, leg.account, names), change_of(leg.kind, leg.cents)) for leg in legs]


def _members(found: object) -> dict[str, Any]:
    """What the server found it to touch; empty where that is nothing by name."""
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _yuan(cents: int) -> str:
    return f"¥{format_cents(cents)}"


def _money(cents: int) -> Fact:
    return Fact("amount", _yuan(cents))


def _card(no: int) -> Fact:
    return Fact("card", str(no), f"{PAGES}/cards/{no}")


def _terminal(tid: str, names: Names) -> Fact:
    return Fact("terminal", names.terminal(tid), f"{PAGES}/terminals/{tid}")


def _tier(page: Page, tier: int) -> Fact:
    return Fact("tier", page.say(f"proposals.tier_{tier}"))


def _rights(page: Page, *, can_load: bool, can_issue: bool) -> str:
    rights = {"proposals.can_load": can_load, "proposals.can_issue": can_issue}
    return ", ".join(page.say(key) for key, is_given in rights.items() if is_given) or "–"
