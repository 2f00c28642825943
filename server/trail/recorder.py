"""Notes every request that may change something, and every one that its operator has no right to make.

Strangers leave nothing: who has no token must not be able to fill the table, and there is nobody to name.
"""

import re
from collections.abc import Callable
from hashlib import sha256

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from protocol.instants import UtcMs
from server.auth.rules import Operator
from server.db import Database
from server.note import NOTE, Note, Outcome

READING = frozenset({"GET", "HEAD", "OPTIONS"})
_STRANGE = re.compile(r"[^A-Za-z0-9._/-]")
"""Nothing that can be asked for is spelled with these, and no database need keep them."""


class Recorder:
    """ASGI middleware behind the door, which has said who is asking."""

    def __init__(self, app: ASGIApp, database: Database, clock: Callable[[], UtcMs], prefix: str) -> None:
        self._app, self._database, self._clock, self._prefix = app, database, clock, prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        operator: Operator | None = scope.get("operator")
        if operator is None:
            await self._app(scope, receive, send)
            return
        digest = sha256()
        subject = _STRANGE.sub("?", str(scope["path"]).removeprefix(self._prefix))
        note = Note(
            operator.name, ",".join(operator.roles), self._clock(), lambda: _action(scope), subject, digest.hexdigest
        )

        async def read() -> Message:
            message = await receive()
            digest.update(message.get("body", b""))
            return message

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 403:
                await self._refused(note)
            await send(message)

        known = NOTE.set(None if scope["method"] in READING else note)
        try:
            await self._app(scope, read, answer)
        finally:
            NOTE.reset(known)

    async def _refused(self, note: Note) -> None:
        """Nothing was changed, so the note has a transaction of its own."""
        note.outcome = Outcome.REFUSED
        NOTE.set(note)
        async with self._database.writing():
            pass


def _action(scope: Scope) -> str:
    """The operation's id in the OpenAPI document."""
    return str(scope["route"].name)
