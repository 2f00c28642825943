"""Keeps the certificate fresh: a new TLS key and certificate when a third of the lifetime is left.

Nothing at the till depends on it: without a certificate the terminal sells, and its journal waits.
"""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from protocol.instants import Now, UtcMs
from terminal.claim import renew, validity
from terminal.identity import Identity, IdentityError
from terminal.server_http import ServerAt

LOOK_EVERY_S = 3_600.0

_log = logging.getLogger(__name__)


def is_due(begins: UtcMs, ends: UtcMs, now: UtcMs) -> bool:
    """Whether two thirds of a certificate's lifetime are over."""
    return now >= ends - (ends - begins) // 3


class CertificateKeeper:
    """Runs beside the till; `renewed` is called when another certificate lies there, and may raise OSError.

    `unusable`: the one that lies there makes no line, whatever its dates say.
    """

    def __init__(
        self,
        directory: Path,
        server: ServerAt,
        identity: Identity,
        now: Callable[[], Now],
        renewed: Callable[[], None],
        *,
        unusable: bool = False,
    ) -> None:
        self._directory, self._server, self._identity = directory, server, identity
        self._now, self._renewed, self._unusable = now, renewed, unusable

    async def run(self) -> None:
        """Look every hour until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Renew if it is time; what fails is said and tried again at the next look."""
        now = self._now().utc_ms
        try:
            if not (self._unusable or is_due(*validity(self._directory), now)):
                return
            await asyncio.to_thread(renew, self._directory, self._server, self._identity, now)
            self._unusable = False
            self._renewed()
        except (IdentityError, OSError) as error:
            _log.warning("the certificate could not be renewed, it is tried again: %s", error)
            return
        _log.info("the certificate was renewed")
