"""What must not survive: settings and orders of work with which an acknowledged or a made sale can be lost.

Each is planted in the recorded program alone, from outside; what then opens the images is as it ships. One that is not
caught by the images means that they prove nothing.
"""

import json
import os
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

import server.db
import server.ingest.service
from protocol.entries import Entry
from protocol.journal import Sealed, seal
from protocol.signing import Signer
from server.ingest.saving import write
from terminal import journal_file
from terminal.journal_space import JournalSpace
from tests.crash.promises import CARD_WRITE, ENTRY, HANDED_OVER, deeds_after


@dataclass(frozen=True, slots=True)
class Control:
    """One way to lose what was acknowledged."""

    name: str
    why: str
    targets: tuple[str, ...] = ("terminal", "server")
    """The programs in which it can be planted."""


WAL_NORMAL: Final = Control("wal-normal", "in WAL mode NORMAL syncs nothing at a commit")
DELETE_FULL: Final = Control(
    "delete-full", "the stock setting removes the rollback journal and does not sync its folder"
)
EARLY: Final = Control("ok-before-commit", "it is acknowledged before it is committed")
GOODS_EARLY: Final = Control("goods-before-commit", "goods go out before their sale is committed", ("terminal",))
CARD_EARLY: Final = Control("card-before-commit", "a card is written before the reason is committed", ("terminal",))
CONTROLS: Final = (WAL_NORMAL, DELETE_FULL, EARLY, GOODS_EARLY, CARD_EARLY)
_TOLD_EARLY: Final = {EARLY.name: ENTRY, GOODS_EARLY.name: HANDED_OVER, CARD_EARLY.name: CARD_WRITE}


def plant_in_terminal(name: str) -> None:
    """Change how the journal of this process works."""
    shipping = journal_file._PRAGMAS
    if name == WAL_NORMAL.name:
        journal_file._PRAGMAS = _replaced(shipping, synchronous="NORMAL")  # type: ignore[assignment]
    elif name == DELETE_FULL.name:
        journal_file._PRAGMAS = _replaced(shipping, journal_mode="DELETE", locking_mode="NORMAL")  # type: ignore[assignment]
        JournalSpace.take = _taken_without_log  # type: ignore[method-assign, assignment]
    elif name in _TOLD_EARLY:
        journal_file.seal = partial(_sealed_and_said, _TOLD_EARLY[name])  # type: ignore[attr-defined]
    else:
        assert not name, f"there is no control {name}"


def plant_in_server(name: str) -> None:
    """Change how the database of this process works."""
    if name == WAL_NORMAL.name:
        server.db.SQLITE_PRAGMAS = _replaced(server.db.SQLITE_PRAGMAS, synchronous="NORMAL")  # type: ignore[assignment]
    elif name == DELETE_FULL.name:
        server.db.SQLITE_PRAGMAS = _replaced(server.db.SQLITE_PRAGMAS, journal_mode="DELETE")  # type: ignore[assignment]
    elif name == EARLY.name:
        server.ingest.service.write = _written_and_said  # type: ignore[attr-defined]
    else:
        assert not name, f"there is no control {name}"


def _replaced(pragmas: tuple[str, ...], **others: str) -> tuple[str, ...]:
    names = [pragma.partition("=")[0].strip() for pragma in pragmas]
    assert set(others) <= set(names), "the shipping code sets it"
    return tuple(
        f"{name}={others[name]}" if name in others else pragma for name, pragma in zip(names, pragmas, strict=True)
    )


def _sealed_and_said(early: str, entry: Entry, key: Signer) -> Sealed:
    for event in deeds_after(entry):
        if event["event"] == early:
            os.write(1, json.dumps(event).encode() + b"\n")
    return seal(entry, key)


def _taken_without_log(space: JournalSpace) -> None:
    """Without WAL there is no log to fill."""
    space._wal_size = space._settings.wal_bytes
    space._measure()


async def _written_and_said(connection: AsyncConnection, work: Any, now: Any) -> None:
    for chain in work.book.chains.values():
        for branch in chain.branches.values():
            if branch.tip.seq:
                say_tip(chain.tno, branch.tip.seq, branch.tip.prev)
    await write(connection, work, now)


def say_tip(tno: int, seq: int, hash_text: str) -> None:
    """Tell on standard output what the server has acknowledged."""
    os.write(1, json.dumps({"event": "tip", "tno": tno, "seq": seq, "hash": hash_text}).encode() + b"\n")
