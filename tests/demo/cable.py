"""The network of one terminal, which can be unplugged."""

from contextlib import ExitStack

from tests.integration.proxy import Wire


class Cable:
    """Between one terminal and the broker: nothing else is cut with it."""

    def __init__(self, to_port: int, stack: ExitStack) -> None:
        """There is a network, until the end of the stack at most."""
        self._wire, self._plugged = Wire(to_port), ExitStack()
        self.port = self._wire.port
        self.plug()
        stack.callback(self.pull)

    def plug(self) -> None:
        """There is a network."""
        self._plugged.enter_context(self._wire)

    def pull(self) -> None:
        """There is none; does nothing where there was none."""
        self._plugged.close()
