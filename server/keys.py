"""The server's signing keys, one for each purpose, in a directory of their own.

grant.key  ack.key  list.key  load.key    32-byte Ed25519 seeds, base64url; mode 0600; made at the first start
trust.json                                their public parts, as every terminal gets them at enrolment
"""

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from protocol.signing import KEY_BYTES, SigningKey, from_base64url, to_base64url
from server.durable import replace_file

PURPOSES = ("grant", "ack", "list", "load")
TRUST_FILE = "trust.json"
_SECRET_MODE = 0o600


class KeysUnusable(Exception):
    """A key file is open to others or damaged; the text says which and what to do."""


@dataclass(frozen=True, slots=True)
class ServerKeys:
    """What this server signs with."""

    grant: SigningKey = field(repr=False)
    ack: SigningKey = field(repr=False)
    list: SigningKey = field(repr=False)
    load: SigningKey = field(repr=False)

    def trust_json(self) -> bytes:
        """The public parts by purpose, base64url: what terminals believe."""
        public = {name: to_base64url(getattr(self, name).public.raw) for name in PURPOSES}
        return msgspec.json.format(msgspec.json.encode(public)) + b"\n"


def open_keys(directory: Path, *, may_create: bool = True) -> ServerKeys:
    """Read the keys; at the first start make them: never where terminals may believe in others. Raises KeysUnusable.

    `may_create`: the database is new too.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    trust = directory / TRUST_FILE
    is_first = may_create and not trust.exists()
    keys = ServerKeys(*(_open_key(directory / f"{purpose}.key", may_create=is_first) for purpose in PURPOSES))
    if not trust.exists():
        replace_file(trust, keys.trust_json())
    if trust.read_bytes() != keys.trust_json():
        raise KeysUnusable(f"{trust} tells of other keys than lie beside it. Put back the keys that terminals know.")
    return keys


def _open_key(path: Path, *, may_create: bool) -> SigningKey:
    if not path.exists():
        if not may_create:
            raise KeysUnusable(f"{path} is missing, and terminals believe in it. Put it back from the backup.")
        replace_file(path, to_base64url(os.urandom(KEY_BYTES)).encode() + b"\n", _SECRET_MODE)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & ~_SECRET_MODE:
        raise KeysUnusable(f"{path} is open to others (mode {mode:04o}). Run: chmod 600 {path}")
    try:
        return SigningKey(from_base64url(path.read_bytes().strip()))
    except ValueError:
        # Its cause would show the content.
        raise KeysUnusable(f"{path} does not hold 32 bytes in base64url. Put back the right file.") from None
