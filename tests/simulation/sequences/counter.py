"""What happens at one counter: power lost around OK, cards that linger and flicker, PIN tries, wrong clocks."""

from protocol.instants import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from tests.simulation.sequences.format import (
    CLASSIC,
    LUNCH,
    NOT_AT_ONCE,
    SOUP,
    TEA,
    TOO_LATE,
    A,
    B,
    Boot,
    Cancel,
    Checkpoint,
    Confirm,
    Cut,
    CutAt,
    EnterPin,
    Expect,
    Found,
    Lift,
    LoseClock,
    Made,
    Nightly,
    Offline,
    OnCard,
    Online,
    Pay,
    Ring,
    Sequence,
    SetLimits,
    Shows,
    StepClock,
    Sync,
    Tap,
    Torn,
    Vended,
    Wait,
    WeakReads,
    X,
    Y,
    merchant,
    pending,
    purse,
    sale,
)

_LUNCH_AT_X = Expect(
    accounts={purse(A): -LUNCH, merchant(X): LUNCH},
    cards={A: OnCard(1, -LUNCH, Made(X))},
    goods={X: (LUNCH,)},
)
_LOST_BEFORE_OK = (Ring(X, LUNCH), Pay(X), CutAt(X, "before hand over"), Tap(X, A), Lift(X), Boot(X))

POWER = (
    Sequence(
        "power lost after settled, before OK",
        "The sale settled last before the stop is paid, perhaps not handed over: a tap of that card charges nothing "
        "(SPEC, Open, torn, recovered, 7).",
        (*_LOST_BEFORE_OK, Tap(X, A), Shows(X, "PaidEarlier"), Confirm(X), Lift(X), Sync()),
        _LUNCH_AT_X,
    ),
    Sequence(
        "power lost before OK, the basket is rung again",
        "The tap hands over what was paid; the basket rung again is cleared (SPEC, Open, torn, recovered, 6 and 7).",
        (
            *_LOST_BEFORE_OK,
            *(Ring(X, LUNCH), Pay(X), Tap(X, A), Shows(X, "PaidEarlier"), Confirm(X), Lift(X)),
            Sync(),
        ),
        _LUNCH_AT_X,
    ),
    Sequence(
        "power lost before OK, the next customer comes first",
        "Another card's sale does not make this one handed over: its tap still charges nothing (SPEC, Open, torn, "
        "recovered, 7).",
        (
            *_LOST_BEFORE_OK,
            *sale(X, B, TEA),
            *(Ring(X, LUNCH), Pay(X), Tap(X, A), Shows(X, "PaidEarlier"), Confirm(X), Lift(X)),
            Sync(),
        ),
        Expect(
            accounts={purse(A): -LUNCH, purse(B): -TEA, merchant(X): LUNCH + TEA},
            cards={A: OnCard(1, -LUNCH, Made(X)), B: OnCard(1, -TEA, Made(X, 2))},
            goods={X: (TEA, LUNCH)},
        ),
    ),
    Sequence(
        "power lost before OK, and ten minutes pass",
        "After ten minutes the offer ends, however long the till had been running before (SPEC, Open, torn, "
        "recovered, 3 and 7).",
        (Wait(12 * HOUR_MS), *_LOST_BEFORE_OK, TOO_LATE, *sale(X, A, TEA), Sync()),
        Expect(
            accounts={purse(A): -LUNCH - TEA, merchant(X): LUNCH + TEA},
            cards={A: OnCard(2, -LUNCH - TEA, Made(X, 2))},
            goods={X: (TEA,)},
        ),
    ),
    Sequence(
        "a checkpoint while a sale is open",
        "What is open is part of what a checkpoint keeps: a start from there finds it (SPEC, Storage).",
        (
            *(*sale(X, A, LUNCH, Torn.AFTER), Checkpoint(X), Cut(X), Boot(X)),
            *(Tap(X, A), Shows(X, "PaidEarlier"), Confirm(X), Lift(X)),
            Sync(),
        ),
        _LUNCH_AT_X,
    ),
    Sequence(
        "power lost between the card and the outcome",
        "At start the sale is open again; the card says that it is paid (SPEC, Open, torn, recovered, 7).",
        (
            *(Ring(X, LUNCH), Pay(X), CutAt(X, "before sale_settled"), Tap(X, A), Lift(X), Boot(X)),
            *(Tap(X, A), Shows(X, "PaidEarlier"), Confirm(X), Lift(X)),
            Sync(),
        ),
        _LUNCH_AT_X,
    ),
    Sequence(
        "power lost before the card was written",
        "At start the sale is open again; the card says that nothing happened, and the sale is void (SPEC, Open, "
        "torn, recovered, 7).",
        (
            *(Ring(X, LUNCH), Pay(X), CutAt(X, "after sale_prepared"), Tap(X, A), Lift(X), Boot(X)),
            *(Tap(X, A), Shows(X, "Ringing"), Lift(X)),
            Sync(),
        ),
        Expect(),
    ),
    Sequence(
        "power lost and no clock to measure the ten minutes",
        "A prepared sale whose age nobody can tell is torn at once; the next tap elsewhere decides it (SPEC, Open, "
        "torn, recovered, 3 and 7).",
        (
            *(Ring(X, LUNCH), Pay(X), CutAt(X, "before sale_settled"), Tap(X, A), Lift(X)),
            *(LoseClock(X), Boot(X), Tap(X, A), Shows(X, "Ringing"), Lift(X)),
            *sale(Y, A, TEA),
            Sync(),
        ),
        Expect(
            accounts={purse(A): -LUNCH - TEA, pending(A): LUNCH, merchant(Y): TEA},
            cards={A: OnCard(2, -LUNCH - TEA, Made(Y))},
            goods={Y: (TEA,)},
            classes=(Found("debited_not_delivered", -LUNCH),),
        ),
    ),
)

