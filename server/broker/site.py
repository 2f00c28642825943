"""The broker's directory: everything that Mosquitto needs to run for this site, kept true by the server.

mosquitto.conf                       the configuration
ca.crt, broker.crt, broker.key       whom it believes, and who it is
access.list                          who may say and hear what
revoked.pem                          certificates that are believed no longer
fanka.server.crt, fanka.server.key   the server's own certificate at the broker; -2, -3 … for more programs of it
"""

import os
import pwd
import shutil
import signal
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509

from protocol.ids import SiteId, TerminalId
from protocol.instants import DAY_MS, UtcMs
from server.broker.access import access_list
from server.broker.authority import SECRET_MODE, AuthorityUnusable, open_pair
from server.broker.certificates import (
    CRL_DAYS,
    SERVER_DAYS,
    Pair,
    Revoked,
    for_broker,
    for_client,
    hosts_of,
    is_signed_by,
    new_key,
    revocations,
    server_name,
)
from server.broker.configuration import (
    ACCESS,
    CA,
    CERTIFICATE,
    CONFIG,
    KEY,
    PID,
    REVOKED,
    BrokerSettings,
    configuration,
)
from server.durable import replace_file

ACCOUNT = "mosquitto"
PUBLIC_MODE = 0o644
_EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104  not listened on here, but looked for
RENEW_BEFORE_DAYS = SERVER_DAYS // 3
HEARS_S = 2.0


