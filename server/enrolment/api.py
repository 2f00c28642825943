"""Enrolment over HTTP: machines that have no certificate yet, and the desk that decides about them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from protocol.enrolment import KeyTier, shown_code
from protocol.ids import TerminalId
from protocol.instants import SECOND_MS, UtcMs
from protocol.signing import from_base64url, to_base64url
from server.auth.api import AtTerminals, Looking, Registering, Together, proposed
from server.auth.rules import Permission
from server.enrolment.rules import State
from server.enrolment.schemas import (
    ApprovedView,
    ApproveForm,
    CertificateView,
    ClaimView,
    EnrolForm,
    MachineView,
    NonceForm,
    NonceView,
    ProofForm,
    RenewForm,
    StandingView,
    TicketForm,
    TimeView,
)
from server.enrolment.service import Enrolments
from server.errors import Invalid
from server.fields import Id, Proposed, RowNumber
from server.problems import PROBLEMS

desk = APIRouter(tags=["enrolment"], responses=PROBLEMS)
machines = APIRouter(tags=["enrolment"], responses=PROBLEMS)
"""Open to everybody who reaches the server: what a claim code, a ticket or a key proves is asked further in."""


async def _enrolments(request: Request) -> Enrolments:
    found: Enrolments = request.app.state.enrolments
    return found


Service = Annotated[Enrolments, Depends(_enrolments)]
_APPROVE = "approve-machine"


@desk.post("/terminals/{tid}/claims", status_code=201)
async def claim_terminal(operator: AtTerminals, service: Service, tid: Id) -> ClaimView:
    """A claim code for a machine that shall be this terminal: one use, 48 hours. Earlier unused ones end."""
    code, ends_at = await service.claim(TerminalId(tid), operator)
    return ClaimView(code=shown_code(code), ends_at=ends_at)


@desk.get("/enrolments")
async def list_machines(_: Looking, service: Service) -> list[MachineView]:
    """Machines that wait for somebody who compares their words. One that was switched off since stays listed:
    `waits_s` says how long, a new claim code of its terminal or `refuse_machine` ends it.
    """
    return [
        MachineView(
            number=row["number"],
            tid=row["tid"],
            device=row["device"],
            words=words,
            asked_at=row["asked_at"],
            waits_s=waited_ms // SECOND_MS,
            tier=row["tier"],
            tier_before=row["tier_before"],
        )
        for row, words, waited_ms in await service.waiting()
    ]


@desk.post("/enrolments/{number}/approve", responses={202: {"model": Proposed}})
async def approve_machine(
    operator: Registering,
    together: Together,
    service: Service,
    number: RowNumber,
    form: ApproveForm,
    response: Response,
) -> ApprovedView | Proposed:
    """The words on the machine's screen are these: it becomes the terminal.

    One that may load or issue cards takes two people, the second one of `decide`.
    """
    agreed, alone = together.agreement_to_trust(operator, _APPROVE, str(number)), operator.may(Permission.TERMINALS)
    tid, done = await service.approve(number, form.words, operator, agreed, alone=alone)
    if not done:
        return proposed(response, _APPROVE, str(number), operator)
    return ApprovedView(state=State.APPROVED, tid=tid)


@desk.post("/enrolments/{number}/refuse", status_code=204)
async def refuse_machine(operator: AtTerminals, service: Service, number: RowNumber) -> None:
    """This is not the machine that was meant."""
    await service.refuse(number, operator)


@machines.post("/enrol", status_code=201)
async def begin_enrolment(request: Request, service: Service, form: EnrolForm) -> NonceView:
    """Open an enrolment with a claim code."""
    machine = form.request.encode(), _bytes(form.journal_key), KeyTier(form.tier), form.device
    begun = await service.begin(_address(request), form.code, *machine)
    return NonceView(
        ticket=begun.ticket, nonce=to_base64url(begun.nonce), trust=service.trust, authority=service.authority
    )


@machines.post("/enrol/proof", status_code=204)
async def prove_keys(request: Request, service: Service, form: ProofForm) -> None:
    """Show that both keys are really there."""
    await service.prove(_address(request), form.ticket, _bytes(form.journal_proof), _bytes(form.tls_proof))


@machines.post("/enrol/standing")
async def show_standing(service: Service, form: TicketForm) -> StandingView:
    """Whether somebody has decided; once approved, the grant and the certificate."""
    found = await service.standing(form.ticket)
    return StandingView(state=found.state, tid=found.tid, certificate=found.certificate, grant=found.grant)


@machines.post("/renew", status_code=201)
async def renew_certificate(request: Request, service: Service, form: RenewForm) -> CertificateView:
    """A certificate for a new TLS key, proven with the journal key."""
    return CertificateView(
        certificate=await service.renew(
            _address(request),
            TerminalId(form.tid),
            form.epoch,
            UtcMs(form.at),
            KeyTier(form.tier),
            form.request.encode(),
            _bytes(form.proof),
        )
    )


@machines.post("/time")
async def tell_time(request: Request, service: Service, form: NonceForm) -> TimeView:
    """The time, for a terminal whose clock makes every certificate look out of date."""
    told = service.tell_time(_address(request), form.nonce).decode()
    return TimeView(time=told, keys=service.trust["keys"])


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _bytes(text: str) -> bytes:
    try:
        return from_base64url(text)
    except ValueError as error:
        raise Invalid("not_base64url", f"a key or proof: {error}") from error