ONE_TAP = (
    Sequence(
        "a lingering card is charged once",
        "A card just charged is not charged again until it has been away for half a second, nor within ten seconds "
        "unless the cashier confirms (SPEC, A sale, 6).",
        (
            *(Ring(X, LUNCH), Pay(X), Tap(X, A), Shows(X, "Done")),
            *(Ring(X, TEA), Pay(X), Shows(X, "AwaitingCard")),
            *(Lift(X, 300), Tap(X, A), Shows(X, "AwaitingCard")),
            *(Lift(X), Tap(X, A), Shows(X, "RepeatAsked"), Cancel(X), Lift(X)),
            Sync(),
        ),
        _LUNCH_AT_X,
    ),
    Sequence(
        "a flickering card is one tap",
        "A removed and inserted pair shorter than half a second is one tap, however often (SPEC, A sale, 6).",
        (
            *(Ring(X, LUNCH), Pay(X), Tap(X, A)),
            *(Lift(X, 200), Tap(X, A), Lift(X, 400), Tap(X, A), Lift(X, 100), Tap(X, A)),
            *(NOT_AT_ONCE, Ring(X, TEA), Pay(X), Shows(X, "AwaitingCard"), Lift(X)),
            Sync(),
        ),
        _LUNCH_AT_X,
    ),
    Sequence(
        "the same card twice, and the cashier means it",
        "Within ten seconds of its last approved sale a card is charged again when the cashier says so (SPEC, A sale, "
        "6).",
        (
            *sale(X, A, LUNCH),
            *(Ring(X, TEA), Pay(X), Tap(X, A), Shows(X, "RepeatAsked"), Confirm(X), Shows(X, "Done"), Lift(X)),
            Sync(),
        ),
        Expect(
            accounts={purse(A): -LUNCH - TEA, merchant(X): LUNCH + TEA},
            cards={A: OnCard(2, -LUNCH - TEA, Made(X, 2))},
            goods={X: (LUNCH, TEA)},
        ),
    ),
    Sequence(
        "another customer in between does not make it a new tap",
        "The ten seconds are each card's own (SPEC, A sale, 6).",
        (
            *sale(X, A, LUNCH),
            *sale(X, B, TEA),
            *(Ring(X, LUNCH), Pay(X), Tap(X, A), Shows(X, "RepeatAsked"), Cancel(X), Lift(X)),
            Sync(),
        ),
        Expect(
            accounts={purse(A): -LUNCH, purse(B): -TEA, merchant(X): LUNCH + TEA},
            cards={A: OnCard(1, -LUNCH, Made(X)), B: OnCard(1, -TEA, Made(X, 2))},
            goods={X: (LUNCH, TEA)},
        ),
    ),
)

