"""Who is asking for a page: the cookie of a request becomes a session, or leads to the sign-in; and what keeps browsers
from being led astray.

Everything that changes something must come from one of our own pages twice over: by its `Origin`, which a browser sets
and no page can, and by a token that only pages of this session hold (`server/web/page.py`).
"""

from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.accounts.rules import Session, Stage
from server.accounts.service import Accounts
from server.problems import problem

PAGES = "/desk"
HOME, STATIC = f"{PAGES}/overview", f"{PAGES}/static/"
SIGN_IN, CODE, SET_UP, SIGN_OUT = f"{PAGES}/sign-in", f"{PAGES}/code", f"{PAGES}/set-up", f"{PAGES}/sign-out"
COOKIE = "fanka_session"
OPEN = frozenset({SIGN_IN, f"{PAGES}/look"})
"""For whoever comes; a form there may be older than the session."""
READING = frozenset({"GET", "HEAD"})

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


class PageDoor:
    """ASGI middleware around the pages: `session` and `operator` of the scope are who asks."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = str(scope["path"])

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                protect(MutableHeaders(scope=message))
            await send(message)

        if path.startswith(STATIC):
            await self._app(scope, receive, answer)
            return
        request = Request(scope)
        if scope["method"] not in READING and not _is_from_here(request):
            await problem(403, "foreign_origin", "Not allowed", "ask from a page of this server")(
                scope, receive, answer
            )
            return
        session = await _session(request)
        scope["session"] = session
        is_in = session is not None and session.stage is Stage.FULL and path not in OPEN
        scope["operator"] = session.operator if session is not None and is_in else None
        if (elsewhere := _elsewhere(path, session)) and path not in OPEN:
            response = RedirectResponse(elsewhere, 303)
            if request.headers.get("HX-Request"):  # a fragment of an old page: the whole page goes there
                response.status_code = 204
                response.headers["HX-Redirect"] = elsewhere
            await response(scope, receive, answer)
            return
        await self._app(scope, receive, answer)


def protect(headers: MutableHeaders) -> None:
    """What every answer tells a browser."""
    for name, value in HEADERS.items():
        headers.setdefault(name, value)
    headers.setdefault("Cache-Control", "no-store")


def _is_from_here(request: Request) -> bool:
    """By what the browser itself says: Fetch Metadata where it has it, the origin in any case."""
    if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return False
    try:
        origin = urlsplit(request.headers.get("origin", "")).netloc
    except ValueError:
        return False
    return origin == request.headers.get("host", "") != ""


async def _session(request: Request) -> Session | None:
    accounts: Accounts = request.app.state.accounts
    token = request.cookies.get(COOKIE, "")
    return await accounts.session_of(token) if token else None


def _elsewhere(path: str, session: Session | None) -> str:
    """Where somebody has to go first; empty: nowhere."""
    if session is None:
        return SIGN_IN
    if session.stage is Stage.FULL:
        return ""
    due = SET_UP if session.is_new else CODE
    return "" if path in (due, SIGN_OUT) else due
