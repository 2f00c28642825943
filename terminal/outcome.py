"""Write down what became of a step; only when that is on disk, anybody is told."""

from msgspec.structs import replace

from protocol.entries import CardStep, Stage, kind_of
from protocol.instants import Now
from terminal.desk import AppendEntry, Desk, Done, Phase, Receipt, Settling, Stepped
from terminal.step_draft import Open


def settle(
    desk: Desk,
    found: Open,
    stage: Stage,
    body: CardStep,
    now: Now,
    *,
    then: Phase | None = None,
    hand_over: bool = False,
) -> Stepped:
    """The outcome entry of a step; `then` is what the counter shows afterwards, by default the receipt."""
    kind = kind_of(found.operation, stage)
    done = Done(Receipt(found.mark(desk.tno), kind, body, now))
    return replace(desk, phase=Settling(found, stage, then or done, hand_over)), (AppendEntry(kind, body),)
