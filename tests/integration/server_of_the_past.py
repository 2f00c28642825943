"""The server program on a machine whose clock is so many days behind: `FANKA_TEST_DAYS_BEHIND`.

The shipping program knows nothing of this: it asks the machine for the time, and that is answered wrongly here.
"""

import os
import sys
import time

from protocol.instants import DAY_MS
from server import __main__ as program


def main(days: int) -> int:
    """Run the server."""
    right = time.time_ns
    time.time_ns = lambda: right() - days * DAY_MS * 1_000_000
    return program.main()


if __name__ == "__main__":
    sys.exit(main(int(os.environ["FANKA_TEST_DAYS_BEHIND"])))
