"""Tells systemd how it stands (sd_notify(3)), where systemd started the server with Type=notify; else does nothing."""

import contextlib
import os
import socket


def tell(state: str) -> None:
    """READY=1, STOPPING=1 or another state."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.sendto(state.encode(), address)
