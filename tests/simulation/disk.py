"""A till's disk that survives power cuts, and the journal port on it."""

import enum
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from protocol.entries import Entry, Kind, Stage, stage_of, turnover_of
from protocol.ids import Seq
from protocol.journal import Sealed, Tip, seal
from protocol.messages import Grant
from protocol.money import Cents
from protocol.signing import SigningKey
from terminal.lists import Lists
from terminal.ports import Draft, JournalBroken, JournalLow
from tests.simulation.power import Power

_BEGINNINGS = frozenset(
    kind
    for kind in Kind
    if kind in (Kind.PIN_TRIED, Kind.CASH_SALE, Kind.SALE_REFUSED, Kind.CHECKPOINT)
    or ((staged := stage_of(kind)) is not None and staged[1] is Stage.PREPARED)
)
"""What is not begun when the disk reserve is reached; everything else has its place reserved."""


class DiskFault(enum.Enum):
    """How the next write fails. A failed commit may be on the disk all the same."""

    NOT_WRITTEN = "not written"
    WRITTEN = "written"


@dataclass
class Disk:
    """Everything a till keeps without power, for one epoch."""

    grant: Grant
    grant_jws: bytes
    key: SigningKey
    lists: Lists
    rows: list[Sealed] = field(default_factory=list)
    snapshot: tuple[Seq, bytes] | None = None
    ack_jws: bytes = b""
    boots: int = 0
    room: int | None = None
    """How many entries fit before the reserve is reached; None: plenty."""
    fault: DiskFault | None = None

    @property
    def tip(self) -> Tip:
        """The newest row, or the grant."""
        return Tip(self.rows[-1].seq, self.rows[-1].hash) if self.rows else self.grant.start(self.grant_jws)

    def image(self) -> "Disk":
        """A copy of the medium, as a technician makes one."""
        return Disk(
            self.grant,
            self.grant_jws,
            self.key,
            self.lists,
            list(self.rows),
            self.snapshot,
            self.ack_jws,
            self.boots,
            self.room,
        )


class SimulatedJournal:
    """The journal port of one run of a till's program. `on_durable` hears of each row at the instant it is safe."""

    def __init__(self, disk: Disk, power: Power, on_durable: Callable[[Sealed], None]) -> None:
        self._disk, self._power, self._on_durable = disk, power, on_durable
        self._turnover = disk.rows[-1].entry.turnover if disk.rows else Cents(0)
        self._ack_waiting = b""
        self._broken = False
        disk.boots += 1
        self.boot = disk.boots

    @property
    def tip(self) -> Tip:
        """The newest entry."""
        return self._disk.tip

    @property
    def low(self) -> bool:
        """Whether the disk reserve is reached."""
        return self._disk.room is not None and self._disk.room <= 0

    async def append(self, draft: Draft, snapshot: bytes | None = None) -> Sealed:
        """Write one entry; it is durable when this returns. Raises JournalLow, JournalBroken."""
        if self._broken:
            raise JournalBroken("the journal must be reopened first")
        if self.low and draft.kind in _BEGINNINGS:
            raise JournalLow(f"no space for {draft.kind}")
        sealed = self._seal(draft)
        self._power.point(f"before {draft.kind}")
        fault, self._disk.fault = self._disk.fault, None
        if fault is not DiskFault.NOT_WRITTEN:
            self._store(sealed, snapshot)
            self._on_durable(sealed)
        if fault is not None:
            self._power.passed["disk fault"] += 1
            self._broken = True
            raise JournalBroken(f"{draft.kind}: input/output error")
        self._power.point(f"after {draft.kind}")
        return sealed

    async def rows(self, first: Seq, count: int) -> list[bytes]:
        """Entries as compact JWS."""
        return [sealed.jws for sealed in self._disk.rows[first - 1 : first - 1 + count]]

    async def hash_at(self, seq: Seq) -> bytes | None:
        """The hash of one entry; of the grant for seq 0; None beyond the tip."""
        if seq == 0:
            return self._disk.grant.start(self._disk.grant_jws).hash
        return self._disk.rows[seq - 1].hash if seq <= len(self._disk.rows) else None

    async def recover(self) -> None:
        """Reopen: only what is on the disk counts."""
        self._broken = False
        self._turnover = self._disk.rows[-1].entry.turnover if self._disk.rows else Cents(0)

    async def entries_after(self, seq: Seq) -> AsyncIterator[Sealed]:
        """Every entry after `seq`, in order."""
        for sealed in self._disk.rows[seq:]:
            yield sealed

    def keep_ack(self, jws: bytes) -> None:
        """Write the newest signed ack along with the next entry."""
        self._ack_waiting = jws

    def _seal(self, draft: Draft) -> Sealed:
        grant, tip = self._disk.grant, self._disk.tip
        entry = Entry(
            1,
            grant.site,
            grant.tid,
            grant.epoch,
            grant.tno,
            Seq(tip.seq + 1),
            tip.prev,
            draft.kind,
            draft.now.utc_ms,
            draft.now.mono_ms,
            self.boot,
            draft.now.clock,
            draft.lists,
            draft.staff,
            draft.shift,
            Cents(self._turnover + turnover_of(draft.kind, draft.body)),
            body=draft.body,
        )
        return seal(entry, self._disk.key)

    def _store(self, sealed: Sealed, snapshot: bytes | None) -> None:
        disk = self._disk
        disk.rows.append(sealed)
        self._turnover = sealed.entry.turnover
        if snapshot is not None:
            disk.snapshot = (sealed.seq, snapshot)
        if self._ack_waiting:
            disk.ack_jws, self._ack_waiting = self._ack_waiting, b""
        if disk.room is not None:
            disk.room -= 1
