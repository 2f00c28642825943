"""An enrolment that waits for a person, kept so that a restart of the machine does not lose it (`terminal/claim.py`).

    enrolment.json    the claim code's digest, the TLS key, the ticket and what the server told; mode 0600

The certificate that is approved is for this very key. The file goes when the enrolment is over.
"""

from pathlib import Path

import msgspec

from protocol.canonical import NotCanonical, read_part
from protocol.entries import HashField
from protocol.trust import TrustFile
from terminal.durable_file import replace_file, sync_directory
from terminal.identity import IdentityError

PENDING_FILE = "enrolment.json"
_SECRET_MODE = 0o600


class Opened(msgspec.Struct, frozen=True):
    """What the server answers to a claim code: how to go on, and what the terminal shall believe."""

    ticket: str
    nonce: HashField
    trust: TrustFile
    authority: str


class Pending(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An enrolment that is begun."""

    code: str
    """SHA-256 of the claim code."""
    key: str
    """The TLS key, PKCS #8 in PEM."""
    request: str
    opened: Opened


_decoder = msgspec.json.Decoder(Pending)


def keep_pending(directory: Path, pending: Pending) -> None:
    """Make it durable, before the server is asked to show it to anybody. Raises OSError."""
    replace_file(directory / PENDING_FILE, msgspec.json.encode(pending), _SECRET_MODE)


def read_pending(directory: Path, code: str) -> Pending | None:
    """The enrolment that was begun here with this code. Raises IdentityError where the file cannot be read."""
    path = directory / PENDING_FILE
    try:
        found = read_part(path.read_bytes(), _decoder)
    except FileNotFoundError:
        return None
    except NotCanonical:
        return None  # nothing is lost: it is begun anew
    except OSError as error:
        raise IdentityError(f"{path} cannot be read: {error.strerror}. Check owner and mode.") from error
    return found if found.code == code else None


def forget_pending(directory: Path) -> None:
    """It is over, one way or the other. Raises OSError."""
    (directory / PENDING_FILE).unlink(missing_ok=True)
    sync_directory(directory)
