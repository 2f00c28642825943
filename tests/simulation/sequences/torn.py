"""Torn and open sales: the card left, and what becomes of the money (SPEC, "Open, torn, recovered")."""

from protocol.instants import DAY_MS
from tests.simulation.sequences.format import (
    BALANCE,
    CLASSIC,
    LUNCH,
    NOT_AT_ONCE,
    OPERATOR_LOSS,
    SOUP,
    TEA,
    TOO_LATE,
    A,
    B,
    Boot,
    Cancel,
    Check,
    Confirm,
    Cut,
    EnterPin,
    Expect,
    Found,
    Lift,
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
    Sync,
    Tap,
    Torn,
    Wait,
    WeakReads,
    X,
    Y,
    Z,
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
_LUNCH_AT_X_SECOND_TRY = Expect(
    accounts={purse(A): -LUNCH, merchant(X): LUNCH},
    cards={A: OnCard(1, -LUNCH, Made(X, 2))},
    goods={X: (LUNCH,)},
)
_DEBITED_THEN_TEA_AT_Y = Expect(
    accounts={purse(A): -LUNCH - TEA, pending(A): LUNCH, merchant(Y): TEA},
    cards={A: OnCard(2, -LUNCH - TEA, Made(Y))},
    goods={Y: (TEA,)},
    classes=(Found("debited_not_delivered", -LUNCH),),
)
_ONLY_TEA_AT_Y = Expect(
    accounts={purse(A): -TEA, merchant(Y): TEA},
    cards={A: OnCard(1, -TEA, Made(Y))},
    goods={Y: (TEA,)},
)

TORN = (
    Sequence(
        "torn after the debit, paid elsewhere",
        "Nothing was handed over, and the next tap builds on the debit: the merchant gets nothing, the student a "
        "pending credit (SPEC, Open, torn, recovered, 4).",
        (*sale(X, A, LUNCH, Torn.AFTER), Shows(X, "TapAgain"), *sale(Y, A, TEA), TOO_LATE, Sync()),
        _DEBITED_THEN_TEA_AT_Y,
    ),
    Sequence(
        "torn before the debit, paid elsewhere",
        "The next tap builds on the counter before: no debit, the torn sale is void (SPEC, Open, torn, recovered, 4).",
        (*sale(X, A, LUNCH, Torn.BEFORE), *sale(Y, A, TEA), TOO_LATE, Sync()),
        _ONLY_TEA_AT_Y,
    ),
    Sequence(
        "torn before the debit, paid elsewhere, tapped again in time",
        "The counter has the other till's mark: the torn sale was not made, and is charged now (SPEC, Made definite).",
        (*sale(X, A, LUNCH, Torn.BEFORE), *sale(Y, A, TEA), Tap(X, A), Shows(X, "Done"), Lift(X), Sync()),
        Expect(
            accounts={purse(A): -LUNCH - TEA, merchant(X): LUNCH, merchant(Y): TEA},
            cards={A: OnCard(2, -LUNCH - TEA, Made(X, 2))},
            goods={X: (LUNCH,), Y: (TEA,)},
        ),
    ),
    Sequence(
        "torn after the debit, the proof is known before the question",
        "Evidence counts in whatever order it arrives (SPEC, Open, torn, recovered, 4).",
        (
            Offline(X),
            *sale(X, A, LUNCH, Torn.AFTER),
            *sale(Y, A, TEA),
            TOO_LATE,
            Sync(),
            Check(
                Expect(
                    accounts={purse(A): -TEA, merchant(Y): TEA},
                    cards={A: OnCard(2, -LUNCH - TEA, Made(Y))},
                    goods={Y: (TEA,)},
                    classes=(Found("silent_till", -LUNCH, share=-LUNCH),),
                )
            ),
            Online(X),
            Sync(),
        ),
        _DEBITED_THEN_TEA_AT_Y,
    ),
    Sequence(
        "torn before the debit, the proof is known before the question",
        "Evidence counts in whatever order it arrives (SPEC, Open, torn, recovered, 4).",
        (
            Offline(X),
            *sale(X, A, LUNCH, Torn.BEFORE),
            *sale(Y, A, TEA),
            TOO_LATE,
            Sync(),
            Check(_ONLY_TEA_AT_Y),
            Online(X),
            Sync(),
        ),
        _ONLY_TEA_AT_Y,
    ),
    Sequence(
        "torn after the debit, the next purchase is at the same till",
        "After ten minutes the till gives nothing any more for that debit; its own next sale is the proof (SPEC, Open, "
        "torn, recovered, 3 and 4).",
        (*sale(X, A, LUNCH, Torn.AFTER), TOO_LATE, *sale(X, A, TEA), Sync()),
        Expect(
            accounts={purse(A): -LUNCH - TEA, pending(A): LUNCH, merchant(X): TEA},
            cards={A: OnCard(2, -LUNCH - TEA, Made(X, 2))},
            goods={X: (TEA,)},
            classes=(Found("debited_not_delivered", -LUNCH),),
        ),
    ),
    Sequence(
        "torn, and the card is never seen again",
        "Thirty days after the tear without proof the student gets the amount (SPEC, Open, torn, recovered, 4).",
        (
            *sale(X, A, LUNCH, Torn.AFTER),
            TOO_LATE,
            Sync(),
            Check(Expect(cards={A: OnCard(1, -LUNCH, Made(X))}, classes=(Found("torn", -LUNCH),))),
            Wait(31 * DAY_MS),
            Nightly(),
        ),
        Expect(
            accounts={purse(A): -LUNCH, pending(A): LUNCH},
            cards={A: OnCard(1, -LUNCH, Made(X))},
            classes=(Found("torn", -LUNCH, share=LUNCH),),
        ),
    ),
    Sequence(
        "decided by time, and then the card shows that it was not debited",
        "What was decided in the student's favour stays, as operator loss and with a case; the purse follows the card "
        "(SPEC, Open, torn, recovered, 4).",
        (*sale(X, A, LUNCH, Torn.BEFORE), TOO_LATE, Sync(), Wait(31 * DAY_MS), Nightly(), *sale(Y, A, TEA), Sync()),
        Expect(
            accounts={purse(A): -TEA, OPERATOR_LOSS: -LUNCH, pending(A): LUNCH, merchant(Y): TEA},
            cards={A: OnCard(1, -TEA, Made(Y))},
            goods={Y: (TEA,)},
            classes=(Found("torn", LUNCH),),
        ),
    ),
    Sequence(
        "tapped again at once after the debit",
        "The counter and our mark on the card say that it is paid (SPEC, Open, torn, recovered, 2).",
        (*sale(X, A, LUNCH, Torn.AFTER), Tap(X, A), Shows(X, "Done"), Lift(X), Sync()),
        _LUNCH_AT_X,
    ),
    Sequence(
        "tapped again at once, nothing was debited",
        "Void, and the same tap pays: the customer notices nothing (SPEC, Open, torn, recovered, 2).",
        (*sale(X, A, LUNCH, Torn.BEFORE), Tap(X, A), Shows(X, "Done"), Lift(X), Sync()),
        _LUNCH_AT_X_SECOND_TRY,
    ),
)

_DEBITED = Found("debited_not_delivered", -LUNCH)

CHAINED = (
    Sequence(
        "torn at two tills, one on top of the other",
        "The tap that proves the second debit proves the first one with it: the second was written on what the first "
        "had left (SPEC, Open, torn, recovered, 4).",
        (
            *(*sale(X, A, LUNCH, Torn.AFTER), *sale(Y, A, SOUP, Torn.AFTER), TOO_LATE),
            *(*sale(Z, A, TEA), Sync(), Nightly(), Sync()),
        ),
        Expect(
            accounts={purse(A): -LUNCH - SOUP - TEA, pending(A): LUNCH + SOUP, merchant(Z): TEA},
            cards={A: OnCard(3, -LUNCH - SOUP - TEA, Made(Z))},
            goods={Z: (TEA,)},
            classes=(_DEBITED, Found("debited_not_delivered", -SOUP)),
        ),
    ),
    Sequence(
        "torn, then wrong PINs, then paid",
        "PIN tries are steps of the card without an outcome; the sale behind them proves them and what they build on "
        "(SPEC, A sale, 3; Open, torn, recovered, 4).",
        (
            *(*sale(X, A, LUNCH, Torn.AFTER), SetLimits(pin_above=SOUP), Sync()),
            *(Ring(Y, LUNCH), Pay(Y), Tap(Y, A), EnterPin(Y, right=False), Lift(Y)),
            *(Tap(Y, A), EnterPin(Y, right=True), Shows(Y, "Done"), Lift(Y)),
            *(TOO_LATE, Sync(), Nightly(), Sync()),
        ),
        Expect(
            accounts={purse(A): -2 * LUNCH, pending(A): LUNCH, merchant(Y): LUNCH},
            cards={A: OnCard(4, -2 * LUNCH, Made(Y, 3))},
            goods={Y: (LUNCH,)},
            classes=(_DEBITED,),
        ),
        pin=True,
    ),
    Sequence(
        "decided by time, then wrong PINs, then paid",
        "The first PIN try was written on the counter before the debit, and the sale behind the tries proves it: what "
        "time had decided is mended like by the card's next tap (SPEC, Open, torn, recovered, 4).",
        (
            *(*sale(X, A, LUNCH, Torn.BEFORE), SetLimits(pin_above=SOUP), TOO_LATE, Sync()),
            *(Wait(31 * DAY_MS), Nightly()),
            *(Ring(Y, LUNCH), Pay(Y), Tap(Y, A), EnterPin(Y, right=False), Lift(Y)),
            *(Tap(Y, A), EnterPin(Y, right=True), Shows(Y, "Done"), Lift(Y)),
            *(Sync(), Nightly(), Sync(), Nightly(), Sync()),
        ),
        Expect(
            accounts={purse(A): -LUNCH, OPERATOR_LOSS: -LUNCH, pending(A): LUNCH, merchant(Y): LUNCH},
            cards={A: OnCard(3, -LUNCH, Made(Y, 3))},
            goods={Y: (LUNCH,)},
            classes=(Found("torn", LUNCH),),
        ),
        pin=True,
    ),
    Sequence(
        "torn, and the step on top of it is still open",
        "An open step is nobody's to decide but its own terminal's; that it was written, and on what, the card's next "
        "tap proves all the same (SPEC, Open, torn, recovered, 1 and 4).",
        (
            *(*sale(X, A, LUNCH, Torn.AFTER), *sale(Y, A, SOUP, Torn.AFTER), Sync(), Cut(Y), Offline(Y)),
            *(TOO_LATE, *sale(Z, A, TEA), Sync(), Nightly(), Sync()),
            Check(
                Expect(
                    accounts={purse(A): -LUNCH - TEA, pending(A): LUNCH, merchant(Z): TEA},
                    cards={A: OnCard(3, -LUNCH - SOUP - TEA, Made(Z))},
                    goods={Z: (TEA,)},
                    classes=(_DEBITED, Found("open", -SOUP, share=-SOUP)),
                )
            ),
            *(Boot(Y), Online(Y), Sync(), Nightly(), Sync()),
        ),
        Expect(
            accounts={purse(A): -LUNCH - SOUP - TEA, pending(A): LUNCH + SOUP, merchant(Z): TEA},
            cards={A: OnCard(3, -LUNCH - SOUP - TEA, Made(Z))},
            goods={Z: (TEA,)},
            classes=(_DEBITED, Found("debited_not_delivered", -SOUP)),
        ),
    ),
)

OPEN = (
    Sequence(
        "open, overtaken by taps elsewhere, settled a month later",
        "The server never resolves an open sale, whatever other taps show: its terminal settled it and hands the word "
        "in when its network is back (SPEC, Open, torn, recovered, 1 and 5).",
        (
            *sale(X, A, LUNCH, Torn.AFTER),
            Sync(),
            Offline(X),
            Tap(X, A),
            Lift(X),
            *sale(Y, A, TEA),
            Sync(),
            Check(
                Expect(
                    accounts={purse(A): -TEA, merchant(Y): TEA},
                    cards={A: OnCard(2, -LUNCH - TEA, Made(Y))},
                    goods={X: (LUNCH,), Y: (TEA,)},
                    classes=(Found("open", -LUNCH, share=-LUNCH),),
                )
            ),
            NOT_AT_ONCE,
            *sale(Y, A, SOUP),
            Wait(30 * DAY_MS),
            Sync(),
            Nightly(),
            Online(X),
            Sync(),
        ),
        Expect(
            accounts={purse(A): -LUNCH - TEA - SOUP, merchant(X): LUNCH, merchant(Y): TEA + SOUP},
            cards={A: OnCard(3, -LUNCH - TEA - SOUP, Made(Y, 2))},
            goods={X: (LUNCH,), Y: (TEA, SOUP)},
        ),
    ),
    Sequence(
        "the interval of an open sale",
        "While it is open the card may hold anything from the balance after to the balance before; nothing is booked "
        "(SPEC, Open, torn, recovered, 5).",
        (
            *sale(X, A, LUNCH, Torn.BEFORE),
            Sync(),
            Check(Expect(classes=(Found("open", -LUNCH),))),
            Tap(X, A, Torn.AFTER),
            Lift(X),
            Sync(),
            Check(Expect(cards={A: OnCard(1, -LUNCH, Made(X, 2))}, classes=(Found("open", -LUNCH),))),
            Tap(X, A),
            Lift(X),
            Sync(),
        ),
        _LUNCH_AT_X_SECOND_TRY,
    ),
)

RECOVERED = (
    Sequence(
        "recovery tap with a re-rung basket: hand over",
        "A tap that resolves an earlier sale charges nothing else; the cashier hands that sale over and the basket is "
        "cleared (SPEC, Open, torn, recovered, 6).",
        (
            *sale(X, A, LUNCH, Torn.AFTER),
            Cancel(X),
            *(Ring(X, TEA), Pay(X), Tap(X, A), Shows(X, "PaidEarlier"), Confirm(X), Shows(X, "Ringing"), Lift(X)),
            Sync(),
        ),
        _LUNCH_AT_X,
    ),
    Sequence(
        "recovery tap with a re-rung basket: new purchase",
        "The goods are gone already; the card leaves the field and is tapped again for the new basket (SPEC, Open, "
        "torn, recovered, 6).",
        (
            *sale(X, A, LUNCH, Torn.AFTER),
            Cancel(X),
            NOT_AT_ONCE,
            *(Ring(X, TEA), Pay(X), Tap(X, A), Shows(X, "PaidEarlier"), Cancel(X), Shows(X, "AwaitingCard")),
            *(Lift(X, 300), Tap(X, A), Shows(X, "AwaitingCard")),
            *(Lift(X), Tap(X, A), Shows(X, "Done"), Lift(X)),
            Sync(),
        ),
        Expect(
            accounts={purse(A): -LUNCH - TEA, merchant(X): LUNCH + TEA},
            cards={A: OnCard(2, -LUNCH - TEA, Made(X, 2))},
            goods={X: (TEA,)},
        ),
    ),
    Sequence(
        "recovery tap with a re-rung basket, nothing was debited",
        "The earlier sale is void; the basket on the counter is paid by this tap (SPEC, Open, torn, recovered, 2).",
        (
            *sale(X, A, LUNCH, Torn.BEFORE),
            Cancel(X),
            *(Ring(X, TEA), Pay(X), Tap(X, A), Shows(X, "Done"), Lift(X)),
            Sync(),
        ),
        Expect(
            accounts={purse(A): -TEA, merchant(X): TEA},
            cards={A: OnCard(1, -TEA, Made(X, 2))},
            goods={X: (TEA,)},
        ),
    ),
    Sequence(
        "two sales are recovered, one question at a time",
        "What was paid earlier is handed over or not before the next card is looked at: no payment loses its goods "
        "(SPEC, Open, torn, recovered, 6).",
        (
            *(*sale(X, A, LUNCH, Torn.AFTER), Cancel(X), *sale(X, B, TEA, Torn.AFTER), Cancel(X)),
            *(Tap(X, A), Shows(X, "PaidEarlier"), Lift(X), Tap(X, B), Lift(X), Confirm(X), Shows(X, "Ringing")),
            *(Tap(X, B), Shows(X, "PaidEarlier"), Lift(X), Confirm(X)),
            Sync(),
        ),
        Expect(
            accounts={purse(A): -LUNCH, purse(B): -TEA, merchant(X): LUNCH + TEA},
            cards={A: OnCard(1, -LUNCH, Made(X)), B: OnCard(1, -TEA, Made(X, 2))},
            goods={X: (LUNCH, TEA)},
        ),
    ),
    Sequence(
        "the question to hand over is answered too late",
        "Ten minutes after it was prepared nothing is handed over for a sale, whatever the cashier says then (SPEC, "
        "Open, torn, recovered, 3).",
        (
            *(*sale(X, A, LUNCH, Torn.AFTER), Cancel(X)),
            *(Ring(X, TEA), Pay(X), Tap(X, A), Shows(X, "PaidEarlier"), Lift(X)),
            *(TOO_LATE, Shows(X, "AwaitingCard"), Confirm(X), Shows(X, "AwaitingCard"), Cancel(X)),
            Sync(),
        ),
        Expect(
            accounts={purse(A): -LUNCH, merchant(X): LUNCH},
            cards={A: OnCard(1, -LUNCH, Made(X))},
        ),
    ),
    Sequence(
        "the recovery tap comes too late",
        "Goods are handed over only within ten minutes; afterwards the till only notes what the card shows, and the "
        "next tap is an ordinary one (SPEC, Open, torn, recovered, 3).",
        (*sale(X, A, LUNCH, Torn.AFTER), TOO_LATE, Shows(X, "Ringing"), Tap(X, A), Lift(X), *sale(Y, A, TEA), Sync()),
        _DEBITED_THEN_TEA_AT_Y,
    ),
)

WEAK = (
    Sequence(
        "weak bits that read as written, tapped again",
        "Nothing is decided from one read: the slot is written again in full, and no later till can read it otherwise "
        "(SPEC, Made definite).",
        (
            *sale(X, A, LUNCH, Torn.HALF),
            WeakReads(A, new=True),
            *(Tap(X, A), Shows(X, "Done"), Lift(X)),
            WeakReads(A, new=False),
            *sale(Y, A, TEA),
            Sync(),
        ),
        Expect(
            accounts={purse(A): -LUNCH - TEA, merchant(X): LUNCH, merchant(Y): TEA},
            cards={A: OnCard(2, -LUNCH - TEA, Made(Y))},
            goods={X: (LUNCH,), Y: (TEA,)},
        ),
        on=CLASSIC,
    ),
    Sequence(
        "weak bits that read as torn, tapped again",
        "The torn slot gives way to a copy of the one in force before anything is decided; what it might have said "
        "later is gone (SPEC, Made definite).",
        (
            *sale(X, A, LUNCH, Torn.HALF),
            WeakReads(A, new=False),
            *(Tap(X, A, Torn.AFTER), Lift(X)),
            WeakReads(A, new=True),
            *(Tap(X, A), Shows(X, "Done"), Lift(X)),
            Sync(),
        ),
        _LUNCH_AT_X_SECOND_TRY,
        on=CLASSIC,
    ),
    Sequence(
        "weak bits that read as written elsewhere",
        "The next till builds on the debit and writes the other slot whole: the debit is proven (SPEC, Open, torn, "
        "recovered, 4).",
        (
            *sale(X, A, LUNCH, Torn.HALF),
            WeakReads(A, new=True),
            *sale(Y, A, TEA),
            WeakReads(A, new=False),
            TOO_LATE,
            Sync(),
        ),
        _DEBITED_THEN_TEA_AT_Y,
        on=CLASSIC,
    ),
    Sequence(
        "weak bits that read as torn elsewhere",
        "The next till builds on the counter before and writes over the torn slot: no debit (SPEC, Open, torn, "
        "recovered, 4).",
        (
            *sale(X, A, LUNCH, Torn.HALF),
            WeakReads(A, new=False),
            *sale(Y, A, TEA),
            WeakReads(A, new=True),
            TOO_LATE,
            Sync(),
        ),
        _ONLY_TEA_AT_Y,
        on=CLASSIC,
    ),
    Sequence(
        "a refused tap reads a weak slot as written, the next sale reads it as torn",
        "A tap that wrote nothing is a hint, no proof: only the later sale decides (SPEC, Open, torn, recovered, 4).",
        (
            *sale(X, A, LUNCH, Torn.HALF),
            WeakReads(A, new=True),
            *sale(Z, A, BALANCE + TEA),
            Shows(Z, "balance_too_low"),
            TOO_LATE,
            Sync(),
            Check(Expect(cards={A: OnCard(1, -LUNCH, Made(X))}, classes=(Found("torn", -LUNCH),))),
            WeakReads(A, new=False),
            *sale(Y, A, TEA),
            Sync(),
        ),
        _ONLY_TEA_AT_Y,
        on=CLASSIC,
    ),
)
