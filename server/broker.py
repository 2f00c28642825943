"""Mosquitto: its configuration, and a broker process of our own for development, the demo and tests.

In production the same configuration is run by the system's service manager.
"""

import os
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

MQTT_PACKET_BYTES_MAX = 512 * 1_024
"""A batch or a part of a list is at most 256 KiB; the rest is for its envelope."""
INFLIGHT_MESSAGES_MAX = 20
QUEUED_MESSAGES_MAX = 1_000
START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 10.0
PORT_MAX = 65_535


class BrokerFailed(Exception):
    """The broker could not be started; the text holds what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSettings:
    """Where the broker listens and where it keeps retained messages and sessions."""

    directory: Path
    port: int
    host: str = "127.0.0.1"

    def __post_init__(self) -> None:
        if not 0 < self.port <= PORT_MAX:
            raise ValueError(f"not a TCP port: {self.port}")
        if any(character.isspace() for character in self.host):
            raise ValueError(f"not a host: {self.host!r}")


def configuration(settings: BrokerSettings) -> str:
    """Return the text of mosquitto.conf (mosquitto.conf(5), 2.0 and later)."""
    return "\n".join([*_listener(settings), *_persistence(settings), *_limits(), *_logging(), ""])


def _listener(settings: BrokerSettings) -> list[str]:
    return [f"listener {settings.port} {settings.host}", "allow_anonymous true", "set_tcp_nodelay true"]


def _persistence(settings: BrokerSettings) -> list[str]:
    return ["persistence true", f"persistence_location {settings.directory.resolve()}/", "autosave_interval 60"]


def _limits() -> list[str]:
    return [
        f"max_packet_size {MQTT_PACKET_BYTES_MAX}",
        f"max_inflight_messages {INFLIGHT_MESSAGES_MAX}",
        f"max_queued_messages {QUEUED_MESSAGES_MAX}",
        "persistent_client_expiration 30d",
    ]


def _logging() -> list[str]:
    return [
        "log_dest stderr",
        "log_type error",
        "log_type warning",
        "log_type notice",
        "log_type information",
        "connection_messages false",
    ]


def free_port() -> int:
    """Return a TCP port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Broker:
    """A Mosquitto process, from `start` to `stop`. It ends with the thread that started it, whatever happens."""

    def __init__(self, settings: BrokerSettings) -> None:
        """The settings' directory must exist; configuration and log are kept there too."""
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
        config = self.settings.directory / "mosquitto.conf"
        # Started by root, Mosquitto would become a user that cannot write here.
        config.write_text(configuration(self.settings) + ("user root\n" if os.geteuid() == 0 else ""))
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
