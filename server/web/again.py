"""The second of two people says yes: the very same request once more, to the service that the first one asked."""

from typing import assert_never

from protocol.ids import CardNo, Epoch, Seq, SiteId, TerminalId, Tno
from protocol.instants import UtcMs
from protocol.money import Cents
from server.auth.rules import Operator, Permission, Proposal, is_same_person
from server.auth.service import TwoPeople
from server.booking.rules import MOVEMENTS
from server.booking.service import Bookings
from server.cards.service import Cards
from server.enrolment.service import Enrolments
from server.errors import Forbidden
from server.terminals.service import Particulars, Terminals
from server.upkeep import deciding
from server.upkeep.service import Upkeep
from server.web.asked import (
    Accept,
    Asked,
    Correction,
    Count,
    Hole,
    Key,
    Load,
    Lost,
    Machine,
    Movement,
    Place,
    Reinstate,
    Reversal,
    Rights,
    Subsidy,
    request_of,
)
from server.web.page import Page


def needs(asked: Asked) -> Permission:
    """What the second person must be allowed, as the API asks it of this one."""
    match asked:
        case Load() | Subsidy():
            return Permission.DESK_MONEY
        case Movement():
            known = MOVEMENTS.get(asked.name)
            return Permission.DESK_MONEY if known is not None and known.at_desk else Permission.FINANCE
        case _:
            return Permission.DECIDE


def may_confirm(operator: Operator, proposal: Proposal, asked: Asked) -> bool:
    """Whether this person can be the second one."""
    return not is_same_person(operator.name, proposal.by) and operator.may(needs(asked))


async def again(page: Page, proposal: Proposal, asked: Asked, words: str) -> bool:
    """Ask for it once more, as who looks at the page. False: what it touches has changed, so it is proposed anew.

    `words`: of a machine, as its screen shows them. Raises what the service raises, and Forbidden.
    """
    if not page.operator.may(needs(asked)):
        raise Forbidden("not_allowed", f"this needs the permission {needs(asked)}")
    match asked:
        case Load() | Subsidy():
            return await _of_card(page, proposal, asked)
        case Rights() | Key() | Machine() | Place():
            return await _of_trust(page, proposal, asked, words)
        case Reinstate() | Accept() | Lost() | Hole():
            return await _of_entries(page, proposal, asked)
        case Movement() | Correction() | Count() | Reversal():
            return await _of_books(page, proposal, asked)
        case _:
            assert_never(asked)


async def _of_card(page: Page, proposal: Proposal, asked: Load | Subsidy) -> bool:
    office: Cards = page.house.cards
    together: TwoPeople = page.house.two_people
    request, no, cents = proposal.subject, CardNo(asked.card), Cents(asked.cents)
    agreed = together.agreement_or_alone(page.operator, proposal.action, request)
    match asked:
        case Load():
            return await office.load(no, request, cents, asked.place, agreed, asked.explains)
        case Subsidy():
            return await office.subsidise(no, request, cents, asked.period, agreed)
        case _:
            assert_never(asked)


async def _of_trust(page: Page, proposal: Proposal, asked: Rights | Key | Machine | Place, words: str) -> bool:
    register: Terminals = page.house.terminals
    enrolments: Enrolments = page.house.enrolments
    together: TwoPeople = page.house.two_people
    tid, alone = TerminalId(proposal.subject), page.operator.may(Permission.TERMINALS)
    agreed = together.agreement_to_trust(page.operator, proposal.action, proposal.subject)
    match asked:
        case Rights():
            values = Particulars(
                title=asked.title,
                merchant=asked.merchant,
                can_load=asked.can_load,
                can_issue=asked.can_issue,
                spare=asked.spare,
            )
            return await register.put(tid, SiteId(asked.site), values, agreed, alone=alone)
        case Key():
            return await register.grant(tid, asked.journal_key, agreed, alone=alone) is not None
        case Machine():
            _, done = await enrolments.approve(int(proposal.subject), words, page.operator, agreed, alone=alone)
            return done
        case Place():
            since = UtcMs(asked.since)
            return await register.place(tid, TerminalId(asked.instead_of), since, agreed, alone=alone)
        case _:
            assert_never(asked)


async def _of_entries(page: Page, proposal: Proposal, asked: Reinstate | Accept | Lost | Hole) -> bool:
    upkeep: Upkeep = page.house.upkeep
    together: TwoPeople = page.house.two_people
    agreed = together.agreement(page.operator, proposal.action, proposal.subject)
    name, _, epoch = proposal.subject.partition("/")
    match asked:
        case Reinstate():
            return await deciding.reinstate(upkeep, together, page.operator, TerminalId(name)) is not None
        case Accept():
            return await deciding.accept_quarantined(upkeep, together, page.operator, TerminalId(name)) is not None
        case Lost():
            which = Epoch(int(epoch)) if epoch else None
            return await upkeep.declare_lost(TerminalId(name), agreed, epoch=which) is not None
        case Hole():
            tno, _, first = proposal.subject.partition(".")
            return await upkeep.book_hole(Tno(int(tno)), Seq(int(first)), agreed) is not None
        case _:
            assert_never(asked)


async def _of_books(page: Page, proposal: Proposal, asked: Movement | Correction | Count | Reversal) -> bool:
    booking: Bookings = page.house.bookings
    request, who = request_of(proposal), page.operator
    match asked:
        case Movement():
            return await booking.move(who, request, asked.name, asked.owner, asked.cents, asked.reason)
        case Correction():
            legs = [(leg.account, leg.cents) for leg in asked.legs]
            return await booking.correct(who, request, legs, asked.reason, asked.evidence)
        case Count():
            counted = Cents(asked.cents)
            return await booking.count(who, request, asked.shift, counted, asked.reason, asked.evidence)
        case Reversal():
            return await booking.reverse(who, request, asked.reason, asked.evidence)
        case _:
            assert_never(asked)
