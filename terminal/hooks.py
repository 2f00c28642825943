"""What the line to the server tells the rest of the program, and what it shows of itself."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from protocol.ids import Seq
from protocol.instants import UtcMs
from protocol.messages import Ack, Answer, Known, TipAnswer
from protocol.state import Days
from protocol.sync_sender import Phase
from protocol.trust import Trust
from terminal.offline import Offline
from terminal.policy_store import Applied


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """What the face shows of the line to the server."""

    online: bool
    cause: Offline | None
    """Why not; None while online."""
    phase: Phase
    unsent: int
    acked: Seq
    acked_at: UtcMs
    """When the server signed the newest ack of this run; 0 before the first."""
    alarm: str
    """What somebody must look at; empty if nothing."""


async def _nothing(_: object) -> None: ...


async def _no_clock() -> None: ...


@dataclass(frozen=True, slots=True)
class Hooks:
    """Who is told about what the server says. Exceptions of the journal in a hook are logged and forgotten."""

    acked: Callable[[Ack, bytes], Awaitable[None]] = lambda _ack, jws: _nothing(jws)
    applied: Callable[[Applied], Awaitable[None]] = _nothing
    server_time: Callable[[UtcMs], Awaitable[None]] = _nothing
    diverged: Callable[[TipAnswer], Awaitable[None]] = _nothing
    """The server holds another history: nothing may be sold into this chain any more."""
    alarm: Callable[[str], Awaitable[None]] = _nothing
    keep_trust: Callable[[Trust], None] = lambda _: None
    """Write down what is believed of the server from now on. Called in a thread; raises OSError."""
    clock_doubtful: Callable[[], Awaitable[Callable[[], UtcMs] | None]] = _no_clock
    """Only its dates speak against the broker's certificate: what tells the time by the server's word, if it can."""
    answered: Callable[[Known | Answer, bytes], Awaitable[None]] = lambda _message, jws: _nothing(jws)
    """The server has answered a question of this terminal."""
    card_sets: tuple[int, ...] = ()
    """The sets of card keys that are held here, for `state`."""
    days: Days | None = None
    """By which days this terminal counts, for `state`."""
