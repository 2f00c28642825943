"""What somebody tries who has an old password, an old page, or nothing but patience."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pyotp.totp import TOTP
from sqlalchemy import select, text

from server.accounts import rules
from server.accounts.rules import Session, Stage
from server.accounts.tables import account, session
from server.auth.rules import Operator, Role
from server.errors import Conflict, Forbidden, ServerError
from server.web.door import COOKIE, HEADERS
from tests.server.desk import rows_of
from tests.server.office import Desk, open_desk
from tests.server.test_accounts import WRONG, accounts_of, code, csrf, half_way, post, signed_in

OWN = "correct horse battery"
HERE = "127.0.0.1"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        yield desk


async def _counted(desk: Desk) -> None:
    """Until a try is counted and its password is being looked at."""
    while await rows_of(desk.house.database, select(account.c.failures)) == [(0,)]:  # noqa: ASYNC110
        await asyncio.sleep(0.001)


async def test_a_password_that_is_taken_away_while_it_is_looked_at_opens_nothing(desk: Desk) -> None:
    accounts = accounts_of(desk)
    handed = await accounts.add("ann", [Role.ADMIN], ready=True)
    _, tried = await asyncio.gather(
        accounts.reset("ann"), accounts.sign_in("ann", handed.password, HERE), return_exceptions=True
    )
    assert not isinstance(tried, str) or await accounts.session_of(tried) is None


async def test_of_two_who_hold_what_was_handed_out_one_gets_the_account(desk: Desk) -> None:
    accounts = accounts_of(desk)
    handed = await accounts.add("ann", [Role.ADMIN])
    halves = [await accounts.sign_in("ann", handed.password, HERE) for _ in range(3)]
    secrets = [await accounts.otp_to_show(half) for half in halves]
    assert len(set(secrets)) == 3, "nobody is shown what somebody else was"

    async def set_up(at: int) -> str | None:
        now = TOTP(secrets[at]).at(desk.clock() // 1_000)
        try:
            return await accounts.set_up(halves[at], f"{OWN} {at}", f"{OWN} {at}", now)
        except Forbidden:
            return None

    whole = [token for token in await asyncio.gather(set_up(0), set_up(1)) if token is not None]
    assert len(whole) == 1
    assert await accounts.session_of(whole[0]) is not None
    assert [await accounts.session_of(half) for half in halves] == [None] * 3, "whoever was half way begins anew"


async def test_a_session_that_ends_meanwhile_changes_no_password(desk: Desk) -> None:
    handed = await signed_in(desk)
    accounts, token = accounts_of(desk), desk.client.cookies[COOKIE]
    own = Session(token, Operator("ann", (Role.ADMIN,)), Stage.FULL, is_new=False)
    changing = asyncio.create_task(accounts.change_password(own, handed.password, OWN, OWN))
    await _counted(desk)
    await accounts.switch("ann", is_on=False)
    await accounts.switch("ann", is_on=True)
    with pytest.raises(Forbidden):
        await changing
    assert await accounts.sign_in("ann", handed.password, HERE)


async def test_an_unknown_name_is_locked_as_a_known_one_is(desk: Desk) -> None:
    await accounts_of(desk).add("ann", [Role.ADMIN], ready=True)

    async def tries(name: str) -> list[tuple[int, str]]:
        made: list[tuple[int, str]] = []
        for _ in range(rules.FAILURES_FREE + 3):
            answer = await post(desk, "/sign-in", {"name": name, "password": WRONG})
            made.append((answer.status_code, answer.text))
        desk.clock.pass_ms(rules.wait_ms(rules.FAILURES_FREE + 1))
        answer = await post(desk, "/sign-in", {"name": name, "password": WRONG})
        return [*made, (answer.status_code, answer.text)]

    assert await tries("ann") == await tries("nobody-at-all")


async def test_a_wrong_present_password_is_no_change_in_the_trail(desk: Desk) -> None:
    handed = await signed_in(desk)
    form = {"password": OWN, "again": OWN, "csrf": await csrf(desk, "/account")}
    await post(desk, "/account/password", {**form, "present": WRONG})
    await post(desk, "/account/password", {**form, "present": handed.password})
    rows = await rows_of(desk.house.database, text("SELECT action, outcome FROM trail ORDER BY number"))
    assert rows[1:] == [("change_password", "refused"), ("change_password", "done")]


async def test_whoever_is_half_way_can_leave(desk: Desk) -> None:
    handed = await accounts_of(desk).add("ann", [Role.ADMIN], ready=True)
    await half_way(desk, handed)
    assert (await post(desk, "/sign-out", {"csrf": "0" * 64})).status_code == 403
    answer = await post(desk, "/sign-out", {"csrf": await csrf(desk, "/code")})
    assert answer.headers["location"] == "/desk/sign-in"
    assert await rows_of(desk.house.database, select(session.c.token)) == []


async def test_no_account_differs_from_another_in_capital_letters(desk: Desk) -> None:
    accounts = accounts_of(desk)
    await accounts.add("ann", [Role.ADMIN])
    with pytest.raises(Conflict, match="there is an account ann"):
        await accounts.add("Ann", [Role.FINANCE])


@pytest.mark.parametrize("origin", ["http://[", "http://[server", "server", "http://server:99999999/"])
async def test_an_origin_that_is_none_is_refused(desk: Desk, origin: str) -> None:
    await signed_in(desk)
    form = {"csrf": await csrf(desk, "/account")}
    assert (await post(desk, "/account/sessions", form, Origin=origin)).status_code == 403


async def test_whatever_is_answered_browsers_are_told_what_pages_may_do(desk: Desk) -> None:
    strangers = [await desk.client.get("/desk/overview"), await desk.client.get("/desk/static/nothing.js")]
    await signed_in(desk)
    found = [
        await desk.client.get("/desk/nothing"),
        await desk.client.post("/desk/sign-out"),
        await post(desk, "/look", {"back": "x" * 20_000}),
        await desk.client.put("/desk/overview", headers={"Origin": "http://server"}),
    ]
    desk.house.app.state.overview = None  # a mistake of ours
    found.append(await desk.client.get("/desk/overview"))
    assert [answer.status_code for answer in (*strangers, *found)] == [303, 404, 404, 403, 413, 405, 500]
    for answer in (*strangers, *found):
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS, answer.status_code
        assert answer.headers["cache-control"] == "no-store"


async def test_a_number_that_no_database_has_is_none_of_an_alarm(desk: Desk) -> None:
    await signed_in(desk)
    form = {"csrf": await csrf(desk, "/account"), "answer": "seen"}
    assert (await post(desk, f"/alarms/{2**64}/acknowledge", form)).status_code == 422


async def test_codes_that_another_key_sealed_are_said_to_be_so(desk: Desk) -> None:
    handed = await accounts_of(desk).add("ann", [Role.ADMIN], ready=True)
    half = await accounts_of(desk).sign_in("ann", handed.password, HERE)
    await accounts_of(desk).add("bob", [Role.ADMIN], ready=True)
    async with desk.house.database.writing() as connection:
        await connection.execute(
            text("UPDATE account SET otp = (SELECT otp FROM account WHERE name = 'bob') WHERE name = 'ann'")
        )
    with pytest.raises(ServerError, match="accounts reset ann"):
        await accounts_of(desk).confirm(half, code(desk, handed))


async def test_one_person_under_two_spellings_is_not_two_people(desk: Desk) -> None:
    together, database = desk.house.app.state.two_people, desk.house.database

    async def said_by(name: str) -> bool:
        who = Operator(name, (Role.ADMIN,))
        asked = database.transact(lambda connection: together.agree_in(connection, who, "book-hole", "1.1", {}))
        return await asked is not None

    assert [await said_by(name) for name in ("ann", "Ann", "ANN", "bob")] == [False, False, False, True]
