"""Small questions about what a counter is in the middle of."""

from protocol.basket import Basket
from terminal.desk import (
    Approving,
    AwaitingCard,
    Desk,
    Firming,
    NotDone,
    Noting,
    Order,
    Phase,
    PinComparing,
    PinEntry,
    Preparing,
    RepeatAsked,
    Ringing,
    Settling,
    TapAgain,
    Writing,
)
from terminal.hand_in import Close


def is_busy(phase: Phase) -> bool:
    """Whether disk, card or server are at work: no tap and no tick begins anything else."""
    return isinstance(phase, Preparing | Writing | Approving | Settling | Firming | Noting | PinComparing)


def idle(desk: Desk) -> Ringing:
    """The counter with nothing rung."""
    return Ringing(Basket(desk.prices))


def order_of(phase: Phase) -> Order | None:
    """What a customer is asked to tap for."""
    return phase.order if isinstance(phase, AwaitingCard | NotDone | RepeatAsked | TapAgain | PinEntry) else None


def must_be_asked(desk: Desk, order: Order) -> bool:
    """Whether nobody has said yet that everything shall be taken off the card on the reader."""
    phase = desk.phase
    is_confirmed = isinstance(phase, AwaitingCard) and phase.confirmed is not None and phase.confirmed == desk.present
    return isinstance(order, Close) and not is_confirmed
