"""Enrols machines as terminals and renews their certificates.

A person at the desk makes a claim code for a registered terminal. The machine opens an enrolment with it, proves both
its keys over a nonce, and waits. Somebody who has compared the four words approves; the grant of a new epoch and the
certificate are written in that transaction, and the machine fetches them with its ticket as often as it needs.
"""

import secrets
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

import msgspec
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.enrolment import (
    NONCE_BYTES,
    KeyTier,
    NotACode,
    claim_code,
    code_digest,
    four_words,
    proof_text,
    read_code,
    renewal_text,
    trust_digest,
)
from protocol.ids import TerminalId
from protocol.instants import UtcMs
from protocol.messages import ServerTime, sign
from protocol.signing import VerifyKey, to_base64url
from protocol.trust import trust_file
from server.alarms.raising import raise_alarm
from server.alarms.rules import SERVER, AlarmKind
from server.attempts import Asked, Attempts
from server.auth.rules import Operator
from server.auth.service import Agreed
from server.broker.certificates import NotARequest, Pair, TlsKey, for_terminal, pem, proof_holds, read_request
from server.db import Database
from server.enrolment import store
from server.enrolment.revoking import revoke_certificates, terminal_named
from server.enrolment.rules import CLAIM_HOLDS_MS, RENEWAL_SKEW_MS, Claim, State, why_closed
from server.errors import Conflict, Forbidden, Invalid, NotFound, TooOften
from server.ingest.book import TerminalStatus
from server.keys import ServerKeys
from server.note import Outcome, note_outcome, note_subject

GrantIn = Callable[[AsyncConnection, TerminalId, str, KeyTier, Agreed, bool], Awaitable[bytes | None]]
"""The register's grant of an epoch for a journal key, inside a transaction; None: it waits for a second person."""


class _ClaimClosed(Forbidden):
    def __init__(self, why: str, about: str) -> None:
        super().__init__("claim_closed", why)
        self.about = about
        """Whose code it was; a guessed one is about the server."""


class _OtherWords(Forbidden):
    def __init__(self, tid: TerminalId) -> None:
        text = "these are not the words of this machine: somebody may sit in between. It was turned away"
        super().__init__("other_words", f"{text}; the right one begins again with the same code")
        self.tid = tid


class _OtherTier(Forbidden):
    def __init__(self, chain: RowMapping, tier: int) -> None:
        super().__init__("other_tier", "this journal key was of another tier: enrol with a new key")
        self.tid = TerminalId(chain["tid"])
        self.told = f"the journal key of epoch {chain['epoch']} was of tier {chain['tier']}, now it is told of {tier}"


@dataclass(frozen=True, slots=True)
class Begun:
    """What a machine needs to prove its keys. `ticket` is a secret between it and the server."""

    ticket: str
    nonce: bytes


@dataclass(frozen=True, slots=True)
class Standing:
    """How far an enrolment is; certificate and grant are there once it is approved."""

    state: State
    tid: TerminalId
    certificate: str
    grant: str


