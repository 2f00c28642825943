"""Every call of the API, asked by every role and by nobody: who is not named here is turned away at the door."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.server.office import TOKENS, Desk, open_desk

NOBODY = ""
OPEN = """
    GET /health, GET /ready, GET /metrics
    POST /enrol, POST /enrol/proof, POST /enrol/standing, POST /renew, POST /time, POST /pay-code
"""
"""Machines and holders prove otherwise who they are; figures ask for a token of their own."""
MAY_CHANGE = {
    "ann cleo": """
        POST /cards, PUT /cards/{no}/holder, POST /cards/{no}/block, POST /cards/{no}/unblock, POST /cards/{no}/replace
        PUT /tokens/{uid}, DELETE /tokens/{uid}, PUT /phones/{no}, DELETE /phones/{no}, PUT /people/{person}
    """,
    "ann bob cleo": """
        POST /cards/{no}/loads, POST /cards/{no}/subsidies, POST /cards/{no}/close, POST /cards/{no}/payouts
        POST /ledger/movements
    """,
    "ann bob cleo tom": "POST /proposals/withdraw",
    "ann bob": """
        POST /ledger/corrections, POST /ledger/counts, POST /ledger/reversals
        POST /days/{day}/close, POST /days/{day}/reopen, POST /days/{day}/proof, PUT /days/{day}/documents/{kind}
        DELETE /days/{day}/documents/{kind}, POST /cases/{number}/close
        POST /terminals/{tid}/reinstate, POST /terminals/{tid}/accept-quarantined, POST /terminals/{tid}/declare-lost
        POST /terminals/{tid}/epochs/{epoch}/declare-lost, POST /holes/{tno}/{first}/book
    """,
    "ann bob tom": """
        PUT /terminals/{tid}, POST /terminals/{tid}/epochs, POST /terminals/{tid}/place
        POST /enrolments/{number}/approve
    """,
    "ann tom": """
        POST /grants, POST /terminals/{tid}/revoke, POST /terminals/{tid}/journal, POST /terminals/{tid}/claims
        POST /enrolments/{number}/refuse, POST /alarms/{number}/acknowledge
        PUT /sites/{site}/prices, PUT /sites/{site}/limits, PUT /sites/{site}/promotions, PUT /sites/{site}/staff
        PUT /sites/{site}/texts, PUT /sites/{site}/config
    """,
}
"""ann is admin, bob finance, cleo card office, eve a viewer, tom a technician, uma an auditor."""
MAY_LOOK = {
    "ann uma": """
        GET /trail, GET /tree-heads/{number}/row, GET /tree-heads/{number}/growth, GET /tree-heads/{number}/rows
    """,
}
"""Anything else that is only looked at, everybody of the house may see."""


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        yield desk


def table() -> dict[str, frozenset[str]]:
    """Call by call, who may."""
    named = {call: frozenset({NOBODY, *TOKENS}) for call in calls_in(OPEN)}
    for whom, calls in (MAY_CHANGE | MAY_LOOK).items():
        named |= {call: frozenset(whom.split()) for call in calls_in(calls)}
    return named


async def test_every_call_is_for_whom_it_is(desk: Desk) -> None:
    named, found = table(), dict[str, frozenset[str]]()
    for path, methods in (await desk.client.get("/openapi.json")).json()["paths"].items():
        for method in methods:
            call = f"{method.upper()} {path.removeprefix('/api/1')}"
            found[call] = frozenset([who for who in (NOBODY, *TOKENS) if await is_let_in(desk, method, path, who)])
    assert named.keys() <= found.keys(), "there is no such call any more"
    looked_at = {call: frozenset(TOKENS) for call in found if call.startswith("GET ")}
    assert found == {**looked_at, **named}


async def is_let_in(desk: Desk, method: str, path: str, who: str) -> bool:
    """Whether a request with nothing in it comes further than to the door."""
    url = re.sub(r"{\w+}", "9", path.replace("{tid}", "till-99"))
    headers = {"Authorization": f"Bearer {who}-token"} if who else {}
    answer = await desk.client.request(method, url, json={}, headers=headers)
    assert answer.status_code != 500, f"{method} {path}"
    return answer.status_code not in (401, 403)


def calls_in(text: str) -> list[str]:
    return [call.strip() for line in text.split("\n") for call in line.split(",") if call.strip()]
