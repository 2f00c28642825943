"""Who this terminal is: its journal key, the grant of its epoch, and the server's keys it believes (SPEC, "Keys").

In the data directory:

    journal.db     the journal of this epoch, begun together with its key (`terminal/enrol.py`)
    journal.key    the 32-byte Ed25519 seed, base64url; mode 0600 (key tier 0)
    grant.jws      the epoch grant as the server signed it
    trust.json     the root that is believed, and the newest document with the server's keys that it signed
    tls.pem        key and certificate for the broker (`terminal/claim.py`); mode 0600
    enrolment.json an enrolment that waits for a person (`terminal/pending.py`); mode 0600
    ca.crt         whom to believe to be the broker
    server.json    where the server answered at enrolment (`terminal/server_address.py`)

`JournalKeys` is the port behind which the journal key lives, one implementation for each key tier; the file's is here.
The seed leaves this file only as a `SigningKey`, which shows nothing of it.
"""

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from protocol.enrolment import KeyTier
from protocol.journal import Tip
from protocol.messages import Grant, NotAMessage, verified
from protocol.signing import KEY_BYTES, Signer, SigningKey, VerifyKey, from_base64url, to_base64url
from protocol.trust import Trust, encode_trust, read_trust
from terminal.durable_file import replace_file

JOURNAL_FILE, KEY_FILE, GRANT_FILE, TRUST_FILE = "journal.db", "journal.key", "grant.jws", "trust.json"
TLS_FILE, CA_FILE = "tls.pem", "ca.crt"
_SECRET_MODE = 0o600
_ENROL_ONCE_MORE = "enrol once more with a new claim code: journal and key stay, and the same key gets the same grant"


class IdentityError(Exception):
    """The terminal does not know who it is; the text says what is wrong and what to do. A technician's matter."""


class NotEnrolled(IdentityError):
    """There is no identity yet: the terminal was never enrolled, or its files are gone."""


@dataclass(frozen=True, slots=True)
class Identity:
    """One epoch of one terminal."""

    grant: Grant
    grant_jws: bytes = field(repr=False)
    key: Signer = field(repr=False)
    trust: Trust = field(repr=False)
    tier: KeyTier = KeyTier.FILE

    @property
    def start(self) -> Tip:
        """Where the chain of this epoch begins."""
        return self.grant.start(self.grant_jws)


class JournalKeys(Protocol):
    """Makes journal keys and finds them again, wherever a tier keeps them."""

    @property
    def tier(self) -> KeyTier:
        """Which tier this is."""
        ...

    def has_key(self, directory: Path) -> bool:
        """Whether an epoch was begun here with a key of this tier."""
        ...

    def create(self, directory: Path) -> VerifyKey:
        """Make a key and return its public part. Raises IdentityError where there is one, OSError."""
        ...

    def open(self, directory: Path) -> Signer:
        """The key that signs this epoch's entries. Raises NotEnrolled where there is none, IdentityError."""
        ...


class FileKeys:
    """Tier 0: the seed lies in a file that only its owner reads."""

    tier = KeyTier.FILE

    def has_key(self, directory: Path) -> bool:
        """Whether there is such a file."""
        return (directory / KEY_FILE).exists()

    def create(self, directory: Path) -> VerifyKey:
        """Make a key and return its public part.

        Raises IdentityError where there is one already: entries may have been signed with it.
        """
        path = directory / KEY_FILE
        if path.exists():
            raise IdentityError(f"{path} exists. Move it away first if a new epoch shall begin; never delete it.")
        seed = os.urandom(KEY_BYTES)
        replace_file(path, to_base64url(seed).encode() + b"\n", _SECRET_MODE)
        return SigningKey(seed).public

    def open(self, directory: Path) -> Signer:
        """The key that signs this epoch's entries. Raises NotEnrolled where there is none, IdentityError."""
        path = directory / KEY_FILE
        text, found = _read(path).strip(), path.stat()
        mode = stat.S_IMODE(found.st_mode)
        if mode & ~_SECRET_MODE:
            raise IdentityError(f"{path} is open to others (mode {mode:04o}). Run: chmod 600 {path}")
        if found.st_uid != os.geteuid():
            raise IdentityError(
                f"{path} belongs to another user (uid {found.st_uid}). Run: chown {os.geteuid()} {path}"
            )
        try:
            return SigningKey(from_base64url(text))
        except ValueError:
            # Its cause would show the content.
            raise IdentityError(f"{path} does not hold 32 bytes in base64url. Put back the right file.") from None


IN_A_FILE: JournalKeys = FileKeys()


def load_identity(directory: Path, keys: JournalKeys = IN_A_FILE) -> Identity:
    """Read and check everything: modes, the grant's signature, and that the grant is for this very key.

    Raises NotEnrolled where a file is missing, IdentityError where one is wrong.
    """
    if directory.exists() and not directory.is_dir():
        raise IdentityError(f"{directory} is no directory: name the one that enrolment made")
    trust = _read_trust(directory / TRUST_FILE)
    key = keys.open(directory)
    path = directory / GRANT_FILE
    grant_jws = _read(path).strip()
    try:
        grant = verified(grant_jws, Grant, trust.grant)
    except NotAMessage as error:
        raise IdentityError(f"{path}: {error}. Move it away and {_ENROL_ONCE_MORE}.") from error
    if grant.verify_key != key.public:
        raise IdentityError(
            f"{path} was given for another journal key than this terminal's. Put back the key of this grant, or "
            f"begin {_new_epoch(directory)}"
        )
    return Identity(grant, grant_jws, key, trust, keys.tier)


def save_grant(directory: Path, grant_jws: bytes, trust: Trust, keys: JournalKeys = IN_A_FILE) -> Identity:
    """Keep what enrolment brought, the grant last, and read it all back. Raises IdentityError, NotEnrolled."""
    save_trust(directory, trust)
    replace_file(directory / GRANT_FILE, grant_jws + b"\n")
    return load_identity(directory, keys)


def save_trust(directory: Path, trust: Trust) -> None:
    """Keep newer keys of the server. Raises OSError."""
    replace_file(directory / TRUST_FILE, encode_trust(trust))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise NotEnrolled(f"{path} is missing. {_what_to_do_without(path)}") from error
    except OSError as error:
        raise IdentityError(f"{path} cannot be read: {error.strerror}. Check owner and mode.") from error


def _read_trust(path: Path) -> Trust:
    try:
        return read_trust(_read(path))
    except ValueError as error:
        raise IdentityError(f"{path}: {error}. Copy it from another terminal of the site.") from error


def _what_to_do_without(path: Path) -> str:
    """What works where a file is gone: the journal is never begun anew under a key that may have signed."""
    directory = path.parent
    if not any((directory / name).exists() for name in (JOURNAL_FILE, KEY_FILE, GRANT_FILE)):
        return "Enrol the terminal."
    if path.name == TRUST_FILE and (directory / GRANT_FILE).exists():
        return "Copy it from another terminal of the site."
    if (directory / KEY_FILE).exists():
        return f"{_ENROL_ONCE_MORE.capitalize()}."
    return f"There is no copy of it. Put it back if it only went astray; else begin {_new_epoch(directory)}"


def _new_epoch(directory: Path) -> str:
    return (
        f"a new epoch: move everything in {directory} to a safe place, unchanged, and enrol with a new claim code. "
        "What the server has not got is read there by `python -m terminal --rescue` (docs/enrolment.md)."
    )
