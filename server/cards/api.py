"""The card office over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from protocol.ids import U16_MAX, U32_MAX, CardNo, PersonId, ShiftNo, TerminalId, Tno
from protocol.money import Cents
from server.auth.api import AtCards, AtDesk, Looking, Together, proposed
from server.cards.schemas import (
    CardEventView,
    CardView,
    CloseForm,
    HolderForm,
    Issued,
    IssueForm,
    ListedCard,
    LoadForm,
    Paid,
    PayOutForm,
    PlasticView,
    StepView,
    SubsidyForm,
)
from server.cards.service import Cards
from server.fields import TWO_PEOPLE, CardNumber, Label, Limit, Proposed
from server.ledger.accounts import VAULT, Account, AccountKind, drawer
from server.problems import PROBLEMS

router = APIRouter(prefix="/cards", tags=["cards"], responses=PROBLEMS)


async def _cards(request: Request) -> Cards:
    found: Cards = request.app.state.cards
    return found


Office = Annotated[Cards, Depends(_cards)]


@router.post("", status_code=201)
async def issue_cards(_: AtCards, office: Office, form: IssueForm) -> Issued:
    """Give out the next issue numbers."""
    person = PersonId(form.person) if form.person is not None else None
    numbers = await office.issue(form.count, form.card_class, form.technology, person)
    return Issued(numbers=[int(number) for number in numbers])


@router.get("")
async def list_cards(
    _: Looking,
    office: Office,
    after: Annotated[int, Query(ge=0, le=U32_MAX)] = 0,
    after_generation: Annotated[int, Query(ge=0, le=U16_MAX)] = U16_MAX,
    person: Label | None = None,
    limit: Limit = 100,
) -> list[ListedCard]:
    """Plastics in the order of their numbers and generations; go on behind the last one of a page."""
    return [
        ListedCard.model_validate({**row, "no": row["card"]})
        for row in await office.page((after, after_generation), person, limit)
    ]


@router.get("/{no}")
async def get_card(_: Looking, office: Office, no: CardNumber) -> CardView:
    """Everything about one number."""
    return await _view(office, CardNo(no))


@router.get("/{no}/steps")
async def card_steps(
    _: Looking,
    office: Office,
    no: CardNumber,
    before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
    limit: Limit = 100,
) -> list[StepView]:
    """What was done with a card, newest first."""
    return [StepView.model_validate(dict(row)) for row in await office.history(CardNo(no), before, limit)]


@router.get("/{no}/events")
async def card_events(_: Looking, office: Office, no: CardNumber, limit: Limit = 100) -> list[CardEventView]:
    """What terminals told of its plastics, newest first: made, blocked, given other keys."""
    return [CardEventView.model_validate(dict(row)) for row in await office.events(CardNo(no), limit)]


@router.put("/{no}/holder")
async def bind_card(_: AtCards, office: Office, no: CardNumber, form: HolderForm) -> CardView:
    """Say whose card it is."""
    await office.bind(CardNo(no), PersonId(form.person) if form.person is not None else None)
    return await _view(office, CardNo(no))


@router.post("/{no}/loads", responses=TWO_PEOPLE)
async def load_card(
    operator: AtDesk, office: Office, together: Together, no: CardNumber, form: LoadForm, response: Response
) -> CardView | Proposed:
    """Money taken in for a card: owed to its holder now, on the card with its next load; much takes two people."""
    agreed = together.agreement_or_alone(operator, "load", form.id)
    done = await office.load(CardNo(no), form.id, Cents(form.cents), _place_of(form), agreed, form.explains)
    return await _view(office, CardNo(no)) if done else proposed(response, "load", form.id, operator)


@router.post("/{no}/subsidies", responses=TWO_PEOPLE)
async def subsidise_card(
    operator: AtDesk, office: Office, together: Together, no: CardNumber, form: SubsidyForm, response: Response
) -> CardView | Proposed:
    """Grant a subsidy of a period; a large one when two people say so."""
    agreed = together.agreement_or_alone(operator, "subsidise", form.id)
    done = await office.subsidise(CardNo(no), form.id, Cents(form.cents), form.period, agreed)
    return await _view(office, CardNo(no)) if done else proposed(response, "subsidise", form.id, operator)


@router.post("/{no}/block")
async def block_card(_: AtCards, office: Office, no: CardNumber) -> CardView:
    """No terminal that has the next list takes this card."""
    await office.set_blocked(CardNo(no), blocked=True)
    return await _view(office, CardNo(no))


@router.post("/{no}/unblock")
async def unblock_card(_: AtCards, office: Office, no: CardNumber) -> CardView:
    """Let it pay again."""
    await office.set_blocked(CardNo(no), blocked=False)
    return await _view(office, CardNo(no))


@router.post("/{no}/replace")
async def replace_card(_: AtCards, office: Office, no: CardNumber) -> CardView:
    """Lost or broken: a new plastic gets now what no unreported sale can have spent, the rest after the waiting."""
    await office.replace(CardNo(no))
    return await _view(office, CardNo(no))


@router.post("/{no}/close")
async def close_card(_: AtDesk, office: Office, no: CardNumber, form: CloseForm) -> Paid:
    """Handed in: pay out the lesser of card and ledger, and what is pending."""
    return Paid(cents=await office.close(CardNo(no), Cents(form.card_cents)))


@router.post("/{no}/payouts")
async def pay_out(_: AtDesk, office: Office, no: CardNumber, form: PayOutForm) -> CardView:
    """Pay pending credit in cash where no card can collect it any more."""
    await office.pay_out(CardNo(no), form.id, Cents(form.cents))
    return await _view(office, CardNo(no))


def _place_of(form: LoadForm) -> Account:
    if form.drawer is not None:
        return drawer(TerminalId(form.drawer.tid), Tno(form.drawer.tno), ShiftNo(form.drawer.shift))
    return VAULT if form.channel is None else Account(AccountKind.CLEARING, form.channel)


async def _view(office: Cards, no: CardNo) -> CardView:
    held = await office.get(no)
    return CardView(
        no=no,
        plastics=[PlasticView.model_validate(dict(row)) for row in held.rows],
        pending_cents=held.pending_cents,
        pending_subsidy_cents=held.pending_subsidy_cents,
    )
