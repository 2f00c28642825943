"""The shipping journal on a real SQLite file beside a list of lines: written, read, closed, killed and opened again."""

import asyncio
import hashlib
import json
import shutil
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Coroutine
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from protocol.entries import CashSale, Kind, ShiftOpened
from protocol.ids import MerchantId, Seq, ShiftNo
from protocol.money import Cents
from terminal.journal_space import JournalSettings
from terminal.journal_store import JournalStore
from terminal.ports import Draft
from tests.protocol.samples import GRANT_JWS
from tests.stateful import run, runs
from tests.terminal.journals import BOOTED, FAULT, IDENTITY, PREPARED, ack, begun, checkpoint, draft, settled

WAL_BYTES: Final = 512 * 1_024
ACK_EVERY: Final = 16
"""An ack is written along with one of so many entries after it, and when the journal is closed."""

T = TypeVar("T")


def b64(raw: bytes) -> str:
    """Base64url without padding, by the standard library."""
    return urlsafe_b64encode(raw).decode().rstrip("=")


def hash_of(raw: bytes) -> bytes:
    """SHA-256, by the standard library."""
    return hashlib.sha256(raw).digest()


def payload_of(line: bytes) -> dict[str, Any]:
    """What an entry says, read without any of the shipping code."""
    part = line.split(b".")[1]
    said = json.loads(urlsafe_b64decode(part + b"=" * (-len(part) % 4)))
    assert isinstance(said, dict)
    return said


def cash(cents: int) -> Draft:
    """A sale for cash."""
    return draft(Kind.CASH_SALE, CashSale(MerchantId("canteen-1"), Cents(cents)))


def shift(number: int) -> Draft:
    """The beginning of a shift."""
    return draft(Kind.SHIFT_OPENED, ShiftOpened(ShiftNo(number), Cents(100 * number)))


drafts = st.one_of(
    st.sampled_from([BOOTED, FAULT, PREPARED]), st.integers(1, 9_999).map(cash), st.integers(1, 9).map(shift)
)


