"""The server's half of an enrolment and of a renewal, as a terminal meets it; a test changes what it answers."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec.structs import replace

from protocol.enrolment import KeyTier, four_words, proof_text, trust_digest
from protocol.ids import TerminalId
from protocol.instants import UtcMs
from protocol.messages import PURPOSES, Keys, ServerKey, sign
from protocol.signing import SigningKey, VerifyKey, from_base64url, sha256_of, to_base64url
from server.broker.certificates import Pair, for_terminal, new_authority, pem
from tests.protocol.samples import GRANT

AT = UtcMs(1_800_000_000_000)
Said = dict[str, Any]


@dataclass
class EnrollingServer:
    """Approves every machine at once."""

    authority: Pair
    key: SigningKey
    tid: str = GRANT.tid
    bend: Callable[[str, Said], None] = lambda _path, _said: None
    """Changes the answer to a path."""
    request: bytes = b""
    journal_key: bytes = b""
    words: str = ""
    """What stands at the desk."""

    def __call__(self, path: str, body: Said) -> Said | None:
        """The answer to one request."""
        if "request" in body:
            self.request = body["request"].encode()
        said = {"/enrol": self._begin, "/enrol/standing": self._standing, "/renew": self._renew}.get(path)
        answer = None if said is None else said(body)
        if answer is not None:
            self.bend(path, answer)
        return answer

    def certificate(self) -> str:
        """For the key of the newest request."""
        public = x509.load_pem_x509_csr(self.request).public_key()
        assert isinstance(public, ec.EllipticCurvePublicKey)
        return pem(for_terminal(self.authority, TerminalId(self.tid), public, AT)).decode()

    def trust(self, grant: VerifyKey | None = None) -> Said:
        """What is to be believed of this server: one key is root and everything else, but perhaps not for grants."""
        public = to_base64url(self.key.public.raw)
        named = {"grant": to_base64url(grant.raw)} if grant else {}
        named_keys = tuple(ServerKey(purpose, 1, named.get(purpose, public), AT) for purpose in PURPOSES)
        keys = sign(Keys(1, AT, named_keys), self.key)
        return {"root": public, "keys": keys.decode()}

    def _begin(self, body: Said) -> Said:
        self.journal_key = from_base64url(body["journal_key"])
        told = self.trust()
        authority, nonce = pem(self.authority.certificate).decode(), bytes(32)
        trust = trust_digest(self.key.public.raw, told["keys"].encode(), ssl.PEM_cert_to_DER_cert(authority))
        self.words = four_words(proof_text(nonce, self.journal_key, KeyTier(body["tier"]), self.request, trust))
        return {"ticket": "A" * 32, "nonce": to_base64url(nonce), "trust": told, "authority": authority}

    def _standing(self, _: Said) -> Said:
        grant = sign(replace(GRANT, key=to_base64url(self.journal_key)), self.key).decode()
        return {"state": "approved", "tid": self.tid, "certificate": self.certificate(), "grant": grant}

    def _renew(self, _: Said) -> Said:
        return {"certificate": self.certificate()}


def a_server(name: str = "site") -> EnrollingServer:
    """One of its own authority and keys."""
    return EnrollingServer(new_authority(name, AT), SigningKey(sha256_of(name.encode())))
