"""What must not survive: programs that acknowledge before they commit, made so from outside."""

import asyncio
from typing import Final

from protocol.ids import TerminalId
from protocol.journal import Tip, read_entry
from protocol.messages import decode_batch
from server.ingest.rules import Ack
from server.ingest.service import Ingest
from tests.crash import controls

TERMINAL, SERVER = "terminal", "server"
EARLY: Final = (TERMINAL, SERVER)
"""Which of the two says so too early."""

_shipping = Ingest.take
_later = set[asyncio.Task[bytes | None]]()


def plant(module: str, control: str) -> None:
    """Change this process, if it is the one."""
    if control != module:
        return
    if module == TERMINAL:
        controls.plant_in_terminal(controls.EARLY.name)
    else:
        Ingest.take = _said_before_taken  # type: ignore[method-assign, assignment]


async def _said_before_taken(ingest: Ingest, tid: TerminalId, raw: bytes) -> bytes | None:
    taking = asyncio.create_task(_shipping(ingest, tid, raw))
    _later.add(taking)
    taking.add_done_callback(_later.discard)
    last = read_entry(decode_batch(raw)[-1])
    return ingest._signed(last.entry.epoch, 1, tid, Ack(Tip(last.seq, last.hash)))
