"""A wire between a terminal and the broker that can be cut: every connection through it is reset at once."""

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
        self.connections = 0

    def __enter__(self) -> Self:
        self._listening = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
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

    def is_live(self) -> bool:
        """Whether anybody is connected."""
        with self._lock:
            return bool(self._lines)

    def _accept(self) -> None:
        while True:
            try:
                here, _ = self._listening.accept()
                there = socket.create_connection(("127.0.0.1", self._to_port))
            except OSError:
                return
            self.connections += 1
            with self._lock:
                self._lines += [here, there]
            for pair in ((here, there), (there, here)):
                threading.Thread(target=_pass_on, args=pair, daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(_READ_BYTES):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
