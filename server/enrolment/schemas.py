"""Claims and enrolments as the API takes and shows them. Binary members are base64url without padding."""

from typing import Annotated

from pydantic import Field

from server.fields import Form, Id, Instant, PublicKey, Tier, View

_Pem = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/=\n -]{64,4000}$", description="PEM")]
_Signature = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{80,100}$")]
_Ticket = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{32}$")]


class ClaimView(View):
    """A claim code; it is shown once."""

    code: str
    ends_at: Instant


class EnrolForm(Form):
    """A machine with a claim code and its two public keys."""

    code: Annotated[str, Field(pattern=r"^[0-9A-Za-z -]{10,16}$")]
    request: _Pem
    """Certificate request of the TLS key (RFC 2986)."""
    journal_key: PublicKey
    tier: Tier = 0
    device: Annotated[str, Field(pattern=r"^[A-Za-z0-9._ -]{0,64}$")] = ""
    """The machine's own serial number, for people."""


class NonceView(View):
    """What both keys are to sign, and the ticket to come back with."""

    ticket: str
    nonce: str
    trust: dict[str, str]
    """The server's public keys by purpose."""
    authority: str
    """The site's authority, PEM."""


class ProofForm(Form):
    """The nonce signed by both keys."""

    ticket: _Ticket
    journal_proof: _Signature
    """Ed25519."""
    tls_proof: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{80,110}$")]
    """ECDSA with SHA-256, DER."""


class TicketForm(Form):
    """Coming back."""

    ticket: _Ticket


class StandingView(View):
    """How far an enrolment is: begun, waiting, approved (with grant and certificate) or refused."""

    state: str
    tid: str
    certificate: str = ""
    grant: str = ""


class NonceForm(Form):
    """Something that nobody asked with before."""

    nonce: PublicKey


class TimeView(View):
    """The server's time, signed."""

    time: str
    keys: str
    """What the server signs with, by the root."""


class RenewForm(Form):
    """A new TLS key of an enrolled terminal."""

    tid: Id
    epoch: Annotated[int, Field(ge=1, le=2**32 - 1)]
    at: Instant
    tier: Tier = 0
    request: _Pem
    proof: _Signature


class CertificateView(View):
    """A certificate, PEM."""

    certificate: str


class MachineView(View):
    """A machine that waits for somebody who compares its four words."""

    number: int
    tid: str
    device: str
    words: str
    asked_at: Instant
    waits_s: Annotated[int, Field(description="seconds since then; whether the machine still asks is not known")]
    tier: Tier
    tier_before: Annotated[int | None, Field(description="that of the terminal's newest epoch, if it has one")]


class ApprovedView(View):
    """The terminal that a machine became."""

    state: str
    tid: str


class ApproveForm(Form):
    """The words as they stand on the machine's own screen."""

    words: Annotated[str, Field(pattern=r"^[a-z]{5} [a-z]{5} [a-z]{5} [a-z]{5}$")]
