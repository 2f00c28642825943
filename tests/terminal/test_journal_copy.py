"""The stick in the side of the till: follows the journal, and never holds it up."""

import asyncio
import contextlib
import shutil
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from protocol.ids import Seq
from terminal.journal_copy import JournalCopy, name_of
from terminal.journal_store import JournalStore
from tests.protocol.samples import GRANT
from tests.terminal.journals import FAULT, open_store, sell

NAME = name_of(GRANT)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[JournalStore]:
    store = await open_store(tmp_path)
    yield store
    await store.close()


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    (tmp_path / "stick").mkdir()
    return tmp_path / "stick" / f"{NAME}.jws"


@contextlib.asynccontextmanager
async def following(store: JournalStore, path: Path) -> AsyncIterator[JournalCopy]:
    copy = JournalCopy(store, path.parent, NAME, retry_s=0.02)
    running = asyncio.create_task(copy.run())
    yield copy
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


def content(path: Path) -> bytes:
    return path.read_bytes()


def put(path: Path, text: bytes) -> None:
    path.write_bytes(text)


async def lines_of(store: JournalStore) -> list[bytes]:
    return await store.rows(Seq(1), 10_000)


async def test_every_entry_is_a_line_soon_after(store: JournalStore, stick: Path) -> None:
    await sell(store, 200)
    async with following(store, stick) as copy:
        await until(lambda: copy.copied == 400)
        await sell(store)
        copy.wake()
        await until(lambda: copy.copied == 402)
    assert content(stick).splitlines() == await lines_of(store)


async def test_it_goes_on_where_the_file_ends_even_in_the_middle_of_a_line(store: JournalStore, stick: Path) -> None:
    await sell(store, 2)
    async with following(store, stick) as copy:
        await until(lambda: copy.copied == 4)
    put(stick, content(stick)[:-5])
    await sell(store)
    async with following(store, stick) as copy:
        await until(lambda: copy.copied == 6)
    assert content(stick).splitlines() == await lines_of(store)


async def test_half_a_line_alone_is_begun_anew(store: JournalStore, stick: Path) -> None:
    put(stick, b"eyJ")
    await sell(store)
    async with following(store, stick) as copy:
        await until(lambda: copy.copied == 2)
    assert content(stick).splitlines() == await lines_of(store)


async def test_a_stick_that_is_pulled_is_said_and_one_that_comes_back_gets_everything(
    store: JournalStore, stick: Path
) -> None:
    async with following(store, stick) as copy:
        await sell(store)
        copy.wake()
        await until(lambda: copy.copied == 2)
        shutil.rmtree(stick.parent)
        await sell(store)
        copy.wake()
        await until(lambda: bool(copy.fault))
        assert "stick" in copy.fault
        stick.parent.mkdir()
        await until(lambda: not copy.fault and copy.copied == 4)
    assert content(stick).splitlines() == await lines_of(store)


@pytest.mark.parametrize("other", [b"holiday pictures\n", b"e30.e30.e30\n"])
async def test_a_file_that_is_something_else_is_left_alone(store: JournalStore, stick: Path, other: bytes) -> None:
    put(stick, other)
    await sell(store)
    async with following(store, stick) as copy:
        await until(lambda: copy.copied == 2)
    assert content(stick) == other
    assert content(stick.with_name(f"{NAME}-2.jws")).splitlines() == await lines_of(store)


async def test_a_stick_that_served_another_history_gets_this_one_whole(
    store: JournalStore, stick: Path, tmp_path: Path
) -> None:
    """A terminal whose disk image was put back goes on under the same name with other entries."""
    (tmp_path / "other").mkdir()
    other = await open_store(tmp_path / "other")
    await other.append(FAULT)
    await sell(other, 3)
    async with following(other, stick) as copy:
        await until(lambda: copy.copied == 7)
    theirs = await lines_of(other)
    await other.close()
    await sell(store, 5)
    for _ in range(2):
        async with following(store, stick) as copy:
            await until(lambda: copy.copied == 10)
    assert content(stick).splitlines() == theirs
    assert content(stick.with_name(f"{NAME}-2.jws")).splitlines() == await lines_of(store)
