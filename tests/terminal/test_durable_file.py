"""Files that are whole, and files whose space is their own."""

import errno
import os
from pathlib import Path

import pytest

from terminal.durable_file import fill_file, free_bytes, replace_file, rewrite_file, sync_directory


def failing(number: int) -> object:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def test_a_file_is_replaced_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "file"
    replace_file(path, b"one")
    assert path.stat().st_mode & 0o777 == 0o644 & ~_umask()
    replace_file(path, b"two", 0o600)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"two", 0o600)
    assert list(tmp_path.iterdir()) == [path]


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_replacement_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    replace_file(path, b"one")
    monkeypatch.setattr(os, "fsync", failing(errno.ENOSPC))
    with pytest.raises(OSError, match="No space left"):
        replace_file(path, b"two")
    monkeypatch.undo()
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (b"one", [path])


def test_what_a_power_cut_left_behind_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "file.new").write_bytes(b"half")
    replace_file(tmp_path / "file", b"whole")
    assert (tmp_path / "file").read_bytes() == b"whole"


def test_a_file_is_filled_with_blocks_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"frames")
    fill_file(path, 100_001)
    fill_file(path, 50)
    assert path.read_bytes() == b"frames" + bytes(100_001 - 6)
    assert path.stat().st_blocks * 512 >= 100_001


def test_a_filling_that_fails_gives_back_what_it_took(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"frames")
    monkeypatch.setattr(os, "fsync", failing(errno.ENOSPC))
    with pytest.raises(OSError, match="No space left"):
        fill_file(path, 100_000)
    assert path.read_bytes() == b"frames"


def test_rewriting_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(bytes(range(256)) * 100)
    rewrite_file(path)
    assert path.read_bytes() == bytes(range(256)) * 100


def test_a_directory_can_be_synced_and_has_space(tmp_path: Path) -> None:
    sync_directory(tmp_path)
    assert free_bytes(tmp_path) > 0
    with pytest.raises(NotADirectoryError):
        sync_directory(Path("/dev/null"))
