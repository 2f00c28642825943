"""Makes accounts, and signs people in with a password and a one-time code.

A try is counted before it is looked at, so that many at once are no more than one after the other. Whether a name, a
password or a code was wrong nobody learns from the answer or from the time it takes. What was true before a
password was looked at is asked once more in the transaction that acts on it: an account may be taken back meanwhile.
"""

import asyncio
import hmac
import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from pyotp.totp import TOTP
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.instants import UtcMs
from server.accounts import store
from server.accounts.rules import (
    OTP_STEP_MS,
    SEEN_EVERY_MS,
    WHOLE_MS,
    Session,
    Stage,
    is_over,
    otp_steps,
    password_fault,
    wait_ms,
)
from server.accounts.secrets import OtpSecrets
from server.accounts.strangers import Strangers
from server.attempts import Asked, Attempts
from server.auth.rules import Operator, Role
from server.db import Database
from server.errors import Conflict, Forbidden, Invalid, NotFound, TooOften
from server.keys import KeysUnusable
from server.note import Note, Outcome, note_outcome, noted

log = logging.getLogger(__name__)

_AT_ONCE = 2
"""Passwords that are hashed at one time: each takes 64 MiB and a core (RFC 9106, section 4, second choice)."""
_HASHER = PasswordHasher()
_HANDED_OUT_LETTERS = 20
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without those that are read as others."""
_DIGEST_OF_NOTHING = sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class Handed:
    """What somebody needs to sign in for the first time."""

    name: str
    password: str
    otp: str = ""
    """The secret of one-time codes, base32, where it was made with the account."""


class Accounts:
    """The people who use the pages."""

    def __init__(
        self, database: Database, otp: OtpSecrets, clock: Callable[[], UtcMs], mono_ms: Callable[[], int]
    ) -> None:
        self._database, self._otp, self._clock, self._mono_ms = database, otp, clock, mono_ms
        self._attempts, self._hashing = Attempts(), asyncio.Semaphore(_AT_ONCE)
        self._strangers = Strangers()

    # By whoever runs the server -----------------------------------------------------------------------------------

    async def add(self, name: str, roles: Sequence[Role], *, ready: bool = False) -> Handed:
        """A new account with a password that was made for it. Raises Conflict.

        `ready`: with a secret for codes too, and nothing left to choose; for machines that try the pages.
        """
        password, otp = _password(), self._otp.make() if ready else ""
        values = {
            "name": name,
            "roles": _joined(roles),
            "password": await self._hash(password),
            "otp": self._otp.seal(otp, name) if otp else "",
            "is_new": not ready,
            "made_at": self._clock(),
        }

        async def add(connection: AsyncConnection) -> None:
            if (there := await store.find_alike(connection, name)) is not None:
                raise Conflict(
                    "account_there", f"there is an account {there}; `accounts reset {there}` gives it a password"
                )
            await store.add(connection, values)

        await self._database.transact(add)
        return Handed(name, password, otp)

    async def reset(self, name: str) -> Handed:
        """A new password, no device for codes any more, no session. Raises NotFound."""
        password = _password()
        values = {"password": await self._hash(password), "otp": "", "otp_step": 0, "is_new": True, **_UNLOCKED}
        await self._change(name, values)
        return Handed(name, password)

    async def switch(self, name: str, *, is_on: bool) -> None:
        """Let somebody in again, or no more: sessions end now. Raises NotFound."""
        await self._change(name, {"is_off": not is_on, **_UNLOCKED})

    async def set_roles(self, name: str, roles: Sequence[Role]) -> None:
        """What somebody may do, from the next sign-in on. Raises NotFound."""
        await self._change(name, {"roles": _joined(roles)})

    async def every(self) -> Sequence[RowMapping]:
        """All accounts by name."""
        async with self._database.glancing() as connection:
            return await store.every(connection)

    async def _change(self, name: str, values: dict[str, object]) -> None:
        async def change(connection: AsyncConnection) -> None:
            if await store.find(connection, name) is None:
                raise NotFound("no_such_account", f"there is no account {name}; `accounts list` shows all")
            await store.change(connection, name, values)
            await store.end_all(connection, name)

        await self._database.transact(change)

    # By its owner -------------------------------------------------------------------------------------------------

    async def sign_in(self, name: str, password: str, address: str) -> str:
        """A session's token, good for nothing but the one-time code. Raises Forbidden, TooOften."""
        if not self._attempts.allows(Asked.SIGN_IN, address, self._mono_ms()):
            raise TooOften("too_often", "too many attempts from this address; wait a minute")
        nobodys = await asyncio.to_thread(_nobodys)
        known = await self._counted(name)
        if known is None and not self._strangers.may_try(name, self._clock()):
            raise _locked()
        is_right = await self._is_right(known["password"] if known is not None else nobodys, password)
        if known is None or known["is_off"] or not is_right:
            if known is not None:
                log.warning("a wrong password for %s, or it is switched off", name)
            raise _wrong()
        token = secrets.token_urlsafe(32)

        async def begin(connection: AsyncConnection) -> None:
            await _require_as_it_was(connection, known)
            await store.uncount(connection, name)
            await store.forget_before(connection, self._clock() - WHOLE_MS)
            await store.begin(connection, self._session(token, name, Stage.PASSWORD))

        await self._database.transact(begin)
        return token

    async def _counted(self, name: str) -> RowMapping | None:
        """One more try, in a transaction of its own; in the trail stands only what comes of it."""
        with noted(None):
            return await self._database.transact(lambda connection: self._count(connection, name))

    async def _count(self, connection: AsyncConnection, name: str) -> RowMapping | None:
        """One more try, whatever comes of it."""
        known, now = await store.find(connection, name), self._clock()
        if known is None:
            return None
        if now < known["locked_until"]:
            raise _locked()
        failures = known["failures"] + 1
        values = {"failures": failures, "locked_until": now + wait_ms(failures) if wait_ms(failures) else 0}
        await store.change(connection, name, values)
        return known

    async def confirm(self, token: str, code: str) -> str:
        """The token of a whole session, in the place of the first one's. Raises Forbidden, TooOften."""
        half = await self._half(token, is_new=False)

        async def confirm(connection: AsyncConnection) -> str:
            known = await self._count(connection, half.operator.name)
            await _require_still(connection, token, Stage.PASSWORD, is_new=False)
            assert known is not None, "a session has an account"
            step = self._step(self._opened(known["otp"], known["name"]), code, known["otp_step"])
            if step is None:
                note_outcome(Outcome.REFUSED)
                return ""
            await store.change(connection, known["name"], {"otp_step": step, **_UNLOCKED})
            return await self._whole(connection, token, known["name"])

        with noted(self._note(half.operator)):
            whole = await self._database.transact(confirm)
        if not whole:
            raise _wrong()
        return whole

    async def otp_to_show(self, token: str) -> str:
        """The secret that a device shall be given, the same until it is confirmed."""
        half = await self._half(token, is_new=True)

        async def show(connection: AsyncConnection) -> str:
            known = await store.of_token(connection, _digest(token))
            assert known is not None
            if known["otp"]:
                return self._opened(known["otp"], half.operator.name)
            made = self._otp.make()
            await store.see(connection, _digest(token), {"otp": self._otp.seal(made, half.operator.name)})
            return made

        return await self._database.transact(show)

    async def set_up(self, token: str, password: str, again: str, code: str) -> str:
        """A password of one's own and a device for codes; the token of a whole session. Raises Invalid, Forbidden."""
        half, secret = await self._half(token, is_new=True), await self.otp_to_show(token)
        name = half.operator.name
        _require_good(password, again, name)
        hashed = await self._hash(password)

        async def set_up(connection: AsyncConnection) -> str:
            await self._count(connection, name)
            await _require_still(connection, token, Stage.PASSWORD, is_new=True)
            step = self._step(secret, code, 0)
            if step is None:
                note_outcome(Outcome.REFUSED)
                return ""
            values = {"password": hashed, "otp": self._otp.seal(secret, name), "otp_step": step, "is_new": False}
            await store.change(connection, name, {**values, **_UNLOCKED})
            await store.end_all(connection, name)
            return await self._whole(connection, token, name)

        with noted(self._note(half.operator)):
            whole = await self._database.transact(set_up)
        if not whole:
            raise _wrong()
        return whole

    async def change_password(self, session: Session, present: str, password: str, again: str) -> None:
        """A new password; all other sessions end. Raises Forbidden, Invalid, TooOften."""
        name = session.operator.name
        _require_good(password, again, name)
        known = await self._counted(name)
        if known is None or not await self._is_right(known["password"], present):
            raise _wrong()
        hashed = await self._hash(password)

        async def change(connection: AsyncConnection) -> None:
            await _require_as_it_was(connection, known)
            await _require_still(connection, session.token, Stage.FULL, is_new=False)
            await store.change(connection, name, {"password": hashed, **_UNLOCKED})
            await store.end_all(connection, name, but=_digest(session.token))

        await self._database.transact(change)

    async def session_of(self, token: str) -> Session | None:
        """Whose session it is, if it has not ended."""
        digest, now = _digest(token), self._clock()
        async with self._database.glancing() as connection:
            known = await store.of_token(connection, digest)
        if known is None or known["is_off"]:
            return None
        stage = Stage(known["stage"])
        if is_over(stage, UtcMs(known["begun_at"]), UtcMs(known["seen_at"]), now):
            return None
        if now - known["seen_at"] >= SEEN_EVERY_MS:
            await self._database.transact(lambda connection: store.see(connection, digest, {"seen_at": now}))
        operator = Operator(known["account"], tuple(Role(role) for role in known["roles"].split(",") if role))
        return Session(token, operator, stage, known["is_new"])

    async def sign_out(self, token: str) -> None:
        """End a session."""
        await self._database.transact(lambda connection: store.end(connection, _digest(token)))

    async def sign_out_everywhere(self, session: Session) -> None:
        """End all sessions of this account."""
        await self._database.transact(lambda connection: store.end_all(connection, session.operator.name))

    # How ----------------------------------------------------------------------------------------------------------

    async def _half(self, token: str, *, is_new: bool) -> Session:
        """Somebody whose password was right. Raises Forbidden."""
        found = await self.session_of(token)
        if found is None or found.stage is not Stage.PASSWORD or found.is_new is not is_new:
            raise _again()
        return found

    def _opened(self, sealed: str, name: str) -> str:
        """The secret of somebody's codes. Raises Conflict where the key is not the one that sealed it."""
        try:
            return self._otp.open(sealed, name)
        except KeysUnusable as error:
            log.error("the codes of %s cannot be checked: %s", name, error)
            raise Conflict(
                "codes_unreadable", f"the server has lost what codes are checked with: `accounts reset {name}` helps"
            ) from error

    async def _whole(self, connection: AsyncConnection, half: str, name: str) -> str:
        """What a half session was known by is worth nothing from now on."""
        token = secrets.token_urlsafe(32)
        await store.end(connection, _digest(half))
        await store.begin(connection, self._session(token, name, Stage.FULL))
        return token

    def _session(self, token: str, name: str, stage: Stage) -> dict[str, object]:
        now = self._clock()
        return {"token": _digest(token), "account": name, "stage": stage, "begun_at": now, "seen_at": now}

    def _step(self, secret: str, code: str, used: int) -> int | None:
        """The step of a code that was not used before."""
        codes = TOTP(secret)
        fits = None
        for step in otp_steps(self._clock()):
            expected = codes.at(step * OTP_STEP_MS // 1_000)
            if hmac.compare_digest(expected.encode(), code.strip().encode()) and step > used:
                fits = step
        return fits

    def _note(self, operator: Operator) -> Note:
        subject, roles = f"accounts/{operator.name}", ",".join(operator.roles)
        return Note(operator.name, roles, self._clock(), lambda: "sign_in", subject, lambda: _DIGEST_OF_NOTHING)

    async def _hash(self, password: str) -> str:
        async with self._hashing:
            return await asyncio.to_thread(_HASHER.hash, password)

    async def _is_right(self, hashed: str, password: str) -> bool:
        async with self._hashing:
            return await asyncio.to_thread(_verified, hashed, password)


_UNLOCKED: dict[str, object] = {"failures": 0, "locked_until": 0}


@cache
def _nobodys() -> str:
    """The hash that is looked at where there is no such account; made at the first sign-in, whoever's it is."""
    return _HASHER.hash(secrets.token_urlsafe(16))


def _verified(hashed: str, password: str) -> bool:
    try:
        return _HASHER.verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False


def _require_good(password: str, again: str, name: str) -> None:
    if password != again:
        raise Invalid("passwords_differ", "the two new passwords are not the same")
    if fault := password_fault(password, name):
        raise Invalid(fault, "the new password must have 12 to 128 characters, not the same few, and not your name")


async def _require_as_it_was(connection: AsyncConnection, before: RowMapping) -> None:
    """Its password is still the one that was looked at. Locks the account; raises Forbidden."""
    known = await store.find(connection, before["name"])
    if known is None or known["is_off"] or known["password"] != before["password"]:
        raise _again()


async def _require_still(connection: AsyncConnection, token: str, stage: Stage, *, is_new: bool) -> None:
    """The session has not ended; to be asked with the account locked. Raises Forbidden."""
    known = await store.of_token(connection, _digest(token))
    if known is None or known["is_off"] or known["stage"] != stage or known["is_new"] is not is_new:
        raise _again()


def _again() -> Forbidden:
    return Forbidden("sign_in_again", "sign in again")


def _locked() -> TooOften:
    return TooOften("account_locked", "too many wrong passwords or codes; wait a quarter of an hour")


def _wrong() -> Forbidden:
    return Forbidden("wrong_sign_in", "name, password or code are not right")


def _password() -> str:
    """One that can be read out: 20 letters in groups of five, 98 bits."""
    letters = [secrets.choice(_LETTERS) for _ in range(_HANDED_OUT_LETTERS)]
    return "-".join("".join(letters[at : at + 5]) for at in range(0, _HANDED_OUT_LETTERS, 5))


def _joined(roles: Sequence[Role]) -> str:
    return ",".join(dict.fromkeys(roles))


def _digest(token: str) -> str:
    return sha256(token.encode("utf-8", "replace")).hexdigest()
