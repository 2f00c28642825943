"""Every page and every form, asked for by every role and by nobody: who is not named here is turned away."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from pyotp.totp import TOTP

from server.accounts.service import Accounts
from server.trail.recorder import READING
from server.web.door import COOKIE, OPEN, PAGES
from server.web.page import csrf_of
from server.web.routers import ROUTERS
from tests.server.office import Desk, open_desk
from tests.web.house import OPERATORS

NOBODY = ""
EVERYBODY = frozenset(OPERATORS)
MAY_CHANGE = {
    "ann bob cleo eve tom uma": """
        POST /sign-out, POST /account/password, POST /account/sessions
    """,
    "ann bob cleo tom": """
        POST /proposals/confirm, POST /proposals/withdraw
    """,
    "ann tom": """
        GET /prices/{site}/product, POST /prices/{site}/product, POST /prices/{site}/remove
        POST /prices/{site}/start, POST /prices/{site}/drop
        POST /alarms/{number}/acknowledge, POST /terminals/{tid}/claims, POST /terminals/{tid}/revoke
        POST /terminals/{tid}/journal, POST /enrolments/{number}/refuse
    """,
    "ann bob tom": """
        POST /terminals, POST /terminals/{tid}/particulars, POST /terminals/{tid}/spare
        POST /enrolments/{number}/approve
    """,
    "ann cleo": """
        POST /cards, POST /cards/{no}/block, POST /cards/{no}/unblock, POST /cards/{no}/replace
        POST /cards/{no}/holder, POST /cards/{no}/uid, POST /cards/{no}/uid/{uid}/unbind
        POST /cards/{no}/phone, POST /cards/{no}/phone/unbind, POST /people, POST /people/{person}
    """,
    "ann bob cleo": """
        POST /cards/{no}/loads, POST /cards/{no}/subsidies, POST /cards/{no}/close, POST /cards/{no}/payouts
    """,
    "ann bob": """
        POST /cases/{number}/close, POST /cases/{number}/correction, POST /cases/{number}/movement
        POST /days/{day}/proof, POST /days/{day}/close, POST /days/{day}/reopen
        POST /days/{day}/documents, POST /days/{day}/documents/withdraw
        POST /terminals/{tid}/reinstate, POST /terminals/{tid}/accept-quarantined, POST /terminals/{tid}/declare-lost
        POST /terminals/{tid}/epochs/{epoch}/declare-lost, POST /holes/{tno}/{first}/book
        POST /shifts/{tid}/{tno}/{number}/count
    """,
}
"""ann is admin, bob finance, cleo card office, eve a viewer, tom a technician, uma an auditor."""
MAY_LOOK = {
    "ann uma": """
        GET /trail, GET /trail/heads, GET /trail/heads/{number}.jws, GET /entries/{tno}/{branch}/{seq}/row.json
    """,
}
"""Anything else that is only looked at, everybody of the house may see."""
ENDS_SESSIONS = ("POST /account/sessions", "POST /sign-out")
HALF_WAY = {"GET /code", "POST /code", "GET /set-up", "POST /set-up"}
"""For whoever has shown a password and nothing else; whoever is signed in whole gets nothing from them."""


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        yield desk


def calls() -> list[str]:
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    names = [route.name for route in routes]
    assert len(names) == len(set(names)) and all(len(name) <= 40 for name in names), "the trail tells them apart"
    return [f"{method} {route.path}" for route in routes for method in sorted(route.methods or ())]


async def test_every_page_is_for_whom_it_is(desk: Desk) -> None:
    cookies = await _cookies(desk)
    named = {call: frozenset(who.split()) for who, text in (MAY_CHANGE | MAY_LOOK).items() for call in _calls(text)}
    found: dict[str, frozenset[str]] = {}
    for call in sorted(calls(), key=lambda call: call in ENDS_SESSIONS):
        if call in HALF_WAY or PAGES + call.partition(" ")[2] in OPEN:
            continue
        assert not await _is_let_in(desk, call, ""), f"{call} is open to strangers"
        found[call] = frozenset([who for who in OPERATORS if await _is_let_in(desk, call, cookies[who])])
        if call in ENDS_SESSIONS:
            cookies = await _cookies(desk)
    assert named.keys() <= found.keys(), "there is no such page any more"
    looked_at = {call: EVERYBODY for call in found if call.startswith("GET ")}
    assert found == {**looked_at, **named}


async def test_no_form_counts_without_its_session_s_token(desk: Desk) -> None:
    cookies = await _cookies(desk)
    for call in calls():
        method, path = call.split(" ")
        if method in READING or call in HALF_WAY or PAGES + path in OPEN:
            continue
        answer = await _ask(desk, method, path, cookies["ann"], {"csrf": "0" * 64})
        assert (answer[0], "not of your present session" in answer[1]) == (403, True), call


async def _cookies(desk: Desk) -> dict[str, str]:
    """A whole session for each role, of an account made for it."""
    desk.clock.pass_ms(1)
    accounts: Accounts = desk.house.app.state.accounts
    made: dict[str, str] = {}
    for name, role in OPERATORS.items():
        handed = await accounts.add(f"{name}-{desk.clock()}", [role], ready=True)
        half = await accounts.sign_in(handed.name, handed.password, "127.0.0.1")
        made[name] = await accounts.confirm(half, _code(desk, handed.otp))
    return made


def _code(desk: Desk, otp: str) -> str:
    return TOTP(otp).at(desk.clock() // 1_000)


async def _is_let_in(desk: Desk, call: str, token: str) -> bool:
    """Whether a request with nothing in it comes further than to the door."""
    method, path = call.split(" ")
    session = await desk.house.app.state.accounts.session_of(token) if token else None
    status, text = await _ask(desk, method, path, token, {"csrf": csrf_of(session)} if session else {})
    assert status != 500, f"{call}: {text}"
    if not token:
        return status != 303
    return status != 403 or "role does not allow" not in text


async def _ask(desk: Desk, method: str, path: str, token: str, form: dict[str, str]) -> tuple[int, str]:
    desk.client.cookies.clear()
    url = PAGES + re.sub(r"{\w+(:\w+)?}", "9", path.replace("{tid}", "till-99"))
    headers = {"Origin": "http://server", "HX-Request": "", "Cookie": f"{COOKIE}={token}"}
    data = None if method in READING else form
    answer = await desk.client.request(method, url, data=data, headers=headers)
    return answer.status_code, answer.text


def _calls(text: str) -> list[str]:
    return [call.strip() for line in text.split("\n") for call in line.split(",") if call.strip()]
