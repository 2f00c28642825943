"""The server's signing keys, one for each purpose, in a directory of their own.

    grant.key  ack.key  list.key  load.key    32-byte Ed25519 seeds, base64url; mode 0600
    ack.next.key                              what takes ack.key's place once the root has signed for it
    otp.key                                   32 bytes, base64url: seals the secrets of one-time codes
    trust.json                                the root's public key and the newest document it signed (SPEC, "Keys")

The root itself belongs on no server (docs/keys.md). Where nobody brought its word before the first start, that start
makes a root beside the keys, so that a trial just works, and every start says so until it is taken away.
"""

import logging
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from protocol.instants import UtcMs
from protocol.messages import PURPOSES, Keys, Purpose, ServerKey, sign
from protocol.signing import KEY_BYTES, SigningKey, from_base64url, to_base64url
from protocol.trust import Trust, encode_trust, read_trust
from server.durable import make_directory, replace_file

TRUST_FILE, ROOT_FILE = "trust.json", "root.key"
_SECRET_MODE, _ALWAYS = 0o600, UtcMs(0)

log = logging.getLogger(__name__)


class KeysUnusable(Exception):
    """A key file is open to others, damaged or not signed for; the text says which and what to do."""


@dataclass(frozen=True, slots=True)
class ServerKeys:
    """What this server signs with, and what terminals believe of it: its own earlier keys are among that."""

    grant: SigningKey = field(repr=False)
    ack: SigningKey = field(repr=False)
    list: SigningKey = field(repr=False)
    load: SigningKey = field(repr=False)
    trust: Trust = field(repr=False)


def open_keys(directory: Path, at: UtcMs = _ALWAYS, *, may_create: bool = True) -> ServerKeys:
    """Read the keys; at the first start make them: never where terminals may believe in others. Raises KeysUnusable.

    `may_create`: the database is new too.
    """
    trust = directory / TRUST_FILE
    if not trust.exists():
        if not may_create:
            raise KeysUnusable(f"{trust} is missing, and terminals believe what it says. Put it back from the backup.")
        _make_all(directory, at)
    if (directory / ROOT_FILE).exists():
        log.warning(
            "%s lies on the server: whoever takes this machine is believed for ever. Move it away (docs/keys.md).",
            directory / ROOT_FILE,
        )
    believed = trust_in(directory)
    grant, ack, lists, load = (_open_signed(directory, purpose, believed) for purpose in PURPOSES)
    return ServerKeys(grant, ack, lists, load, believed)


def trust_in(directory: Path) -> Trust:
    """What terminals believe of this server. Raises KeysUnusable."""
    path = directory / TRUST_FILE
    try:
        return read_trust(path.read_bytes())
    except FileNotFoundError as error:
        raise KeysUnusable(
            f"there is no {path}: a server makes it at its first start, in the `data` of its settings. "
            "Where it was there, put it back from the backup"
        ) from error
    except (OSError, ValueError) as error:
        raise KeysUnusable(f"{path}: no keys that its root signed ({error}). Put back the right file.") from error


def open_key(path: Path, *, may_create: bool = False) -> SigningKey:
    """One private key. Raises KeysUnusable."""
    return SigningKey(open_secret(path, may_create=may_create))


def open_secret(path: Path, *, may_create: bool = False) -> bytes:
    """32 bytes that only this account of the machine may read. Raises KeysUnusable."""
    if not path.exists():
        if not may_create:
            raise KeysUnusable(f"{path} is missing, and terminals believe in it. Put it back from the backup.")
        replace_file(path, to_base64url(os.urandom(KEY_BYTES)).encode() + b"\n", _SECRET_MODE)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & ~_SECRET_MODE:
        raise KeysUnusable(f"{path} is open to others (mode {mode:04o}). Run: chmod 600 {path}")
    try:
        raw = from_base64url(path.read_bytes().strip())
    except OSError as error:
        raise KeysUnusable(f"{path}: {error.strerror}. It belongs to the user that the server runs as") from error
    except ValueError:
        raw = b""  # its cause would show the content
    if len(raw) != KEY_BYTES:
        raise KeysUnusable(f"{path} does not hold 32 bytes in base64url. Put back the right file.")
    return raw


def first_document(directory: Path, at: UtcMs) -> Keys:
    """Make what keys are missing; what a root must sign so that terminals believe them."""
    make_directory(directory)
    return Keys(1, at, tuple(_first(directory, purpose, at) for purpose in PURPOSES))


def _first(directory: Path, purpose: Purpose, at: UtcMs) -> ServerKey:
    public = open_key(directory / f"{purpose}.key", may_create=True).public
    return ServerKey(purpose, 1, to_base64url(public.raw), at)


def next_key(directory: Path, purpose: str) -> Path:
    """Where the key lies that shall take the place of a present one."""
    return directory / f"{purpose}.next.key"


def _make_all(directory: Path, at: UtcMs) -> None:
    document = first_document(directory, at)
    root = open_key(directory / ROOT_FILE, may_create=True)
    replace_file(directory / TRUST_FILE, encode_trust(Trust(root.public, sign(document, root))))


def _open_signed(directory: Path, purpose: Purpose, believed: Trust) -> SigningKey:
    """The key that the document names. Where that is the next one, it takes its place now."""
    present, path = believed.ring(purpose).present, directory / f"{purpose}.key"
    following = next_key(directory, purpose)
    if following.exists() and open_key(following).public == present:
        following.replace(path)
        log.info("%s: the next key took its place", path)
    key = open_key(path)
    if key.public != present:
        raise KeysUnusable(
            f"{path} is another key than the one that the root signed for (version {believed.document.version} in "
            f"{directory / TRUST_FILE}). Put back the right one, or install a newer document (docs/keys.md)."
        )
    return key
