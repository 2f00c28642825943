"""What a backup says of itself: what is in it, and the sums that prove it whole."""

from hashlib import sha256
from pathlib import Path

import msgspec

from protocol.canonical import NotCanonical, read_part

MANIFEST, DATABASE, SECRETS = "manifest.json", "database.sealed", "secrets.sealed"
_READ_BYTES = 1_024 * 1_024


class NotABackup(Exception):
    """This cannot be restored from; the text says why."""


class Part(msgspec.Struct, frozen=True):
    """One file of a backup."""

    bytes: int
    sha256: str


class Holds(msgspec.Struct, frozen=True):
    """What is in a database."""

    schema: str
    server_epoch: int
    entries: int
    postings: int


class Manifest(msgspec.Struct, frozen=True):
    """Readable without the passphrase; nothing in it is secret."""

    format: int
    made_at: int
    engine: str
    """sqlite or postgresql: a backup is restored on its own engine."""
    holds_at_least: Holds
    """Counted before the copy was made."""
    parts: dict[str, Part]


_decoder = msgspec.json.Decoder(Manifest)


def part_of(path: Path) -> Part:
    """Size and sum of a file."""
    digest, size = sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(_READ_BYTES):
            digest.update(piece)
            size += len(piece)
    return Part(size, digest.hexdigest())


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """The last file of a backup."""
    (directory / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")


def verified_manifest(directory: Path) -> Manifest:
    """The manifest of a backup all of whose files are as they were written. Raises NotABackup."""
    path = directory / MANIFEST
    try:
        found = read_part(path.read_bytes(), _decoder)
    except FileNotFoundError as error:
        raise NotABackup(
            f"there is no {path}: this is no backup, or a part of one. Name the directory that `backup` printed, "
            "fanka-... with the instant in its name; is its disk mounted?"
        ) from error
    except OSError as error:
        raise NotABackup(f"{path} cannot be read: {error.strerror}. Take another copy of this backup") from error
    except NotCanonical as error:
        raise NotABackup(f"{path} is damaged ({error}): take another copy of this backup") from error
    if found.format != 1 or set(found.parts) != {DATABASE, SECRETS}:
        raise NotABackup(f"{directory}: another program's backup (format {found.format})")
    for name, part in found.parts.items():
        try:
            present = part_of(directory / name)
        except OSError as error:
            raise NotABackup(f"{directory / name}: {error.strerror}. Take another copy of this backup") from error
        if present != part:
            raise NotABackup(f"{directory / name} is not as it was written: take another copy of this backup")
    return found
