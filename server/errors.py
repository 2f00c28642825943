"""What can be wrong with a request, grouped by who must act.

ServerError
├── NotFound      the caller asks about something that is not here
├── Invalid       the caller must ask differently
├── Conflict      not now, or not any more: look at the present state first
├── Forbidden     somebody else must do it
└── TooOften      the caller must wait
"""


class ServerError(Exception):
    """An ordinary answer to a request that cannot be granted; `code` is stable, title and text are for people."""

    status = 400
    title = "Not granted"

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


class NotFound(ServerError):
    """There is no such thing."""

    status = 404
    title = "Not found"


class Invalid(ServerError):
    """The request contradicts itself or the rules."""

    status = 422
    title = "Invalid"


class Conflict(ServerError):
    """The present state does not allow it."""

    status = 409
    title = "Not now"


class Forbidden(ServerError):
    """This operator may not do that."""

    status = 403
    title = "Not allowed"


class TooOften(ServerError):
    """Too much was asked from this address."""

    status = 429
    title = "Too often"
