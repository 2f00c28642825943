"""Secrets of one-time codes, sealed with a key that lies beside the server's others and not in its database."""

import base64
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from protocol.signing import from_base64url, to_base64url
from server.keys import KeysUnusable, open_secret

OTP_KEY = "otp.key"
_NONCE_BYTES, _SECRET_BYTES = 12, 20
"""160 bits, as RFC 4226, section 4, recommends."""


class OtpSecrets:
    """Makes, seals and opens them. One that was sealed for another name does not open."""

    def __init__(self, file: Path) -> None:
        """Reads the key, or makes it where there is none. Raises KeysUnusable."""
        self._cipher = AESGCM(open_secret(file, may_create=True))
        self._file = file

    def make(self) -> str:
        """A new secret, base32."""
        return base64.b32encode(os.urandom(_SECRET_BYTES)).decode()

    def seal(self, secret: str, name: str) -> str:
        """For the database: AES-256-GCM, base64url."""
        nonce = os.urandom(_NONCE_BYTES)
        return to_base64url(nonce + self._cipher.encrypt(nonce, secret.encode(), name.encode()))

    def open(self, sealed: str, name: str) -> str:
        """What was sealed for this name. Raises KeysUnusable: the key is another one."""
        raw = from_base64url(sealed)
        try:
            return self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], name.encode()).decode()
        except InvalidTag:
            raise KeysUnusable(f"{self._file} is not the key of this database. Put it back from the backup.") from None
