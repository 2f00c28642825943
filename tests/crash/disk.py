"""A disk that is told what a program did to its files, and what a power cut may leave of it.

A change of a file is sure to be on the disk when the file was synced after it; a name (created, renamed, removed) when
its directory was. Everything else may be there, in part, or not at all:

    data       each sector of 512 bytes by itself holds what was synced, or what any write since has made of it;
               a sector may be torn: its beginning newer than its end
    size       what was synced, or any size since, in order: what was cut off reads as zeros when it grows again
    names      what was synced, then any of the changes since, or only the first few

That is more than a journalling file system does: what survives here survives there.
"""

import os
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path, PurePosixPath
from stat import S_IMODE
from typing import Final, TypeVar

from tests.crash.recording import Change, What

SECTOR_BYTES: Final = 512
_TORN_SHARE: Final = 0.25
"""Of the images in which anything is left to chance."""


_BLOCK_BYTES: Final = 16 * 1_024
_ZEROS: Final = bytes(_BLOCK_BYTES)

T = TypeVar("T")


class Survives(StrEnum):
    """What a power cut leaves of the changes that were not synced."""

    NOTHING = "nothing"
    ALL = "all"
    FIRST = "the first ones"
    ANY = "any of them"


_HOW: Final = (Survives.NOTHING, Survives.ALL, Survives.FIRST, Survives.FIRST, *[Survives.ANY] * 4)


@dataclass(slots=True)
class _File:
    mode: int
    durable: bytearray = field(default_factory=bytearray)
    pending: list[Change] = field(default_factory=list[Change])

    def sync(self) -> None:
        for change in self.pending:
            _apply(self.durable, change)
        self.pending.clear()


@dataclass(slots=True)
class _Folder:
    mode: int
    durable: dict[str, int] = field(default_factory=dict[str, int])
    pending: list["_Naming"] = field(default_factory=list["_Naming"])

    def sync(self) -> None:
        for naming in self.pending:
            naming.apply(self.durable)
        self.pending.clear()


@dataclass(frozen=True, slots=True)
class _Naming:
    """`name` is the file of this number from now on (0: no file), and `gone` no name any more."""

    name: str
    number: int
    gone: str = ""

    def apply(self, names: dict[str, int]) -> None:
        if self.gone and names.get(self.gone, self.number) == self.number:
            names.pop(self.gone, None)
        if self.number:
            names[self.name] = self.number
        else:
            names.pop(self.name, None)


