"""The vault of the card keys, on a machine without a network (docs/card-keys.md).

    sets.json     which sets there are, in which state, and their check values; no secret
    set-1.toml    the master keys of a set, while they lie here; mode 0600

A set is made here once and never again; its number is on every card of it.
"""

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from protocol.canonical import NotCanonical
from protocol.canonical import read_part as read_members
from protocol.card_keys import (
    MASTER_BYTES,
    KeySet,
    NotKeys,
    Tier,
    join,
    read_part,
    read_tables,
    split,
    write_part,
    write_tables,
)
from protocol.instants import UtcMs
from protocol.purse_desfire import KEY_SET_MAX
from server.durable import replace_file

REGISTER_FILE = "sets.json"
_SECRET_MODE = 0o600

State = Literal["present", "former", "withdrawn"]


class VaultWrong(Exception):
    """Nothing was changed; the text says why, and shows no key."""


class SetRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the register says of a set. `former`: cards still carry it; `withdrawn`: no terminal shall have it."""

    number: int
    state: State
    made_at: UtcMs
    check_values: dict[Tier, str]
    in_parts: bool = False
    """Whether its keys were ever split, or came as parts: else they are here and nowhere else."""


class Register(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All sets that were ever made here, in their order."""

    sets: tuple[SetRow, ...] = ()
    delivered: int = 0
    """The number of the newest delivery."""


_registers = msgspec.json.Decoder(Register)


def make_set(vault: Path, at: UtcMs) -> SetRow:
    """Make the next set: new cards get it, the one before is former from now on. Raises VaultWrong, OSError."""
    vault.mkdir(mode=0o700, parents=True, exist_ok=True)
    rows = read_register(vault).sets
    number = max((row.number for row in rows), default=0) + 1
    if number > KEY_SET_MAX:
        raise VaultWrong(f"sets are numbered up to {KEY_SET_MAX}")
    return _keep_new(vault, KeySet(number, {tier: os.urandom(MASTER_BYTES) for tier in Tier}), at)


def split_set(vault: Path, number: int, files: Sequence[Path]) -> None:
    """Write a set's parts, one into each of two or three files of mode 0600. Raises VaultWrong, OSError."""
    keys = open_set(vault, number)
    for path in files:
        if path.exists():
            raise VaultWrong(f"{path} exists: a part is never written over")
    parts = split(keys, len(files), os.urandom((len(files) - 1) * len(Tier) * MASTER_BYTES))
    for path, part in zip(files, parts, strict=True):
        replace_file(path, write_part(part).encode(), _SECRET_MODE)
    _note_parts(vault, number)


def join_set(vault: Path, texts: Sequence[str], at: UtcMs) -> SetRow:
    """Put a set together from all its parts. In a new vault it is the present one. Raises VaultWrong, OSError."""
    vault.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        keys = join([read_part(text) for text in texts])
    except NotKeys as error:
        raise VaultWrong(str(error)) from error
    row = _row(vault, keys.number)
    if row is None:
        _keep_new(vault, keys, at)
        return _note_parts(vault, keys.number)
    if row.check_values != keys.check_values:
        raise VaultWrong(f"the register of {vault} knows other keys as set {keys.number}")
    if row.state == "withdrawn":
        raise VaultWrong(f"set {keys.number} is withdrawn")
    _write(vault, keys)
    return row


def forget_set(vault: Path, number: int) -> None:
    """Take a set's keys off this machine; its parts bring them back. Raises VaultWrong, OSError.

    What a disk or a stick keeps of a deleted file nobody knows: that is why the vault lies in memory.
    """
    row = _row(vault, number)
    if row is None:
        raise VaultWrong(f"there is no set {number} in {vault}")
    if not row.in_parts and row.state != "withdrawn":
        raise VaultWrong(f"set {number} was never split: its keys are here and nowhere else. Split it first")
    _file(vault, number).unlink(missing_ok=True)


def withdraw_set(vault: Path, number: int) -> SetRow:
    """No terminal shall have this set any more; its keys go. Raises VaultWrong, OSError."""
    row = _row(vault, number)
    if row is None:
        raise VaultWrong(f"there is no set {number} in {vault}")
    if row.state == "present":
        raise VaultWrong(f"set {number} is the one that new cards get: make the next one first")
    fresh = msgspec.structs.replace(row, state="withdrawn")
    _write_register(vault, [fresh if known == row else known for known in read_register(vault).sets])
    forget_set(vault, number)
    return fresh


