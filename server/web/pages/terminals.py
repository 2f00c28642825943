"""All terminals, and one with everything that the server knows of it."""

import enum
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlalchemy import RowMapping
from starlette.responses import HTMLResponse

from protocol.ids import Seq, TerminalId, Tno
from protocol.signing import to_base64url
from server.auth.rules import Proposal
from server.auth.service import TwoPeople
from server.body_limit import JOURNAL_BYTES_MAX
from server.enrolment.service import Enrolments
from server.fields import Id
from server.ingest.book import HoleRow
from server.ingest.service import Ingest
from server.ingest.waiting import FOR_GOOD
from server.states.service import Known, States
from server.terminals.service import Parked, Terminals, card_of, standing_of
from server.upkeep.service import Upkeep
from server.web.page import LookingPage, Page

router = APIRouter()

A_PAGE = 100
_PARKED_SHOWN, _BATCHES_SHOWN, _CERTIFICATES_SHOWN = 100, 10, 20


class Shown(enum.StrEnum):
    """Which terminals the list shows."""

    ALL = "all"
    ONLINE = "online"
    OFFLINE = "offline"
    NEW = "new"
    """Registered, and no machine was ever enrolled as it."""
    SPARE = "spare"
    REVOKED = "revoked"
    LOST = "lost"
    REPLACED = "replaced"


@dataclass(frozen=True, slots=True)
class Line:
    """A terminal: what it says, its epochs, and how many entries it said to have, where this process heard it."""

    known: Known
    chains: Sequence[RowMapping]
    told: Seq | None

    @property
    def tid(self) -> str:
        """Its name."""
        return str(self.known.row["tid"])

    @property
    def state(self) -> str:
        """One word: why it is shut out, or whether it is there."""
        if shut_out := str(self.known.row["shut_out"]):
            return shut_out
        if not self.chains:
            return Shown.NEW
        return Shown.ONLINE if self.known.online else Shown.OFFLINE

    def is_shown(self, shown: Shown) -> bool:
        """Whether a filter lets it through."""
        if shown is Shown.SPARE:
            return bool(self.known.row["spare"])
        return shown is Shown.ALL or shown == self.state

    @property
    def here(self) -> int:
        """How many entries of its newest epoch are here."""
        return int(self.chains[-1]["tip_seq"]) if self.chains else 0

    @property
    def behind(self) -> list[str]:
        """Lists that it runs in another version than the newest."""
        return [name for name, (applied, newest) in self.known.applied.items() if applied != newest]


@dataclass(frozen=True, slots=True)
class Held:
    """An entry that waits to be posted."""

    parked: Parked
    card: int | None
    cents: int | None
    for_good: bool
    """Neither time nor people change that."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A proposal about a terminal, and the form that confirms it."""

    proposal: Proposal
    tid: str
    to: str
    """Where the form goes; empty: nobody confirms it on a page."""
    fields: dict[str, str]

    @property
    def asked(self) -> dict[str, Any]:
        """What the first person asked for."""
        return self.proposal.meant.asked if self.proposal.meant else {}


@router.get("/terminals")
async def show_terminals(
    page: LookingPage, state: Shown = Shown.ALL, start: Annotated[int, Query(ge=0, le=1_000_000)] = 0
) -> HTMLResponse:
    """The list, which looks after itself, and the form for a new one."""
    found = await _list(page, state, start)
    sites = sorted({line.known.row["site"] for line in found["lines"]})
    waiting = await waiting_about(page, lambda one: bool(one.tid))
    enrolments: Enrolments = page.house.enrolments
    more = {"sites": sites, "waiting": waiting, "machines": len(await enrolments.waiting())}
    return page.show("terminals/terminals.html", {**found, **more})


@router.get("/terminals-live")
async def show_terminals_live(
    page: LookingPage, state: Shown = Shown.ALL, start: Annotated[int, Query(ge=0, le=1_000_000)] = 0
) -> HTMLResponse:
    """The list anew."""
    return page.show("terminals/list.html", await _list(page, state, start))


@router.get("/terminals/{tid}")
async def show_terminal(page: LookingPage, tid: Id) -> HTMLResponse:
    """One terminal, and what may be done about it."""
    register: Terminals = page.house.terminals
    enrolments: Enrolments = page.house.enrolments
    line = await line_of(page, tid)
    tnos = {chain["tno"] for chain in line.chains}
    newest = Tno(line.chains[-1]["tno"]) if line.chains else None
    return page.show(
        "terminals/terminal.html",
        {
            "line": line,
            "row": line.known.row,
            "now": page.house.clock(),
            "chains": [_epoch(chain) for chain in reversed(line.chains)],
            "certificates": await enrolments.certificates(TerminalId(tid), _CERTIFICATES_SHOWN),
            "claim": await enrolments.open_claim(TerminalId(tid)),
            "parked": [_held(one) for one in await register.parked(TerminalId(tid), _PARKED_SHOWN)],
            "parked_most": _PARKED_SHOWN,
            "holes": await _holes(page, tnos),
            "batches": await register.batches(newest, _BATCHES_SHOWN) if newest is not None else [],
            "spares": await _spares_for(page, line.known.row),
            "waiting": await waiting_about(page, lambda one: one.tid == tid or one.asked.get("instead_of") == tid),
            "file_bytes_max": JOURNAL_BYTES_MAX,
        },
    )