class BrokerUnreachable(Exception):
    """Mosquitto could not be told to read its files again; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Paths of an authority, a certificate and its key."""

    ca: Path
    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class BrokerSite:
    """The directory of a site's broker, and the authority that its certificates come from."""

    settings: BrokerSettings
    authority: Pair = field(repr=False)

    def prepare(self, at: UtcMs) -> bool:
        """Write what is missing, about to expire or changed by the settings; access and revocations stay as they are.

        Whether anything changed. Asked at every start and whenever the gate looks through everything. Raises OSError.
        """
        directory, authority = self.settings.directory, self.authority
        names = self._names()
        directory.mkdir(parents=True, exist_ok=True)
        changed = self._replace(CA, authority.certificate_pem())
        if not self._holds(CERTIFICATE, KEY, at, names):
            key = new_key()
            self._keep(CERTIFICATE, KEY, Pair(for_broker(authority, names, key.public_key(), at), key))
            changed = True
        for name in map(server_name, range(1, self.settings.servers + 1)):
            if not self._holds(f"{name}.crt", f"{name}.key", at, []):
                self._keep(f"{name}.crt", f"{name}.key", self.client(name, at, SERVER_DAYS))
                changed = True
        if not (directory / ACCESS).exists():
            self.let_in({})
        if not self.has_our_list():
            self.take_back((), at)
        changed |= self._replace(CONFIG, configuration(self.settings).encode())
        self._hand_over()
        return changed

    def here(self) -> str:
        """Where this machine reaches the broker."""
        return "127.0.0.1" if self.settings.host in _EVERYWHERE else self.settings.host

    def client(self, name: str, at: UtcMs, days: int) -> Pair:
        """A new key with a certificate for whoever is called so."""
        key = new_key()
        return Pair(for_client(self.authority, name, key.public_key(), at, days), key)

    def server_tls(self, number: int = 1) -> TlsFiles:
        """What one of the server's programs shows the broker."""
        directory, name = self.settings.directory, server_name(number)
        return TlsFiles(directory / CA, directory / f"{name}.crt", directory / f"{name}.key")

    def let_in(self, terminals: Mapping[TerminalId, SiteId]) -> bool:
        """Who may connect from the next reading on; whether that changed."""
        return self._replace(ACCESS, access_list(terminals, self.settings.servers).encode())

    def take_back(self, revoked: Iterable[Revoked], at: UtcMs) -> None:
        """Sign the list of revocations anew; its number is the second it was made, so that it rises."""
        self.settings.directory.mkdir(parents=True, exist_ok=True)
        self._write(REVOKED, revocations(self.authority, revoked, at // 1_000, at))

    def has_our_list(self) -> bool:
        """Whether a list of revocations lies there that this authority has signed."""
        path, authority = self.settings.directory / REVOKED, self.authority
        try:
            return x509.load_pem_x509_crl(path.read_bytes()).is_signature_valid(authority.key.public_key())
        except (OSError, ValueError):
            return False

    def mark(self) -> tuple[tuple[int, int, int], ...]:
        """Changes when anything happens to the lists of access and of revocations; zeros where one is gone."""
        return tuple(_mark_of(self.settings.directory / name) for name in (ACCESS, REVOKED))

    def revocations_age_ms(self, at: UtcMs) -> int:
        """How long ago the list of revocations was signed; beyond CRL_DAYS the broker turns everybody away."""
        found = x509.load_pem_x509_crl((self.settings.directory / REVOKED).read_bytes())
        ends = found.next_update_utc
        assert ends is not None, "the list that take_back wrote says until when it holds"
        return at - (round(ends.timestamp() * 1_000) - CRL_DAYS * DAY_MS)

    def process(self) -> int | None:
        """The process of this directory's Mosquitto, where it runs."""
        try:
            number = int(self.settings.file(PID).read_text())
            name = Path(f"/proc/{number}/comm").read_text().strip()
        except (OSError, ValueError):
            return None
        return number if name == "mosquitto" else None  # the file outlives a power cut, and the number is another's

    def reload(self, patience_s: float = HEARS_S) -> None:
        """Let Mosquitto read access, revocations and certificates again. Raises BrokerUnreachable.

        One that is starting has written its number, but SIGHUP would end it still: that is waited for.
        """
        path, number = self.settings.file(PID), self.process()
        try:
            if number is None:
                raise ProcessLookupError
            if not _hears(number, patience_s):
                raise BrokerUnreachable(f"Mosquitto of {path.parent} cannot be told of a change: it does not hear yet.")
            os.kill(number, signal.SIGHUP)
        except PermissionError as error:
            raise BrokerUnreachable(
                f"Mosquitto of {path.parent} cannot be told of a change: the server may not signal its user. "
                "Start it as the user of the server."
            ) from error
        except OSError as error:
            raise BrokerUnreachable(
                f"Mosquitto of {path.parent} cannot be told of a change: it does not run. "
                "Start it with this directory's mosquitto.conf; if it ends at once, it says why."
            ) from error

    def _holds(self, certificate: str, key: str, at: UtcMs, names: list[str]) -> bool:
        paths = self.settings.directory / certificate, self.settings.directory / key
        if not all(path.exists() for path in paths):
            return False
        try:
            found = open_pair(*paths).certificate
        except AuthorityUnusable:
            return False  # what we sign ourselves is made again, whatever a power cut has left
        ends_at = found.not_valid_after_utc.timestamp() * 1_000
        return (
            is_signed_by(found, self.authority)
            and ends_at - at > RENEW_BEFORE_DAYS * DAY_MS
            and hosts_of(found) == names
        )

    def _names(self) -> list[str]:
        own = {self.settings.host} - _EVERYWHERE
        return sorted({*self.settings.names, *own, "127.0.0.1", "localhost"})

    def _hand_over(self) -> None:
        """Started by root, Mosquitto becomes a user of its own, who must read all of it and write beside it."""
        for name in (CONFIG, CA, CERTIFICATE, ACCESS, REVOKED):
            path = self.settings.directory / name
            if path.stat().st_mode & PUBLIC_MODE != PUBLIC_MODE:
                path.chmod(PUBLIC_MODE)
        if os.geteuid() == 0 and _has_account(ACCOUNT):
            for path in (self.settings.directory, self.settings.directory / KEY):
                shutil.chown(path, ACCOUNT, ACCOUNT)

    def _keep(self, certificate: str, key: str, pair: Pair) -> None:
        replace_file(self.settings.directory / key, pair.key_pem(), SECRET_MODE)
        self._write(certificate, pair.certificate_pem())

    def _replace(self, name: str, content: bytes) -> bool:
        path = self.settings.directory / name
        if path.exists() and path.read_bytes() == content:
            return False
        self._write(name, content)
        return True

    def _write(self, name: str, content: bytes) -> None:
        """What Mosquitto's own account reads too."""
        replace_file(self.settings.directory / name, content, PUBLIC_MODE, exactly=True)


def _hears(process: int, patience_s: float) -> bool:
    """Whether it has said what to do at SIGHUP (proc(5), SigCgt); so long that is waited for. Raises OSError."""
    deadline, bit = time.monotonic() + patience_s, 1 << (signal.SIGHUP - 1)
    while True:
        status = Path(f"/proc/{process}/status").read_text()
        caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
        if int(caught.split()[1], 16) & bit:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)


def _mark_of(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0, 0
    return found.st_ino, found.st_size, found.st_mtime_ns


def _has_account(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
