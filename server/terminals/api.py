"""Terminals over HTTP: register, grant, revoke, declare lost, import journals, book holes."""

from dataclasses import asdict
from typing import Annotated

import msgspec
from fastapi import APIRouter, Body, Depends, Request, Response

from protocol.ids import Epoch, Seq, SiteId, TerminalId, Tno
from protocol.instants import UtcMs
from protocol.signing import to_base64url
from protocol.trust import trust_file
from server.auth.api import AtTerminals, Deciding, Looking, Registering, Together, proposed
from server.auth.rules import Permission
from server.fields import TWO_PEOPLE, EpochNumber, Id, Limit, Proposed, SeqNumber, TnoNumber
from server.ingest.service import Ingest
from server.ingest.waiting import is_for_two_people, misfitting_field
from server.problems import PROBLEMS
from server.terminals.schemas import (
    AdoptForm,
    ChainView,
    Done,
    FileTaken,
    GrantForm,
    GrantView,
    HoleView,
    ParkedView,
    PlaceForm,
    SuspendedLeg,
    TerminalForm,
    TerminalView,
)
from server.terminals.service import Parked, Particulars, Registered, Terminals, card_of, standing_of
from server.upkeep import deciding
from server.upkeep.service import Upkeep

router = APIRouter(tags=["terminals"], responses=PROBLEMS)


async def _terminals(request: Request) -> Terminals:
    found: Terminals = request.app.state.terminals
    return found


async def _upkeep(request: Request) -> Upkeep:
    found: Upkeep = request.app.state.upkeep
    return found


async def _ingest(request: Request) -> Ingest:
    found: Ingest = request.app.state.ingest
    return found


Register = Annotated[Terminals, Depends(_terminals)]
Later = Annotated[Upkeep, Depends(_upkeep)]
Intake = Annotated[Ingest, Depends(_ingest)]


@router.get("/terminals")
async def list_terminals(_: Looking, register: Register) -> list[TerminalView]:
    """All terminals with their last report."""
    return [_view(known) for known in await register.every()]


@router.get("/terminals/{tid}")
async def get_terminal(_: Looking, register: Register, tid: Id) -> TerminalView:
    """One terminal."""
    return _view(await register.get(TerminalId(tid)))


@router.put("/terminals/{tid}", responses=TWO_PEOPLE)
async def put_terminal(
    operator: Registering, together: Together, register: Register, tid: Id, form: TerminalForm, response: Response
) -> TerminalView | Proposed:
    """Register a terminal or change its particulars; where it gets a right, two people, the second one of `decide`."""
    values = Particulars(
        title=form.title, merchant=form.merchant, can_load=form.can_load, can_issue=form.can_issue, spare=form.spare
    )
    agreed, alone = together.agreement_to_trust(operator, "put-terminal", tid), operator.may(Permission.TERMINALS)
    if not await register.put(TerminalId(tid), SiteId(form.site), values, agreed, alone=alone):
        return proposed(response, "put-terminal", tid, operator)
    return _view(await register.get(TerminalId(tid)))


@router.post("/terminals/{tid}/epochs", responses=TWO_PEOPLE)
async def grant_epoch(
    operator: Registering,
    together: Together,
    request: Request,
    register: Register,
    tid: Id,
    form: GrantForm,
    response: Response,
) -> GrantView | Proposed:
    """Grant an epoch for a new journal key; the same key again gets the same grant.

    Where the terminal may load or issue cards, two people, the second one of `decide`.
    """
    agreed, alone = together.agreement_to_trust(operator, "grant-epoch", tid), operator.may(Permission.TERMINALS)
    jws = await register.grant(TerminalId(tid), form.journal_key, agreed, alone=alone)
    if jws is None:
        return proposed(response, "grant-epoch", tid, operator)
    return GrantView(grant=jws.decode(), trust=msgspec.structs.asdict(trust_file(request.app.state.keys.trust)))


