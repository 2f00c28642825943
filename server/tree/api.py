"""The tree over HTTP, for auditors. What is shown needs no trust in this server: the paths prove it."""

from collections.abc import Iterable
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field

from protocol.signing import to_base64url
from server.auth.api import Auditing, Looking
from server.fields import Limit
from server.problems import PROBLEMS
from server.tree.rules import Head, name_in
from server.tree.schemas import GrowthView, HeadView, RowProofView, RowsView
from server.tree.service import Tree

router = APIRouter(prefix="/tree-heads", tags=["sealed rows"], responses=PROBLEMS)

HeadNumber = Annotated[int, Field(ge=1, le=2**32 - 1)]
RowName = Annotated[str, Query(pattern=r"^(entry/\d{1,10}/\d{1,10}/\d{1,10}|(posting|trail)/\d{1,16})$")]


async def _tree(request: Request) -> Tree:
    found: Tree = request.app.state.tree
    return found


Desk = Annotated[Tree, Depends(_tree)]


@router.get("")
async def list_tree_heads(
    _: Looking, desk: Desk, before: Annotated[int | None, Query(ge=1, le=2**53)] = None, limit: Limit = 100
) -> list[HeadView]:
    """The roots that were signed, newest first."""
    return [_shown(head) for head in await desk.heads(before=before, limit=limit)]


@router.get("/{number}/row")
async def prove_row(_: Auditing, desk: Desk, number: HeadNumber, name: RowName) -> RowProofView:
    """That a row is sealed under a root: `entry/TNO/BRANCH/SEQ`, `posting/ID` or `trail/NUMBER`."""
    found = await desk.prove_row(number, name_in(name))
    return RowProofView(row=found.row, position=found.position, path=_texts(found.path))


@router.get("/{number}/growth")
async def prove_growth(_: Auditing, desk: Desk, number: HeadNumber, since: HeadNumber) -> GrowthView:
    """That nothing under an older root has changed under this one."""
    older, _head, path = await desk.prove_growth(since, number)
    return GrowthView(since=older.jws.decode(), path=_texts(path))


@router.get("/{number}/rows")
async def read_sealed_rows(
    _: Auditing,
    desk: Desk,
    number: HeadNumber,
    start: Annotated[int | None, Query(ge=0, le=2**53 - 1)] = None,
    limit: Limit = 1_000,
) -> RowsView:
    """The rows of this root's own night, or from a position on. One that is gone is an empty line."""
    found = await desk.rows(number, start, limit)
    return RowsView(start=found.start, frontier=_texts(found.frontier), rows=found.rows)


def _shown(head: Head) -> HeadView:
    return HeadView(
        number=head.number,
        day=head.day,
        size=head.size,
        root=to_base64url(head.root),
        server_epoch=head.server_epoch,
        at=head.at,
        jws=head.jws.decode(),
    )


def _texts(hashes: Iterable[bytes]) -> list[str]:
    return [to_base64url(each) for each in hashes]
