"""The server's own clock."""

import time

from protocol.instants import UtcMs


def utc_now() -> UtcMs:
    """Now."""
    return UtcMs(time.time_ns() // 1_000_000)
