"""Every error leaves the API as problem JSON (RFC 9457): a stable code and a sentence, never what was sent."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from server.errors import ServerError
from server.fields import Problem
from server.words import faults_in_words

log = logging.getLogger(__name__)

PROBLEMS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": Problem, "description": "Not granted; `code` says why"},
    "5XX": {"model": Problem, "description": "Not done; 503: ask again after the seconds of Retry-After"},
}
RETRY_AFTER_S = 5
_MEDIA_TYPE = "application/problem+json"


def answer_problems(app: FastAPI) -> None:
    """Install the handlers."""
    app.add_exception_handler(ServerError, _server_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(PoolTimeout, _busy)
    app.add_exception_handler(OperationalError, _busy)
    app.add_exception_handler(Exception, _unexpected)
    app.openapi = partial(_described, app.openapi)  # type: ignore[method-assign]


def problem(status: int, code: str, title: str, detail: str) -> JSONResponse:
    """One problem as a response."""
    body = Problem(title=title, status=status, code=code, detail=detail).model_dump()
    return JSONResponse(body, status, media_type=_MEDIA_TYPE)


def _described(described: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The document of the API, with the media type that problems have: FastAPI describes every model as plain JSON."""
    document = described()
    for operation in (operation for path in document["paths"].values() for operation in path.values()):
        for status in PROBLEMS.keys() & operation["responses"].keys():
            content = operation["responses"][status]["content"]
            if "application/json" in content:
                content[_MEDIA_TYPE] = content.pop("application/json")
    return document


async def _server_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ServerError)
    return problem(error.status, error.code, error.title, error.text)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    is_called_json = "json" in request.headers.get("content-type", "")
    told = faults_in_words(error.errors(), is_called_json=is_called_json)
    return problem(422, "invalid_request", "Invalid", told.encode("ascii", "replace").decode())


async def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    response = problem(error.status_code, f"http_{error.status_code}", str(error.detail), str(error.detail))
    response.headers.update(error.headers or {})
    return response


async def _busy(_: Request, error: Exception) -> JSONResponse:
    """The database is away, locked, or every connection is taken: nothing was done."""
    log.warning("the database cannot be used now: %s", error)
    response = problem(503, "database_busy", "Busy", "the database cannot be used now; nothing was done")
    response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return response


async def _unexpected(_: Request, error: Exception) -> JSONResponse:
    """A mistake of ours; whoever runs the server logs it with its traceback."""
    return problem(500, "unexpected", "Unexpected", f"the server failed ({type(error).__name__}); its log says where")
