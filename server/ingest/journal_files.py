"""Takes in an exported or rescued journal, batch by batch: as far as it holds; and says what is wrong with the rest.

lines -> epochs -> as far as they can be read and follow one another -> batches -> the halves of one that is refused
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Protocol, assert_never

from protocol.ids import Epoch, TerminalId
from protocol.messages import BATCH_ENTRIES_MAX, batch_of
from protocol.sync_receiver import Link, misplaced
from server.errors import Conflict, Invalid
from server.ingest.rules import Ack, Ask, Refused, Reply, epoch_named, read_run


class Replied(Protocol):
    """A batch that is committed."""

    @property
    def reply(self) -> Reply:
        """What the terminal would be answered."""
        ...

    @property
    def new(self) -> int:
        """How many of its entries were not here before."""
        ...


_NOTE_BYTES_MAX = 300

Take = Callable[[Sequence[bytes]], Awaitable[Replied | None]]
"""Keeps and posts a batch of the terminal; None: its epoch is not registered."""


@dataclass(frozen=True, slots=True)
class TakenFile:
    """How an import of journal lines went."""

    batches: int = 0
    asked_for: int = 0
    """The first entry that is still missing; 0: everything was taken."""
    entries: int = 0
    """So many lines of the file are here now, from the first one on."""
    upto: int = 0
    """The number of the last of these entries, in its own epoch."""
    fault: str = ""
    """What is wrong with the line after them; empty: nothing."""
    new: int = 0
    """So many of these entries were not here before."""


async def take_journal(take: Take, tid: TerminalId, lines: Sequence[bytes]) -> TakenFile:
    """Take in lines that may go through several epochs, up to the first that is wrong.

    Raises Invalid where not even the first line is one of this terminal's, Conflict where a history more is not taken.
    """
    lines, lacks = _without_note(lines)
    if not lines:
        raise Invalid("empty", f"the file holds no entries{lacks and f'; its last line says: {lacks}'}")
    done = TakenFile()
    for epoch, group in groupby(lines, lambda line: epoch_named(line, tid)):
        if epoch is None:
            return _stopped(done, "it is no entry of this terminal, or was cut off")
        done = await _take_epoch(take, tid, epoch, list(group), done)
        if done.asked_for:
            return done
    return _stopped(done, lacks) if lacks else done


def _without_note(lines: Sequence[bytes]) -> tuple[Sequence[bytes], str]:
    """The entries, and what a rescue wrote after them: that the journal went on, and could not be read."""
    if not lines or not lines[-1].startswith(b"# "):
        return lines, ""
    return lines[:-1], lines[-1][2 : 2 + _NOTE_BYTES_MAX].decode("ascii", "replace")


def _stopped(done: TakenFile, why: str, asked_for: int = 0) -> TakenFile:
    """What was taken, and why the next line was not. Raises Invalid where nothing was taken at all."""
    text = f"line {done.entries + 1}: {why}"
    if not done.entries and not asked_for:
        raise Invalid("not_of_this_terminal", f"{text}. Nothing was taken")
    return replace(done, asked_for=asked_for or done.upto + 1, fault=text)


async def _take_epoch(take: Take, tid: TerminalId, epoch: Epoch, lines: list[bytes], done: TakenFile) -> TakenFile:
    """Where entries are asked for again and are in the file, go on from there."""
    links, fault, behind = _readable(lines, tid, epoch)
    if not links:
        return _stopped(done, fault)
    begun, first, index, most, tries_left = done.entries, links[0].seq, 0, BATCH_ENTRIES_MAX, 2 * len(lines) + 32
    while index < len(links):
        count = batch_of(lines[index : min(index + most, len(links))])
        taken = await take(lines[index : index + count]) if count else None
        if taken is None:
            return _stopped(done, f"epoch {epoch} is not registered here" if count else "it is longer than any entry")
        done = replace(done, batches=done.batches + 1, new=done.new + taken.new)
        tries_left -= 1
        match taken.reply:
            case Ack(tip):
                index += count
                done = replace(done, entries=begun + index, upto=tip.seq)
            case Ask(seq, why, is_fault=True) if count == 1 or not tries_left:
                return _stopped(done, why, seq)
            case Ask(is_fault=True):
                most = count // 2
            case Ask(seq, why):
                at = seq - first
                if not tries_left or not 0 <= at < len(links) or at == index:
                    return _stopped(done, why, seq)
                index = at
            case Refused():
                raise Conflict("too_many_histories", f"of {tid} no further history is taken; keep this file")
            case _:
                assert_never(taken.reply)
    if behind:
        further = await _take_epoch(take, tid, epoch, lines[len(links) :], done)
        return further if further.entries > done.entries else _stopped(further, fault)
    return _stopped(done, fault) if fault else done


def _readable(lines: Sequence[bytes], tid: TerminalId, epoch: Epoch) -> tuple[Sequence[Link], str, bool]:
    """The entries up to the first line that cannot be read or does not follow, and what is wrong with that.

    And whether that line stands behind a gap: what follows goes on where the hole is booked, and asks for it if not.
    """
    run = read_run(lines, tid, epoch)
    odd = misplaced(run.links)
    if odd is None:
        return run.links, run.fault and f"{run.fault}: was the file cut off?", False
    held = run.links[: next(index for index, link in enumerate(run.links) if link is odd)]
    fault = f"entry {odd.seq} does not continue entry {held[-1].seq}, which stands before it"
    return held, fault, odd.seq > held[-1].seq + 1