PIN = (
    Sequence(
        "PIN tries across two offline tills",
        "The tries are counted on the card, in a journaled write before each comparison: after three wrong ones no "
        "till asks any more (SPEC, A sale, 3).",
        (
            SetLimits(pin_above=SOUP),
            Sync(),
            Offline(X),
            Offline(Y),
            *(Ring(X, LUNCH), Pay(X), Tap(X, A), Shows(X, "PinEntry"), EnterPin(X, right=False)),
            *(Shows(X, "pin_wrong"), Lift(X)),
            *(Ring(Y, LUNCH), Pay(Y), Tap(Y, A), Shows(Y, "PinEntry"), EnterPin(Y, right=False)),
            *(Shows(Y, "pin_wrong"), Lift(Y)),
            *(Tap(X, A), Shows(X, "PinEntry"), EnterPin(X, right=False), Shows(X, "pin_blocked"), Lift(X)),
            *(Tap(Y, A), Shows(Y, "pin_blocked"), Lift(Y)),
            *(Wait(2 * MINUTE_MS), Online(X), Online(Y), Sync()),
        ),
        Expect(cards={A: OnCard(3, mark=Made(X, 2), pin_tries=3)}),
        pin=True,
    ),
    Sequence(
        "the right PIN at the second try",
        "A right PIN pays and sets the tries back; a try is a step of the card that moves no money (SPEC, A sale, 3).",
        (
            SetLimits(pin_above=SOUP),
            Sync(),
            *(Ring(X, LUNCH), Pay(X), Tap(X, A), EnterPin(X, right=False), Shows(X, "pin_wrong"), Lift(X)),
            *(Tap(X, A), EnterPin(X, right=True), Shows(X, "Done"), Lift(X)),
            Sync(),
        ),
        Expect(
            accounts={purse(A): -LUNCH, merchant(X): LUNCH},
            cards={A: OnCard(3, -LUNCH, Made(X, 3))},
            goods={X: (LUNCH,)},
        ),
        pin=True,
    ),
    Sequence(
        "torn while a PIN try is counted",
        "A try that may not be on the card is compared with nothing: the PIN is asked for once more (SPEC, A sale, 3).",
        (
            SetLimits(pin_above=SOUP),
            Sync(),
            *(Ring(X, LUNCH), Pay(X), Tap(X, A), EnterPin(X, right=True, torn=Torn.AFTER), Shows(X, "AwaitingCard")),
            *(Lift(X), Tap(X, A), Shows(X, "PinEntry"), EnterPin(X, right=True), Shows(X, "Done"), Lift(X)),
            Sync(),
        ),
        Expect(
            accounts={purse(A): -LUNCH, merchant(X): LUNCH},
            cards={A: OnCard(3, -LUNCH, Made(X, 3))},
            goods={X: (LUNCH,)},
        ),
        pin=True,
    ),
)

_ASKED = (SetLimits(pin_above=SOUP), Sync(), Ring(X, LUNCH), Pay(X), Tap(X, A))
_HALF_COUNTED = (*_ASKED, EnterPin(X, right=True, torn=Torn.HALF), Lift(X))

