"""Nobody unknown gets as far as having a body read: the token is looked at before anything else of a request."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from server.auth.rules import Operator
from server.auth.service import Operators
from server.problems import problem

BEHIND = "/api/"


class Door:
    """ASGI middleware before the API: `operator` of the scope is who asks; what they may do is asked further in."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(BEHIND):
            scope["operator"] = _asking(scope)
            if scope["operator"] is None:
                await _refuse(scope, receive, send)
                return
        await self._app(scope, receive, send)


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    text = "a valid bearer token is needed"
    refused = problem(401, "http_401", text, text)
    refused.headers["WWW-Authenticate"] = "Bearer"
    await refused(scope, receive, send)


def _asking(scope: Scope) -> Operator | None:
    operators: Operators = scope["app"].state.operators
    scheme, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
    return operators.of_token(token) if scheme.lower() == "bearer" else None
