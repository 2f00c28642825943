"""A till's side of the conversation with the server: the shipping sender between a simulated line and the journal."""

from typing import TYPE_CHECKING

from protocol.ids import Seq
from protocol.messages import Ack, Hello, TipAnswer, Want, batch_of, encode_batch, encode_hello, read_hello, verified
from protocol.signing import from_base64url
from protocol.sync_sender import (
    Acked,
    Appended,
    AskNewEpoch,
    BatchSent,
    Connected,
    Disconnected,
    Effect,
    Event,
    Phase,
    SendBatch,
    Sender,
    SendHello,
    Ticked,
    TipAnswered,
    Wanted,
    step,
)
from tests.simulation.disk import Disk
from tests.simulation.office import SERVER_KEY

if TYPE_CHECKING:
    from tests.simulation.till import Till


class SyncLink:
    """Lives as long as the program runs; what must survive is on the disk."""

    def __init__(self, till: "Till", disk: Disk) -> None:
        self._till, self._disk = till, disk
        acked = verified(disk.ack_jws, Ack, SERVER_KEY.public).seq if disk.ack_jws else Seq(0)
        self.sender = Sender(disk.tip.seq, acked)
        self._signed = acked
        """The newest entry with a signed ack: what may be taken for safe."""
        self.ack_jws = disk.ack_jws
        self.holds_back = False
        """Whether batches do not get through, while everything else does."""

    @property
    def is_done(self) -> bool:
        """Whether the server has acknowledged all, archives included, or shown in the handshake that it holds it.

        After a crash between commit and ack the handshake is all there is until the next entry.
        """
        known = max(self.sender.acked, self.sender.held if self.sender.phase is Phase.SENDING else 0)
        return known == self._disk.tip.seq and not self._till.unsent_archives

    @property
    def waits(self) -> bool:
        """Whether a tick could make it send something again."""
        return self.sender.phase is Phase.ASKING or bool(self.sender.batches) or bool(self._till.unsent_archives)

    def connected(self) -> None:
        """The broker took the connection."""
        self._take(Connected(self._till.clock().mono_ms))
        self._send_archives()

    def disconnected(self) -> None:
        """The connection is gone."""
        self._take(Disconnected())

    def appended(self, seq: Seq) -> None:
        """The journal grew."""
        self._take(Appended(seq, self._till.clock().mono_ms))

    def tick(self) -> None:
        """Time passed."""
        safe = self.sender.acked
        assert safe <= self._signed, f"{self._till.name} takes entry {safe} for safe, which has no signed ack"
        self._take(Ticked(self._till.clock().mono_ms, self._till.rng.randrange(1001)))
        self._send_archives()

    def greet(self) -> None:
        """The server's retained state shows another instance."""
        if self._is_alive and self.sender.phase is not Phase.DIVERGED:
            self._take(Connected(self._till.clock().mono_ms))
            self._send_archives()

    def take_tip(self, jws: bytes) -> None:
        """The server's answer to a hello."""
        tip = verified(jws, TipAnswer, SERVER_KEY.public)
        self._till.server_epoch_is(tip.server_epoch)
        if self._is_alive and tip.epoch == self._disk.grant.epoch:
            own = self._hash_at(tip.seq) == from_base64url(tip.hash)
            self._take(TipAnswered(tip.seq, own, self._till.clock().mono_ms))

    def take_ack(self, jws: bytes) -> None:
        """An ack counts only if its hash is our own."""
        ack = verified(jws, Ack, SERVER_KEY.public)
        if not self._is_alive:
            return
        if ack.epoch != self._disk.grant.epoch:
            self._till.archive_acked(ack)
        elif self._hash_at(ack.seq) == from_base64url(ack.hash):
            if ack.seq >= self.sender.acked:
                self.ack_jws = jws
                self._till.keep_ack(ack.seq, jws)
            self._signed = max(self._signed, ack.seq)
            self._take(Acked(ack.seq, self._till.clock().mono_ms))

    def take_want(self, jws: bytes) -> None:
        """The server misses entries."""
        want = verified(jws, Want, SERVER_KEY.public)
        if self._is_alive and want.epoch != self._disk.grant.epoch:
            self._till.archive_wanted(want)
            self._send_archives()
        elif self._is_alive:
            self._take(Wanted(want.seq, self._till.clock().mono_ms))

    @property
    def _is_alive(self) -> bool:
        return self._till.is_on and self._till.link is self

    def _hash_at(self, seq: Seq) -> bytes | None:
        if seq == 0:
            return self._disk.grant.start(self._disk.grant_jws).hash
        return self._disk.rows[seq - 1].hash if seq <= len(self._disk.rows) else None

    def _take(self, event: Event) -> None:
        self.sender, effects = step(self.sender, event)
        for effect in effects:
            self._perform(effect)
        self._till.arm_tick()

    def _perform(self, effect: Effect) -> None:
        till, server, disk = self._till, self._till.campus.server, self._disk
        match effect:
            case SendHello():
                tip, grant = disk.tip, disk.grant
                raw = encode_hello(Hello(grant.epoch, grant.tno, tip.seq, tip.prev, self.ack_jws.decode()))
                till.line.send(lambda: server.hello(till, read_hello(raw), disk.grant_jws), upwards=True)
            case SendBatch(first):
                lines = [sealed.jws for sealed in disk.rows[first - 1 : first + 255]]
                taken = batch_of(lines)
                batch = encode_batch(lines[:taken])
                if not self.holds_back:
                    till.line.send(lambda: server.batch(till, disk.grant.tno, batch), upwards=True)
                self._take(BatchSent(Seq(first + taken - 1), till.clock().mono_ms))
            case AskNewEpoch():
                till.begin_new_epoch()

    def _send_archives(self) -> None:
        """Entries of earlier epochs that the server has not acknowledged go out as batches until it has."""
        till, server = self._till, self._till.campus.server
        for archive in till.unsent_archives:
            lines = [sealed.jws for sealed in archive.disk.rows[archive.acked : archive.acked + 256]]
            if lines:
                batch, tno = encode_batch(lines[: batch_of(lines)]), archive.disk.grant.tno
                till.line.send(lambda batch=batch, tno=tno: server.batch(till, tno, batch), upwards=True)  # type: ignore[misc]
