"""Enrolment by hand: a new epoch's journal and key are made together, once; then the server's grant is kept.

    new_key      journal.db (empty), journal.key        its public part goes to the server
    take_grant   trust.json, grant.jws                  the server's answer, checked against the key

Nothing else ever begins a journal. So a key whose journal is gone is found out, and does not sign a second history.
"""

from pathlib import Path

import msgspec

from protocol.canonical import read_part
from protocol.signing import VerifyKey
from protocol.trust import TrustFile, trust_of
from terminal.durable_file import make_directory
from terminal.identity import (
    GRANT_FILE,
    IN_A_FILE,
    JOURNAL_FILE,
    KEY_FILE,
    Identity,
    IdentityError,
    JournalKeys,
    save_grant,
)
from terminal.journal_file import create_journal, holds_nothing, missing


class _Answer(msgspec.Struct, frozen=True):
    """What the server answers to `POST /terminals/TID/epochs`."""

    grant: str
    trust: TrustFile


_answers = msgspec.json.Decoder(_Answer)


def new_key(directory: Path, keys: JournalKeys = IN_A_FILE) -> VerifyKey:
    """Begin an epoch in this directory, which is made if need be; the public part of its key.

    Raises IdentityError where an epoch was begun here before, OSError.
    """
    journal = directory / JOURNAL_FILE
    for path in (directory / KEY_FILE, directory / GRANT_FILE, journal):
        if path.exists() and not (path == journal and holds_nothing(path)):
            raise IdentityError(
                f"{path} exists: an epoch was begun in {directory}. To begin another, move all that is in it to a "
                "safe place first, unchanged: the server still takes the entries of that journal."
            )
    make_directory(directory)
    if not journal.exists():  # where the power was cut before the key was made, it lies there
        create_journal(journal)
    return keys.create(directory)


def take_grant(directory: Path, answer: bytes, keys: JournalKeys = IN_A_FILE) -> Identity:
    """Keep what the server answered. Raises IdentityError, JournalMissing."""
    if not keys.has_key(directory):
        raise IdentityError(f"{directory} holds no key. Begin with: python -m terminal --new-key {directory}")
    if not (directory / JOURNAL_FILE).exists():
        raise missing(directory / JOURNAL_FILE)
    try:
        found = read_part(answer, _answers)
        trust = trust_of(found.trust)
    except ValueError as error:
        raise IdentityError(f"this is no grant as the server gives it ({error}): {_beginning(answer)}") from error
    return save_grant(directory, found.grant.encode(), trust, keys)


def _beginning(answer: bytes) -> str:
    """Enough of an answer to see what the server complains of; it holds no secret."""
    return answer[:200].decode("utf-8", "replace").strip() or "the input is empty"