@router.post("/grants")
async def adopt_grant(_: AtTerminals, register: Register, form: AdoptForm) -> TerminalView:
    """Take back a grant that this server signed and, restored from a backup, has forgotten."""
    grant = await register.adopt(form.grant.encode())
    return _view(await register.get(grant.tid))


@router.post("/terminals/{tid}/place", responses=TWO_PEOPLE)
async def place_spare(
    operator: Registering, together: Together, register: Register, tid: Id, form: PlaceForm, response: Response
) -> TerminalView | Proposed:
    """Put a spare in the place of a broken terminal, with its merchant, title and rights; rights take two people.

    The broken one reaches the broker no more. What its journal still holds is welcome whenever it arrives.
    """
    agreed, alone = together.agreement_to_trust(operator, "place-spare", tid), operator.may(Permission.TERMINALS)
    broken, since = TerminalId(form.instead_of), UtcMs(form.since)
    if not await register.place(TerminalId(tid), broken, since, agreed, alone=alone):
        return proposed(response, "place-spare", tid, operator)
    return _view(await register.get(TerminalId(tid)))


@router.post("/terminals/{tid}/revoke")
async def revoke(_: AtTerminals, upkeep: Later, register: Register, tid: Id) -> TerminalView:
    """From now on its entries are kept aside until their cards confirm them."""
    await upkeep.revoke(TerminalId(tid))
    return _view(await register.get(TerminalId(tid)))


@router.post("/terminals/{tid}/reinstate", responses=TWO_PEOPLE)
async def reinstate(
    operator: Deciding, together: Together, upkeep: Later, tid: Id, response: Response
) -> Done | Proposed:
    """Two people: end the revocation of its revoked epochs and post what was kept aside of them until now, the same
    for both. An epoch that was declared lost stays as it is.

    Its certificates stay revoked: to reach the broker again it is enrolled again, with a claim code.
    """
    done = await deciding.reinstate(upkeep, together, operator, TerminalId(tid))
    if done is None:
        return proposed(response, "reinstate", tid, operator)
    which, count = ", ".join(str(epoch) for epoch in done.epochs), done.count
    return Done(count=count, says=f"reinstated: epoch {which}; {count} of its entries that were kept aside are posted")


@router.post("/terminals/{tid}/accept-quarantined", responses=TWO_PEOPLE)
async def accept_quarantined(
    operator: Deciding, together: Together, upkeep: Later, tid: Id, response: Response
) -> Done | Proposed:
    """Two people: post what a revoked terminal sent, or what it had no right to do; that changes no right.

    Both mean the same entries: where more came in since the first one looked, it is proposed anew.
    """
    done = await deciding.accept_quarantined(upkeep, together, operator, TerminalId(tid))
    if done is None:
        return proposed(response, "accept-quarantined", tid, operator)
    return Done(count=done.count, says=f"{done.count} of {done.waited} entries that waited are posted")


@router.post("/terminals/{tid}/declare-lost", responses=TWO_PEOPLE)
async def declare_lost(
    operator: Deciding, together: Together, upkeep: Later, register: Register, tid: Id, response: Response
) -> Done | Proposed:
    """Two people: other evidence may decide its open steps; its entries stay welcome, and are an alarm."""
    await register.get(TerminalId(tid))
    count = await upkeep.declare_lost(TerminalId(tid), together.agreement(operator, "declare-lost", tid))
    return proposed(response, "declare-lost", tid, operator) if count is None else _lost(tid, count)


@router.post("/terminals/{tid}/epochs/{epoch}/declare-lost", responses=TWO_PEOPLE)
async def declare_epoch_lost(
    operator: Deciding, together: Together, upkeep: Later, tid: Id, epoch: EpochNumber, response: Response
) -> Done | Proposed:
    """Two people: the same of one SD card or journal key, while the terminal goes on with another."""
    subject = f"{tid}/{epoch}"
    agreed = together.agreement(operator, "declare-lost", subject)
    count = await upkeep.declare_lost(TerminalId(tid), agreed, epoch=Epoch(epoch))
    return proposed(response, "declare-lost", subject, operator) if count is None else _lost(subject, count)


