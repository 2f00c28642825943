"""The plain text face: one command per line comes in, the view goes out after every change.

With `--json` each thing that happens is one JSON object on a line of its own, for programs that drive a terminal:

    {"event": "view", "phase": "awaiting_card", "tone": "waiting", "title": "Tap a card", "amount": 1250, ...}
    {"event": "entry", "kind": "sale_settled", "seq": 12, "amount": 1250}
    {"event": "said", "text": "..."}
"""

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import BinaryIO

import msgspec

from terminal.commands import LINE_CHARS_MAX, Mistake, Quit, Typed, mistake_text, read_command
from terminal.views import Choice, Tone, View, Words, cents_text

_log = logging.getLogger(__name__)

FILE_BYTES_MAX = 10_000_000
_READ_BYTES = 4_096


class Console:
    """Writes to one stream; every line is whole and out at once."""

    def __init__(self, words: Words, out: BinaryIO, *, as_json: bool = False) -> None:
        self._words, self._out, self._as_json = words, out, as_json
        self._shown: View | None = None
        self._has_answered = False

    def show(self, view: View) -> None:
        """The picture, as text or as data.

        People get an answer without the same picture behind it once more: an old "Paid" would look like its outcome.
        """
        is_old_news = self._has_answered and view == self._shown and view.tone in (Tone.READY, Tone.APPROVED)
        self._shown, self._has_answered = view, False
        if self._as_json:
            amount = {} if view.amount_cents is None else {"amount": view.amount_cents}
            picture = {"phase": view.phase, "tone": view.tone, "title": view.title, "advice": view.advice}
            self._write_json({"event": "view", **picture, **amount, "lines": view.lines, "choices": view.choices})
        elif not is_old_news:
            self._write("\n".join(self._text_of(view)))

    def say(self, text: str) -> None:
        """An answer."""
        self._has_answered = True
        if self._as_json:
            self._write_json({"event": "said", "text": text})
        else:
            self._write("".join(f"  {line}\n" for line in text.splitlines())[:-1])

    def note(self, event: str, /, **facts: str | int) -> None:
        """For programs only."""
        if self._as_json:
            self._write_json({"event": event, **facts})

    def _text_of(self, view: View) -> list[str]:
        amount = "" if view.amount_cents is None else f"   {cents_text(view.amount_cents, self._words)}"
        choices = " | ".join(self._choice_text(choice) for choice in view.choices)
        lines = [f"== {view.title}{amount}", *(f"   {line}" for line in view.lines), f"   {view.advice}"]
        return [*lines, f"   [{choices}]"] if choices else lines

    def _choice_text(self, choice: Choice) -> str:
        """The command that is typed, and what it means where that is another word."""
        means = self._words[f"choice.{choice}"]
        return choice if means == choice else f"{choice} {means}"

    def _write_json(self, event: dict[str, object]) -> None:
        self._write_bytes(msgspec.json.encode(event))

    def _write(self, text: str) -> None:
        self._write_bytes(text.encode("utf-8", "replace"))

    def _write_bytes(self, line: bytes) -> None:
        try:
            self._out.write(line + b"\n")
            self._out.flush()
        except (OSError, ValueError):
            # Nobody looks any more; that is no reason to stop selling.
            _log.debug("the console is closed")


class Lines:
    """Lines typed at a file descriptor, read by a thread: regular files and terminals cannot be waited for."""

    def __init__(self, descriptor: int, first: str = "") -> None:
        """`first`: what counts as typed before anything else."""
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[str | None] = asyncio.Queue()
        self._queue.put_nowait(first)
        self._descriptor = descriptor
        threading.Thread(target=self._read, name="console", daemon=True).start()

    async def next(self) -> str | None:
        """The next line, without its end; None when there will be no more."""
        return await self._queue.get()

    def _read(self) -> None:
        rest, more = b"", True
        while more:
            try:
                chunk = os.read(self._descriptor, _READ_BYTES)
            except OSError:
                chunk = b""
            more = bool(chunk)
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines if more else [line for line in (*lines, rest) if line]:
                self._put(line.decode("utf-8", "replace"))
            # A line without an end is cut here; it is too long for a command in any case.
            rest = rest[: LINE_CHARS_MAX * 4 + 1]
        self._put(None)

    def _put(self, line: str | None) -> None:
        try:
            self._loop.call_soon_threadsafe(self._queue.put_nowait, line)
        except RuntimeError:
            return  # the program has ended


async def obey(
    lines: Lines, console: Console, words: Words, do: Callable[[Typed], Awaitable[None]], *, ends: bool
) -> None:
    """Do what is typed, until `quit`; the end of the input ends the program only where a person sat there."""
    while (line := await lines.next()) is not None:
        command = read_command(line)
        if isinstance(command, Quit):
            return
        if isinstance(command, Mistake):
            console.say(mistake_text(command, words))
        elif command is not None:
            await do(command)
    if not ends:
        await asyncio.Event().wait()


def read_typed_file(path: str) -> bytes:
    """A file that somebody named at the console. Raises OSError, ValueError: too long, or no name of a file."""
    with Path(path).open("rb") as file:
        raw = file.read(FILE_BYTES_MAX + 1)
    if len(raw) > FILE_BYTES_MAX:
        raise ValueError(f"more than {FILE_BYTES_MAX:,} bytes")
    return raw


def standard_console(words: Words, *, as_json: bool) -> Console:
    """The console on standard output."""
    return Console(words, sys.stdout.buffer, as_json=as_json)
