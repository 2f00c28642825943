"""Ed25519 signatures and AES-CMAC. Besides `protocol/sealing.py` no file of this package touches cryptography."""

from binascii import Error as BadBase64
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable
from hashlib import sha256
from hmac import compare_digest
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

SIGNATURE_BYTES = 64
KEY_BYTES = 32
_URL_ALPHABET = bytes.maketrans(b"+/", b"-_")
_PLAIN_ALPHABET = bytes.maketrans(b"-_", b"+/")

_FIELD = 2**255 - 19
_ORDER_8 = 2707385501144840649318225287225658788936804267575313519463743609750303402022
_SMALL_ORDER = frozenset({0, 1, _FIELD - 1, _ORDER_8, _FIELD - _ORDER_8})
"""The y of the eight points of order 1, 2, 4 and 8: under them one signature holds for many messages."""

Mac8 = Callable[[bytes], bytes]
"""Eight bytes of AES-CMAC under a key that the caller holds."""


class SigningKey:
    """A private Ed25519 key (RFC 8032). Its bytes never appear in a repr or an error."""

    __slots__ = ("_key", "_public")

    def __init__(self, seed: bytes) -> None:
        """Take the 32-byte seed of RFC 8032 section 5.1.5. Raises ValueError for any other length."""
        if len(seed) != KEY_BYTES:
            raise ValueError(f"an Ed25519 seed has {KEY_BYTES} bytes, this one has {len(seed)}")
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self._public = VerifyKey(self._key.public_key().public_bytes_raw())

    @property
    def public(self) -> "VerifyKey":
        """Its public half."""
        return self._public

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature; the same message always gives the same one."""
        return self._key.sign(message)


class Verifier(Protocol):
    """A public key, or several of which any will do."""

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether the signature holds over this message."""
        ...


class Signer(Protocol):
    """A private Ed25519 key, wherever it lives: in memory, or in a chip that signs by itself."""

    @property
    def public(self) -> "VerifyKey":
        """Its public half."""
        ...

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature."""
        ...


class VerifyKey:
    """A public Ed25519 key."""

    __slots__ = ("_key", "raw")

    def __init__(self, raw: bytes) -> None:
        """Take the 32 bytes of a public key. Raises ValueError for another length or spelling, or a small order."""
        if len(raw) != KEY_BYTES:
            raise ValueError(f"an Ed25519 public key has {KEY_BYTES} bytes, this one has {len(raw)}")
        y = int.from_bytes(raw, "little") & (2**255 - 1)
        if y >= _FIELD or y in _SMALL_ORDER:
            raise ValueError("an Ed25519 public key of small order, or not in its canonical spelling")
        self.raw = raw
        self._key = Ed25519PublicKey.from_public_bytes(raw)

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether the signature is this key's over this message."""
        try:
            self._key.verify(signature, message)
        except InvalidSignature:
            return False
        return True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VerifyKey) and compare_digest(self.raw, other.raw)

    def __hash__(self) -> int:
        return hash(self.raw)


def mac8_with(key: bytes) -> Mac8:
    """The most significant eight bytes of AES-CMAC under one key (NIST SP 800-38B section 6.2; RFC 4493)."""
    prepared = CMAC(AES(key))

    def mac8(message: bytes) -> bytes:
        mac = prepared.copy()
        mac.update(message)
        return mac.finalize()[:8]

    return mac8


def same_bytes(left: bytes, right: bytes) -> bool:
    """Compare two MACs in constant time."""
    return compare_digest(left, right)


def sha256_of(message: bytes) -> bytes:
    """SHA-256 (FIPS 180-4), 32 bytes."""
    return sha256(message).digest()


def to_base64url(raw: bytes) -> str:
    """base64url without padding (RFC 7515 appendix C)."""
    return b2a_base64(raw, newline=False).translate(_URL_ALPHABET, b"=").decode("ascii")


def from_base64url(text: str | bytes) -> bytes:
    """Read base64url without padding; anything but the one canonical spelling is a ValueError."""
    raw = text.encode("ascii", "replace") if isinstance(text, str) else text
    try:
        decoded = a2b_base64(raw.translate(_PLAIN_ALPHABET) + b"=" * (-len(raw) % 4))
    except BadBase64 as error:
        raise ValueError(f"not base64url: {error}") from error
    if b2a_base64(decoded, newline=False).translate(_URL_ALPHABET, b"=") != raw:
        raise ValueError("not base64url in its canonical spelling (RFC 7515 appendix C)")
    return decoded