def open_set(vault: Path, number: int) -> KeySet:
    """A set whose keys lie here, as the register knows it. Raises VaultWrong."""
    path, row = _file(vault, number), _row(vault, number)
    if row is None or not path.exists():
        raise VaultWrong(f"{path} is missing: join the set's parts first")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & ~_SECRET_MODE:
        raise VaultWrong(f"{path} is open to others (mode {mode:04o}). Run: chmod 600 {path}")
    try:
        found = read_tables(path.read_bytes())
    except NotKeys as error:
        raise VaultWrong(f"{path}: {error}") from error
    if [(keys.number, keys.check_values) for keys in found] != [(number, row.check_values)]:
        raise VaultWrong(f"{path} holds other keys than the register of {vault} knows as set {number}")
    return found[0]


def sets_in_force(vault: Path) -> list[KeySet]:
    """What terminals shall hold, the present set first. Raises VaultWrong unless all their keys lie here."""
    rows = sorted(read_register(vault).sets, key=lambda row: (row.state == "present", row.number), reverse=True)
    return [open_set(vault, row.number) for row in rows if row.state != "withdrawn"]


def next_delivery(vault: Path, at: UtcMs) -> int:
    """A number above all before; by the clock, so that a new register goes on where a lost one was. Raises OSError."""
    register = read_register(vault)
    number = max(at, register.delivered + 1)
    _keep_register(vault, msgspec.structs.replace(register, delivered=number))
    return number


def known_sets(vault: Path) -> tuple[SetRow, ...]:
    """All sets of a vault that there is, in their order. Raises VaultWrong."""
    if not vault.is_dir():
        raise VaultWrong(f"there is no vault {vault}: name its directory, or begin one with `make` or `join`")
    found = read_register(vault).sets
    if not found:
        raise VaultWrong(f"no set was made or joined in {vault}: it has no {REGISTER_FILE}")
    return found


def read_register(vault: Path) -> Register:
    """The register; an empty one where nothing was made yet. Raises VaultWrong."""
    path = vault / REGISTER_FILE
    try:
        return read_members(path.read_bytes(), _registers)
    except FileNotFoundError:
        return Register()
    except NotCanonical as error:
        raise VaultWrong(f"{path}: {error}") from error


def _keep_new(vault: Path, keys: KeySet, at: UtcMs) -> SetRow:
    """The keys first: a set that the register knows can be opened or joined."""
    rows = read_register(vault).sets
    row = SetRow(keys.number, "present", at, keys.check_values)
    if any(known.number > keys.number for known in rows):
        row = msgspec.structs.replace(row, state="former")
    else:
        rows = tuple(_former(known) for known in rows)
    _write(vault, keys)
    _write_register(vault, sorted([*rows, row], key=lambda known: known.number))
    return row


def _note_parts(vault: Path, number: int) -> SetRow:
    row = _row(vault, number)
    assert row is not None
    fresh = msgspec.structs.replace(row, in_parts=True)
    _write_register(vault, [fresh if known == row else known for known in read_register(vault).sets])
    return fresh


def _former(row: SetRow) -> SetRow:
    return msgspec.structs.replace(row, state="former") if row.state == "present" else row


def _row(vault: Path, number: int) -> SetRow | None:
    return next((row for row in read_register(vault).sets if row.number == number), None)


def _write(vault: Path, keys: KeySet) -> None:
    replace_file(_file(vault, keys.number), write_tables([(keys.number, keys.masters)]), _SECRET_MODE)


def _write_register(vault: Path, rows: Sequence[SetRow]) -> None:
    _keep_register(vault, msgspec.structs.replace(read_register(vault), sets=tuple(rows)))


def _keep_register(vault: Path, register: Register) -> None:
    replace_file(vault / REGISTER_FILE, msgspec.json.format(msgspec.json.encode(register)) + b"\n")


def _file(vault: Path, number: int) -> Path:
    return vault / f"set-{number}.toml"
