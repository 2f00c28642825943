"""Enrolment with a claim code (SPEC, "Enrolment"): two keys made here, proven to the server, and approved by a person.

    tls.pem    the TLS key (P-256, PKCS #8) and its certificate in one file, so that they always fit; mode 0600
    ca.crt     the site's authority: whom to believe to be the broker
    server.json    the server's address, for renewals (`terminal/server_address.py`)

The same code goes on with an enrolment that was interrupted (`terminal/pending.py`); the journal's key is made once.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from protocol.enrolment import (
    KeyTier,
    NotACode,
    code_digest,
    four_words,
    proof_text,
    read_code,
    renewal_text,
    trust_digest,
)
from protocol.instants import UtcMs
from protocol.messages import Grant, NotAMessage, verified
from protocol.signing import from_base64url, to_base64url
from protocol.trust import Trust, trust_of
from terminal.durable_file import replace_file
from terminal.enrol import new_key
from terminal.enrol_fault import EnrolFault, NoAnswer, NotEnrolledYet
from terminal.identity import (
    CA_FILE,
    GRANT_FILE,
    IN_A_FILE,
    JOURNAL_FILE,
    TLS_FILE,
    Identity,
    IdentityError,
    JournalKeys,
    save_grant,
)
from terminal.journal_file import missing
from terminal.pending import Opened, Pending, forget_pending, keep_pending, read_pending
from terminal.server_address import keep_address
from terminal.server_http import ServerAt

LOOK_EVERY_S = 2.0
SILENT_TRIES_MAX = 30
"""A minute where the server's machine says no at once, ten where nothing answers."""
_SECRET_MODE = 0o600


class _Standing(msgspec.Struct, frozen=True):
    state: str
    certificate: str = ""
    grant: str = ""


@dataclass(frozen=True, slots=True)
class _Believed:
    """What a terminal believes of its site; the four words stand for it."""

    trust: Trust
    authority: x509.Certificate

    @property
    def digest(self) -> bytes:
        return trust_digest(self.trust.root.raw, self.trust.jws, self.authority.public_bytes(Encoding.DER))


@dataclass(frozen=True, slots=True)
class _Told:
    """Who waits for the approval: is told sentences, and shown the words."""

    say: Callable[[str], None]
    show: Callable[[str], None]


class _Certificate(msgspec.Struct, frozen=True):
    certificate: str


def enrol(
    directory: Path,
    server: ServerAt,
    typed: str,
    device: str,
    say: Callable[[str], None],
    wait: Callable[[float], None] = time.sleep,
    keys: JournalKeys = IN_A_FILE,
    show: Callable[[str], None] = lambda _: None,
) -> Identity:
    """Become the terminal that a claim code is for; returns when a person has approved.

    `show` is given the four words alone, for who draws them. What `wait` raises ends the wait, and what was begun is
    kept. Raises IdentityError, JournalMissing, OSError.
    """
    try:
        code = read_code(typed)
    except NotACode as error:
        raise IdentityError(str(error)) from error
    if (directory / GRANT_FILE).exists():
        raise IdentityError(f"{directory} is enrolled already. For a new epoch move everything in it to a safe place.")
    if not keys.has_key(directory):
        new_key(directory, keys)
    elif not (directory / JOURNAL_FILE).exists():
        raise missing(directory / JOURNAL_FILE)
    journal, digest = keys.open(directory), code_digest(code)
    pending = read_pending(directory, digest)
    if pending is None:
        pending = _begin(server, code, journal.public.raw, keys.tier, device)
        keep_pending(directory, pending)
    try:
        identity = _wait_for_approval(directory, server, keys, pending, _Told(say, show), wait)
    except NoAnswer:
        raise
    except IdentityError:
        forget_pending(directory)  # the server said no: with this enrolment there is no going on
        raise
    forget_pending(directory)
    return identity


def _begin(server: ServerAt, code: str, public: bytes, tier: KeyTier, device: str) -> Pending:
    tls = ec.generate_private_key(ec.SECP256R1())
    request = _request(tls).decode()
    machine: dict[str, object] = {"journal_key": to_base64url(public), "tier": int(tier), "device": device}
    opened = server.post("/enrol", {"code": code, "request": request, **machine}, Opened)
    return Pending(code_digest(code), _secret(tls).decode(), request, opened)


def _wait_for_approval(
    directory: Path,
    server: ServerAt,
    keys: JournalKeys,
    pending: Pending,
    told: _Told,
    wait: Callable[[float], None],
) -> Identity:
    opened, tls, journal = pending.opened, _key_of(pending), keys.open(directory)
    believed, nonce, request = _believed(opened), from_base64url(opened.nonce), pending.request.encode()
    text = proof_text(nonce, journal.public.raw, keys.tier, request, believed.digest)
    proofs = {"journal_proof": journal.sign(text), "tls_proof": tls.sign(text, ec.ECDSA(hashes.SHA256()))}
    server.tell(
        "/enrol/proof", {"ticket": opened.ticket, **{name: to_base64url(proof) for name, proof in proofs.items()}}
    )
    words = four_words(text)
    told.say(f"Compare these words with those at the desk: {words}")
    told.show(words)
    found = _until_approved(server, opened.ticket, told.say, wait)
    return _keep(directory, server, keys, tls, believed, found)


