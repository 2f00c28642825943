"""The pages as an application inside the server's: their door, their routes, their way to say a problem."""

import logging
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.staticfiles import StaticFiles
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.datastructures import State
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.types import Scope

from server.errors import ServerError
from server.problems import RETRY_AFTER_S
from server.web.door import PAGES, STATIC, PageDoor, protect
from server.web.page import page_of, require_own_form
from server.web.routers import ROUTERS
from server.words import faults_in_words

log = logging.getLogger(__name__)

_STATIC: Final = Path(__file__).parent / "static"
_FILES: Final = ("app.css", "app.js", "look.js")
_FOREVER: Final = "public, max-age=31536000, immutable"


class _Files(StaticFiles):
    """Files that are named by their content: who has one need not ask again."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if b"v=" in scope["query_string"]:
            response.headers["Cache-Control"] = _FOREVER
        return response


def assets() -> Mapping[str, str]:
    """Where a page finds its style and its script."""
    found = {name: _STATIC / name for name in _FILES}
    if missing := [name for name, path in found.items() if not path.exists()]:
        log.warning("the pages are without %s: run scripts/assets", ", ".join(missing))
    return {name: f"{STATIC}{name}?v={_digest(path)}" for name, path in found.items()}


def _digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()[:16] if path.exists() else "0"


def pages(state: State, recorder: Middleware) -> FastAPI:
    """The pages, on the same services as the API; `recorder` notes what their forms do."""
    app = FastAPI(
        title="Fanka pages",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        middleware=[Middleware(PageDoor), recorder],
        dependencies=[Depends(require_own_form)],
    )
    app.state = state
    state.assets = assets()
    for kind in (ServerError, RequestValidationError, HTTPException, PoolTimeout, OperationalError):
        app.add_exception_handler(kind, _problem)
    app.add_exception_handler(Exception, _unexpected)
    for router in ROUTERS:
        app.include_router(router)
    if _STATIC.is_dir():
        app.mount(STATIC.removeprefix(PAGES), GZipMiddleware(_Files(directory=_STATIC)), "static")
    return app


def _problem(request: Request, error: Exception) -> Response:
    """A problem in words: over the page that is open, or as a page of its own."""
    page = page_of(request)
    status, code, text = _what(error)
    told = page.problem(code, text)
    fragment = bool(request.headers.get("HX-Request"))
    response = page.show("fragments/problem.html" if fragment else "problem.html", {"told": told}, status=status)
    if fragment:
        response.headers.update(
            {"HX-Retarget": "#problem", "HX-Reswap": "innerHTML show:#problem:top", "HX-Push-Url": "false"}
        )
    if status == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return response


def _what(error: Exception) -> tuple[int, str, str]:
    match error:
        case ServerError():
            return error.status, error.code, error.text
        case RequestValidationError():
            return 422, "faulty_fields", faults_in_words(error.errors())
        case HTTPException():
            return error.status_code, f"http_{error.status_code}", str(error.detail)
        case _:
            log.warning("the database cannot be used now: %s", error)
            return 503, "database_busy", "the database cannot be used now; nothing was done"


def _unexpected(request: Request, error: Exception) -> Response:
    """A mistake of ours; whoever runs the server logs it with its traceback."""
    page = page_of(request)
    told = page.say("problem.unexpected", kind=type(error).__name__)
    response = page.show("problem.html", {"told": told}, status=500)
    protect(response.headers)  # this one is made outside of the door
    return response
