"""A bad network between terminals and broker: by seed it cuts, tears packets apart, waits and trickles.

Mutual TLS goes through it untouched, so a cut lands wherever it lands: in a handshake, in the middle of a record, of an
MQTT packet, of an entry. What a connection suffers is fixed by the seed and its number; when, by what is sent.
"""

import asyncio
import contextlib
import math
import random
import socket
import struct
import threading
from collections import Counter
from typing import Final, Self

from server.broker.process import free_port

READ_BYTES: Final = 65_536
LIFE_BYTES_MIN: Final = 300
"""A connection may be cut before the first certificate is through."""
WHOLE, SPLIT, DELAYED, TRICKLED = "whole", "split", "delayed", "trickled"
CUT, IN_A_PIECE, SILENT = "cuts", "cut in a piece", "silent before a cut"


class FaultyWire:
    """Listens on a port of its own and passes bytes on, badly, in a thread of its own from `with` to its end."""

    def __init__(self, to_port: int, seed: int, life_bytes_max: int) -> None:
        """A connection lives for at most so many bytes, until `spare`; most live for far fewer."""
        self.port, self._to_port, self._seed, self._life_bytes_max = free_port(), to_port, seed, life_bytes_max
        self.counts = Counter[str]()
        self._spares = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._lines = set[asyncio.Task[None]]()

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def spare(self) -> None:
        """From now on nothing is cut; all else goes on."""
        self._spares = True

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def _close(self) -> None:
        self._server.close()
        for line in self._lines:
            line.cancel()
        await asyncio.gather(*self._lines, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._lines.add(task)
        task.add_done_callback(self._lines.discard)
        number = self.counts["connections"]
        self.counts["connections"] += 1
        with contextlib.suppress(OSError, asyncio.CancelledError):
            there_reader, there = await asyncio.open_connection("127.0.0.1", self._to_port)
            await _Line(self, random.Random(f"{self._seed} {number}"), writer, there).run(reader, there_reader)
        _reset(writer)

    def life_of(self, rng: random.Random) -> int:
        """After how many bytes a connection is cut: as likely within the first thousand as within the last tenfold."""
        return int(math.exp(rng.uniform(math.log(LIFE_BYTES_MIN), math.log(self._life_bytes_max))))

    def may_cut(self) -> bool:
        """Whether a cut is still wanted."""
        return not self._spares


class _Line:
    """One connection, both ways; whoever reaches the end of its life resets both sides."""

    def __init__(
        self, wire: FaultyWire, rng: random.Random, here: asyncio.StreamWriter, there: asyncio.StreamWriter
    ) -> None:
        self._wire, self._rng, self._here, self._there = wire, rng, here, there
        self._left = wire.life_of(rng)
        for writer in (here, there):
            writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def run(self, here: asyncio.StreamReader, there: asyncio.StreamReader) -> None:
        """Until it is cut, or somebody goes."""
        ways = [
            asyncio.create_task(self._pass_on(source, target))
            for source, target in ((here, self._there), (there, self._here))
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            _reset(self._there)

    async def _pass_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while piece := await source.read(READ_BYTES):
            if self._left <= len(piece) and self._wire.may_cut():
                await self._end(piece, target)
                return
            self._left -= len(piece)
            await self._suffer(piece, target)

    async def _end(self, piece: bytes, target: asyncio.StreamWriter) -> None:
        """A part of it arrives, or nothing; then both sides are reset, at once or after a silence."""
        part = piece[: max(0, self._left)] if self._rng.random() < 0.8 else b""
        target.write(part)
        await target.drain()
        counts = self._wire.counts
        counts[CUT] += 1
        counts[IN_A_PIECE] += 0 < len(part) < len(piece)
        if self._rng.random() < 0.3:
            counts[SILENT] += 1
            await asyncio.sleep(self._rng.uniform(0.02, 0.4))

    async def _suffer(self, piece: bytes, target: asyncio.StreamWriter) -> None:
        rng = self._rng
        how = rng.choices((WHOLE, SPLIT, DELAYED, TRICKLED), (40, 6, 3, 1))[0]
        self._wire.counts[how] += 1
        size, pause_s = len(piece), 0.0
        if how == SPLIT:
            size = rng.randint(1, max(1, len(piece) // 2))
        elif how == DELAYED:
            await asyncio.sleep(rng.uniform(0.0, 0.04))
        elif how == TRICKLED:  # at 10 to 200 kB a second
            size, pause_s = 512, 512 / rng.uniform(10_000, 200_000)
        for at in range(0, len(piece), size):
            target.write(piece[at : at + size])
            await target.drain()
            await asyncio.sleep(pause_s)


def _reset(writer: asyncio.StreamWriter) -> None:
    """RST instead of FIN, and nothing that waits is sent (RFC 9293, 3.5.2)."""
    line = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
