"""One's own account: the password, and the sessions elsewhere."""

from typing import Annotated

from fastapi import APIRouter, Form
from starlette.responses import HTMLResponse, Response

from server.accounts.service import Accounts
from server.web.page import AnyPage, Fields
from server.web.pages.sign_in import Password

router = APIRouter()


class PasswordFields(Fields):
    """The present password, and a new one twice."""

    present: Password
    password: Password
    again: Password


@router.get("/account")
async def show_account(page: AnyPage) -> HTMLResponse:
    """Who is signed in, and what may be changed."""
    return page.show("account/account.html")


@router.post("/account/password")
async def change_password(page: AnyPage, form: Annotated[PasswordFields, Form()]) -> Response:
    """A new password."""
    accounts: Accounts = page.house.accounts
    assert page.session is not None
    await accounts.change_password(page.session, form.present, form.password, form.again)
    return page.done("password", "/account")


@router.post("/account/sessions")
async def end_sessions(page: AnyPage) -> Response:
    """Sign out everywhere, here too."""
    accounts: Accounts = page.house.accounts
    assert page.session is not None
    await accounts.sign_out_everywhere(page.session)
    return page.done("signed_out", "/sign-in")
