"""What is done about a terminal: the forms of its page. The rules and the two people are the API's own."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Form, UploadFile
from pydantic import Field
from starlette.responses import HTMLResponse, Response

from protocol.enrolment import shown_code
from protocol.ids import Epoch, Seq, SiteId, TerminalId, Tno
from protocol.instants import UtcMs
from server.auth.rules import Operator, Permission
from server.auth.service import TwoPeople
from server.enrolment.service import Enrolments
from server.errors import Conflict
from server.fields import EpochNumber, Id, SeqNumber, TnoNumber, WordsOrNone
from server.ingest.service import Ingest
from server.note import note_subject
from server.terminals.service import Particulars, Terminals
from server.upkeep import deciding
from server.upkeep.service import Upkeep
from server.web.page import LOCAL_TIME_OR_NONE, DecidingPage, Fields, Page, RegisteringPage, TerminalsPage

router = APIRouter()


class ParticularsFields(Fields):
    """A terminal's particulars; a box that is not ticked sends nothing."""

    site: Id
    title: WordsOrNone = ""
    merchant: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,32}$")] = ""
    can_load: bool = False
    can_issue: bool = False
    spare: bool = False


class NewFields(ParticularsFields):
    """A terminal that is not registered yet."""

    tid: Id


class SpareFields(Fields):
    """Which spare, and from when on by the campus' clock; empty: at once."""

    spare: Id
    since: Annotated[str, Field(pattern=LOCAL_TIME_OR_NONE)] = ""


@router.post("/terminals")
async def register_terminal(page: RegisteringPage, form: Annotated[NewFields, Form()]) -> Response:
    """Register a terminal. One of that name that is there already keeps what is known of it."""
    note_subject(f"terminals/{form.tid}")
    if await _terminals(page).is_registered(TerminalId(form.tid)):
        raise Conflict("registered_before", f"there is a terminal {form.tid}; its own page changes it")
    return await _put(page, form.tid, form)


@router.post("/terminals/{tid}/particulars")
async def put_terminal_from_page(
    page: RegisteringPage, tid: Id, form: Annotated[ParticularsFields, Form()]
) -> Response:
    """Change what is known of a terminal; a right takes two people."""
    return await _put(page, tid, form)


@router.post("/terminals/{tid}/claims")
async def claim_terminal_from_page(page: TerminalsPage, tid: Id) -> HTMLResponse:
    """A claim code. It is on this page once, and nowhere else."""
    enrolments: Enrolments = page.house.enrolments
    code, ends_at = await enrolments.claim(TerminalId(tid), page.operator)
    return _stays(page.show("terminals/claim.html", {"tid": tid, "code": shown_code(code), "ends_at": ends_at}))


@router.post("/terminals/{tid}/spare")
async def place_spare_from_page(page: RegisteringPage, tid: Id, form: Annotated[SpareFields, Form()]) -> Response:
    """Put a spare in the place of this terminal; its rights take two people."""
    note_subject(f"terminals/{form.spare}/place")
    register, operator = _terminals(page), page.operator
    agreed = _together(page).agreement_to_trust(operator, "place-spare", form.spare)
    since = page.instant(form.since) if form.since else UtcMs(0)
    broken, alone = TerminalId(tid), operator.may(Permission.TERMINALS)
    if not await register.place(TerminalId(form.spare), broken, since, agreed, alone=alone):
        return page.done("terminal_proposed", f"/terminals/{tid}")
    return page.done("terminal_placed_later" if since else "terminal_placed", f"/terminals/{form.spare}")


@router.post("/terminals/{tid}/revoke")
async def revoke_from_page(page: TerminalsPage, tid: Id) -> Response:
    """From now on its entries are kept aside until their cards confirm them."""
    await _upkeep(page).revoke(TerminalId(tid))
    return page.done("terminal_revoked", f"/terminals/{tid}")


