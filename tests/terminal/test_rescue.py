"""A dead terminal's journal on a dying memory card: what can be read is read, and what cannot is said."""

import shutil
import struct
import sys
from pathlib import Path

import pytest

from protocol.ids import Seq
from terminal.__main__ import JOURNAL, OK, main
from terminal.journal_space import PAGE_BYTES
from terminal.log_frames import read_log
from terminal.rescue import Rescued, rescue
from tests.terminal.journals import open_store, sell

FRAME = 24 + PAGE_BYTES
SALES = 60


async def dead(tmp_path: Path, before: int = 0) -> tuple[Path, list[bytes]]:
    """A journal as a power cut leaves it; after many sales the log has been moved to the journal and begun again."""
    live, card = tmp_path / "live", tmp_path / "card"
    live.mkdir()
    store = await open_store(live)
    await sell(store, before)
    await sell(store, SALES)
    lines = await store.rows(Seq(1), 10_000)
    card.mkdir()
    for name in ("journal.db", "journal.db-wal"):
        shutil.copyfile(live / name, card / name)
    await store.close()
    return card, lines


def damage(path: Path, at: int, count: int = 8) -> None:
    raw = bytearray(path.read_bytes())
    raw[at : at + count] = bytes(byte ^ 0x5A for byte in raw[at : at + count])
    path.write_bytes(raw)


def frames(card: Path) -> list[tuple[int, bool]]:
    """Page and end of transaction of each frame that SQLite reads."""
    log = read_log((card / "journal.db-wal").read_bytes(), PAGE_BYTES)
    assert log.is_whole
    return [(frame.page, frame.commits) for frame in log.finished]


def is_proven(found: Rescued, lines: list[bytes]) -> None:
    """Whatever was read was written, each line once and in order; and where one is missing it is said."""
    places = [lines.index(line) for line in found.lines]
    assert places == sorted(set(places))
    assert found.faults or found.lines == lines


@pytest.mark.parametrize("before", [0, 100])
async def test_a_journal_that_is_whole_is_read_without_a_word(tmp_path: Path, before: int) -> None:
    card, lines = await dead(tmp_path, before)
    assert rescue(card) == Rescued(lines, [], had_log=True)