def renew(directory: Path, server: ServerAt, identity: Identity, at: UtcMs) -> None:
    """Have a certificate for a new TLS key and put both in place. Raises IdentityError, OSError."""
    key, grant = ec.generate_private_key(ec.SECP256R1()), identity.grant
    request = _request(key)
    proof, tier = (
        identity.key.sign(renewal_text(grant.tid, grant.epoch, at, identity.tier, request)),
        int(identity.tier),
    )
    whose: dict[str, object] = {"tid": grant.tid, "epoch": grant.epoch, "at": at, "tier": tier}
    body = {**whose, "request": request.decode()}
    answer = server.post("/renew", {**body, "proof": to_base64url(proof)}, _Certificate)
    authority = _read_certificate(directory / CA_FILE)
    _keep_pair(directory, key, _checked(answer.certificate, key, authority, grant.tid))


def validity(directory: Path) -> tuple[UtcMs, UtcMs]:
    """From when until when the certificate is valid. Raises IdentityError where there is none."""
    found = _read_certificate(directory / TLS_FILE)
    begins, ends = found.not_valid_before_utc.timestamp(), found.not_valid_after_utc.timestamp()
    return UtcMs(round(begins * 1_000)), UtcMs(round(ends * 1_000))


def _until_approved(
    server: ServerAt, ticket: str, say: Callable[[str], None], wait: Callable[[float], None]
) -> _Standing:
    """A person may take as long as it takes; a server that is not there may not."""
    silent = 0
    while True:
        try:
            found = server.post("/enrol/standing", {"ticket": ticket}, _Standing)
        except NoAnswer as error:
            silent += 1
            if silent == 1:
                say(f"{error} It is tried again.")
            if silent >= SILENT_TRIES_MAX:
                raise NoAnswer(
                    error.fault,
                    f"{error} It was tried {silent} times. What was begun is kept: when the server is there again, "
                    "run the same command with the same code, and this goes on.",
                ) from error
        else:
            silent = 0
            if found.state == "approved":
                return found
            if found.state == "refused":
                raise NotEnrolledYet(
                    EnrolFault.TURNED_AWAY,
                    "the desk turned this machine away, or another one used the code. If the desk typed other words, "
                    "begin once more with the same code; else ask for a new one.",
                )
        wait(LOOK_EVERY_S)


def _key_of(pending: Pending) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pending.key.encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey), "it was made here"
    return key


def _believed(opened: Opened) -> _Believed:
    try:
        return _Believed(trust_of(opened.trust), x509.load_pem_x509_certificate(opened.authority.encode()))
    except ValueError as error:
        raise _unbelieved(f"the server told no keys and authority that could be believed ({error})") from error


def _keep(
    directory: Path,
    server: ServerAt,
    keys: JournalKeys,
    key: ec.EllipticCurvePrivateKey,
    believed: _Believed,
    found: _Standing,
) -> Identity:
    """Nothing but what holds under what the words stood for. The grant last: with it the terminal is enrolled."""
    try:
        grant = verified(found.grant.encode(), Grant, believed.trust.grant.present)
    except NotAMessage as error:
        raise _unbelieved(f"the server answered with no grant under the key it told before: {error}") from error
    if grant.verify_key != keys.open(directory).public:
        raise _unbelieved("the server answered with the grant of another journal key. Enrol again.")
    _keep_pair(directory, key, _checked(found.certificate, key, believed.authority, grant.tid))
    keep_address(directory, server.url)
    replace_file(directory / CA_FILE, believed.authority.public_bytes(Encoding.PEM))
    return save_grant(directory, found.grant.encode(), believed.trust, keys)


def _checked(text: str, key: ec.EllipticCurvePrivateKey, authority: x509.Certificate, tid: str) -> x509.Certificate:
    """The certificate in an answer, if it is what the broker will believe of us. Raises IdentityError."""
    try:
        found = x509.load_pem_x509_certificate(text.encode())
        found.verify_directly_issued_by(authority)
        names = [name.value for name in found.subject]
        if found.public_key() != key.public_key() or names != [tid]:
            raise ValueError(f"it is for {names} or for another key")
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm) as error:
        raise _unbelieved(
            f"the server answered with a certificate that is not for {tid} and our key, or not by the authority that "
            "we believe. Try again; if it stays so, enrol again."
        ) from error
    return found


def _unbelieved(text: str) -> NotEnrolledYet:
    return NotEnrolledYet(EnrolFault.UNBELIEVED, text)


def _keep_pair(directory: Path, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
    """Only what was read is written, and not what may stand around it in the answer."""
    replace_file(directory / TLS_FILE, _secret(key) + certificate.public_bytes(Encoding.PEM), _SECRET_MODE)


def _secret(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _read_certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise IdentityError(
            f"{path} cannot be read ({type(error).__name__}). Move {GRANT_FILE} away and enrol "
            "once more with a new claim code: journal and key stay."
        ) from error


def _request(key: ec.EllipticCurvePrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "terminal")])
    built = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return built.public_bytes(Encoding.PEM)
