"""Which entries a terminal sends next. The journal is the only queue; only the server's signed word moves anything.

    Offline --Connected--> Asking --TipAnswered(own row)--> Sending --Acked / Wanted / Ticked--> Sending
                              \\--TipAnswered(foreign row)--> Diverged (stop: a new epoch is needed)

`step` is the whole machine. A broker's PUBACK is no event here: it says nothing about a commit.
"""

import enum
from dataclasses import dataclass, replace
from typing import assert_never

from protocol.ids import Seq
from protocol.instants import MonoMs
from protocol.messages import BATCHES_IN_FLIGHT_MAX

RESEND_FIRST_MS = 5_000
RESEND_LAST_MS = 300_000


class Phase(enum.StrEnum):
    """How far the conversation with the server is."""

    OFFLINE = "offline"
    ASKING = "asking"
    SENDING = "sending"
    DIVERGED = "diverged"


@dataclass(frozen=True, slots=True)
class Sender:
    """What is known of the server's side of one chain."""

    tip: Seq
    """Newest entry of the own journal."""
    acked: Seq = Seq(0)
    """Newest entry with a signed ack; survives restarts in the journal's checkpoints."""
    phase: Phase = Phase.OFFLINE
    held: Seq = Seq(0)
    """What the server says it holds in this conversation."""
    sent: Seq = Seq(0)
    """Newest entry sent since it last had to be sent again."""
    batches: tuple[Seq, ...] = ()
    """The last entry of each batch in flight, oldest first."""
    deadline_ms: MonoMs = MonoMs(0)
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class Connected:
    """The broker took the connection, or the server shows a new instance."""

    now_ms: MonoMs


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection is gone."""


@dataclass(frozen=True, slots=True)
class TipAnswered:
    """The server's signed tip; `is_own_row` if the journal holds exactly that row (seq 0: its own grant)."""

    seq: Seq
    is_own_row: bool
    now_ms: MonoMs


@dataclass(frozen=True, slots=True)
class Acked:
    """A signed ack whose hash is the journal's own at that seq."""

    seq: Seq
    now_ms: MonoMs


@dataclass(frozen=True, slots=True)
class Wanted:
    """The server asks for entries again, from `seq`."""

    seq: Seq
    now_ms: MonoMs


@dataclass(frozen=True, slots=True)
class Appended:
    """The journal grew."""

    seq: Seq
    now_ms: MonoMs


@dataclass(frozen=True, slots=True)
class BatchSent:
    """The shell took this many entries for a batch: what fitted."""

    last: Seq
    now_ms: MonoMs


@dataclass(frozen=True, slots=True)
class Ticked:
    """Time passed; `jitter_permille` (0 to 1000) spreads the resends of a whole campus."""

    now_ms: MonoMs
    jitter_permille: int = 0


Event = Connected | Disconnected | TipAnswered | Acked | Wanted | Appended | BatchSent | Ticked


@dataclass(frozen=True, slots=True)
class SendHello:
    """Publish tip and newest signed ack."""


@dataclass(frozen=True, slots=True)
class SendBatch:
    """Publish as many entries as fit from `first` on, and report them as `BatchSent`."""

    first: Seq


@dataclass(frozen=True, slots=True)
class AskNewEpoch:
    """The server holds another history of this chain: stop selling into it."""


Effect = SendHello | SendBatch | AskNewEpoch


def step(sender: Sender, event: Event) -> tuple[Sender, tuple[Effect, ...]]:
    """The next state, and what to do."""
    match event:
        case Connected(now_ms):
            return replace(_rewound(sender, Phase.ASKING), deadline_ms=_resend_at(now_ms, 0, 0)), (SendHello(),)
        case Disconnected():
            return _rewound(sender, Phase.OFFLINE), ()
        case Appended(seq):
            assert seq == sender.tip + 1, "the journal has no gaps"
            return _pump(replace(sender, tip=seq))
        case BatchSent(last, now_ms):
            return _sent(sender, last, now_ms)
        case TipAnswered():
            return _tip_answered(sender, event)
        case Acked(seq, now_ms):
            return _acked(sender, seq, now_ms)
        case Wanted(seq):
            if sender.phase is not Phase.SENDING or not 0 < seq <= sender.tip:
                return sender, ()
            return _pump(replace(sender, held=Seq(seq - 1), sent=Seq(seq - 1), batches=()))
        case Ticked():
            return _ticked(sender, event)
        case _:
            assert_never(event)


def _tip_answered(sender: Sender, event: TipAnswered) -> tuple[Sender, tuple[Effect, ...]]:
    if sender.phase not in (Phase.ASKING, Phase.SENDING):
        return sender, ()
    if not event.is_own_row:
        return replace(_rewound(sender, Phase.DIVERGED)), (AskNewEpoch(),)
    return _pump(replace(sender, phase=Phase.SENDING, held=event.seq, sent=event.seq, batches=(), attempt=0))


def _acked(sender: Sender, seq: Seq, now_ms: MonoMs) -> tuple[Sender, tuple[Effect, ...]]:
    acked = max(sender.acked, seq)
    if sender.phase is not Phase.SENDING or seq <= sender.held:
        return replace(sender, acked=acked), ()
    batches = tuple(last for last in sender.batches if last > seq)
    moved = replace(sender, acked=acked, held=seq, sent=max(sender.sent, seq), batches=batches, attempt=0)
    return _pump(replace(moved, deadline_ms=_resend_at(now_ms, 0, 0)))


def _sent(sender: Sender, last: Seq, now_ms: MonoMs) -> tuple[Sender, tuple[Effect, ...]]:
    assert sender.sent < last <= sender.tip
    deadline = sender.deadline_ms if sender.batches else _resend_at(now_ms, sender.attempt, 0)
    return _pump(replace(sender, sent=last, batches=(*sender.batches, last), deadline_ms=deadline))


def _ticked(sender: Sender, event: Ticked) -> tuple[Sender, tuple[Effect, ...]]:
    waiting = sender.phase is Phase.ASKING or (sender.phase is Phase.SENDING and sender.batches)
    if not waiting or event.now_ms < sender.deadline_ms:
        return sender, ()
    attempt = sender.attempt + 1
    late = replace(
        sender, attempt=attempt, deadline_ms=_resend_at(event.now_ms, attempt, event.jitter_permille), batches=()
    )
    if sender.phase is Phase.ASKING:
        return late, (SendHello(),)
    return _pump(replace(late, sent=sender.held))


def _pump(sender: Sender) -> tuple[Sender, tuple[Effect, ...]]:
    room = len(sender.batches) < BATCHES_IN_FLIGHT_MAX
    if sender.phase is Phase.SENDING and room and sender.sent < sender.tip:
        return sender, (SendBatch(Seq(sender.sent + 1)),)
    return sender, ()


def _rewound(sender: Sender, phase: Phase) -> Sender:
    return replace(sender, phase=phase, sent=sender.held, batches=(), attempt=0)


def _resend_at(now_ms: MonoMs, attempt: int, jitter_permille: int) -> MonoMs:
    wait = min(RESEND_FIRST_MS << min(attempt, 10), RESEND_LAST_MS)
    return MonoMs(now_ms + wait + wait * jitter_permille // 1000)
