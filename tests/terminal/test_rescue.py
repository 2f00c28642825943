"""A dead terminal's journal, read from damaged files: nothing that was lost goes without a word."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from terminal.__main__ import JOURNAL, OK, main
from terminal.journal_space import PAGE_BYTES
from terminal.log_frames import LogFrames, frames_of
from tests.terminal.journals import open_store, sell

FRAME = 24 + PAGE_BYTES
HEADER = 32
ENTRIES = 20

Rescue = Callable[[], tuple[int, list[bytes], str]]


@pytest.fixture
async def dead(tmp_path: Path) -> Path:
    """The files as a killed terminal leaves them: the log is full of entries, and no checkpoint was made."""
    live, dead = tmp_path / "live", tmp_path / "dead"
    live.mkdir()
    store = await open_store(live)
    await sell(store, ENTRIES // 2)
    shutil.copytree(live, dead)
    await store.close()
    return dead


@pytest.fixture
def rescue(dead: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Rescue:
    """Run the command: its exit code, the lines it brought, what it said."""

    def run() -> tuple[int, list[bytes], str]:
        monkeypatch.setattr(sys, "argv", ["terminal", "--rescue", str(dead)])
        code = main()
        said = capsysbinary.readouterr()
        return code, said.out.splitlines(), said.err.decode()

    return run


def frames(dead: Path) -> LogFrames:
    return frames_of((dead / "journal.db-wal").read_bytes())


def spoil(dead: Path, at: int, new: bytes | None = None) -> None:
    """Write over a place in the log; by default turn the bits of one byte."""
    log = bytearray((dead / "journal.db-wal").read_bytes())
    new = bytes([log[at] ^ 0xFF]) if new is None else new
    log[at : at + len(new)] = new
    (dead / "journal.db-wal").write_bytes(log)


def start_of(frame: int) -> int:
    return HEADER + frame * FRAME


def test_of_an_intact_log_everything_is_read_and_nothing_is_said(dead: Path, rescue: Rescue) -> None:
    log = frames(dead)
    assert log == LogFrames(used=log.used) and log.used > ENTRIES
    code, lines, said = rescue()
    assert (code, len(lines), said) == (OK, ENTRIES, f"{ENTRIES} entries were read\n")


@pytest.mark.parametrize("offset", [1, 9, 20, 24 + PAGE_BYTES // 2], ids=["page", "salt", "checksum", "content"])
def test_damage_in_the_middle_of_the_log_is_said_with_what_may_be_missing(
    dead: Path, rescue: Rescue, offset: int
) -> None:
    whole = frames(dead).used
    spoil(dead, start_of(whole // 2) + offset)
    log = frames(dead)
    assert log.used <= whole // 2 and log.used + log.lost == whole
    code, lines, said = rescue()
    entries = len(lines) - 1
    assert code == JOURNAL and 0 < entries < ENTRIES
    text = f"{log.lost} frames of journal.db-wal cannot be used, damage lies before them: entries after {entries} may"
    assert text in said
    assert lines[-1].startswith(b"# ") and lines[-1][2:].decode() in said, "the file says it as well"


@pytest.mark.parametrize("damage", [b"", bytes(24), bytes(FRAME // 2)], ids=["bit", "no header", "half"])
def test_a_torn_last_frame_is_what_a_power_cut_leaves(dead: Path, rescue: Rescue, damage: bytes) -> None:
    whole = frames(dead).used
    spoil(dead, start_of(whole - 1) + (0 if damage else 100), damage or None)
    log = frames(dead)
    assert log.lost == 0 and log.used < whole and log.torn == whole - log.used - (1 if damage else 0)
    code, lines, said = rescue()
    assert (code, len(lines)) == (OK, ENTRIES - 1)
    if log.torn:
        assert (
            f"after entry {ENTRIES - 1}: a write that was cut off, as in a power cut, or a damaged last entry" in said
        )


@pytest.mark.parametrize("at", [0, 8, 17, 25], ids=["magic", "page size", "salt", "checksum"])
def test_without_the_header_of_the_log_nothing_in_it_counts(dead: Path, rescue: Rescue, at: int) -> None:
    spoil(dead, at)
    assert frames(dead) == LogFrames(header_broken=True)
    code, lines, said = rescue()
    assert code == JOURNAL and len(lines) == 1
    assert (
        "the header of journal.db-wal is damaged and nothing in it can be used: entries after 0 may be missing" in said
    )


async def test_frames_of_an_earlier_round_are_not_missed(tmp_path: Path) -> None:
    """After a checkpoint the log is written from its beginning again, over what stood there."""
    store = await open_store(tmp_path)
    await sell(store, 10)
    before = (tmp_path / "journal.db-wal").read_bytes()
    await store.close()
    store = await open_store(tmp_path)
    await sell(store, 3)
    log = (tmp_path / "journal.db-wal").read_bytes()
    await store.close()
    found = frames_of(log + before[len(log) :])
    assert found == LogFrames(used=found.used) and found.used > 0


def test_a_log_of_zeros_is_an_empty_one() -> None:
    assert frames_of(bytes(10_000)) == frames_of(b"") == LogFrames()
