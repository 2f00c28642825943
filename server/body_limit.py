"""No request brings more than its share: larger ones are refused while they arrive."""

import re

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_BYTES_MAX = 8 * 1_024 * 1_024
STRANGER_BYTES_MAX = 16 * 1_024
"""Outside of `/api/`, where nobody has to say who he is."""
JOURNAL_BYTES_MAX = 32 * 1_024 * 1_024
"""Both doors, of the API and of the pages, turn strangers away before they read anything."""
_JOURNAL = re.compile(r"/(api/1|desk)/terminals/[a-z0-9-]{3,32}/journal")
assert BODY_BYTES_MAX <= JOURNAL_BYTES_MAX


class BodyLimit:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = _most(scope["path"])
        total = 0

        async def limited() -> Message:
            nonlocal total
            message = await receive()
            total += len(message.get("body", b""))
            if total > most:
                raise HTTPException(413, f"a request has at most {most} bytes")
            return message

        await self._app(scope, limited, send)


def _most(path: str) -> int:
    if _JOURNAL.fullmatch(path):
        return JOURNAL_BYTES_MAX
    return BODY_BYTES_MAX if path.startswith("/api/") else STRANGER_BYTES_MAX
