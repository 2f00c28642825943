"""What would keep Mosquitto from running though its directory is ready: a port that is taken, a way that is closed."""

import errno
import os
import pwd
import shlex
import socket
from pathlib import Path

from server.broker.configuration import BrokerSettings
from server.broker.site import ACCOUNT, BrokerSite


def port_fault(site: BrokerSite) -> str:
    """Why the broker could not listen; empty: it could, or does already."""
    settings = site.settings
    if site.process() is not None:
        return ""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        socket.create_server((settings.host, settings.port), family=family).close()
    except OSError as error:
        if error.errno in (errno.EADDRINUSE, errno.EADDRNOTAVAIL):
            where = f"{settings.host} port {settings.port}: {os.strerror(error.errno)}"
            return (
                f"broker: Mosquitto could not listen at {where}. `ss -ltnp 'sport = :{settings.port}'` shows who does; "
                "end that, or choose another host or port in [broker], here and in each terminal.toml"
            )
    return ""


def way_fault(settings: BrokerSettings) -> str:
    """The command that opens the way to the directory for Mosquitto's account, where root starts it; else empty."""
    if os.geteuid() != 0:
        return ""
    try:
        account = pwd.getpwnam(ACCOUNT)
    except KeyError:
        return ""
    closed = closed_to(account.pw_uid, account.pw_gid, settings.directory.resolve())
    if not closed:
        return ""
    return (
        f"started by root, Mosquitto becomes '{ACCOUNT}' and cannot come to {settings.directory.resolve()}. Run: "
        f"chmod o+x {shlex.join(map(str, closed))}"
    )


def closed_to(uid: int, gid: int, directory: Path) -> list[Path]:
    """The directories above this one that an account cannot pass through, the outermost first."""
    return [path for path in reversed(directory.parents) if not _may_pass(path.stat(), uid, gid)]


def _may_pass(found: os.stat_result, uid: int, gid: int) -> bool:
    if found.st_uid == uid:
        return bool(found.st_mode & 0o100)
    return bool(found.st_mode & (0o010 if found.st_gid == gid else 0o001))
