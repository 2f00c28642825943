"""What the terminal's core asks of its journal, and the one tree of everything that can go wrong with it.

JournalError
├── JournalLow               cashier: nothing new is begun, what is open is finished; make space
├── JournalBroken            the disk did not do its part: stop selling, `recover`
└── JournalUnusable          technician
    ├── JournalInUse         another program holds it
    ├── JournalMissing       key and grant are there, the journal is not
    ├── JournalForeign       it belongs to another terminal or epoch
    └── JournalDamaged       the chain does not hold; says at which entry and how
"""

from dataclasses import dataclass
from typing import Protocol

from protocol.entries import Body, Kind, ListVersions
from protocol.ids import Seq, ShiftNo, StaffId
from protocol.instants import Now
from protocol.journal import Break, Sealed, Tip


class JournalError(Exception):
    """The journal cannot do what was asked."""


class JournalLow(JournalError):
    """The disk reserve is reached: a new operation is not begun, so that the open one can be finished."""


class JournalBroken(JournalError):
    """The disk failed. Whether the last entry is on it shows only after `recover`."""


class JournalUnusable(JournalError):
    """Only a technician can help."""


class JournalInUse(JournalUnusable):
    """Another program holds this journal."""


class JournalMissing(JournalUnusable):
    """The journal of a key is gone. A new one under the same key would be a second history of the same epoch."""


class JournalForeign(JournalUnusable):
    """This journal belongs to another terminal, or to another epoch of this one."""


class JournalDamaged(JournalUnusable):
    """The chain does not hold. `found` says where and how."""

    def __init__(self, found: Break) -> None:
        super().__init__(f"entry {found.seq}: {found.what}: {found.detail}")
        self.found = found


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry before it has its place in the chain."""

    kind: Kind
    body: Body
    now: Now
    lists: ListVersions
    staff: StaffId
    shift: ShiftNo


class Journal(Protocol):
    """The only queue and the only truth of a terminal."""

    @property
    def tip(self) -> Tip:
        """The newest entry; seq 0 and the grant's hash while there is none."""
        ...

    async def append(self, draft: Draft, snapshot: bytes | None = None) -> Sealed:
        """Write one entry; it is durable when this returns. With a checkpoint comes the state it stands for.

        Raises JournalLow and JournalBroken.
        """
        ...

    async def rows(self, first: Seq, count: int) -> list[bytes]:
        """Up to `count` entries as compact JWS, in order, from `first` on. Raises JournalBroken."""
        ...

    async def hash_at(self, seq: Seq) -> bytes | None:
        """The hash of one entry; of the grant for seq 0; None beyond the tip. Raises JournalBroken."""
        ...
