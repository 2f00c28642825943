"""Log lines: text for people, or one JSON object a line for programs. What a line is about travels by itself.

{"at":"2026-11-25T04:00:00.123Z","level":"WARNING","logger":"server.gate","text":"…","request":"4f…","tid":"till-1"}
"""

import json
import logging
import secrets
from contextvars import ContextVar
from datetime import UTC, datetime

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.config import LogSettings

REQUEST: ContextVar[str] = ContextVar("request", default="")
"""The number of the request that is worked on."""
TID: ContextVar[str] = ContextVar("tid", default="")
"""The terminal whose message is worked on."""
HEADER = "X-Request-Id"
_SAYS_VALUES = ("aiosqlite", "psycopg", "sqlalchemy")
"""Below a warning they repeat what goes into the database: people's names, digests of secrets."""


class JsonLines(logging.Formatter):
    """One JSON object a line, whatever is in the text."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "text": record.getMessage(),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        line |= {name: value for name, value in (("request", REQUEST.get()), ("tid", TID.get())) if value}
        return json.dumps(line, ensure_ascii=False)


class RequestNumber:
    """ASGI middleware: gives every request a number, for its log lines and for whoever asked."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        number = secrets.token_hex(8)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = number
            await send(message)

        known = REQUEST.set(number)
        try:
            await self._app(scope, receive, answer)
        finally:
            REQUEST.reset(known)


def begin_logging(settings: LogSettings) -> None:
    """Write to standard error from now on."""
    handler = logging.StreamHandler()
    text = logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s")
    handler.setFormatter(JsonLines() if settings.format == "json" else text)
    logging.basicConfig(level=settings.level.upper(), handlers=[handler], force=True)
    for name in _SAYS_VALUES:
        logging.getLogger(name).setLevel(logging.WARNING)