class Enrolments:
    """Claims, enrolments and certificates."""

    def __init__(
        self,
        database: Database,
        authority: Pair,
        keys: ServerKeys,
        grant_in: GrantIn,
        clock: Callable[[], UtcMs],
        mono_ms: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000,
    ) -> None:
        self._mono_ms = mono_ms
        self._database, self._authority, self._grant_in, self._clock = database, authority, grant_in, clock
        self._ack_key = keys.ack
        self._attempts = Attempts()
        self.authority = authority.certificate_pem().decode()
        """What terminals believe of the broker."""
        self.trust: dict[str, str] = msgspec.structs.asdict(trust_file(keys.trust))
        """What they believe of the server."""
        self._trust_digest = trust_digest(keys.trust.root.raw, keys.trust.jws, ssl.PEM_cert_to_DER_cert(self.authority))

    async def claim(self, tid: TerminalId, operator: Operator) -> tuple[str, UtcMs]:
        """A new claim code for a registered terminal and until when it holds. Earlier unused ones of it end."""
        code, now = claim_code(secrets.randbits(50)), self._clock()
        ends_at = UtcMs(now + CLAIM_HOLDS_MS)

        async def make(connection: AsyncConnection) -> None:
            if await terminal_named(connection, tid) is None:
                raise NotFound("no_such_terminal", f"no terminal is called {tid}; register it first")
            await store.end_claims(connection, tid, now)
            row = {
                "digest": code_digest(code),
                "tid": tid,
                "made_by": operator.name,
                "made_at": now,
                "ends_at": ends_at,
            }
            await store.add_claim(connection, row)

        await self._database.transact(make)
        return code, ends_at

    async def begin(
        self, address: str, typed: str, request: bytes, journal_key: bytes, tier: KeyTier, device: str
    ) -> Begun:
        """Open an enrolment with a claim code; one that was opened with the same code before is over."""
        self._let_ask(Asked.ENROL, address)
        _keys_of(request, journal_key)
        try:
            digest = code_digest(read_code(typed))
        except NotACode as error:
            raise Invalid("not_a_code", str(error)) from error
        ticket, nonce, now = secrets.token_urlsafe(24), secrets.token_bytes(NONCE_BYTES), self._clock()

        async def open_it(connection: AsyncConnection) -> None:
            known = await store.claim_of(connection, digest)
            closed = why_closed(Claim(known["ends_at"], known["tries"], known["used_at"]) if known else None, now)
            if known is None or closed:
                raise _ClaimClosed(closed, known["tid"] if known else SERVER)
            await store.count_try(connection, digest)
            await store.give_up(connection, digest, now)
            row = {"ticket": _digest(ticket), "claim": digest, "tid": known["tid"], "device": device, "nonce": nonce}
            keys = {"journal_key": journal_key, "tier": int(tier), "request": request}
            await store.add(connection, {**row, **keys, "state": State.BEGUN, "asked_at": now})

        try:
            await self._database.transact(open_it)
        except _ClaimClosed as closed:
            text = f"an enrolment from {address} was turned away: {closed.text}"
            await self._alarm(AlarmKind.CLAIM_TURNED_AWAY, closed.about, text)
            raise
        return Begun(ticket, nonce)

    async def prove(self, address: str, ticket: str, journal_proof: bytes, tls_proof: bytes) -> None:
        """Both keys have signed the nonce: from now on a person decides."""
        self._let_ask(Asked.ENROL, address)

        async def prove(connection: AsyncConnection) -> None:
            known = await self._of_ticket(connection, ticket, to_change=True)
            tls, journal = _keys_of(known["request"], known["journal_key"])
            text = self._proven(known)
            if not (journal.verifies(journal_proof, text) and proof_holds(tls, tls_proof, text)):
                raise Forbidden("not_proven", "the nonce is not signed by both keys; begin again")
            if known["state"] == State.BEGUN:
                await store.decide(connection, known["number"], {"state": State.WAITING})

        await self._database.transact(prove)

    async def standing(self, ticket: str) -> Standing:
        """How far an enrolment is; nobody guesses a ticket of 192 bits."""
        async with self._database.reading() as connection:
            known = await self._of_ticket(connection, ticket, to_change=False)
        return Standing(
            State(known["state"]), TerminalId(known["tid"]), known["certificate"].decode(), known["grant_jws"].decode()
        )

    async def waiting(self) -> list[tuple[RowMapping, str, int]]:
        """Machines that wait for somebody, each with its four words, and how long it has waited (ms)."""
        now = self._clock()
        async with self._database.glancing() as connection:
            rows = await store.in_state(connection, State.WAITING)
        return [(row, four_words(self._proven(row)), max(0, now - row["asked_at"])) for row in rows]

    async def certificates(self, tid: TerminalId, limit: int) -> Sequence[RowMapping]:
        """A terminal's certificates, newest first: `serial` (hex), `epoch`, `issued_at`, `ends_at`, `revoked_at`."""
        async with self._database.glancing() as connection:
            return await store.certificates_of(connection, tid, limit)

    async def open_claim(self, tid: TerminalId) -> RowMapping | None:
        """Whether a claim code of this terminal still opens something: `made_by`, `made_at`, `ends_at`, `tries`."""
        async with self._database.glancing() as connection:
            return await store.open_claim(connection, tid, self._clock())

    async def approve(
        self, number: int, words: str, operator: Operator, agreed: Agreed, *, alone: bool
    ) -> tuple[TerminalId, bool]:
        """The words were compared: grant an epoch and sign the certificate; which terminal, and whether it is done.

        The words are asked for once more, so that nobody approves another line than the one he compared. A terminal
        that may load or issue cards takes two people, each with the words.
        """
        now = self._clock()

        async def approve(connection: AsyncConnection) -> tuple[TerminalId, bool]:
            known = await self._undecided(connection, number)
            if words.split() != four_words(self._proven(known)).split():
                raise _OtherWords(TerminalId(known["tid"]))
            tid, key = TerminalId(known["tid"]), _keys_of(known["request"], known["journal_key"])[0]
            journal_key, tier = to_base64url(known["journal_key"]), KeyTier(known["tier"])
            jws = await self._grant_in(connection, tid, journal_key, tier, agreed, alone)
            if jws is None:
                return tid, False
            chain = await store.newest_chain(connection, tid)
            assert chain is not None
            if not _in_good_standing(chain):
                raise Conflict(
                    "key_shut_out", f"this journal key of {tid} was revoked or declared lost; make a new one"
                )
            if chain["tier"] != tier:
                raise _OtherTier(chain, tier)
            await revoke_certificates(connection, tid, now)
            certificate = await self._certify(connection, chain, key, now)
            await store.use_claim(connection, known["claim"], now)
            done = {"state": State.APPROVED, "decided_by": operator.name, "decided_at": now}
            await store.decide(connection, number, {**done, "grant_jws": jws, "certificate": certificate})
            return tid, True

        try:
            return await self._database.transact(approve)
        except _OtherWords as other:
            note_outcome(Outcome.REFUSED)
            await self._turn_away(number, operator, other.tid)
            raise
        except _OtherTier as other:
            await self._alarm(AlarmKind.OTHER_TIER, other.tid, other.told)
            raise

    async def _turn_away(self, number: int, operator: Operator, tid: TerminalId) -> None:
        """Other words than its own were compared: it is over with this machine; its code stays for the right one."""
        now = self._clock()
        turned_away = {"state": State.REFUSED, "decided_by": operator.name, "decided_at": now}
        text = f"{operator.name} compared other words than machine {number}'s, which was turned away"

        async def turn_away(connection: AsyncConnection) -> None:
            known = await store.numbered(connection, number)
            if known is not None and known["state"] == State.WAITING:
                await store.decide(connection, number, turned_away)
            await raise_alarm(connection, AlarmKind.OTHER_WORDS, tid, text, now)

        await self._database.transact(turn_away)

    async def refuse(self, number: int, operator: Operator) -> None:
        """This is not the machine that was meant: its claim code is over with it."""
        now = self._clock()

        async def refuse(connection: AsyncConnection) -> None:
            known = await self._undecided(connection, number)
            await store.use_claim(connection, known["claim"], now)
            await store.decide(
                connection, number, {"state": State.REFUSED, "decided_by": operator.name, "decided_at": now}
            )

        await self._database.transact(refuse)

    async def renew(
        self, address: str, tid: TerminalId, epoch: int, at: UtcMs, tier: KeyTier, request: bytes, proof: bytes
    ) -> str:
        """A certificate for a new TLS key, asked for with the journal key of a terminal that is in good standing."""
        self._let_ask(Asked.RENEW, address)
        if abs(at - self._clock()) > RENEWAL_SKEW_MS:
            raise Forbidden("wrong_time", "the terminal's clock is wrong; ask for the time first")
        key = _request_key(request)

        async def renew(connection: AsyncConnection) -> str:
            known, chain = await terminal_named(connection, tid), await store.newest_chain(connection, tid)
            is_replaced = known is not None and known["replaced_by"]
            if is_replaced or chain is None or chain["epoch"] != epoch or not _in_good_standing(chain):
                raise Forbidden("not_in_good_standing", f"{tid} has no such epoch in good standing; enrol it again")
            if not VerifyKey(chain["key"]).verifies(proof, renewal_text(tid, epoch, at, tier, request)):
                raise Forbidden("not_proven", "the request is not signed by the journal key of this epoch")
            if chain["tier"] != tier:
                raise _OtherTier(chain, tier)
            return (await self._certify(connection, chain, key, self._clock())).decode()

        try:
            return await self._database.transact(renew)
        except _OtherTier as other:
            await self._alarm(AlarmKind.OTHER_TIER, other.tid, other.told)
            raise

    def tell_time(self, address: str, nonce: str) -> bytes:
        """The present time with somebody's nonce, signed."""
        self._let_ask(Asked.TIME, address)
        return sign(ServerTime(nonce, self._clock()), self._ack_key)

    async def _alarm(self, kind: AlarmKind, about: str, text: str) -> None:
        """In a transaction of its own: the one that failed leaves nothing."""
        await self._database.transact(lambda connection: raise_alarm(connection, kind, about, text, self._clock()))

    async def _certify(self, connection: AsyncConnection, chain: RowMapping, key: TlsKey, now: UtcMs) -> bytes:
        tid = TerminalId(chain["tid"])
        made = for_terminal(self._authority, tid, key, now)
        await store.add_certificate(
            connection,
            {
                "serial": f"{made.serial_number:x}",
                "tid": tid,
                "epoch": chain["epoch"],
                "pem": pem(made).decode(),
                "issued_at": now,
                "ends_at": round(made.not_valid_after_utc.timestamp() * 1_000),
            },
        )
        return pem(made)

    def _proven(self, known: RowMapping) -> bytes:
        tier = KeyTier(known["tier"])
        return proof_text(known["nonce"], known["journal_key"], tier, known["request"], self._trust_digest)

    def _let_ask(self, asked: Asked, address: str) -> None:
        if not self._attempts.allows(asked, address, self._mono_ms()):
            raise TooOften("too_often", "too many attempts from this address; wait a minute")

    async def _of_ticket(self, connection: AsyncConnection, ticket: str, *, to_change: bool) -> RowMapping:
        known = await store.of_ticket(connection, _digest(ticket), to_change=to_change)
        if known is None:
            raise NotFound("no_such_enrolment", "nothing was begun with this ticket; begin again with a claim code")
        return known

    async def _undecided(self, connection: AsyncConnection, number: int) -> RowMapping:
        known = await store.numbered(connection, number)
        if known is None or known["state"] != State.WAITING:
            raise NotFound("not_waiting", f"no machine waits under number {number}")
        note_subject(f"terminals/{known['tid']}/enrolments/{number}")
        return known


def _in_good_standing(chain: RowMapping) -> bool:
    return not chain["revoked_at"] and chain["status"] != TerminalStatus.LOST


def _keys_of(request: bytes, journal_key: bytes) -> tuple[TlsKey, VerifyKey]:
    try:
        return _request_key(request), VerifyKey(journal_key)
    except ValueError as error:
        raise Invalid("not_a_key", f"journal key: {error}") from error


def _request_key(request: bytes) -> TlsKey:
    try:
        return read_request(request)
    except NotARequest as error:
        raise Invalid("not_a_request", str(error)) from error


def _digest(ticket: str) -> str:
    return sha256(ticket.encode()).hexdigest()
