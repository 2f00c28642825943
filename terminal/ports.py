"""What the terminal's core asks of cards, server and journal, and the one tree of all that can go wrong with the last.

JournalError
├── JournalLow               cashier: nothing new is begun, what is open is finished; make space
├── JournalBroken            the disk did not do its part: stop selling, `recover`
└── JournalUnusable          technician
    ├── JournalInUse         another program holds it
    ├── JournalMissing       key and grant are there, the journal is not
    ├── JournalForeign       it belongs to another terminal or epoch
    └── JournalDamaged       the chain does not hold; says at which entry and how
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from protocol.entries import Body, Kind, ListVersions
from protocol.ids import Counter, Seq, ShiftNo, StaffId
from protocol.instants import Now
from protocol.journal import Break, Sealed, Tip
from protocol.money import Cents
from protocol.proofs import Proof
from protocol.purse import CardId, CardRead, Mark, PurseChange, SignedLoad


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


class SyncJournal(Journal, Protocol):
    """A journal that also keeps the newest ack."""

    def keep_ack(self, jws: bytes) -> None:
        """Write the newest signed ack along with the next entry."""
        ...


class Cards(Protocol):
    """The card on the reader. Raises CardError; a CardLeftField during a write means that its outcome is unknown."""

    @property
    def uid(self) -> bytes:
        """Of what lies on the reader; empty where it has none that stays, or nothing lies there."""
        ...

    async def read(self, load_known: Callable[[bytes], SignedLoad | None]) -> CardRead | None:
        """Authenticate and read; None: not ours. `load_known` gives by UID the record that need not be read again."""
        ...

    async def write(self, change: PurseChange) -> CardRead:
        """Make one step and read it back."""
        ...

    async def make_definite(self, mark: Mark, counter_after: Counter) -> CardRead:
        """Make what became of a step firm."""
        ...

    @property
    def compares_pins(self) -> bool:
        """Whether this machine can compare a PIN at all."""
        ...

    async def pin_is_right(self, read: CardRead, pin: str) -> bool:
        """Compare a PIN with the card's verifier, in constant time."""
        ...


class Server(Protocol):
    """Whom a sale to a token asks. Answers come later, to `Shell.told`, or never."""

    @property
    def is_up(self) -> bool:
        """Whether the line is there."""
        ...

    def who(self, uid: str) -> str:
        """Ask whose token a UID is; the nonce that the answer repeats."""
        ...

    def ask(self, seq: Seq, entry_hash: bytes, card: CardId, amount: Cents, proof: Proof | None) -> None:
        """Ask whether a token may pay what a prepared entry says."""
        ...