WEAK_PIN = (
    Sequence(
        "a PIN try that is weak and reads as counted, tapped again",
        "It is made definite like any other step before the card is asked anything else: no later till can read it "
        "otherwise (SPEC, Made definite).",
        (
            *(*_HALF_COUNTED, WeakReads(A, new=True), Tap(X, A), Shows(X, "PinEntry"), Lift(X)),
            *(WeakReads(A, new=False), *sale(Y, A, TEA), Sync()),
        ),
        Expect(
            accounts={purse(A): -TEA, merchant(Y): TEA},
            cards={A: OnCard(2, -TEA, Made(Y), pin_tries=1)},
            goods={Y: (TEA,)},
        ),
        on=CLASSIC,
        pin=True,
    ),
    Sequence(
        "a PIN try that is weak and reads as not counted, tapped again after a restart",
        "The torn slot is overwritten, also where the power failed in between (SPEC, Made definite).",
        (
            *(*_HALF_COUNTED, WeakReads(A, new=False), Cut(X), Boot(X), Tap(X, A), Shows(X, "Ringing"), Lift(X)),
            *(WeakReads(A, new=True), *sale(Y, A, TEA), Sync()),
        ),
        Expect(
            accounts={purse(A): -TEA, merchant(Y): TEA},
            cards={A: OnCard(1, -TEA, Made(Y))},
            goods={Y: (TEA,)},
        ),
        on=CLASSIC,
        pin=True,
    ),
    Sequence(
        "a PIN try that is weak and reads as counted",
        "It is a step of the card that moves no money, wherever it counts (SPEC, A sale, 3).",
        (*_HALF_COUNTED, WeakReads(A, new=True), *sale(Y, A, TEA), Sync()),
        Expect(
            accounts={purse(A): -TEA, merchant(Y): TEA},
            cards={A: OnCard(2, -TEA, Made(Y), pin_tries=1)},
            goods={Y: (TEA,)},
        ),
        on=CLASSIC,
        pin=True,
    ),
    Sequence(
        "a PIN try that is weak and reads as not counted",
        "The next step is written over it (SPEC, A sale, 3).",
        (*_HALF_COUNTED, WeakReads(A, new=False), *sale(Y, A, TEA), Sync()),
        Expect(
            accounts={purse(A): -TEA, merchant(Y): TEA},
            cards={A: OnCard(1, -TEA, Made(Y))},
            goods={Y: (TEA,)},
        ),
        on=CLASSIC,
        pin=True,
    ),
)

VENDED = (
    Sequence(
        "paid and dispensed",
        "Whether goods came is a second fact; it moves no money where they did (SPEC, A sale, 5).",
        (*sale(X, A, LUNCH), Vended(X, Made(X), "dispensed"), Sync()),
        _LUNCH_AT_X,
    ),
    Sequence(
        "paid and nothing fell",
        "Nobody knows, or it failed: pending credit, the merchant is not paid (SPEC, A sale, 5).",
        (
            *(*sale(X, A, LUNCH), Vended(X, Made(X), "failed"), NOT_AT_ONCE),
            *(*sale(X, A, TEA), Vended(X, Made(X, 2), "unknown"), Sync()),
        ),
        Expect(
            accounts={purse(A): -LUNCH - TEA, pending(A): LUNCH + TEA},
            cards={A: OnCard(2, -LUNCH - TEA, Made(X, 2))},
            goods={X: (LUNCH, TEA)},
        ),
    ),
)

