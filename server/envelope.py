"""Files under a passphrase: scrypt (RFC 7914) makes the key, AES-256-GCM seals the pieces in their order.

    "fanka-sealed-1\\n" | salt, 16 bytes | pieces: each 1 MiB of the file, the last one shorter, plus 16 bytes of tag

The nonce is the piece's number and whether it is the last, so that none is left out, swapped or cut off; what the file
is called is authenticated with each.
"""

import os
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

_HEAD = b"fanka-sealed-1\n"
_SALT_BYTES, _KEY_BYTES, _TAG_BYTES = 16, 32, 16
PIECE_BYTES = 1_024 * 1_024
_COST = 2**15
"""Of scrypt: about 32 MiB and a tenth of a second for each guess."""


class NotOpened(ValueError):
    """Another passphrase, or the file was changed; which of both nobody can tell."""


def seal(source: BinaryIO, target: BinaryIO, passphrase: bytes, name: str) -> None:
    """Write a file sealed."""
    salt = os.urandom(_SALT_BYTES)
    cipher, number = _cipher(passphrase, salt), 0
    target.write(_HEAD + salt)
    piece = source.read(PIECE_BYTES)
    while True:
        following = source.read(PIECE_BYTES)
        target.write(cipher.encrypt(_nonce(number, is_last=not following), piece, name.encode()))
        if not following:
            return
        piece, number = following, number + 1


def unseal(source: BinaryIO, target: BinaryIO, passphrase: bytes, name: str) -> None:
    """Write what was sealed. Raises NotOpened; what was written until then is not to be believed."""
    head = source.read(len(_HEAD) + _SALT_BYTES)
    if not head.startswith(_HEAD) or len(head) != len(_HEAD) + _SALT_BYTES:
        raise NotOpened(f"{name} is no sealed file")
    cipher, number = _cipher(passphrase, head[len(_HEAD) :]), 0
    piece = source.read(PIECE_BYTES + _TAG_BYTES)
    while True:
        following = source.read(PIECE_BYTES + _TAG_BYTES)
        try:
            target.write(cipher.decrypt(_nonce(number, is_last=not following), piece, name.encode()))
        except InvalidTag:
            raise NotOpened(f"{name}: another passphrase, or the file was changed") from None
        if not following:
            return
        piece, number = following, number + 1


def _cipher(passphrase: bytes, salt: bytes) -> AESGCM:
    return AESGCM(Scrypt(salt, _KEY_BYTES, _COST, 8, 1).derive(passphrase))


def _nonce(number: int, *, is_last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([is_last])
