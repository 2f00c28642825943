"""The server over HTTP: for what a terminal needs before it has a line, or instead of it."""

import json
import secrets
import socket
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from typing import TypeVar

import msgspec

from protocol.instants import UtcMs
from protocol.messages import NotAMessage, ServerTime, verified
from protocol.signing import to_base64url
from protocol.trust import Trust, Verdict
from terminal.identity import IdentityError
from terminal.mqtt_line import NO_CHECK_TIME

ANSWER_S = 20.0
_ANSWER_BYTES_MAX = 64 * 1_024
_SERVER_FAILED, _TOO_OFTEN = 500, 429
_NONCE_BYTES = 32

_Answer = TypeVar("_Answer", bound=msgspec.Struct)


class _Problem(msgspec.Struct, frozen=True):
    detail: str = ""


class _Time(msgspec.Struct, frozen=True):
    time: str
    keys: str = ""


class NoAnswer(IdentityError):
    """The server is not there or cannot answer now."""


@dataclass(frozen=True, slots=True)
class ServerAt:
    """The server's HTTP address, such as https://fanka.campus.example."""

    url: str

    def post(
        self, path: str, body: dict[str, object], kind: type[_Answer], tls: ssl.SSLContext | None = None
    ) -> _Answer:
        """Ask something. Raises IdentityError with the server's own sentence where it says no."""
        answer = self._post(path, body, tls)
        try:
            return msgspec.json.decode(answer, type=kind)
        except msgspec.DecodeError as error:
            raise IdentityError(f"{self.url}{path} gives no answer of Fanka's server: {error}") from error

    def tell(self, path: str, body: dict[str, object]) -> None:
        """Say something that has no answer."""
        self._post(path, body)

    def _post(self, path: str, body: dict[str, object], tls: ssl.SSLContext | None = None) -> bytes:
        if not self.url.startswith(("http://", "https://")):
            raise IdentityError(f"{self.url!r} is not the server's address; one begins with https:// or http://")
        where, said, kind = self.url.rstrip("/") + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        try:
            asked = urllib.request.Request(where, said, kind, method="POST")  # noqa: S310  the scheme was looked at
            with urllib.request.urlopen(asked, timeout=ANSWER_S, context=tls) as answer:  # noqa: S310
                found: bytes = answer.read(_ANSWER_BYTES_MAX)
                return found
        except urllib.error.HTTPError as error:
            if error.code >= _SERVER_FAILED or error.code == _TOO_OFTEN:
                raise NoAnswer(f"the server at {self.url} cannot answer now: {_detail(error)}") from error
            raise IdentityError(f"the server says no: {_detail(error)}") from error
        except (OSError, HTTPException, ValueError) as error:  # ValueError: no address at all
            why = _why_silent(error)
            raise NoAnswer(f"no answer from {self.url}: {why}. Is the address right, is there a network?") from error


def ask_time(server: ServerAt, trust: Trust) -> UtcMs:
    """The time by the server's signed word, given just now. Raises IdentityError.

    By a wrong clock the web server's certificate is out of date as well; the signature and our nonce are enough. The
    server's keys may have changed while we could not hear it: its answer brings the newest document.
    """
    nonce, whenever = to_base64url(secrets.token_bytes(_NONCE_BYTES)), ssl.create_default_context()
    whenever.verify_flags |= NO_CHECK_TIME
    answer = server.post("/time", {"nonce": nonce}, _Time, whenever)
    try:
        newer = trust.judge(answer.keys.encode()) is Verdict.TAKEN
        ack = Trust(trust.root, answer.keys.encode()).ack if newer else trust.ack
        said = verified(answer.time.encode(), ServerTime, ack.present)
    except NotAMessage as error:
        raise IdentityError(f"{server.url} told a time that the server did not sign: {error}") from error
    if said.nonce != nonce:
        raise IdentityError(f"{server.url} told a time that was asked for before")
    return said.at


def _why_silent(error: Exception) -> str:
    """What a person can look for; the words of a library only where none of ours fit."""
    match error.reason if isinstance(error, urllib.error.URLError) else error:
        case ConnectionRefusedError():
            return "no server listens there"
        case TimeoutError():
            return "nothing came in time"
        case socket.gaierror():
            return "no machine of this name is known"
        case ssl.SSLCertVerificationError() as cause:
            return f"its certificate is not to be believed ({cause.verify_message})"
        case HTTPException():
            return "what is there is no web server"
        case OSError(strerror=str(words)):
            return words
        case cause:
            return str(cause)


def _detail(error: urllib.error.HTTPError) -> str:
    try:
        return msgspec.json.decode(error.read(_ANSWER_BYTES_MAX), type=_Problem).detail or f"HTTP {error.code}"
    except (msgspec.DecodeError, OSError, HTTPException):
        return f"HTTP {error.code}"
