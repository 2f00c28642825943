"""The site's certificate authority in its directory; whoever reads its key can be any terminal at the broker.

ca.key   P-256, PKCS #8; mode 0600; made at the first start
ca.crt   what terminals and the broker believe
"""

import stat
from pathlib import Path

from protocol.instants import UtcMs
from server.broker.certificates import Pair, new_authority, read_pair
from server.durable import make_directory, replace_file

CA_KEY, CA_FILE = "ca.key", "ca.crt"
SECRET_MODE = 0o600


class AuthorityUnusable(Exception):
    """A file of the authority is missing, damaged or open to others; the text says which and what to do."""


def open_authority(directory: Path, at: UtcMs, *, may_create: bool) -> Pair:
    """Read the authority; at the first start make it: never where terminals may believe in another.

    `may_create`: the database is new too, and nobody has a certificate. Raises AuthorityUnusable.
    """
    make_directory(directory)
    key, certificate = directory / CA_KEY, directory / CA_FILE
    if not certificate.exists():
        if not may_create:
            raise AuthorityUnusable(
                f"{certificate} is missing, and terminals believe in it. Put it back from the backup."
            )
        made = new_authority("Fanka site authority", at)
        replace_file(key, made.key_pem(), SECRET_MODE)  # one that a power cut has left alone here signed nothing yet
        replace_file(certificate, made.certificate_pem())
    return open_pair(certificate, key)


def open_pair(certificate: Path, key: Path) -> Pair:
    """A certificate and its key from two files. Raises AuthorityUnusable."""
    try:
        mode = stat.S_IMODE(key.stat().st_mode)
        if mode & ~SECRET_MODE:
            raise AuthorityUnusable(f"{key} is open to others (mode {mode:04o}). Run: chmod 600 {key}")
        return read_pair(certificate.read_bytes(), key.read_bytes())
    except OSError as error:
        raise AuthorityUnusable(f"{error.filename}: {error.strerror}. Put it back from the backup.") from error
    except (ValueError, TypeError):
        # Its cause might show the content.
        raise AuthorityUnusable(f"{certificate} and {key} are no pair. Put back the right files.") from None
