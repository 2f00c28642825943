"""Accounts: passwords, one-time codes, sessions, and what keeps pages from being used by somebody else's."""

import asyncio
import re
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pyotp.totp import TOTP
from sqlalchemy import select, text

from protocol.instants import HOUR_MS, MINUTE_MS
from server.accounts import rules
from server.accounts.secrets import OTP_KEY, OtpSecrets
from server.accounts.service import Accounts, Handed
from server.accounts.tables import account, session
from server.attempts import PER_MINUTE_MAX, Asked
from server.auth.rules import Role
from server.keys import KeysUnusable
from server.web.door import COOKIE, HEADERS
from tests.server.desk import rows_of
from tests.server.office import Desk, open_desk

FORM = {"Origin": "http://server", "HX-Request": "true"}
WRONG = "not-the-right-one"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        yield desk


def accounts_of(desk: Desk) -> Accounts:
    found: Accounts = desk.house.app.state.accounts
    return found


def code(desk: Desk, handed: Handed) -> str:
    return TOTP(handed.otp).at(desk.clock() // 1_000)


async def post(desk: Desk, path: str, form: dict[str, str], **headers: str) -> httpx.Response:
    return await desk.client.post(f"/desk{path}", data=form, headers={**FORM, **headers})


async def half_way(desk: Desk, handed: Handed) -> httpx.Response:
    return await post(desk, "/sign-in", {"name": handed.name, "password": handed.password})


async def csrf(desk: Desk, path: str) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', (await desk.client.get(f"/desk{path}")).text)
    assert found is not None
    return found[1]


async def signed_in(desk: Desk, name: str = "ann", role: Role = Role.ADMIN) -> Handed:
    """Somebody new, whose cookie the client keeps."""
    handed = await accounts_of(desk).add(name, [role], ready=True)
    await half_way(desk, handed)
    answer = await post(desk, "/code", {"code": code(desk, handed), "csrf": await csrf(desk, "/code")})
    assert (answer.status_code, answer.headers["location"]) == (303, "/desk/overview"), answer.text
    desk.clock.pass_ms(30_000)
    return handed


async def test_a_page_is_shown_to_whoever_is_signed_in_and_says_nothing_to_others(desk: Desk) -> None:
    for path in ("/", "/overview", "/account", "/code", "/set-up", "/nothing"):
        answer = await desk.client.get(f"/desk{path}")
        assert (answer.status_code, answer.headers["location"], answer.text) == (303, "/desk/sign-in", "")
    await signed_in(desk)
    answer = await desk.client.get("/desk/overview")
    assert answer.status_code == 200 and "Overview" in answer.text
    for name, value in HEADERS.items():
        assert answer.headers[name] == value
    assert answer.headers["cache-control"] == "no-store"
    assert "unsafe" not in HEADERS["Content-Security-Policy"]


async def test_a_cookie_is_for_this_browser_and_these_pages_only(desk: Desk) -> None:
    handed = await accounts_of(desk).add("ann", [Role.ADMIN], ready=True)
    told = (await half_way(desk, handed)).headers["set-cookie"]
    assert {"HttpOnly", "Path=/desk", "SameSite=strict"} <= {part.strip() for part in told.split(";")}
    assert "Secure" not in told
    over_tls = await desk.client.post(
        "https://server/desk/sign-in",
        data={"name": "ann", "password": handed.password},
        headers={"Origin": "https://server"},
    )
    assert "Secure" in over_tls.headers["set-cookie"]
    token = told.partition("=")[2].partition(";")[0]
    stored = await rows_of(desk.house.database, select(session.c.token))
    assert token not in str(stored), "the database knows only its hash"


async def test_a_password_alone_opens_nothing(desk: Desk) -> None:
    handed = await accounts_of(desk).add("ann", [Role.ADMIN], ready=True)
    first = await half_way(desk, handed)
    assert first.headers["location"] == "/desk/code"
    for path in ("/overview", "/account", "/set-up"):
        assert (await desk.client.get(f"/desk{path}")).headers["location"] == "/desk/code"
    assert (await post(desk, "/account/sessions", {"csrf": "0" * 64})).headers.get("hx-redirect") == "/desk/code"
    desk.clock.pass_ms(rules.HALF_MS)
    assert (await desk.client.get("/desk/code")).headers["location"] == "/desk/sign-in", "for five minutes at most"


async def test_a_session_s_token_changes_with_what_it_is_good_for(desk: Desk) -> None:
    await signed_in(desk)
    whole = desk.client.cookies[COOKIE]
    assert len(await rows_of(desk.house.database, select(session.c.token))) == 1, "the half one is gone"
    desk.client.cookies.clear()
    desk.client.cookies.set(COOKIE, whole[:-1] + ("A" if whole[-1] != "A" else "B"), domain="server", path="/desk")
    assert (await desk.client.get("/desk/overview")).status_code == 303


async def test_a_code_counts_once_and_for_a_minute_and_a_half(desk: Desk) -> None:
    handed = await accounts_of(desk).add("ann", [Role.ADMIN], ready=True)
    now = code(desk, handed)
    for given, expected in (("000000", 403), (now, 303), (now, 403)):
        await half_way(desk, handed)
        answer = await post(desk, "/code", {"code": given, "csrf": await csrf(desk, "/code")})
        assert answer.status_code == expected, given
    for ahead, expected in ((60_000, 403), (30_000, 303)):
        later = TOTP(handed.otp).at((desk.clock() + ahead) // 1_000)
        await half_way(desk, handed)
        answer = await post(desk, "/code", {"code": later, "csrf": await csrf(desk, "/code")})
        assert answer.status_code == expected, f"{ahead} ms ahead"


@pytest.mark.parametrize("name", ["ann", "nobody-at-all", "off"])
async def test_whatever_is_wrong_the_answer_is_the_same(desk: Desk, name: str) -> None:
    off = await accounts_of(desk).add("off", [Role.ADMIN], ready=True)
    await accounts_of(desk).add("ann", [Role.ADMIN], ready=True)
    await accounts_of(desk).switch("off", is_on=False)
    answer = await post(desk, "/sign-in", {"name": name, "password": off.password if name == "off" else WRONG})
    assert answer.status_code == 403 and "Name, password or code are not right" in answer.text
    assert COOKIE not in answer.headers.get("set-cookie", "")


async def test_an_account_waits_longer_and_longer_after_wrong_passwords(desk: Desk) -> None:
    handed = await accounts_of(desk).add("ann", [Role.ADMIN], ready=True)
    for _ in range(rules.FAILURES_FREE + 1):
        assert (await post(desk, "/sign-in", {"name": "ann", "password": WRONG})).status_code == 403
    locked = await half_way(desk, handed)
    assert locked.status_code == 429 and "Too many wrong passwords" in locked.text, "the right one does not help now"
    desk.clock.pass_ms(MINUTE_MS)
    assert (await post(desk, "/sign-in", {"name": "ann", "password": WRONG})).status_code == 403
    desk.clock.pass_ms(MINUTE_MS)
    assert (await half_way(desk, handed)).status_code == 429, "two minutes the second time"
    desk.clock.pass_ms(MINUTE_MS)
    await half_way(desk, handed)
    answer = await post(desk, "/code", {"code": code(desk, handed), "csrf": await csrf(desk, "/code")})
    assert answer.status_code == 303
    assert await rows_of(desk.house.database, select(account.c.failures, account.c.locked_until)) == [(0, 0)]


async def test_guesses_of_codes_count_as_well(desk: Desk) -> None:
    handed = await accounts_of(desk).add("ann", [Role.ADMIN], ready=True)
    await half_way(desk, handed)
    token = await csrf(desk, "/code")
    guesses = [{"code": f"{guess:06}", "csrf": token} for guess in range(rules.FAILURES_FREE + 2)]
    statuses = [(await post(desk, "/code", guess)).status_code for guess in guesses]
    assert statuses == [403] * (rules.FAILURES_FREE + 1) + [429], "a right password is no wrong try"


async def test_guesses_at_the_same_moment_are_counted_one_by_one(desk: Desk) -> None:
    await accounts_of(desk).add("ann", [Role.ADMIN], ready=True)
    wrong = {"name": "ann", "password": WRONG}
    answers = await asyncio.gather(*(post(desk, "/sign-in", wrong) for _ in range(12)))
    assert sum(answer.status_code == 403 for answer in answers) == rules.FAILURES_FREE + 1


async def test_one_address_guesses_at_few_names(desk: Desk) -> None:
    async def guess(number: int) -> int:
        return (await post(desk, "/sign-in", {"name": f"name-{number}", "password": WRONG})).status_code

    most = PER_MINUTE_MAX[Asked.SIGN_IN]
    statuses = [await guess(number) for number in range(most + 1)]
    assert statuses == [403] * most + [429]


async def test_sessions_end_by_themselves(desk: Desk) -> None:
    await signed_in(desk)
    for _ in range(3):
        desk.clock.pass_ms(rules.IDLE_MS - MINUTE_MS)
        assert (await desk.client.get("/desk/overview")).status_code == 200, "who works stays"
    desk.clock.pass_ms(rules.IDLE_MS)
    assert (await desk.client.get("/desk/overview")).headers["location"] == "/desk/sign-in"


async def test_no_session_lasts_longer_than_a_long_day(desk: Desk) -> None:
    await signed_in(desk)
    for _ in range(12 * 4 - 1):
        desk.clock.pass_ms(HOUR_MS // 4)
        assert (await desk.client.get("/desk/overview")).status_code == 200
    desk.clock.pass_ms(HOUR_MS // 4)
    assert (await desk.client.get("/desk/overview")).status_code == 303


async def test_who_signs_out_is_out(desk: Desk) -> None:
    await signed_in(desk)
    kept = desk.client.cookies[COOKIE]
    form = {"csrf": await csrf(desk, "/overview")}
    assert (await post(desk, "/sign-out", form)).headers["location"] == "/desk/sign-in"
    desk.client.cookies.set(COOKIE, kept, domain="server", path="/desk")
    assert (await desk.client.get("/desk/overview")).status_code == 303, "whoever kept the cookie has nothing"


@pytest.mark.parametrize("act", ["reset", "off", "roles"])
async def test_what_is_taken_from_an_account_is_taken_now(desk: Desk, act: str) -> None:
    await signed_in(desk)
    accounts = accounts_of(desk)
    match act:
        case "reset":
            await accounts.reset("ann")
        case "off":
            await accounts.switch("ann", is_on=False)
        case _:
            await accounts.set_roles("ann", [Role.VIEWER])
    assert (await desk.client.get("/desk/overview")).status_code == 303


async def test_a_new_password_ends_every_other_session(desk: Desk) -> None:
    handed = await signed_in(desk)
    elsewhere = desk.client.cookies[COOKIE]
    desk.client.cookies.clear()
    await half_way(desk, handed)
    await post(desk, "/code", {"code": code(desk, handed), "csrf": await csrf(desk, "/code")})
    form = {"password": "four words of mine", "again": "four words of mine", "csrf": await csrf(desk, "/account")}
    assert (await post(desk, "/account/password", {**form, "present": WRONG})).status_code == 403
    assert (await post(desk, "/account/password", {**form, "present": handed.password})).status_code == 303
    assert (await desk.client.get("/desk/overview")).status_code == 200
    desk.client.cookies.clear()
    desk.client.cookies.set(COOKIE, elsewhere, domain="server", path="/desk")
    assert (await desk.client.get("/desk/overview")).status_code == 303


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 303),
        ({"Origin": "http://evil"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Origin": "http://server.evil"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 303),
    ],
)
async def test_only_our_own_pages_may_change_something(desk: Desk, headers: dict[str, str], status: int) -> None:
    await signed_in(desk)
    form = {"csrf": await csrf(desk, "/account")}
    assert (await post(desk, "/account/sessions", form, **headers)).status_code == status


@pytest.mark.parametrize("shown", ["", "0" * 64, "ünsinn"])
async def test_a_form_of_another_session_changes_nothing(desk: Desk, shown: str) -> None:
    await signed_in(desk)
    answer = await post(desk, "/account/sessions", {"csrf": shown})
    assert answer.status_code == 403 and "not of your present session" in answer.text
    assert (await desk.client.get("/desk/overview")).status_code == 200


async def test_an_api_token_opens_no_page_and_a_session_no_call(desk: Desk) -> None:
    await signed_in(desk)
    assert (await desk.client.get("/api/1/terminals")).status_code == 401
    desk.client.cookies.clear()
    answer = await desk.client.get("/desk/overview", headers={"Authorization": "Bearer ann-token"})
    assert answer.status_code == 303


async def test_the_trail_names_who_signed_in_and_holds_no_secret(desk: Desk) -> None:
    handed = await signed_in(desk)
    await half_way(desk, handed)
    await post(desk, "/code", {"code": "000000", "csrf": await csrf(desk, "/code")})
    rows = await rows_of(desk.house.database, text("SELECT operator, action, subject, outcome FROM trail"))
    assert rows == [("ann", "sign_in", "accounts/ann", "done"), ("ann", "sign_in", "accounts/ann", "refused")]


async def test_what_lies_in_the_database_opens_nothing_by_itself(desk: Desk, tmp_path: Path) -> None:
    handed = await accounts_of(desk).add("ann", [Role.ADMIN], ready=True)
    ((password, otp),) = await rows_of(desk.house.database, select(account.c.password, account.c.otp))
    assert password.startswith("$argon2id$") and handed.password not in password
    assert handed.otp not in otp
    own = OtpSecrets(tmp_path / "keys" / OTP_KEY)
    assert own.open(otp, "ann") == handed.otp
    assert stat.S_IMODE((tmp_path / "keys" / OTP_KEY).stat().st_mode) == 0o600
    for secrets, name in ((own, "bob"), (OtpSecrets(tmp_path / "other.key"), "ann")):
        with pytest.raises(KeysUnusable, match="not the key of this database"):
            secrets.open(otp, name)


async def test_who_comes_the_first_time_chooses_before_anything_else(desk: Desk) -> None:
    handed = await accounts_of(desk).add("ann", [Role.ADMIN])
    await half_way(desk, handed)
    page = (await desk.client.get("/desk/set-up")).text
    secret = re.search(r'class="secret">([A-Z2-7]{32})<', page)
    assert secret is not None and secret[1] in (await desk.client.get("/desk/set-up")).text, (
        "the same when looked at again"
    )
    chosen = {
        "password": "correct horse battery",
        "again": "correct horse battery",
        "csrf": await csrf(desk, "/set-up"),
    }
    for form, status in (
        ({**chosen, "code": "000000"}, 403),
        ({**chosen, "again": "another one entirely"}, 422),
        ({**chosen, "password": "short", "again": "short"}, 422),
        ({**chosen, "password": "aaaaaaaaaaaa", "again": "aaaaaaaaaaaa"}, 422),
        ({**chosen, "password": "xx-ann-ann-xx-1", "again": "xx-ann-ann-xx-1"}, 422),
        (chosen, 303),
    ):
        form = {"code": TOTP(secret[1]).at(desk.clock() // 1_000), **form}
        assert (await post(desk, "/set-up", form)).status_code == status
    assert (await desk.client.get("/desk/overview")).status_code == 200
    desk.client.cookies.clear()
    assert (await half_way(desk, handed)).status_code == 403, "what was handed over is worth nothing any more"


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/sign-in", {"name": "ann", "password": "x" * 129}),
        ("/sign-in", {"name": "ann; DROP TABLE account", "password": "x"}),
        ("/sign-in", {"name": "ann"}),
        ("/sign-in", {"name": "ann", "password": "x", "role": "admin"}),
        ("/look", {"language": "tlh", "look": "dark"}),
    ],
)
async def test_a_form_is_read_strictly(desk: Desk, path: str, form: dict[str, str]) -> None:
    answer = await post(desk, path, form)
    assert answer.status_code == 422 and "Not done" in answer.text


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example", "/desk", "\\evil"])
async def test_a_choice_of_colours_leads_nowhere_else(desk: Desk, back: str) -> None:
    answer = await post(desk, "/look", {"language": "zh-Hans", "look": "dark", "back": back})
    assert answer.headers["location"] == "/desk/overview"
    cookies: Any = answer.headers.get_list("set-cookie")
    assert len(cookies) == 2


def test_waiting_grows_and_ends_at_a_quarter_of_an_hour() -> None:
    waits = [rules.wait_ms(failures) // MINUTE_MS for failures in range(14)]
    assert waits == [0, 0, 0, 0, 0, 1, 2, 4, 8, 15, 15, 15, 15, 15]
    assert rules.wait_ms(10**9) == 15 * MINUTE_MS
