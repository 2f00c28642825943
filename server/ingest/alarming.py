"""What a batch or a hello tells of the terminal that sent it, beside its entries: alarms of the same transaction."""

from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.ids import TerminalId, Tno
from protocol.instants import UtcMs
from protocol.messages import Ack, Hello
from server.alarms.raising import end_alarm, raise_alarm
from server.alarms.rules import AlarmKind
from server.ingest.book import CaseClass, ChainRow, EntryRow, TerminalStatus
from server.ingest.keeping import CLOCKS_APART_MAX_MS
from server.ingest.rules import Ask, Refused, Reply
from server.ingest.saving import Work
from server.ingest.waiting import ASK_TWO_PEOPLE, QUARANTINED

BACKLOG_ENTRIES_MAX = 10_000
"""A day of a busy till is a few thousand."""


async def alarm_of_batch(
    connection: AsyncConnection, work: Work, tno: Tno, reply: Reply, now: UtcMs, *, of_file: bool
) -> None:
    """Raise what this batch shows; lines `of_file` that are spoiled say nothing of the terminal."""
    tid = work.book.chains[tno].tid
    for case in work.book.cases[len(work.before.cases) :]:
        if case.cls is CaseClass.CHAIN_FORK:
            await raise_alarm(connection, AlarmKind.CHAIN_BREAK, tid, f"after entry {case.step[2]}: {case.text}", now)
    if isinstance(reply, Refused):
        text = "its journal goes on in more ways than are kept; nothing was taken"
        await raise_alarm(connection, AlarmKind.HISTORIES, tid, text, now)
    if isinstance(reply, Ask) and reply.is_fault and not of_file:
        text = f"a batch was refused: {reply.why}"
        await raise_alarm(connection, AlarmKind.REFUSED_BATCH, tid, text, now)
    new = [row for place, row in work.book.entries.items() if place not in work.before.entries and place[0] == tno]
    if new:
        brought = f"entries {min(row.seq for row in new)} to {max(row.seq for row in new)} of it came"
        await alarm_of_lost(connection, work.book.chains[tno], brought, now)
    await _alarm_of_entries(connection, tid, new, now)


async def alarm_of_backlog(connection: AsyncConnection, tid: TerminalId, behind: int, now: UtcMs) -> None:
    """A terminal has so many entries more than are here: much, or none any more."""
    if behind >= BACKLOG_ENTRIES_MAX:
        await raise_alarm(connection, AlarmKind.BACKLOG, tid, f"{behind:,} entries are not here yet", now)
    elif behind <= 0:
        await end_alarm(connection, AlarmKind.BACKLOG, tid, now)


async def alarm_of_unknown(
    connection: AsyncConnection, tid: TerminalId, hello: Hello, acked: Ack | None, now: UtcMs
) -> None:
    """Somebody who has a certificate shows a chain that is not here; an ack of ours for it proves that it was."""
    proof = f"; it holds our ack for entry {acked.seq}, so this server was restored" if acked else ""
    text = (
        f"{tid} says hello with epoch {hello.epoch}, number {hello.tno}, {hello.seq} entries, and no such epoch is here"
        f"{proof}. Where a restore has forgotten it: PUT /terminals/{tid} with its site, title, merchant and rights, "
        "then POST /grants with the line of grant.jws in its data directory; else enrol it anew"
    )
    await raise_alarm(connection, AlarmKind.TERMINAL_UNKNOWN, tid, text, now)


async def alarm_of_lost(connection: AsyncConnection, chain: ChainRow, did: str, now: UtcMs) -> None:
    """An epoch that was declared lost is there again: its journal is welcome, whoever has it is not."""
    if chain.status is not TerminalStatus.LOST:
        return
    becomes = "kept aside, as it is revoked too" if chain.revoked_at else "posted"
    text = (
        f"epoch {chain.epoch} was declared lost, and {did}; its entries are {becomes}. Find it: in your hands, enrol "
        f"it anew; in a stranger's, revoke it (POST /terminals/{chain.tid}/revoke: entries of every epoch then wait "
        "for two people)"
    )
    await raise_alarm(connection, AlarmKind.LOST_SPEAKS, chain.tid, text, now)


async def _alarm_of_entries(connection: AsyncConnection, tid: TerminalId, new: list[EntryRow], now: UtcMs) -> None:
    kept_back = [row.seq for row in new if row.parked == QUARANTINED]
    if kept_back:
        text = f"revoked, it brought entries {kept_back[0]} to {kept_back[-1]}; they are kept aside"
        await raise_alarm(connection, AlarmKind.QUARANTINE, tid, text, now)
    waiting = [row for row in new if row.parked in ASK_TWO_PEOPLE]
    if waiting:
        what = f"{len(waiting)} entries are not posted, of them entry {waiting[0].seq}: {waiting[0].parked}"
        text = f"{what}. GET /terminals/{tid}/parked shows them, POST /terminals/{tid}/accept-quarantined lets them in"
        await raise_alarm(connection, AlarmKind.ENTRY_WAITS, tid, text, now)
    ahead = max((row for row in new), key=lambda row: row.at, default=None)
    if ahead is not None and ahead.at - now > CLOCKS_APART_MAX_MS:
        text = f"entry {ahead.seq} says it was written {(ahead.at - now) // 1_000:,} s from now"
        await raise_alarm(connection, AlarmKind.CLOCK_OFF, tid, text, now)
