"""All terminals, and one with everything that the server knows of it."""

import enum
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
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
_ABOUT_TERMINALS = frozenset(
    ("put-terminal", "grant-epoch", "place-spare", "reinstate", "accept-quarantined", "declare-lost", "book-hole")
)
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


@router.get("/terminals")
async def show_terminals(
    page: LookingPage, state: Shown = Shown.ALL, start: Annotated[int, Query(ge=0, le=1_000_000)] = 0
) -> HTMLResponse:
    """The list, which looks after itself, and the form for a new one."""
    found = await _list(page, state, start)
    sites = sorted({line.known.row["site"] for line in found["lines"]})
    enrolments: Enrolments = page.house.enrolments
    more = {"sites": sites, "waiting": await _proposals(page), "machines": len(await enrolments.waiting())}
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
            "waiting": [one for one in await _proposals(page) if _is_about(one, tid, tnos)],
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


async def _proposals(page: Page) -> list[Proposal]:
    """What waits for a second person and is about terminals."""
    together: TwoPeople = page.house.two_people
    return [one for one in await together.waiting() if one.action in _ABOUT_TERMINALS]


def _is_about(proposal: Proposal, tid: str, tnos: Collection[int]) -> bool:
    """Whether it is about this terminal, one epoch of it, its place or a hole in one of its journals."""
    asked = proposal.meant.asked if proposal.meant else {}
    if proposal.action == "book-hole":
        return int(proposal.subject.partition(".")[0]) in tnos
    return tid in (proposal.subject.partition("/")[0], asked.get("instead_of"))


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