class Journals(RuleBasedStateMachine):
    """One journal through many lives of its program."""

    def __init__(self) -> None:
        super().__init__()
        self.runner, self.directories = asyncio.Runner(), [self.directory()]
        self.lines: list[bytes] = []
        self.turnover, self.boot = 0, 1
        self.state: tuple[int, bytes] | None = None
        self.acks: list[tuple[int, bytes, int]] = []
        """What the server has acknowledged, as far as the program kept it: which entry, and how many were there."""
        self.acks_safe = 0
        """So many of them were written down before, or one after them was."""
        self.store = self.do(begun(self.settings(), IDENTITY))

    def directory(self) -> TemporaryDirectory[str]:
        """A new place for files."""
        return TemporaryDirectory(prefix="fanka-")

    def settings(self) -> JournalSettings:
        """Where the journal is now; so little room that its log is moved into the file often."""
        return JournalSettings(Path(self.directories[-1].name) / "journal.db", WAL_BYTES, WAL_BYTES // 2, 65_536)

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for something."""
        return self.runner.run(work)

    # Writing
    @rule(entries=st.lists(drafts, min_size=1, max_size=4))
    def append(self, entries: list[Draft]) -> None:
        for entry in entries:
            self.written(entry, self.do(self.store.append(entry)).jws)

    @rule(prepared=drafts.filter(lambda entry: entry.kind is not Kind.FAULT))
    def sell(self, prepared: Draft) -> None:
        self.append([prepared, settled(len(self.lines) + 1)])

    @rule(entries=st.lists(drafts, min_size=2, max_size=8))
    def append_all_at_once(self, entries: list[Draft]) -> None:
        async def together() -> list[bytes]:
            return [sealed.jws for sealed in await asyncio.gather(*(self.store.append(one) for one in entries))]

        for entry, line in zip(entries, self.do(together()), strict=True):
            self.written(entry, line)

    @rule(state=st.binary(max_size=3_000))
    def append_a_checkpoint(self, state: bytes) -> None:
        entry = checkpoint(state)
        self.written(entry, self.do(self.store.append(entry, state)).jws)
        self.state = (len(self.lines), state)
        self.acks_safe = len(self.acks)

    @rule()
    def fill_the_log(self) -> None:
        """More than the room before the reserve: the log is moved into the main file meanwhile."""
        for _ in range(30):
            self.append([FAULT])

    def written(self, entry: Draft, line: bytes) -> None:
        """What was just written continues what is there, and says what it was told to."""
        said, before = payload_of(line), self.lines[-1] if self.lines else GRANT_JWS
        if entry.kind in (Kind.CASH_SALE, Kind.SALE_SETTLED):
            self.turnover += entry.body.amount  # type: ignore[union-attr]
        assert (said["seq"], said["prev"]) == (len(self.lines) + 1, b64(hash_of(before)))
        assert (said["kind"], said.get("turnover", 0), said["boot"]) == (entry.kind, self.turnover, self.boot)
        self.lines.append(line)
        late = [
            number for number, (*_, there_were) in enumerate(self.acks, 1) if len(self.lines) > there_were + ACK_EVERY
        ]
        self.acks_safe = max([self.acks_safe, *late])

    # The server's word
    @precondition(lambda self: self.lines)
    @rule(back=st.integers(0, 20))
    def acknowledge(self, back: int) -> None:
        """Whoever keeps acks keeps no older one (terminal/sync_link.py)."""
        seq = max(1, len(self.lines) - back)
        if not self.acks or seq >= self.acks[-1][0]:
            jws = ack(seq, b64(hash_of(self.lines[seq - 1])))
            self.store.keep_ack(jws)
            self.acks.append((seq, jws, len(self.lines)))

    # Reading
    @rule(first=st.integers(1, 80), count=st.integers(0, 80))
    def read(self, first: int, count: int) -> None:
        assert self.do(self.store.rows(Seq(first), count)) == self.lines[first - 1 :][:count]

    @rule(seq=st.integers(0, 80))
    def hash_is_known(self, seq: int) -> None:
        line = [GRANT_JWS, *self.lines][seq : seq + 1]
        assert self.do(self.store.hash_at(Seq(seq))) == (hash_of(line[0]) if line else None)

    @rule(after=st.integers(0, 80))
    def fold(self, after: int) -> None:
        async def folded() -> list[bytes]:
            return [sealed.jws async for sealed in self.store.entries_after(Seq(after))]

        assert self.do(folded()) == self.lines[after:]

    @rule(first=st.integers(1, 80))
    def export(self, first: int) -> None:
        with self.directory() as elsewhere:
            path = Path(elsewhere) / "journal.jws"
            assert self.do(self.store.export(path, Seq(first))) == len(self.lines[first - 1 :])
            assert path.read_bytes().splitlines() == self.lines[first - 1 :]

    @rule()
    def verify(self) -> None:
        async def verified() -> list[tuple[int, object]]:
            return [(checked.seq, checked.found) async for checked in self.store.verify_all(pause_s=0)]

        checked = self.do(verified())
        assert not self.lines or checked[-1] == (len(self.lines), None)

    # Lives
    @rule()
    def close_and_open(self) -> None:
        self.do(self.store.close())
        self.acks_safe = len(self.acks)
        self.open()

    @rule()
    def kill_and_open(self) -> None:
        """What a killed program leaves is what its files hold; here its thread is at rest, for a whole copy."""
        old = self.directories[-1]
        self.do(self.store.rows(Seq(1), 1))
        self.directories.append(self.directory())
        for name in ("journal.db", "journal.db-wal"):
            shutil.copy(Path(old.name) / name, self.directories[-1].name)
        self.do(self.store.close())
        self.open()

    @rule()
    def recover(self) -> None:
        """As after a fault of the disk: the file is opened anew in the same life."""
        self.do(self.store.recover())
        self.opened()

    def open(self) -> None:
        """The next life: it says a number of its own as soon as an entry of the last one does."""
        self.store = self.do(JournalStore.open(self.settings(), IDENTITY))
        self.boot = payload_of(self.lines[-1])["boot"] + 1 if self.lines else 1
        self.opened()

    def opened(self) -> None:
        """All that was durable is there: the newest state, and what was acknowledged."""
        snapshot = self.store.snapshot
        assert (None if snapshot is None else (snapshot.seq, snapshot.state)) == self.state
        found = [number for number, (_, jws, _) in enumerate(self.acks, 1) if jws == self.store.ack_jws]
        assert max(found, default=0) >= self.acks_safe, "what was acknowledged stays so"
        self.acks = self.acks[: max(found, default=0)]
        self.acks_safe = len(self.acks)
        assert (self.store.acked.seq if self.store.acked else 0) == (self.acks[-1][0] if self.acks else 0)

    @invariant()
    def the_tip_is_the_newest_line(self) -> None:
        tip = self.store.tip
        assert (tip.seq, tip.hash) == (len(self.lines), hash_of(self.lines[-1] if self.lines else GRANT_JWS))
        assert self.store.boot == self.boot and not self.store.low

    def teardown(self) -> None:
        try:
            assert self.do(self.store.rows(Seq(1), len(self.lines) + 1)) == self.lines
            self.verify()
        finally:
            self.do(self.store.close())
            self.runner.close()
            for directory in self.directories:
                directory.cleanup()


@runs(30)
def test_a_journal_is_a_list_of_lines_through_all_its_lives(examples: int) -> None:
    run(Journals, examples, 25)
