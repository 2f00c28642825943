"""A virtual card in a virtual PC/SC reader: the card's side of the vpcd protocol (vsmartcard), over loopback TCP.

Every message is two bytes of length, big-endian, and that many bytes. One byte from the reader is a control message,
anything longer an APDU. Connecting puts the card into the field, disconnecting takes it out; pcscd looks every 400 ms.
The card also answers what a real reader would answer itself (`FF CA`, `FF 82` …): vpcd passes everything on.
"""

import socket
import threading
from typing import Self

from hardware.simulated.reader import AnsweringCard
from hardware.simulated.tearing import CardTorn

POWER_OFF, POWER_ON, RESET, ATR = b"\x00", b"\x01", b"\x02", b"\x04"
CONNECT_TIMEOUT_S = 5.0


class VirtualSlot:
    """The field of one virtual reader: put a card in, take it out. Cards are served in a thread of their own."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._address = (host, port)
        self._connection: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._failure: Exception | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    @property
    def occupied(self) -> bool:
        """Whether a card is in the field; false after it tore itself away."""
        return self._thread is not None and self._thread.is_alive()

    def insert(self, card: AnsweringCard) -> None:
        """Put the card into the field. Raises OSError when the reader is not running."""
        self.remove()
        connection = socket.create_connection(self._address, CONNECT_TIMEOUT_S)
        connection.settimeout(None)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection = connection
        self._thread = threading.Thread(target=self._serve, args=(connection, card), name="virtual card", daemon=True)
        self._thread.start()

    def remove(self) -> None:
        """Take the card out of the field, if there is one. Raises what the card raised other than CardTorn."""
        if self._connection is not None and self._thread is not None:
            _hang_up(self._connection)
            self._thread.join()
        self._connection = self._thread = None
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _serve(self, connection: socket.socket, card: AnsweringCard) -> None:
        with connection:
            try:
                serve(connection, card)
            except (CardTorn, OSError):
                _hang_up(connection)
            except Exception as failure:  # noqa: BLE001  a broken twin must be seen where the test can see it
                self._failure = failure


def serve(connection: socket.socket, card: AnsweringCard) -> None:
    """Answer for the card until the reader hangs up. Raises CardTorn when the card leaves the field."""
    while (message := _receive(connection)) is not None:
        if message == ATR:
            _send(connection, card.atr)
        elif message in (POWER_OFF, POWER_ON, RESET):
            card.reset()
        else:
            _send(connection, card.process(message))


def _receive(connection: socket.socket) -> bytes | None:
    header = _receive_exactly(connection, 2)
    return None if header is None else _receive_exactly(connection, int.from_bytes(header, "big"))


def _receive_exactly(connection: socket.socket, size: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < size:
        # The kernel forgets this option on its own. Without it the delayed ACK costs 44 ms an exchange.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        part = connection.recv(size - len(parts))
        if not part:
            return None
        parts += part
    return bytes(parts)


def _send(connection: socket.socket, message: bytes) -> None:
    connection.sendall(len(message).to_bytes(2, "big") + message)


def _hang_up(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the other side was faster