@router.get("/terminals/{tid}/live")
async def show_terminal_live(page: LookingPage, tid: Id) -> HTMLResponse:
    """How it is, anew."""
    line = await line_of(page, tid)
    return page.show("terminals/now.html", {"line": line, "row": line.known.row, "now": page.house.clock()})


async def line_of(page: Page, tid: str) -> Line:
    """One terminal. Raises NotFound."""
    register: Terminals = page.house.terminals
    states: States = page.house.states
    registered, known = await register.get(TerminalId(tid)), await states.of(TerminalId(tid))
    return Line(known, registered.chains, _told(page, registered.chains))


async def waiting_about(page: Page, wanted: Callable[[Waiting], bool]) -> list[Waiting]:
    """What waits for a second person and is `wanted`."""
    register: Terminals = page.house.terminals
    together: TwoPeople = page.house.two_people
    proposals = await together.waiting()
    tids = {chain["tno"]: chain["tid"] for one in await register.every() for chain in one.chains} if proposals else {}
    return [found for found in (_waiting(one, tids) for one in proposals) if wanted(found)]


async def _list(page: Page, state: Shown, start: int) -> dict[str, Any]:
    register: Terminals = page.house.terminals
    states: States = page.house.states
    chains = {one.row["tid"]: one.chains for one in await register.every()}
    every = [_line(page, known, chains.get(known.row["tid"], ())) for known in await states.every()]
    counts = Counter(shown for line in every for shown in Shown if line.is_shown(shown))
    lines = [line for line in every if line.is_shown(state)]
    return {
        "lines": lines[start : start + A_PAGE],
        "found": len(lines),
        "start": start,
        "a_page": A_PAGE,
        "state": state,
        "now": page.house.clock(),
        "counts": [(shown, counts[shown]) for shown in Shown if counts[shown] or shown in (state, Shown.ALL)],
    }


def _line(page: Page, known: Known, chains: Sequence[RowMapping]) -> Line:
    return Line(known, chains, _told(page, chains))


def _told(page: Page, chains: Sequence[RowMapping]) -> Seq | None:
    ingest: Ingest = page.house.ingest
    return ingest.told(Tno(chains[-1]["tno"])) if chains else None


def _epoch(chain: RowMapping) -> dict[str, Any]:
    head = f"{chain['tip_seq']}:{to_base64url(chain['tip_hash'])}"
    return {**chain, "standing": standing_of(chain), "head": head}


def _held(one: Parked) -> Held:
    for_good = str(one.row["parked"]).startswith(FOR_GOOD)
    return Held(one, card_of(one.body), getattr(one.body, "amount", None), for_good)


async def _holes(page: Page, tnos: Iterable[int]) -> list[HoleRow]:
    upkeep: Upkeep = page.house.upkeep
    wanted = set(tnos)
    return [hole for hole in await upkeep.holes() if hole.tno in wanted]


async def _spares_for(page: Page, row: RowMapping) -> list[RowMapping]:
    """Terminals of its site that can stand in its place; empty where it has none to give away."""
    if row["spare"] or row["replaced_by"] or not row["merchant"]:
        return []
    register: Terminals = page.house.terminals
    return [
        one.row
        for one in await register.every()
        if one.row["spare"] and one.row["site"] == row["site"] and one.chains and _is_usable(one.chains[-1])
    ]


def _is_usable(chain: RowMapping) -> bool:
    return standing_of(chain) == "active"


def _waiting(proposal: Proposal, tids: dict[int, str]) -> Waiting:
    """By what the API calls it; what is about no terminal has none."""
    subject, asked = proposal.subject, proposal.meant.asked if proposal.meant else {}
    match proposal.action:
        case "put-terminal":
            return Waiting(proposal, subject, f"/terminals/{subject}/particulars", _as_fields(asked))
        case "place-spare":
            fields = {"spare": subject, "since": str(asked.get("since", 0))}
            return Waiting(proposal, subject, f"/terminals/{asked.get('instead_of', '')}/spare", fields)
        case "grant-epoch":
            return Waiting(proposal, subject, "", {})
        case "reinstate" | "accept-quarantined":
            return Waiting(proposal, subject, f"/terminals/{subject}/{proposal.action}", {})
        case "declare-lost":
            tid, _, epoch = subject.partition("/")
            of_epoch = f"/epochs/{epoch}" if epoch else ""
            return Waiting(proposal, tid, f"/terminals/{tid}{of_epoch}/declare-lost", {})
        case "book-hole":
            tno, _, first = subject.partition(".")
            return Waiting(proposal, tids.get(int(tno), ""), f"/holes/{tno}/{first}/book", {})
        case _:
            return Waiting(proposal, "", "", {})


def _as_fields(asked: dict[str, Any]) -> dict[str, str]:
    """As a form would send it: a box that is not ticked sends nothing."""
    return {name: "yes" if value is True else str(value) for name, value in asked.items() if value is not False}
