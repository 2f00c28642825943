"""What was acknowledged before a program died, looked for in what it left, before anybody mends that.

Files are copied first: to open them would do what the next start has to do by itself.
"""

import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, func, select

from protocol.ids import Seq
from protocol.journal import Break, verify_chain
from server import tables
from terminal.identity import JOURNAL_FILE, load_identity
from tests.fire.bad_network import Broken
from tests.integration.campus import Campus, Till

_NEW = "SELECT jws FROM entry WHERE seq > ? ORDER BY seq"


class JournalWitness:
    """Remembers what one terminal has said."""

    def __init__(self, till: Till) -> None:
        identity = load_identity(till.directory / "data")
        self._till, self._tip, self._key = till, identity.start, identity.key.public
        self.said, self.acked, self._heard = Seq(0), Seq(0), 0

    def listen(self) -> None:
        """Everything that its program has said by now."""
        events = self._till.program.events
        end = len(events)
        for event in events[self._heard : end]:
            if event["event"] in ("entry", "handed_over"):
                self.said = max(self.said, Seq(event["seq"]))
            elif event["event"] == "acked":
                self.acked = max(self.acked, Seq(event["seq"]))
        self._heard = end

    def look(self) -> None:
        """The chain holds, and with everything that was said. Its program is dead. Raises Broken."""
        self.listen()
        with tempfile.TemporaryDirectory(prefix="fanka-") as name:
            copy = _copied(self._till.directory / "data" / JOURNAL_FILE, Path(name))
            with closing(sqlite3.connect(copy)) as db:
                lines = [jws for (jws,) in db.execute(_NEW, (self._tip.seq,))]
        for found in verify_chain(lines, self._tip, self._key):
            if isinstance(found, Break):
                raise Broken(f"{self._till.tid}: entry {found.seq}: {found.what}, {found.detail}")
            self._tip = type(self._tip)(found.seq, found.hash)
        if self._tip.seq < max(self.said, self.acked):
            raise Broken(f"{self._till.tid}: said {self.said}, acked {self.acked}; its journal ends at {self._tip.seq}")


def look_at_server(campus: Campus, witnesses: dict[int, JournalWitness]) -> None:
    """Every entry that was acknowledged is in the database. The server is dead. Raises Broken."""
    acked: dict[int, int] = {}
    for tno, witness in witnesses.items():
        acked[tno] = _newest_acked(witness)
    held = _tips(campus)
    for tno, seq in acked.items():
        newest, count = held.get(tno, (0, 0))
        if newest < seq or newest != count:
            raise Broken(f"terminal {tno}: entry {seq} was acknowledged; the server holds {count}, up to {newest}")


def _newest_acked(witness: JournalWitness) -> int:
    events = witness._till.program.events[:]
    return max((int(event["seq"]) for event in events[-2_000:] if event["event"] == "acked"), default=0)


def _tips(campus: Campus) -> dict[int, Any]:
    entry = tables.entry.c
    wanted = select(entry.tno, func.max(entry.seq), func.count()).where(entry.branch == 0).group_by(entry.tno)
    with tempfile.TemporaryDirectory(prefix="fanka-") as name:
        url = campus.database
        if not url:
            url = f"sqlite:///{_copied(campus.directory / 'server' / 'data' / 'server.db', Path(name))}"
        engine = create_engine(url)
        try:
            with engine.connect() as connection:
                return {tno: (newest, count) for tno, newest, count in connection.execute(wanted)}
        finally:
            engine.dispose()


def _copied(database: Path, to: Path) -> Path:
    for suffix in ("", "-wal", "-journal"):
        beside = database.with_name(database.name + suffix)
        if beside.exists():
            shutil.copyfile(beside, to / beside.name)
    return to / database.name