@dataclass(slots=True)
class Image:
    """The files that one power cut left, by name; `folders` above them. Modes are those of their making."""

    files: dict[str, tuple[bytes, int]] = field(default_factory=dict[str, tuple[bytes, int]])
    folders: dict[str, int] = field(default_factory=dict[str, int])
    chances: Counter[str] = field(default_factory=Counter[str])
    """How many sectors, sizes and names were left to chance, and what became of them."""

    def write(self, directory: Path) -> None:
        """Put it into an empty directory."""
        for name, mode in sorted(self.folders.items()):
            (directory / name).mkdir(mode=mode)
        for name, (content, mode) in self.files.items():
            descriptor = os.open(directory / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            try:
                os.write(descriptor, content[: _end_of(content)])  # a hole reads as zeros
                os.ftruncate(descriptor, len(content))
            finally:
                os.close(descriptor)

    def differences(self, directory: Path) -> list[str]:
        """Names whose content or mode is another in a real directory, or that are in one alone; `-shm` counts not."""
        real: dict[str, tuple[bytes | None, int]] = {}
        for path in directory.rglob("*"):
            if not path.name.endswith("-shm"):
                content = path.read_bytes() if path.is_file() else None
                real[str(path.relative_to(directory))] = (content, S_IMODE(path.stat().st_mode))
        modelled: dict[str, tuple[bytes | None, int]] = {**self.files}
        modelled |= {name: (None, mode) for name, mode in self.folders.items()}
        return sorted(name for name in real.keys() | modelled.keys() if real.get(name) != modelled.get(name))


class Disk:
    """Everything below one folder, change by change."""

    def __init__(self) -> None:
        self._made: list[_File | _Folder] = [_Folder(0o755)]
        """By the number that a file keeps for ever: names that were not synced may still lead to a removed one."""
        self._numbers: dict[int, int] = {}
        """Of the file that has an inode now: a file system gives inodes away again."""
        self._names: dict[str, int] = {"": 0}
        """What programs see: paths to files, those of nothing synced included."""
        self._takes: dict[What, Callable[[Change], None]] = {
            What.WRITE: self._change,
            What.RESIZE: self._change,
            What.SYNC: self._sync,
            What.CREATE: lambda change: self._make(change, _File(change.mode)),
            What.MKDIR: lambda change: self._make(change, _Folder(change.mode)),
            What.RENAME: self._rename,
            What.UNLINK: self._remove,
            What.RMDIR: self._remove,
            What.MARK: lambda _: None,
        }

    def take(self, changes: Iterable[Change]) -> None:
        """Changes happen, in order."""
        for change in changes:
            self._takes[change.what](change)

    def image(self, chance: random.Random) -> Image:
        """What a power cut now may leave."""
        image = Image()
        self._leave(0, "", image, chance.choice(_HOW), chance)
        return image

    def whole(self) -> Image:
        """What programs see now."""
        image = Image()
        self._leave(0, "", image, Survives.ALL, random.Random(0))
        return image

    def _change(self, change: Change) -> None:
        file = self._made[self._numbers[change.inode]]
        assert isinstance(file, _File), f"{change.name} is no file"
        file.pending.append(change)

    def _sync(self, change: Change) -> None:
        self._made[self._numbers[change.inode] if change.name else 0].sync()

    def _make(self, change: Change, made: _File | _Folder) -> None:
        number = len(self._made)
        self._made.append(made)
        self._numbers[change.inode] = self._names[change.name] = number
        folder, name = self._place(change.name)
        folder.pending.append(_Naming(name, number))

    def _rename(self, change: Change) -> None:
        number = self._names.pop(change.name)
        assert isinstance(self._made[number], _File), "folders are not renamed"
        self._names[change.other] = number
        (old, gone), (fresh, name) = self._place(change.name), self._place(change.other)
        assert old is fresh, "files are renamed within their folder"
        fresh.pending.append(_Naming(name, number, gone))

    def _remove(self, change: Change) -> None:
        self._names.pop(change.name)
        folder, name = self._place(change.name)
        folder.pending.append(_Naming(name, 0))

    def _place(self, path: str) -> tuple[_Folder, str]:
        above, name = str(PurePosixPath(path).parent), PurePosixPath(path).name
        folder = self._made[self._names["" if above == "." else above]]
        assert isinstance(folder, _Folder)
        return folder, name

    def _leave(self, number: int, path: str, image: Image, how: Survives, chance: random.Random) -> None:
        folder = self._made[number]
        assert isinstance(folder, _Folder)
        names = dict(folder.durable)
        for naming in _some(folder.pending, how, chance):
            naming.apply(names)
        image.chances["names"] += len(folder.pending)
        for name, below in names.items():
            found, place = self._made[below], f"{path}{name}"
            if isinstance(found, _Folder):
                image.folders[place] = found.mode
                self._leave(below, f"{place}/", image, how, chance)
            else:
                image.files[place] = (_leave_file(found, how, chance, image.chances), found.mode)


def _end_of(content: bytes) -> int:
    """Where at the latest there are zeros alone."""
    end = len(content)
    while end and content.startswith(_ZEROS[: min(end, _BLOCK_BYTES)], max(0, end - _BLOCK_BYTES)):
        end = max(0, end - _BLOCK_BYTES)
    return end


def _some(changes: Sequence[T], how: Survives, chance: random.Random) -> Sequence[T]:
    match how:
        case Survives.NOTHING:
            return ()
        case Survives.ALL:
            return changes
        case Survives.FIRST:
            return changes[: chance.randint(0, len(changes))]
        case Survives.ANY:
            return [change for change in changes if chance.random() < 0.5]


def _leave_file(file: _File, how: Survives, chance: random.Random, counts: Counter[str]) -> bytes:
    sure = 0
    if how is Survives.ALL:
        sure = len(file.pending)
    elif how is Survives.FIRST:
        sure = chance.randint(0, len(file.pending))
    unsure: Sequence[Change] = ()
    if how is Survives.FIRST:
        unsure = file.pending[sure : sure + 1]  # what was being written when the power failed
    elif how is Survives.ANY:
        unsure = file.pending
    content = bytearray(file.durable)
    for change in file.pending[:sure]:
        _apply(content, change)
    return bytes(_scattered(content, unsure, chance, counts) if unsure else content)


def _apply(content: bytearray, change: Change) -> None:
    """What a change makes of a file."""
    if change.what is What.RESIZE:
        del content[change.offset :]
        content.extend(bytes(change.offset - len(content)))
    else:
        content.extend(bytes(max(0, change.offset - len(content))))
        content[change.offset : change.offset + len(change.data)] = change.data


def _scattered(base: bytearray, changes: Sequence[Change], chance: random.Random, counts: Counter[str]) -> bytearray:
    """A file whose changes since the last sync are each on the disk in part; sizes follow one another."""
    reached = chance.randint(0, len(changes))
    size, versions = _versions(base, changes, reached)
    content = base[:size]
    content.extend(bytes(size - len(content)))
    newest_share = chance.random()
    torn = _torn_sector(versions, chance)
    for sector, known in versions.items():
        chosen = known[-1] if chance.random() < newest_share else chance.choice(known)
        counts["sectors lost"] += chosen is not known[-1]
        if sector == torn:
            older, newer = sorted(chance.sample(range(len(known)), 2))
            edge = chance.randrange(1, SECTOR_BYTES)
            chosen = known[newer][:edge] + known[older][edge:]
            counts["sectors torn"] += 1
        at = sector * SECTOR_BYTES
        if at < size:
            content[at : at + SECTOR_BYTES] = chosen[: size - at]
    counts["sectors"] += len(versions)
    return content


def _torn_sector(versions: dict[int, list[bytes]], chance: random.Random) -> int | None:
    if chance.random() >= _TORN_SHARE:
        return None
    changed = [sector for sector, known in versions.items() if len(known) > 1]
    return chance.choice(changed) if changed else None


def _versions(base: bytearray, changes: Sequence[Change], reached: int) -> tuple[int, dict[int, list[bytes]]]:
    """The size after the first `reached` changes, and all that each touched sector has held since the last sync.

    Where a smaller size has reached the disk, what stood beyond it is gone.
    """
    size = left = len(base)
    versions: dict[int, list[bytes]] = {}
    now: dict[int, bytes] = {}

    def held(sector: int) -> bytes:
        if sector in now:
            return now[sector]
        at = sector * SECTOR_BYTES
        return bytes(base[at : at + SECTOR_BYTES]).ljust(SECTOR_BYTES, b"\0")

    for index, change in enumerate(changes):
        if change.what is What.RESIZE:
            for sector in range(change.offset // SECTOR_BYTES, -(-size // SECTOR_BYTES)):
                kept = max(0, change.offset - sector * SECTOR_BYTES)
                now[sector] = held(sector)[:kept].ljust(SECTOR_BYTES, b"\0")
                if index < reached:
                    versions[sector] = [now[sector]]
            size = change.offset
        else:
            end = change.offset + len(change.data)
            for sector in range(change.offset // SECTOR_BYTES, -(-end // SECTOR_BYTES)):
                before, at = held(sector), sector * SECTOR_BYTES
                first, last = max(change.offset, at), min(end, at + SECTOR_BYTES)
                piece = change.data[first - change.offset : last - change.offset]
                now[sector] = before[: first - at] + piece + before[last - at :]
                known = versions.setdefault(sector, [before])
                if now[sector] != known[-1]:
                    known.append(now[sector])
            size = max(size, end)
        if index < reached:
            left = size
    return left, versions
