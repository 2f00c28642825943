"""Entries of an epoch that is over and that the server may still miss (SPEC, "Truncation" and "Sync").

An archive does not grow and asks nothing: it sends what follows its newest signed ack until the last entry is
acknowledged. Where the server knows another history, it takes these entries as a branch.
"""

from dataclasses import dataclass

from protocol.ids import Seq
from protocol.instants import MonoMs
from protocol.messages import BATCH_ENTRIES_MAX, Ack, batch_of, encode_batch
from protocol.signing import to_base64url
from protocol.sync_sender import RESEND_FIRST_MS, RESEND_LAST_MS
from terminal.identity import Identity
from terminal.ports import Journal


@dataclass(slots=True)
class Archive:
    """One old chain and how far it is acknowledged."""

    identity: Identity
    journal: Journal
    acked: Seq = Seq(0)
    _deadline_ms: MonoMs = MonoMs(0)
    _attempt: int = 0

    @property
    def unsent(self) -> int:
        """How many entries the server has not acknowledged."""
        return self.journal.tip.seq - self.acked

    async def batch_due(self, now_ms: MonoMs) -> bytes | None:
        """The next batch if it is time for one. Raises JournalError."""
        if not self.unsent or now_ms < self._deadline_ms:
            return None
        self._deadline_ms = MonoMs(now_ms + min(RESEND_FIRST_MS << min(self._attempt, 10), RESEND_LAST_MS))
        self._attempt += 1
        lines = await self.journal.rows(Seq(self.acked + 1), BATCH_ENTRIES_MAX)
        return encode_batch(lines[: batch_of(lines)]) if lines else None

    async def take(self, ack: Ack) -> bool:
        """Take an ack if it is for this chain and names our own row. Raises JournalError."""
        grant = self.identity.grant
        if (ack.tid, ack.epoch) != (grant.tid, grant.epoch):
            return False
        own = await self.journal.hash_at(ack.seq)
        if own is not None and to_base64url(own) == ack.hash and ack.seq > self.acked:
            self.acked, self._attempt, self._deadline_ms = ack.seq, 0, MonoMs(0)
        return True

    def line_up(self) -> None:
        """A new connection: try at once."""
        self._attempt, self._deadline_ms = 0, MonoMs(0)
