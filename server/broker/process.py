"""A broker process of our own for development, the demo and tests, run from a prepared directory.

In production the same configuration is run by the system's service manager.
"""

import os
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

from server.broker.configuration import CONFIG, BrokerSettings

START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 10.0


class BrokerFailed(Exception):
    """The broker could not be started; the text holds what it said."""


def free_port() -> int:
    """Return a TCP port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Broker:
    """A Mosquitto process, from `start` to `stop`. It ends with the thread that started it, whatever happens."""

    def __init__(self, settings: BrokerSettings) -> None:
        """The settings' directory must be prepared (`BrokerSite`); the log is kept there too."""
        self.settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Return when the broker accepts connections. Raises BrokerFailed."""
        assert self._process is None
        config = self.settings.directory / CONFIG
        if os.geteuid() == 0:
            # Started by root, Mosquitto would become a user that cannot write here.
            config = config.with_name(f"private-{CONFIG}")
            config.write_text((self.settings.directory / CONFIG).read_text() + "user root\n")
        with self._log.open("wb") as log:
            try:
                self._process = subprocess.Popen(
                    ["setpriv", "--pdeathsig", "TERM", "mosquitto", "--config-file", str(config)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, "PATH": os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin"},
                )
            except FileNotFoundError as missing:
                raise BrokerFailed(f"{missing.filename} is not installed") from missing
        self._wait_until_ready(self._process)

    def stop(self) -> None:
        """End the broker in order: it saves retained messages and sessions. Does nothing when it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def kill(self) -> None:
        """End it as a power cut would: what it had not saved yet is gone."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    @property
    def _log(self) -> Path:
        return self.settings.directory / "mosquitto.log"

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while process.poll() is None and time.monotonic() < deadline:
            # Another program may own the port; ours says so and ends.
            if b" running" in self._log.read_bytes():
                return
            time.sleep(0.01)
        self.stop()
        raise BrokerFailed(self._log.read_text(errors="replace").strip() or "mosquitto did not start")
