"""An HTTP server for a terminal to talk to: it answers as a test says, or with bytes that are no HTTP at all."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from terminal.server_http import ServerAt

Answer = Callable[[str, dict[str, Any]], dict[str, Any] | None]
_PATIENCE_S = 5


@contextmanager
def answering(answer: Answer, tls: ssl.SSLContext | None = None) -> Iterator[ServerAt]:
    """Calls `answer` with the path and the body of each request; a problem's `status` is that of the response."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found = answer(self.path, body)
            said = json.dumps(found).encode()
            self.send_response((found or {}).get("status", 200))
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class says so
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield ServerAt(f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}")
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def saying(said: bytes) -> Iterator[ServerAt]:
    """Sends the same bytes to whoever comes, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    line, _ = listening.accept()
                except OSError:
                    return
                with line, suppress(OSError):
                    line.recv(65_536)
                    line.sendall(said)
                    line.shutdown(socket.SHUT_WR)
                    line.settimeout(_PATIENCE_S)
                    while line.recv(65_536):  # what is left unread when a line is closed resets it
                        pass

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield ServerAt(f"http://127.0.0.1:{listening.getsockname()[1]}")
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()
