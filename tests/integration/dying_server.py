"""The server program, which kills itself (kill -9) at the step that the file `die-at` beside its configuration names.

    received      a batch has arrived, nothing is done yet
    posted        everything is decided, nothing is written
    written       everything is written, nothing is committed
    committed     on disk, and nobody was told
    acked         the ack was handed to the MQTT client

The shipping program knows nothing of this: its own functions are wrapped here.
"""

import functools
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from server import __main__ as program
from server.ingest import service
from server.mqtt_link import MqttLink

STEPS = ("received", "posted", "written", "committed", "acked")

P = ParamSpec("P")
R = TypeVar("R")
Work = Callable[P, Coroutine[Any, Any, R]]


def main(wish: Path) -> int:
    """Run the server until it is told to die."""

    def here(step: str) -> None:
        if wish.exists() and wish.read_text() == step:
            wish.unlink()
            os.kill(os.getpid(), signal.SIGKILL)

    def around(work: Work[P, R], before: str, after: str) -> Work[P, R]:
        @functools.wraps(work)
        async def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
            here(before)
            result = await work(*args, **kwargs)
            here(after)
            return result

        return wrapped

    service.Ingest.take = around(service.Ingest.take, "received", "")  # type: ignore[method-assign]
    service.Ingest.take_lines = around(service.Ingest.take_lines, "", "committed")  # type: ignore[method-assign]
    service.write = around(service.write, "posted", "written")  # type: ignore[attr-defined]
    MqttLink._answer = around(MqttLink._answer, "", "acked")  # type: ignore[method-assign]
    return program.main()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[sys.argv.index("--config") + 1]).with_name("die-at")))
