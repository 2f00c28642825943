"""A machine that wants to become a terminal, as the server meets it."""

import ssl
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from protocol.enrolment import KeyTier, four_words, proof_text, renewal_text, trust_digest
from protocol.signing import SigningKey, from_base64url, sha256_of, to_base64url
from server.broker.certificates import request_pem
from tests.server.office import Desk


@dataclass
class Machine:
    """Something with two keys that wants to be a terminal."""

    desk: Desk
    number: int = 1
    tid: str = "till-1"
    journal: SigningKey = field(init=False)
    tls: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    ticket: str = ""
    nonce: bytes = b""
    tier: KeyTier = KeyTier.FILE
    trust: bytes = bytes(32)
    """The digest of what the server told about itself."""

    def __post_init__(self) -> None:
        self.journal = SigningKey(sha256_of(f"machine {self.number}".encode()))
        self.request = request_pem(self.tls, "anything")

    async def say(self, path: str, body: dict[str, Any], expect: int) -> Any:
        answer = await self.desk.client.post(path, json=body)
        assert answer.status_code == expect, answer.text
        return answer.json() if answer.content else None

    async def begin(self, code: str, expect: int = 201, **other: Any) -> Any:
        body = {"code": code, "request": self.request.decode(), "journal_key": to_base64url(self.journal.public.raw)}
        answer = await self.say("/enrol", {**body, "tier": int(self.tier), "device": "pi-4711", **other}, expect)
        if expect == 201:
            self.ticket, self.nonce = answer["ticket"], from_base64url(answer["nonce"])
            root, keys = from_base64url(answer["trust"]["root"]), answer["trust"]["keys"].encode()
            self.trust = trust_digest(root, keys, ssl.PEM_cert_to_DER_cert(answer["authority"]))
        return answer

    async def prove(self, expect: int = 204) -> Any:
        text = self._proven
        proofs = {
            "journal_proof": to_base64url(self.journal.sign(text)),
            "tls_proof": to_base64url(self.tls.sign(text, ec.ECDSA(hashes.SHA256()))),
        }
        return await self.say("/enrol/proof", {"ticket": self.ticket, **proofs}, expect)

    @property
    def words(self) -> str:
        return four_words(self._proven)

    @property
    def _proven(self) -> bytes:
        return proof_text(self.nonce, self.journal.public.raw, self.tier, self.request, self.trust)

    async def standing(self) -> Any:
        return await self.say("/enrol/standing", {"ticket": self.ticket}, 200)

    async def renew(self, expect: int = 201, epoch: int = 1, by: SigningKey | None = None, at: int = 0) -> Any:
        at = at or self.desk.clock()
        request = request_pem(ec.generate_private_key(ec.SECP256R1()), "new")
        proof = (by or self.journal).sign(renewal_text(self.tid, epoch, at, self.tier, request))
        body = {"tid": self.tid, "epoch": epoch, "at": at, "tier": int(self.tier), "request": request.decode()}
        return await self.say("/renew", {**body, "proof": to_base64url(proof)}, expect)
