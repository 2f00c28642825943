"""A PC/SC daemon of our own with virtual readers, beside whatever the machine runs, for root and for ordinary users.

pcscd has one fixed directory for its socket. Ours runs in a mount namespace where that directory is a private one and
where no driver of real readers is in sight. Clients find it through PCSCLITE_CSOCK_NAME, which libpcsclite reads once
per process: one daemon per process, started before the first PC/SC call. vpcd listens on all interfaces; this is a
tool for demonstrations and tests, not for a till.
"""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

DRIVER = Path("/usr/lib/pcsc/drivers/serial/libifdvpcd.so")
READERS_MAX = 8
"""pcscd has room for 16, and the driver opens two slots a reader, of which we use the first."""
SLOT_PORTS = 2
START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 5.0
START_TRIES = 5
SOCKET_PATH_BYTES_MAX = 107

_SCRIPT = f"""
set -e
mount -t tmpfs fanka /run
mkdir /run/pcscd
mount --bind "$1/run" /run/pcscd
mount -t tmpfs fanka {DRIVER.parent.parent}
shift
exec setpriv --pdeathsig TERM "$@"
"""
_SCRIPT_WITHOUT_NAMESPACE = """
exec 3<&0 </dev/null
export LISTEN_FDS=1 LISTEN_PID=$$
shift
exec setpriv --pdeathsig TERM "$@"
"""


class PcscdFailed(Exception):
    """The daemon could not be started; the text says why."""


class PrivatePcscd:
    """pcscd with virtual readers, from `start` to `stop`. It ends with the thread that started it, whatever happens."""

    def __init__(self, directory: Path, reader_count: int = 1) -> None:
        """Keep everything in this directory (short: a socket's path has 107 bytes), which must exist."""
        if not 1 <= reader_count <= READERS_MAX:
            raise ValueError(f"1 to {READERS_MAX} readers, not {reader_count}")
        self._directory = directory.resolve()
        self._reader_count = reader_count
        self.names = [f"Fanka {index}" for index in range(reader_count)]
        """What the readers are called from the next start on; a reader without a name is not plugged in."""
        self._process: subprocess.Popen[bytes] | None = None
        self.ports: list[int] = []
        """Where the card of each reader connects (`VirtualSlot`)."""

    @property
    def socket_path(self) -> Path:
        """What PCSCLITE_CSOCK_NAME must be in the client's environment."""
        return self._directory / "run" / "pcscd.comm"

    @property
    def reader_names(self) -> list[str]:
        """The names under which PC/SC lists the readers."""
        return [f"{name} 00 00" for name in self.names]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Return when the readers can be used. Started again it has the same readers, perhaps on other ports.

        Raises PcscdFailed.
        """
        assert self._process is None
        if shutil.which("pcscd", path=_path()) is None or not DRIVER.exists():
            raise PcscdFailed("pcscd or its virtual reader is not installed: apt-get install pcscd vsmartcard-vpcd")
        if len(os.fsencode(self.socket_path)) > SOCKET_PATH_BYTES_MAX:
            raise PcscdFailed(f"a socket cannot have so long a path: {self.socket_path}")
        for name in ("run", "readers"):
            (self._directory / name).mkdir(exist_ok=True)
        for _ in range(START_TRIES):
            self.ports = _choose_ports(self._reader_count)
            self._launch()
            if self._wait_until_ready():
                return
            self.stop()
        raise PcscdFailed("no free TCP ports for the virtual readers")

    def stop(self) -> None:
        """End the daemon; to its clients the readers are unplugged. Does nothing when it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        process.send_signal(signal.SIGCONT)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for leftover in ("pcscd.comm", "pcscd.pid"):
            (self._directory / "run" / leftover).unlink(missing_ok=True)

    def pause(self) -> None:
        """Let it hang until `resume` or `stop`: it answers nobody, and nobody is told."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)  # its threads still go on a while

    def resume(self) -> None:
        """Let it go on where it was."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _launch(self) -> None:
        (self._directory / "readers" / "fanka.conf").write_text(self._configuration())
        command = ["pcscd", "--foreground", "--info", "--config", str(self._directory / "readers"), *_polkit_options()]
        with contextlib.ExitStack() as ours:
            if _namespaces_allowed():
                start, stdin = [*_namespaces(), "sh", "-c", _SCRIPT], subprocess.DEVNULL
            else:
                listener = ours.enter_context(socket.socket(socket.AF_UNIX))
                listener.bind(os.fspath(self.socket_path))
                listener.listen()
                start, stdin = ["sh", "-c", _SCRIPT_WITHOUT_NAMESPACE], listener.fileno()
            self._process = subprocess.Popen(
                [*start, "sh", str(self._directory), *command],
                stdin=stdin,
                stdout=ours.enter_context((self._directory / "pcscd.log").open("wb")),
                stderr=subprocess.STDOUT,
                env={**os.environ, "PATH": _path()},
            )

    def _configuration(self) -> str:
        """reader.conf(5). The driver keeps its slots in static variables: each reader gets a copy of its own."""
        entries: list[str] = []
        for index, port in enumerate(self.ports):
            driver = self._directory / f"vpcd{index}.so"
            shutil.copyfile(DRIVER, driver)
            if not self.names[index]:
                continue
            entries.append(
                f'FRIENDLYNAME "{self.names[index]}"\nDEVICENAME /dev/null:{port}\nLIBPATH {driver}\nCHANNELID {port}\n'
            )
        return "\n".join(entries)

    def _wait_until_ready(self) -> bool:
        """Say whether the daemon came up with all its readers; false when another program was faster at a port."""
        assert self._process is not None
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            log = (self._directory / "pcscd.log").read_text(errors="replace")
            if "daemon ready" in log:
                return "Could not initialize" not in log
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                allowed = "allowed" if _namespaces_allowed() else "forbidden"
                raise PcscdFailed(
                    f"pcscd did not start; mount namespaces (unshare --mount) are {allowed}: {log.strip()}"
                )
            time.sleep(0.01)


def _path() -> str:
    """PATH with the directories for daemons, which ordinary users often lack."""
    return os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"


def _namespaces() -> list[str]:
    return ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]


def _namespaces_allowed() -> bool:
    trial = [*_namespaces(), "mount", "-t", "tmpfs", "fanka", "/run"]
    return subprocess.run(trial, capture_output=True, check=False).returncode == 0


def _polkit_options() -> list[str]:
    """From 2.0 on pcscd asks polkit who may use it; ours is nobody else's, and nobody answers in its namespace."""
    usage = subprocess.run(["pcscd", "--help"], capture_output=True, text=True, check=False, env={"PATH": _path()})
    return ["--disable-polkit"] if "--disable-polkit" in usage.stdout + usage.stderr else []


def _choose_ports(reader_count: int) -> list[int]:
    """Choose neighbouring ports that are free now, below those that the kernel gives to outgoing connections."""
    for _ in range(1_000):
        first = random.randrange(20_000, 30_000)  # noqa: S311  not a secret
        ports = range(first, first + reader_count * SLOT_PORTS)
        with contextlib.ExitStack() as held, contextlib.suppress(OSError):
            for port in ports:
                held.enter_context(socket.socket()).bind(("", port))
            return list(ports[::SLOT_PORTS])
    raise PcscdFailed("no free TCP ports for the virtual readers")
