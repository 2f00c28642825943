"""A wire between a terminal and the broker that can be cut (every connection is reset), or go dead without a word."""

import contextlib
import socket
import struct
import threading
from typing import Self

from server.broker.process import free_port

_READ_BYTES = 65_536


class Wire:
    """Listens on a port of its own and passes bytes on, from `with` to its end."""

    def __init__(self, to_port: int) -> None:
        self.port, self._to_port = free_port(), to_port
        self._lines: list[socket.socket] = []
        self._lock = threading.Lock()
        self._alive = threading.Event()
        self._alive.set()
        self.connections = 0

    def __enter__(self) -> Self:
        self._listening = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listening,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.revive()
        self.cut()

    def cut(self) -> int:
        """Reset every connection (RFC 9293, 3.5.2); how many there were."""
        with self._lock:
            lines, self._lines = self._lines, []
        for line in lines:
            with contextlib.suppress(OSError):
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                line.shutdown(socket.SHUT_RD)
            line.close()
        return len(lines) // 2

    def die(self) -> None:
        """From now on nothing arrives on either side, neither bytes nor an end; new connections are taken as well."""
        self._alive.clear()

    def revive(self) -> None:
        """What was under way arrives after all, late."""
        self._alive.set()

    def is_live(self) -> bool:
        """Whether anybody is connected."""
        with self._lock:
            return bool(self._lines)

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                here, _ = listening.accept()
                there = socket.create_connection(("127.0.0.1", self._to_port))
            except OSError:
                return
            self.connections += 1
            with self._lock:
                self._lines += [here, there]
            for pair in ((here, there), (there, here)):
                threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(_READ_BYTES):
                self._alive.wait()
                target.sendall(piece)
            self._alive.wait()
            target.shutdown(socket.SHUT_WR)
