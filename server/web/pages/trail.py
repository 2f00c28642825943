"""The audit log: who did what, and the roots that seal it every night. For auditors."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Path, Query
from sqlalchemy import RowMapping
from starlette.responses import HTMLResponse, Response

from protocol.instants import DAY_MS, MINUTE_MS
from protocol.signing import to_base64url
from server.auth.rules import Role
from server.errors import Invalid, NotFound
from server.fields import INSTANT_MAX
from server.trail.service import Trail
from server.tree.service import Tree
from server.web.door import PAGES
from server.web.language import SENTENCES
from server.web.page import AuditingPage, Page

router = APIRouter()

A_PAGE = 100
_EPOCH = date(1970, 1, 1).toordinal()
_NUMBER_MAX = 2**53
_FROM_PAGE = "_from_page"
_LINKED = re.compile(r"(cards/[0-9]{1,10}|terminals/[a-z0-9-]{3,32}|people/[A-Za-z0-9._-]{1,32}|days/[0-9]{1,5})(/.*)?")
"""What has a page of its own, at the beginning of a subject."""
_Day = Annotated[str, Query(pattern=r"^(2[0-9]{3}-[0-9]{2}-[0-9]{2})?$")]


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the trail as people read it."""

    row: RowMapping
    action: str
    """A key of a sentence; empty where nobody has put it into words."""
    roles: Sequence[str]
    link: str
    """The page of what it is about; empty: there is none."""


@router.get("/trail")
async def show_trail(
    page: AuditingPage,
    operator: Annotated[str, Query(pattern=r"^[A-Za-z0-9._-]{0,32}$")] = "",
    subject: Annotated[str, Query(pattern=r"^[A-Za-z0-9._/:@ -]{0,160}$")] = "",
    first: _Day = "",
    last: _Day = "",
    before: Annotated[int | None, Query(ge=1, le=_NUMBER_MAX)] = None,
) -> HTMLResponse:
    """Who did what, newest first; from `before` on older ones."""
    trail: Trail = page.house.trail
    rows = await trail.page(
        subject=subject.strip().rstrip("/") or None,
        operator=operator or None,
        since=_begins(page, first, 0) if first else 0,
        until=_begins(page, last, 1) if last else INSTANT_MAX,
        before=before,
        limit=A_PAGE + 1,
    )
    asked = {"operator": operator, "subject": subject, "first": first, "last": last}
    shown = [_line(row) for row in rows[:A_PAGE]]
    return page.show(
        "trail/trail.html",
        {
            "lines": shown,
            "more": len(rows) > A_PAGE,
            "asked": asked,
            "is_first": before is None,
            "known_roles": list(Role),
        },
    )


@router.get("/trail/heads")
async def show_heads(
    page: AuditingPage, before: Annotated[int | None, Query(ge=1, le=_NUMBER_MAX)] = None
) -> HTMLResponse:
    """The roots that were signed, newest first."""
    tree: Tree = page.house.tree
    heads = await tree.heads(before=before, limit=A_PAGE + 1)
    shown = [{"head": head, "root": to_base64url(head.root)} for head in heads[:A_PAGE]]
    return page.show("trail/heads.html", {"heads": shown, "more": len(heads) > A_PAGE})


@router.get("/trail/heads/{number}.jws")
async def download_sealed_root(page: AuditingPage, number: Annotated[int, Path(ge=1, le=2**32 - 1)]) -> Response:
    """A signed root as a file, to keep where this server's people cannot reach it."""
    tree: Tree = page.house.tree
    found = await tree.heads(before=number + 1, limit=1)
    if not found or found[0].number != number:
        raise NotFound("no_such_head", f"there is no head {number}")
    named = {"Content-Disposition": f'attachment; filename="head-{number}.jws"'}
    return Response(found[0].jws, media_type="application/jose", headers=named)


def _begins(page: Page, text: str, days_later: int) -> int:
    """When a date begins on the campus' clock, UTC ms. Raises Invalid for one that no calendar has."""
    try:
        day = date.fromisoformat(text).toordinal() - _EPOCH + days_later
    except ValueError as error:
        raise Invalid("no_such_date", f"there is no date {text}") from error
    return day * DAY_MS - page.campus.offset_min * MINUTE_MS


def _line(row: RowMapping) -> Line:
    action = f"action.{row['action'].removesuffix(_FROM_PAGE)}"
    linked = _LINKED.fullmatch(row["subject"])
    return Line(
        row,
        action if action in SENTENCES else "",
        row["roles"].split(","),
        f"{PAGES}/{linked[1]}" if linked else "",
    )
