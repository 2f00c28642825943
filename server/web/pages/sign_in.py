"""Signing in: a name and a password, then a code from a phone; the first time a password of one's own."""

from typing import Annotated

import segno
from fastapi import APIRouter, Form, Request
from markupsafe import Markup
from pydantic import Field
from pyotp.totp import TOTP
from starlette.responses import HTMLResponse, RedirectResponse, Response

from server.accounts.rules import PASSWORD_LETTERS_MAX, WHOLE_MS
from server.accounts.service import Accounts
from server.web.door import CODE, COOKIE, HOME, PAGES
from server.web.language import Language
from server.web.page import LANGUAGE_COOKIE, LOOK_COOKIE, LOOKS, AnyPage, Fields

router = APIRouter()

_ISSUER = "Fanka"
_YEAR_S = 365 * 86_400
Password = Annotated[str, Field(min_length=1, max_length=PASSWORD_LETTERS_MAX)]
Code = Annotated[str, Field(pattern=r"^[0-9]{6}$")]


class SignInFields(Fields):
    """Name and password."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,32}$")]
    password: Password


class CodeFields(Fields):
    """What the phone shows."""

    code: Code


class SetUpFields(Fields):
    """A password of one's own, twice, and the first code."""

    password: Password
    again: Password
    code: Code


class LookFields(Fields):
    """How pages look in this browser."""

    language: Language
    look: Annotated[str, Field(pattern=f"^({'|'.join(LOOKS)})$")]
    back: str = HOME


def _accounts(page: AnyPage) -> Accounts:
    found: Accounts = page.house.accounts
    return found


def _address(request: Request) -> str:
    return request.client.host if request.client is not None else ""


def _with(request: Request, token: str, to: str) -> Response:
    response = RedirectResponse(to, 303)
    response.set_cookie(
        COOKIE,
        token,
        max_age=WHOLE_MS // 1_000,
        path=PAGES,
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return response


@router.get("/sign-in")
async def show_sign_in(page: AnyPage) -> HTMLResponse:
    """The form for name and password."""
    return page.show("sign_in/name.html")


@router.post("/sign-in")
async def sign_in(page: AnyPage, form: Annotated[SignInFields, Form()]) -> Response:
    """Look at name and password."""
    token = await _accounts(page).sign_in(form.name, form.password, _address(page.request))
    return _with(page.request, token, CODE)


@router.get("/code")
async def show_code(page: AnyPage) -> HTMLResponse:
    """The form for the code."""
    return page.show("sign_in/code.html")


@router.post("/code")
async def confirm_code(page: AnyPage, form: Annotated[CodeFields, Form()]) -> Response:
    """Look at the code."""
    assert page.session is not None
    token = await _accounts(page).confirm(page.session.token, form.code)
    return _with(page.request, token, HOME)


@router.get("/set-up")
async def show_set_up(page: AnyPage) -> HTMLResponse:
    """A QR code for the phone, and a form for the password."""
    assert page.session is not None
    secret = await _accounts(page).otp_to_show(page.session.token)
    uri = TOTP(secret).provisioning_uri(name=page.operator.name, issuer_name=_ISSUER)
    drawn: str = segno.make_qr(uri, error="m").svg_inline(scale=4, border=4, light="#fff", dark="#000")
    return page.show("sign_in/set_up.html", {"secret": secret, "qr": Markup(drawn)})  # noqa: S704  drawn by us


@router.post("/set-up")
async def set_up(page: AnyPage, form: Annotated[SetUpFields, Form()]) -> Response:
    """Take the password and the phone."""
    assert page.session is not None
    token = await _accounts(page).set_up(page.session.token, form.password, form.again, form.code)
    return _with(page.request, token, HOME)


@router.post("/sign-out")
async def sign_out(page: AnyPage) -> Response:
    """End this session."""
    assert page.session is not None
    await _accounts(page).sign_out(page.session.token)
    response = RedirectResponse(f"{PAGES}/sign-in", 303)
    response.delete_cookie(COOKIE, PAGES)
    return response


@router.post("/look")
async def choose_look(form: Annotated[LookFields, Form()]) -> Response:
    """Keep language and colours in this browser."""
    to = form.back if form.back.startswith(f"{PAGES}/") else HOME
    response = RedirectResponse(to, 303)
    for name, value in ((LANGUAGE_COOKIE, form.language), (LOOK_COOKIE, form.look)):
        response.set_cookie(name, value, max_age=_YEAR_S, path=PAGES, httponly=False, samesite="strict")
    return response
