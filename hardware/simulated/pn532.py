"""A virtual PN532 on a pseudo-terminal: put cards into its field, unplug it, let it hang.

    nfcpy, libnfc --- tty --- frames --- Pn532Chip --- Target --- virtual card

Whoever opens `path` meets the chip's serial line. It has no speed of its own: baud rates are taken and ignored.
"""

import os
import select
import threading
import tty
from contextlib import suppress
from pathlib import Path
from typing import Self

from hardware.simulated.pn532_chip import Pn532Chip, SyntaxWrong
from hardware.simulated.pn532_frames import ACK, ERROR, NACK, FrameReader, Heard, Signal, framed
from hardware.simulated.reader import CardInField

WAKING_BYTES = 8
"""So much preamble wakes a chip that sleeps; a frame by itself does not (UM0701-02 section 6.2.1.3: it needs time)."""


class FakePn532:
    """A reader that is plugged in from `__enter__` on. Served in a thread of its own."""

    def __init__(self, path: Path) -> None:
        """`path` becomes a link to the pseudo-terminal, as udev makes links to serial adapters."""
        self.path = path
        self.hangs = False
        """While true it hears everything and answers nothing."""
        self._chip = Pn532Chip()
        self._cards: tuple[CardInField, ...] = ()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._master = self._slave = -1
        self._wake: tuple[int, int] = (-1, -1)
        self._plugged = False
        self._last_answer = b""
        self._failure: Exception | None = None
        self.heard: list[int] = []
        """The codes of all commands so far."""

    def __enter__(self) -> Self:
        self.plug_in()
        return self

    def __exit__(self, *_: object) -> None:
        self.unplug()
        self._raise_failure()

    def insert(self, *cards: CardInField) -> None:
        """These cards are in the field now, instead of those that were."""
        with self._lock:
            self._cards = cards
            self._chip.place(cards)
        self._poke()

    def remove(self) -> None:
        """Nothing is in the field any more. Raises what a card raised other than CardTorn."""
        self.insert()
        self._raise_failure()

    def plug_in(self) -> None:
        """A new pseudo-terminal, and a chip that has just got power."""
        assert not self._plugged
        self._chip = Pn532Chip()
        self._chip.place(self._cards)
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)  # and the slave stays open here: without anybody on it, the master reads errors
        self._wake = os.pipe()
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(self._slave))
        self._plugged = True
        self._thread = threading.Thread(target=self._run, name="virtual PN532", daemon=True)
        self._thread.start()

    def unplug(self) -> None:
        """The line hangs up and its path is gone, whoever holds it."""
        if not self._plugged:
            return
        self._plugged = False
        self._poke()
        assert self._thread is not None
        self._thread.join()
        self.path.unlink(missing_ok=True)
        for descriptor in (self._master, self._slave, *self._wake):
            os.close(descriptor)

    def _poke(self) -> None:
        with suppress(OSError):
            os.write(self._wake[1], b"!")

    def _raise_failure(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _run(self) -> None:
        try:
            self._serve()
        except Exception as failure:  # noqa: BLE001  a broken twin must be seen where the test can see it
            self._failure = failure

    def _serve(self) -> None:
        frames = FrameReader()
        while self._plugged:
            ready, _, _ = select.select([self._master, self._wake[0]], [], [])
            if self._wake[0] in ready:
                os.read(self._wake[0], 64)
                with self._lock:
                    self._say(self._chip.look_again())
            if self._master in ready:
                for heard in frames.feed(os.read(self._master, 4096)):
                    if not self.hangs:
                        self._obey(heard)

    def _obey(self, heard: Heard) -> None:
        with self._lock:
            if heard.preamble_bytes >= WAKING_BYTES:
                self._chip.asleep = False
            if self._chip.asleep:
                return
            match heard.what:
                case Signal.ACK:
                    self._chip.abort()
                case Signal.NACK:
                    self._write(self._last_answer)
                case Signal.BROKEN:
                    self._write(NACK)
                case command:
                    self._carry_out(command)

    def _carry_out(self, command: bytes) -> None:
        self.heard.append(command[0])
        self._write(ACK)
        try:
            self._say(self._chip.answer(command))
        except SyntaxWrong:
            self._last_answer = ERROR
            self._write(ERROR)

    def _say(self, answer: bytes | None) -> None:
        if answer is not None:
            self._last_answer = framed(answer)
            self._write(self._last_answer)

    def _write(self, frame: bytes) -> None:
        written = 0
        while written < len(frame):
            written += os.write(self._master, frame[written:])
