"""How soon the server's signed word comes for what a till sells."""

import time
from collections.abc import Callable

from tests.integration.campus import Campus, Till, wait_until
from tests.integration.programs import Event

LIVE_PRICE = 70


def opened(campus: Campus, tid: str, reader: int, *, broker_port: int = 0) -> Till:
    """A till with a shift, which the server knows of."""
    till = campus.add_till(tid, reader, broker_port=broker_port)
    till.program.wait("entry", since=till.program.type("shift open w-07 0"), kind="shift_opened")
    campus.wait_online(till)
    return till


class Stopwatch:
    """How long the server's word takes for each entry of a terminal."""

    def __init__(self, till: Till) -> None:
        self._program, self._written = till.program, dict[int, float]()
        self.seconds: dict[int, float] = {}
        self.acked: list[tuple[float, int]] = []
        """When (monotonic) the word came, and for how many entries."""
        till.program.on_event = self._note

    def _note(self, event: Event) -> None:
        """In the thread that reads what the terminal says."""
        if event["event"] == "entry":
            self._written[event["seq"]] = time.monotonic()
        elif event["event"] == "acked":
            self.acked.append((time.monotonic(), event["seq"]))
            for seq in [seq for seq in self._written if seq <= event["seq"]]:
                self.seconds[seq] = time.monotonic() - self._written.pop(seq)

    def sell(self, until: Callable[[int], bool]) -> list[float]:
        """Sell for cash, one customer after the other, each once the one before is known to the server."""
        found = list[float]()
        while not until(len(found)):
            self._program.wait("view", since=self._program.type(f"ring {LIVE_PRICE / 100}"), phase="ringing")
            entry = self._program.wait("entry", since=self._program.type("cash"), kind="cash_sale")
            wait_until(lambda seq=int(entry["seq"]): seq in self.seconds, "the server's word")  # type: ignore[misc]
            found.append(self.seconds[entry["seq"]])
        return found