@pytest.mark.parametrize("where", [0.0, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("offset", [0, 8, 16, 24, 600])
async def test_a_damaged_frame_is_said_and_what_stands_behind_it_is_read(
    tmp_path: Path, where: float, offset: int
) -> None:
    """SQLite ends there and calls it clean; the later frames hold their own."""
    card, lines = await dead(tmp_path, 100)
    index = int(where * len(frames(card)))
    damage(card / "journal.db-wal", 32 + index * FRAME + offset)
    found = rescue(card)
    is_proven(found, lines)
    assert "journal.db-wal is damaged" in found.faults[0] and f"after {len(lines)} may exist" in found.faults[0]
    assert found.lines[-1] == lines[-1] and len(found.lines) >= len(lines) - 2


async def test_a_damaged_header_hides_nothing(tmp_path: Path) -> None:
    card, lines = await dead(tmp_path, 100)
    damage(card / "journal.db-wal", 0, 32)
    found = rescue(card)
    is_proven(found, lines)
    assert found.faults and found.lines[-1] == lines[-1]


async def test_a_damaged_stretch_leaves_a_hole_that_is_named(tmp_path: Path) -> None:
    card, lines = await dead(tmp_path)
    count = len(frames(card))
    damage(card / "journal.db-wal", 32 + count // 3 * FRAME, count // 3 * FRAME)
    found = rescue(card)
    is_proven(found, lines)
    lost = [index + 1 for index, line in enumerate(lines) if line not in found.lines]
    assert lost and any(fault.startswith(f"entries {lost[0]} to ") for fault in found.faults)
    assert found.lines[-1] == lines[-1]


async def test_a_torn_last_change_is_not_taken_for_an_entry(tmp_path: Path) -> None:
    """It was never finished: a terminal that is started again writes another entry of this number."""
    card, lines = await dead(tmp_path)
    ends = [index for index, (_, commits) in enumerate(frames(card)) if commits]
    log = card / "journal.db-wal"
    whole = log.read_bytes()
    for index in range(ends[-2] + 1, ends[-1] + 1):
        log.write_bytes(whole)
        damage(log, 32 + index * FRAME + 24)
        found = rescue(card)
        assert found.lines == lines[:-1], index
        assert f"entries after {len(lines) - 1} may exist" in found.faults[0]
    log.write_bytes(whole[: 32 + ends[-1] * FRAME])
    found = rescue(card)
    assert found.lines == lines[:-1]
    assert [f"entries after {len(lines) - 1} may exist" in fault for fault in found.faults] == (
        [True] if ends[-1] > ends[-2] + 1 else []
    )


async def test_a_cut_off_frame_is_said(tmp_path: Path) -> None:
    card, lines = await dead(tmp_path)
    log, count = card / "journal.db-wal", len(frames(card))
    log.write_bytes(log.read_bytes()[: 32 + count * FRAME - 100])
    found = rescue(card)
    assert found.lines == lines[:-1] and "1 of its pieces could not be read" in found.faults[0]


@pytest.mark.parametrize("left", [1, 6, 17, 31, 32, 40])
async def test_a_log_that_ends_in_its_header_ends_no_rescue(tmp_path: Path, left: int) -> None:
    card, lines = await dead(tmp_path, 100)
    log = card / "journal.db-wal"
    log.write_bytes(log.read_bytes()[:left])
    found = rescue(card)
    assert found.lines == lines[: len(found.lines)] and len(found.lines) >= 100


async def test_the_log_alone_says_nothing_of_frames_of_an_earlier_round(tmp_path: Path) -> None:
    """What stands behind the end was moved to the journal long ago."""
    card, lines = await dead(tmp_path, 100)
    raw = (card / "journal.db-wal").read_bytes()
    behind = 32 + len(frames(card)) * FRAME
    assert struct.unpack(">I", raw[behind : behind + 4])[0] > 0, "another round's frames"
    assert rescue(card).lines == lines


@pytest.mark.parametrize("page", [0, 1, 2, 3, 10, 50, 100])
async def test_a_broken_page_of_the_journal_ends_nothing(tmp_path: Path, page: int) -> None:
    card, lines = await dead(tmp_path, 100)
    damage(card / "journal.db", page * PAGE_BYTES, PAGE_BYTES)
    found = rescue(card)
    is_proven(found, lines)
    assert found.lines[-1] == lines[-1] and len(found.lines) >= len(lines) - 3


async def test_a_changed_letter_is_no_entry_of_this_chain(tmp_path: Path) -> None:
    card, lines = await dead(tmp_path, 100)
    journal = card / "journal.db"
    journal.write_bytes(journal.read_bytes().replace(lines[20][-20:-10], b"AAAAAAAAAA"))
    found = rescue(card)
    assert found.lines[:20] == lines[:20] and found.lines[21:] == lines[21:]
    assert found.faults == ["entry 22 does not continue entry 21: one of them is no longer what was written"]


async def test_the_command_says_it_and_does_not_call_it_a_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    card, lines = await dead(tmp_path)
    monkeypatch.setattr(sys, "argv", ["terminal", "--rescue", str(card)])
    assert main() == OK
    said = capsysbinary.readouterr()
    assert said.out.splitlines() == lines and said.err == b"120 entries were read\n"
    damage(card / "journal.db-wal", 32 + 10 * FRAME)
    assert main() == JOURNAL
    said = capsysbinary.readouterr()
    assert f"entries after {len(lines)} may exist".encode() in said.err and b"is damaged" in said.err
    assert said.out.splitlines()[-1][2:] in said.err, "the file says it as well"