@router.get("/terminals/{tid}/parked")
async def list_parked(_: Looking, register: Register, tid: Id, limit: Limit = 100) -> list[ParkedView]:
    """Entries of a terminal that wait to be posted, why, and what they tell: what two people look at and agree on."""
    return [_parked(tid, known) for known in await register.parked(TerminalId(tid), limit)]


@router.post("/terminals/{tid}/journal")
async def import_journal(
    _: AtTerminals, intake: Intake, tid: Id, text: Annotated[bytes, Body(media_type="text/plain")]
) -> FileTaken:
    """Take in an exported or rescued journal, one entry a line, as far as it holds; `fault` says what is wrong then."""
    taken = await intake.take_file(TerminalId(tid), [line for line in text.split(b"\n") if line])
    return FileTaken.model_validate(asdict(taken))


@router.get("/holes")
async def list_holes(_: Looking, upkeep: Later) -> list[HoleView]:
    """Entries that are missing: asked for, offered to be booked, or booked."""
    return [
        HoleView(tno=hole.tno, first=hole.first, last=hole.last, asked=hole.asked, status=hole.status)
        for hole in await upkeep.holes()
    ]


@router.post("/holes/{tno}/{first}/book", responses=TWO_PEOPLE)
async def book_hole(
    operator: Deciding, together: Together, upkeep: Later, tno: TnoNumber, first: SeqNumber, response: Response
) -> HoleView | Proposed:
    """Two people: let the chain go on behind the hole, and post what the cards tell of it."""
    subject = f"{tno}.{first}"
    hole = await upkeep.book_hole(Tno(tno), Seq(first), together.agreement(operator, "book-hole", subject))
    if hole is None:
        return proposed(response, "book-hole", subject, operator)
    return HoleView(tno=hole.tno, first=hole.first, last=hole.last, asked=hole.asked, status=hole.status)


def _lost(subject: str, count: int) -> Done:
    decided = f"{count} steps were open, and other evidence decides them" if count else "no step was open to decide"
    return Done(
        count=count,
        says=f"{subject} is lost: {decided}. What its journal still brings is posted and raises the alarm lost_speaks; "
        "to have it kept aside, revoke the terminal as well",
    )


def _parked(tid: str, known: Parked) -> ParkedView:
    row, body, why = known.row, known.body, known.row["parked"]
    return ParkedView(
        tno=row["tno"],
        branch=row["branch"],
        seq=row["seq"],
        kind=row["kind"],
        at=row["at"],
        why=why,
        field=misfitting_field(why),
        accept=f"POST /terminals/{tid}/accept-quarantined" if is_for_two_people(why) else "",
        cents=getattr(body, "amount", None),
        card=card_of(body),
        person=known.person,
        merchant=getattr(body, "merchant", ""),
        tells=msgspec.to_builtins(body),
        suspended=[
            SuspendedLeg(kind=leg["account_kind"], owner=leg["owner"], cents=leg["cents"]) for leg in known.suspended
        ],
    )


def _view(known: Registered) -> TerminalView:
    row = known.row
    epochs = [
        ChainView(
            tno=chain["tno"],
            epoch=chain["epoch"],
            status=standing_of(chain),
            revoked_at=chain["revoked_at"],
            tip=chain["tip_seq"],
            head=f"{chain['tip_seq']}:{to_base64url(chain['tip_hash'])}",
            reported_at=chain["reported_at"],
            received_at=chain["received_at"],
            granted_at=chain["granted_at"],
            tier=chain["tier"],
            cards_version=chain["cards_version"],
        )
        for chain in known.chains
    ]
    return TerminalView(
        tid=row["tid"],
        site=row["site"],
        title=row["title"],
        merchant=row["merchant"],
        can_load=row["can_load"],
        can_issue=row["can_issue"],
        registered_at=row["registered_at"],
        spare=row["spare"],
        placed_at=row["placed_at"],
        replaced_by=row["replaced_by"],
        epochs=epochs,
    )