@router.post("/terminals/{tid}/reinstate")
async def reinstate_from_page(page: DecidingPage, tid: Id) -> Response:
    """Two people: its entries are posted again, and what was kept aside."""
    done = await deciding.reinstate(_upkeep(page), _together(page), page.operator, TerminalId(tid))
    return page.done("terminal_proposed" if done is None else "terminal_reinstated", f"/terminals/{tid}")


@router.post("/terminals/{tid}/accept-quarantined")
async def accept_quarantined_from_page(page: DecidingPage, tid: Id) -> Response:
    """Two people: what waits is posted."""
    done = await deciding.accept_quarantined(_upkeep(page), _together(page), page.operator, TerminalId(tid))
    return page.done("terminal_proposed" if done is None else "terminal_accepted", f"/terminals/{tid}")


@router.post("/terminals/{tid}/declare-lost")
async def declare_lost_from_page(page: DecidingPage, tid: Id) -> Response:
    """Two people: it does not come back."""
    agreed = _together(page).agreement(page.operator, "declare-lost", tid)
    count = await _upkeep(page).declare_lost(TerminalId(tid), agreed)
    return page.done("terminal_proposed" if count is None else "terminal_lost", f"/terminals/{tid}")


@router.post("/terminals/{tid}/epochs/{epoch}/declare-lost")
async def declare_epoch_lost_from_page(page: DecidingPage, tid: Id, epoch: EpochNumber) -> Response:
    """Two people: one SD card or journal key does not come back."""
    agreed = _together(page).agreement(page.operator, "declare-lost", f"{tid}/{epoch}")
    count = await _upkeep(page).declare_lost(TerminalId(tid), agreed, epoch=Epoch(epoch))
    return page.done("terminal_proposed" if count is None else "terminal_lost", f"/terminals/{tid}")


@router.post("/terminals/{tid}/journal")
async def import_journal_from_page(page: TerminalsPage, tid: Id, journal: UploadFile) -> HTMLResponse:
    """Take in an exported or rescued journal as far as it holds, and say how far that is."""
    ingest: Ingest = page.house.ingest
    lines = [line for line in (await journal.read()).splitlines() if line]
    taken = await ingest.take_file(TerminalId(tid), lines)
    return _stays(page.show("terminals/imported.html", {"tid": tid, "taken": asdict(taken), "file": journal.filename}))


@router.post("/holes/{tno}/{first}/book")
async def book_hole_from_page(page: DecidingPage, tno: TnoNumber, first: SeqNumber) -> Response:
    """Two people: the chain goes on behind what is missing."""
    agreed = _together(page).agreement(page.operator, "book-hole", f"{tno}.{first}")
    hole = await _upkeep(page).book_hole(Tno(tno), Seq(first), agreed)
    tid = await _terminals(page).tid_of(Tno(tno))
    return page.done("terminal_proposed" if hole is None else "hole_booked", f"/terminals/{tid}")


async def _put(page: Page, tid: str, form: ParticularsFields) -> Response:
    operator: Operator = page.operator
    values = Particulars(
        title=form.title, merchant=form.merchant, can_load=form.can_load, can_issue=form.can_issue, spare=form.spare
    )
    agreed = _together(page).agreement_to_trust(operator, "put-terminal", tid)
    alone = operator.may(Permission.TERMINALS)
    if await _terminals(page).put(TerminalId(tid), SiteId(form.site), values, agreed, alone=alone):
        return page.done("terminal_saved", f"/terminals/{tid}")
    return page.done("terminal_proposed", "/terminals")


def _stays(response: HTMLResponse) -> HTMLResponse:
    """What was answered to a form is nowhere to be asked for again: the address stays that of the page before."""
    response.headers["HX-Push-Url"] = "false"
    return response


def _terminals(page: Page) -> Terminals:
    found: Terminals = page.house.terminals
    return found


def _upkeep(page: Page) -> Upkeep:
    found: Upkeep = page.house.upkeep
    return found


def _together(page: Page) -> TwoPeople:
    found: TwoPeople = page.house.two_people
    return found
