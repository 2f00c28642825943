"""Bytes that one X25519 key alone opens: compact JWE (RFC 7516), ECDH-ES (RFC 7518, 4.6; RFC 8037) and AES-256-GCM."""

from typing import Literal

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash

from protocol.canonical import NotCanonical, encode, read
from protocol.entries import HashField
from protocol.signing import KEY_BYTES, from_base64url, to_base64url

NONCE_BYTES, TAG_BYTES = 12, 16
SEAL_CHANCE_BYTES = KEY_BYTES + NONCE_BYTES
SEALED_CHARS_MAX = 32 * 1_024
_CIPHER: Literal["A256GCM"] = "A256GCM"


class NotOpened(ValueError):
    """Not sealed for this key, or changed on the way; which of both nobody can tell."""


class _PublicKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kty: Literal["OKP"]
    crv: Literal["X25519"]
    x: HashField
    """32 bytes, which are as long as a hash."""


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    alg: Literal["ECDH-ES"]
    enc: Literal["A256GCM"]
    apv: str
    epk: _PublicKey


_header = msgspec.json.Decoder(_Header)


def public_of(secret: bytes) -> bytes:
    """The public part of an X25519 key, 32 bytes. Raises ValueError unless the secret has 32."""
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def seal(message: bytes, public: bytes, whom: str, chance: bytes) -> str:
    """Seal for the holder of this public key. `whom` is authenticated with it; `chance`: 44 unpredictable bytes, for
    the passing key and the nonce. Raises ValueError for a public key that is none."""
    assert len(chance) == SEAL_CHANCE_BYTES
    passing, nonce = chance[:KEY_BYTES], chance[KEY_BYTES:]
    apv = to_base64url(whom.encode())
    header = to_base64url(encode(_Header("ECDH-ES", _CIPHER, apv, _PublicKey("OKP", "X25519", _x(passing)))))
    sealed = AESGCM(_key(passing, public, whom.encode())).encrypt(nonce, message, header.encode())
    parts = (nonce, sealed[:-TAG_BYTES], sealed[-TAG_BYTES:])
    return ".".join([header, "", *(to_base64url(part) for part in parts)])


def unseal(jwe: str, secret: bytes, whom: str) -> bytes:
    """Open what was sealed for this key and with this `whom`. Raises NotOpened."""
    try:
        header, wrapped, *rest = jwe.split(".")
        nonce, body, tag = map(from_base64url, rest)
        said = read(from_base64url(header), _header)
        if wrapped or len(jwe) > SEALED_CHARS_MAX or len(nonce) != NONCE_BYTES or len(tag) != TAG_BYTES:
            raise NotOpened("this is no sealed message")
        if said.apv != to_base64url(whom.encode()):
            raise NotOpened(f"this was not sealed for {whom}")
        key = _key(secret, from_base64url(said.epk.x), whom.encode())
        return AESGCM(key).decrypt(nonce, body + tag, header.encode())
    except NotOpened:
        raise
    except InvalidTag:
        raise NotOpened("this was sealed for another key, or changed on the way") from None
    except (NotCanonical, ValueError):
        raise NotOpened("this is no sealed message") from None


def _x(secret: bytes) -> str:
    return to_base64url(public_of(secret))


def _key(secret: bytes, public: bytes, whom: bytes) -> bytes:
    """Concat KDF (NIST SP 800-56A) as RFC 7518 section 4.6.2 has it. Raises ValueError for a point of small order."""
    shared = X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(public))
    told = b"".join(len(part).to_bytes(4, "big") + part for part in (_CIPHER.encode(), b"", whom))
    return ConcatKDFHash(SHA256(), 32, told + (256).to_bytes(4, "big")).derive(shared)
