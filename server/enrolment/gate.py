"""Keeps the broker's files true: registered terminals are let in, revoked ones are kept out and their sessions ended.

The order is that of a revocation: first the access list, which takes effect on live sessions when Mosquitto reads it;
then the list of revocations, so that nobody comes back; then the live session is ended. Mosquitto itself ends none:
whoever connects with the same name takes the session over, so the server does that for a moment, with a certificate
that it signs for the purpose.
"""

import asyncio
import logging
import ssl
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from protocol.ids import SiteId, TerminalId
from protocol.instants import DAY_MS, MINUTE_MS, UtcMs
from server.broker.certificates import Pair, Revoked
from server.broker.site import BrokerSite, BrokerUnreachable
from server.db import Database
from server.due import Due
from server.due_now import took
from server.enrolment.admission import admitted, revoked, taken_from
from server.states.service import States

ENDS_SESSION_S = 5.0
LOOKS_THROUGH_S = 600.0
ENDS_AGAIN_MS = 10 * MINUTE_MS
"""After a start the sessions of certificates that were taken back so lately are ended once more, and of all that were
taken back since the list of revocations was signed last: nobody may have kept the gate meanwhile."""
_A_DAY = 1

log = logging.getLogger(__name__)


class Gate:
    """Who may connect to the broker. Asked to look at the start, after every change and now and then."""

    def __init__(self, database: Database, states: States, site: BrokerSite, clock: Callable[[], UtcMs]) -> None:
        self._database, self._states, self._site, self._clock = database, states, site, clock
        self._let_in: frozenset[TerminalId] = frozenset()
        self._revoked: frozenset[int] = frozenset()
        self._to_end: set[TerminalId] = set()
        self._ended: frozenset[str] = frozenset()
        """Certificates taken back of late whose sessions are ended, or are about to be."""
        self._untold = True
        """Mosquitto may not have read what lies there."""
        self._looked_at = 0.0
        self._ends_since: UtcMs | None = None
        self._mark: tuple[tuple[int, int, int], ...] = ()
        """Of the lists as they were written here: something else may damage them, or somebody who had slept."""

    async def look(self) -> None:
        """Soon after a change, and now and then, look through everything.

        Raises BrokerUnreachable: the next look tries again.
        """
        self._untold |= await took(self._database, Due.REGISTER)  # kept until it is done: a disk may be full meanwhile
        is_touched = self._site.mark() != self._mark
        is_due = time.monotonic() - self._looked_at >= LOOKS_THROUGH_S
        if self._untold or self._to_end or is_touched or is_due:
            await self._look_through()
            self._looked_at = time.monotonic()

    async def _look_through(self) -> None:
        if self._ends_since is None:
            self._ends_since = await asyncio.to_thread(self._unkept_since)
        async with self._database.reading() as connection:
            terminals = await admitted(connection)
            withdrawn = await revoked(connection, self._clock())
            ended = await taken_from(connection, self._ends_since)
        await asyncio.to_thread(self._write, terminals, withdrawn)
        if self._untold:
            await asyncio.to_thread(self._site.reload)
            self._untold = False
        self._to_end |= self._let_in - terminals.keys()
        self._to_end |= {tid for serial, tid in ended.items() if serial not in self._ended}
        self._let_in, self._ended = frozenset(terminals), frozenset(ended)
        for tid in sorted(self._to_end):
            await asyncio.to_thread(self._end_session, tid)
            if tid not in terminals:
                await self._states.gone(tid)
            self._to_end.discard(tid)

    def _unkept_since(self) -> UtcMs:
        now = self._clock()
        kept_ms = self._site.revocations_age_ms(now) if self._site.has_our_list() else 0
        return UtcMs(now - kept_ms - ENDS_AGAIN_MS)

    def _write(self, terminals: Mapping[TerminalId, SiteId], revoked: Sequence[Revoked]) -> None:
        now, serials = self._clock(), frozenset(known.serial for known in revoked)
        if not self._site.has_our_list():  # before anything takes an empty one for the truth
            self._site.take_back(revoked, now)
            self._untold = True
        self._untold |= self._site.prepare(now)
        self._untold |= self._site.let_in(terminals)
        if serials != self._revoked or self._site.revocations_age_ms(now) >= DAY_MS:
            self._site.take_back(revoked, now)
            self._revoked, self._untold = serials, True
        self._mark = self._site.mark()

    def _end_session(self, tid: TerminalId) -> None:
        """Connect once under a terminal's name. Nothing depends on it: the access list is in force already."""
        settings, pair = self._site.settings, self._site.client(tid, self._clock(), _A_DAY)
        client = Client(CallbackAPIVersion.VERSION2, tid)
        client.tls_set_context(_context(self._site, pair))  # pyright: ignore[reportUnknownMemberType]
        client.connect_timeout = ENDS_SESSION_S
        try:
            client.connect(self._site.here(), settings.port)
            client.loop(ENDS_SESSION_S)
            client.disconnect()
        except OSError as error:
            raise BrokerUnreachable(f"the session of {tid} cannot be ended yet: {error}.") from error
        log.warning("the session of %s was ended: its certificate was revoked", tid)


def _context(site: BrokerSite, pair: Pair) -> ssl.SSLContext:
    """For a certificate that is on no disk but for the moment in which it is read: `ssl` reads files only."""
    context = ssl.create_default_context(cafile=site.server_tls().ca)
    with tempfile.TemporaryDirectory(prefix="fanka-") as directory:
        path = Path(directory) / "client.pem"
        path.write_bytes(pair.key_pem() + pair.certificate_pem())
        context.load_cert_chain(path)
    return context
