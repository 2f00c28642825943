"""Card keys that were delivered, in the data directory; key tier 0, like the journal key in its file.

card-keys.key    the X25519 key that deliveries are sealed for, base64url; mode 0600
card-keys.toml   the `[[card_keys]]` of the delivery in force, and its number; mode 0600
"""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

import msgspec

from protocol.card_keys import KeySetTable, Tier, write_tables
from protocol.ids import U53
from protocol.settings import SettingsWrong, decode_settings
from protocol.signing import KEY_BYTES, from_base64url, to_base64url
from terminal.durable_file import replace_file

DELIVERED_FILE, SEALING_FILE = "card-keys.toml", "card-keys.key"
_SECRET_MODE = 0o600


class CardKeysUnusable(Exception):
    """A file is open to others or damaged; the text says which and what to do."""


class Delivered(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The delivery in force; the first set is the one that new cards get."""

    delivery: U53
    card_keys: tuple[KeySetTable, ...]


def sealing_key(directory: Path, *, may_create: bool = False) -> bytes:
    """The secret X25519 key of this terminal; it is made once. Raises CardKeysUnusable, OSError."""
    path = directory / SEALING_FILE
    if not path.exists():
        if not may_create:
            raise CardKeysUnusable(f"{path} is missing: nothing was asked for here yet, or in another directory")
        replace_file(path, to_base64url(os.urandom(KEY_BYTES)).encode() + b"\n", _SECRET_MODE)
    require_private(path)
    try:
        secret = from_base64url(path.read_bytes().strip())
    except ValueError:
        secret = b""
    if len(secret) != KEY_BYTES:
        # A cause would show the content.
        raise CardKeysUnusable(f"{path} does not hold 32 bytes in base64url. Put back the right file.")
    return secret


def keep_delivered(directory: Path, number: int, sets: tuple[KeySetTable, ...]) -> None:
    """From the next start on these are the card keys. Raises OSError; those before are untouched then."""
    raw = f"delivery = {number}\n\n".encode() + write_tables([(table.key_set, _held(table)) for table in sets])
    replace_file(directory / DELIVERED_FILE, raw, _SECRET_MODE)


def read_delivered(directory: Path) -> Delivered | None:
    """The delivery in force, if there is one. Raises CardKeysUnusable, OSError."""
    path = directory / DELIVERED_FILE
    if not path.exists():
        return None
    require_private(path)
    try:
        return decode_settings(path.read_bytes(), Delivered)
    except SettingsWrong as error:
        raise CardKeysUnusable(f"{path}: {error}. Install the newest delivery again.") from error


def require_private(path: Path) -> None:
    """Raise CardKeysUnusable where others can read a file."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise CardKeysUnusable(f"{path} holds card keys and is open to others (mode {mode:04o}). Run: chmod 600 {path}")


def _held(table: KeySetTable) -> Mapping[Tier, bytes]:
    return {tier: from_base64url(getattr(table, tier)) for tier in Tier if getattr(table, tier)}