CLOCKS = (
    Sequence(
        "a till without a clock",
        "It sells; the card's day is neither advanced nor reset, and the entry takes the business day of its "
        "neighbour (SPEC, Time).",
        (*sale(X, A, LUNCH), LoseClock(X), NOT_AT_ONCE, *sale(X, A, TEA), Sync()),
        Expect(
            accounts={purse(A): -LUNCH - TEA, merchant(X): LUNCH + TEA},
            cards={A: OnCard(2, -LUNCH - TEA, Made(X, 2))},
            goods={X: (LUNCH, TEA)},
            days={Made(X): 0, Made(X, 2): 0},
        ),
    ),
    Sequence(
        "a clock that goes backwards",
        "Order comes from the chain, never from clocks: both sales are posted, each once (SPEC, Time).",
        (*sale(X, A, LUNCH), StepClock(X, -2 * DAY_MS), NOT_AT_ONCE, *sale(X, A, TEA), *sale(Y, A, SOUP), Sync()),
        Expect(
            accounts={purse(A): -LUNCH - TEA - SOUP, merchant(X): LUNCH + TEA, merchant(Y): SOUP},
            cards={A: OnCard(3, -LUNCH - TEA - SOUP, Made(Y))},
            goods={X: (LUNCH, TEA), Y: (SOUP,)},
        ),
    ),
    Sequence(
        "a clock in the future",
        "The entry is posted on no later day than the server's own; the card's day that is too far ahead counts as "
        "today at the next till, so the day's limit holds (SPEC, Time).",
        (
            SetLimits(day=LUNCH + TEA),
            Sync(),
            StepClock(X, 3 * DAY_MS),
            *sale(X, A, LUNCH),
            *(Ring(Y, SOUP), Pay(Y), Tap(Y, A), Shows(Y, "day_limit"), Lift(Y)),
            *sale(Y, A, TEA),
            *(Wait(2 * MINUTE_MS), Sync()),
        ),
        Expect(
            accounts={purse(A): -LUNCH - TEA, merchant(X): LUNCH, merchant(Y): TEA},
            cards={A: OnCard(2, -LUNCH - TEA, Made(Y))},
            goods={X: (LUNCH,), Y: (TEA,)},
            days={Made(X): 0, Made(Y): 0},
        ),
    ),
    Sequence(
        "a clock that runs away does not spend more of a day",
        "A card's day is moved at most one day past what the server signed and the time since, however often the clock "
        "is stepped: the day's limit holds (SPEC, Time).",
        (
            SetLimits(day=LUNCH + TEA),
            Sync(),
            *(StepClock(X, 3 * DAY_MS), *sale(X, A, LUNCH), StepClock(X, 3 * DAY_MS), NOT_AT_ONCE),
            *(Ring(X, SOUP), Pay(X), Tap(X, A), Shows(X, "day_limit"), Lift(X)),
            *(Ring(Y, SOUP), Pay(Y), Tap(Y, A), Shows(Y, "day_limit"), Lift(Y)),
            *(Wait(2 * MINUTE_MS), Sync()),
        ),
        Expect(
            accounts={purse(A): -LUNCH, merchant(X): LUNCH},
            cards={A: OnCard(1, -LUNCH, Made(X))},
            goods={X: (LUNCH,)},
            days={Made(X): 0},
        ),
    ),
    Sequence(
        "a clock that is stepped while a card is awaited again",
        "The ten minutes are measured by the time since boot; the clock on the wall does not end them (SPEC, Open, "
        "torn, recovered, 3).",
        (*sale(X, A, LUNCH, Torn.AFTER), StepClock(X, HOUR_MS), Wait(SECOND_MS), Tap(X, A), Lift(X), Sync()),
        _LUNCH_AT_X,
    ),
    Sequence(
        "the power fails, and the clock comes back too early",
        "A clock that went backwards over a stop measures nothing: the open sale is torn at once (SPEC, Open, torn, "
        "recovered, 7).",
        (
            *(Ring(X, LUNCH), Pay(X), CutAt(X, "before sale_settled"), Tap(X, A), Lift(X)),
            *(StepClock(X, -HOUR_MS), Boot(X), Tap(X, A), Shows(X, "Ringing"), Lift(X)),
            *sale(Y, A, TEA),
            Sync(),
        ),
        Expect(
            accounts={purse(A): -LUNCH - TEA, pending(A): LUNCH, merchant(Y): TEA},
            cards={A: OnCard(2, -LUNCH - TEA, Made(Y))},
            goods={Y: (TEA,)},
            classes=(Found("debited_not_delivered", -LUNCH),),
        ),
    ),
    Sequence(
        "late entries keep their day",
        "A till that was silent for three days hands in what it sold: posted on the day it was sold, that closed "
        "day's report is restated (SPEC, Reconciliation).",
        (
            Offline(X),
            *sale(X, A, LUNCH),
            *(Wait(3 * DAY_MS), Nightly(), Online(X), Sync()),
        ),
        Expect(
            accounts={purse(A): -LUNCH, merchant(X): LUNCH},
            cards={A: OnCard(1, -LUNCH, Made(X))},
            goods={X: (LUNCH,)},
            days={Made(X): 0},
        ),
    ),
)
