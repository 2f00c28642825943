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

from protocol.canonical import NotCanonical, read_part
from protocol.instants import UtcMs
from protocol.messages import NotAMessage, ServerTime, verified
from protocol.signing import to_base64url
from protocol.trust import Trust, Verdict
from terminal.enrol_fault import EnrolFault, NoAnswer, NotEnrolledYet
from terminal.identity import IdentityError
from terminal.mqtt_line import NO_CHECK_TIME

ANSWER_S = 20.0
_ANSWER_BYTES_MAX = 64 * 1_024
_SERVER_FAILED, _TOO_OFTEN = 500, 429
_CODE_CLOSED = frozenset({"claim_closed", "not_a_code"})
"""The server's codes for a claim code that opens nothing."""
_NONCE_BYTES = 32

_Answer = TypeVar("_Answer", bound=msgspec.Struct)


class Problem(msgspec.Struct, frozen=True):
    """A refusal of Fanka's server has a code of its own; what else there is at the address has none."""

    code: str = ""
    detail: str = ""


class _Time(msgspec.Struct, frozen=True):
    time: str
    keys: str = ""


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
            return read_answer(answer, kind)
        except NotCanonical as error:
            text = f"{self.url}{path} gives no answer of Fanka's server: {error}"
            raise NotEnrolledYet(EnrolFault.NOT_FANKA, text) from error

    def tell(self, path: str, body: dict[str, object]) -> None:
        """Say something that has no answer."""
        self._post(path, body)

    def _post(self, path: str, body: dict[str, object], tls: ssl.SSLContext | None = None) -> bytes:
        if not self.url.startswith(("http://", "https://")):
            text = f"{self.url!r} is not the server's address; one begins with https:// or http://"
            raise NotEnrolledYet(EnrolFault.BAD_ADDRESS, text)
        where, said, kind = self.url.rstrip("/") + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        try:
            asked = urllib.request.Request(where, said, kind, method="POST")  # noqa: S310  the scheme was looked at
            with urllib.request.urlopen(asked, timeout=ANSWER_S, context=tls) as answer:  # noqa: S310
                found: bytes = answer.read(_ANSWER_BYTES_MAX)
                return found
        except urllib.error.HTTPError as error:
            told = _problem(error)
            if error.code >= _SERVER_FAILED or error.code == _TOO_OFTEN:
                text = f"the server at {self.url} cannot answer now: {told.detail}"
                raise NoAnswer(EnrolFault.BUSY, text) from error
            raise NotEnrolledYet(_kind_of(told.code), f"the server says no: {told.detail}") from error
        except (OSError, HTTPException, ValueError) as error:  # ValueError: no address at all
            fault, why = _why_silent(error)
            text = f"no answer from {self.url}: {why}. Is the address right, is there a network?"
            raise NoAnswer(fault, text) from error


def read_answer(raw: bytes, kind: type[_Answer]) -> _Answer:
    """What is known here of an answer; whatever stands at the address may have sent it. Raises NotCanonical."""
    return read_part(raw, msgspec.json.Decoder(kind))


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


def _why_silent(error: Exception) -> tuple[EnrolFault, str]:
    """What a person can look for; the words of a library only where none of ours fit."""
    match error.reason if isinstance(error, urllib.error.URLError) else error:
        case ConnectionRefusedError():
            return EnrolFault.NO_LISTENER, "no server listens there"
        case TimeoutError():
            return EnrolFault.LATE, "nothing came in time"
        case socket.gaierror():
            return EnrolFault.UNKNOWN_NAME, "no machine of this name is known"
        case ssl.SSLCertVerificationError() as cause:
            return EnrolFault.UNTRUSTED, f"its certificate is not to be believed ({cause.verify_message})"
        case ssl.SSLError():
            return EnrolFault.NO_TLS, "what is there speaks no TLS, as an address with https:// needs it"
        case HTTPException():
            return EnrolFault.NO_WEB_SERVER, "what is there is no web server"
        case OSError(strerror=str(words)):
            return EnrolFault.UNREACHABLE, words
        case cause:
            return EnrolFault.BAD_ADDRESS if isinstance(cause, ValueError) else EnrolFault.UNREACHABLE, str(cause)


def _problem(error: urllib.error.HTTPError) -> Problem:
    """What is said of a refusal; at least its status."""
    bare = Problem(detail=f"HTTP {error.code}")
    try:
        with error:
            found = read_answer(error.read(_ANSWER_BYTES_MAX), Problem)
    except (NotCanonical, OSError, HTTPException):
        return bare
    return found if found.detail else bare


def _kind_of(code: str) -> EnrolFault:
    if code in _CODE_CLOSED:
        return EnrolFault.CODE_CLOSED
    return EnrolFault.SAYS_NO if code and not code.startswith("http_") else EnrolFault.NOT_FANKA
