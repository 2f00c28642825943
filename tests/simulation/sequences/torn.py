"""Torn and open sales: the card left, the power failed, the customer went on (SPEC, "Open, torn, recovered")."""

from protocol.instants import DAY_MS
from tests.simulation.sequences.format import (
    LUNCH,
    NOT_AT_ONCE,
    SOUP,
    TEA,
    TOO_LATE,
    A,
    Cancel,
    Check,
    Confirm,
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
    Sync,
    Tap,
    Torn,
    Wait,
    X,
    Y,
    merchant,
    pending,
    purse,
    sale,
)

_ELSEWHERE_DEBITED = Expect(
    accounts={purse(A): -LUNCH - TEA, pending(A): LUNCH, merchant(Y): TEA},
    cards={A: OnCard(2, -LUNCH - TEA, Made(Y))},
    goods={Y: (TEA,)},
    classes=(Found("debited_not_delivered", -LUNCH),),
)
_ELSEWHERE_NOT_DEBITED = Expect(
    accounts={purse(A): -TEA, merchant(Y): TEA},
    cards={A: OnCard(1, -TEA, Made(Y))},
    goods={Y: (TEA,)},
)

TORN = (
    Sequence(
        "torn after the debit, paid elsewhere",
        "Nothing was handed over, and the next tap builds on the debit: the merchant gets nothing, the student a "
        "pending credit (SPEC, Open, torn, recovered, 4).",
        (
            *sale(X, A, LUNCH, Torn.AFTER),
            Check(Expect(cards={A: OnCard(1, -LUNCH, Made(X))}, screens={X: "TapAgain"})),
            *sale(Y, A, TEA),
            TOO_LATE,
            Sync(),
        ),
        _ELSEWHERE_DEBITED,
    ),
    Sequence(
        "torn before the debit, paid elsewhere",
        "The next tap builds on the counter before: no debit, the torn sale is void (SPEC, Open, torn, recovered, 4).",
        (*sale(X, A, LUNCH, Torn.BEFORE), *sale(Y, A, TEA), TOO_LATE, Sync()),
        _ELSEWHERE_NOT_DEBITED,
    ),
    Sequence(
        "torn after the debit, and the proof is known before the question",
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
        _ELSEWHERE_DEBITED,
    ),
    Sequence(
        "torn before the debit, and the proof is known before the question",
        "Evidence counts in whatever order it arrives (SPEC, Open, torn, recovered, 4).",
        (
            Offline(X),
            *sale(X, A, LUNCH, Torn.BEFORE),
            *sale(Y, A, TEA),
            TOO_LATE,
            Sync(),
            Check(_ELSEWHERE_NOT_DEBITED),
            Online(X),
            Sync(),
        ),
        _ELSEWHERE_NOT_DEBITED,
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
        "What was decided in the student's favour stays; the card is above the ledger by that amount, in the class "
        "of the tear (SPEC, Reconciliation).",
        (*sale(X, A, LUNCH, Torn.BEFORE), TOO_LATE, Sync(), Wait(31 * DAY_MS), Nightly(), *sale(Y, A, TEA), Sync()),
        Expect(
            accounts={purse(A): -LUNCH - TEA, pending(A): LUNCH, merchant(Y): TEA},
            cards={A: OnCard(1, -TEA, Made(Y))},
            goods={Y: (TEA,)},
            classes=(Found("torn", -LUNCH, share=LUNCH),),
        ),
    ),
    Sequence(
        "tapped again at once after the debit",
        "The counter and our mark on the card say that it is paid (SPEC, Open, torn, recovered, 2).",
        (*sale(X, A, LUNCH, Torn.AFTER), Tap(X, A), Lift(X), Sync()),
        Expect(
            accounts={purse(A): -LUNCH, merchant(X): LUNCH},
            cards={A: OnCard(1, -LUNCH, Made(X))},
            goods={X: (LUNCH,)},
        ),
    ),
    Sequence(
        "tapped again at once, nothing was debited",
        "Void, and the same tap pays: the customer notices nothing (SPEC, Open, torn, recovered, 2).",
        (*sale(X, A, LUNCH, Torn.BEFORE), Tap(X, A), Lift(X), Sync()),
        Expect(
            accounts={purse(A): -LUNCH, merchant(X): LUNCH},
            cards={A: OnCard(1, -LUNCH, Made(X, 2))},
            goods={X: (LUNCH,)},
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
            Check(Expect(classes=(Found("open", -LUNCH),), screens={X: "TapAgain"})),
            Tap(X, A, Torn.AFTER),
            Lift(X),
            Sync(),
            Check(Expect(cards={A: OnCard(1, -LUNCH, Made(X, 2))}, classes=(Found("open", -LUNCH),))),
            Tap(X, A),
            Lift(X),
            Sync(),
        ),
        Expect(
            accounts={purse(A): -LUNCH, merchant(X): LUNCH},
            cards={A: OnCard(1, -LUNCH, Made(X, 2))},
            goods={X: (LUNCH,)},
        ),
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
            *(Ring(X, TEA), Pay(X), Tap(X, A)),
            Check(Expect(cards={A: OnCard(1, -LUNCH, Made(X))}, screens={X: "PaidEarlier"}, online=False)),
            Confirm(X),
            Lift(X),
            Sync(),
        ),
        Expect(
            accounts={purse(A): -LUNCH, merchant(X): LUNCH},
            cards={A: OnCard(1, -LUNCH, Made(X))},
            goods={X: (LUNCH,)},
        ),
    ),
)
