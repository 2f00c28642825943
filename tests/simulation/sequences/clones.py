"""Cards that forget, roll back or exist twice (SPEC, "Reconciliation": fallback and fork; "Floors")."""

from protocol.instants import DAY_MS, MINUTE_MS
from tests.simulation.sequences.format import (
    CLASSIC,
    CLONE,
    FRAUD_LOSS,
    LUNCH,
    NOT_AT_ONCE,
    OPERATOR_LOSS,
    SOUP,
    TEA,
    A,
    Copy,
    Expect,
    Forget,
    Found,
    Lift,
    Made,
    Offline,
    OnCard,
    Online,
    Pay,
    Ring,
    Sequence,
    Shows,
    Sync,
    Tap,
    Torn,
    Wait,
    X,
    Y,
    Z,
    merchant,
    purse,
    sale,
)

_FALLBACK = Expect(
    accounts={purse(A): -TEA, merchant(X): LUNCH, merchant(Y): TEA, OPERATOR_LOSS: -LUNCH},
    cards={A: OnCard(1, -TEA, Made(Y))},
    goods={X: (LUNCH,), Y: (TEA,)},
    classes=(Found("fallback", -LUNCH),),
    exchange=(A,),
)

FALLBACKS = (
    Sequence(
        "one fallback",
        "The card forgot a purchase and showed its other slot invalid: both merchants are paid, the forgotten one is "
        "our loss, the card is to be exchanged (SPEC, Reconciliation).",
        (Offline(Y), *sale(X, A, LUNCH), Forget(A), *sale(Y, A, TEA), Sync(), Online(Y), Sync()),
        _FALLBACK,
        on=CLASSIC,
    ),
    Sequence(
        "one fallback, its terminal reports first",
        "The same, in whatever order the two uses become known (SPEC, Reconciliation).",
        (
            *(Offline(X), Offline(Y)),
            *(*sale(X, A, LUNCH), Forget(A), *sale(Y, A, TEA)),
            *(Online(Y), Sync(), Online(X), Sync()),
        ),
        _FALLBACK,
        on=CLASSIC,
    ),
    Sequence(
        "a second fallback",
        "A card is excused once in ninety days; the second time it is a fork: both are paid, fraud loss, blocked "
        "(SPEC, Reconciliation).",
        (
            *(Offline(X), Offline(Y), Offline(Z)),
            *(*sale(X, A, LUNCH), Forget(A), *sale(Y, A, TEA)),
            *(Wait(DAY_MS), Forget(A), *sale(Z, A, SOUP)),
            *(Online(X), Sync(), Online(Y), Sync(), Online(Z), Sync()),
        ),
        Expect(
            accounts={
                purse(A): -TEA,
                merchant(X): LUNCH,
                merchant(Y): TEA,
                merchant(Z): SOUP,
                OPERATOR_LOSS: -LUNCH,
                FRAUD_LOSS: -SOUP,
            },
            cards={A: OnCard(1, -SOUP, Made(Z))},
            goods={X: (LUNCH,), Y: (TEA,), Z: (SOUP,)},
            classes=(Found("fallback", -LUNCH), Found("fork", -SOUP)),
            blocked=(A,),
            exchange=(A,),
        ),
        on=CLASSIC,
    ),
    Sequence(
        "a second fallback after ninety days",
        "Excused again (SPEC, Reconciliation).",
        (
            *(Offline(X), Offline(Y), Offline(Z)),
            *(*sale(X, A, LUNCH), Forget(A), *sale(Y, A, TEA)),
            *(Wait(91 * DAY_MS), Forget(A), *sale(Z, A, SOUP)),
            *(Online(X), Sync(), Online(Y), Sync(), Online(Z), Sync()),
        ),
        Expect(
            accounts={
                purse(A): -SOUP,
                merchant(X): LUNCH,
                merchant(Y): TEA,
                merchant(Z): SOUP,
                OPERATOR_LOSS: -LUNCH - TEA,
            },
            cards={A: OnCard(1, -SOUP, Made(Z))},
            goods={X: (LUNCH,), Y: (TEA,), Z: (SOUP,)},
            classes=(Found("fallback", -LUNCH), Found("fallback", -TEA)),
            exchange=(A,),
        ),
        on=CLASSIC,
    ),
)

_COPIED = Copy(A, onto=CLONE)

FORKS = (
    Sequence(
        "fork",
        "A second settled use of a counter that nothing excuses: both merchants are paid, the second one is fraud "
        "loss, the card is blocked (SPEC, Reconciliation).",
        (_COPIED, Offline(Y), *sale(X, A, LUNCH), *sale(Y, CLONE, TEA), Sync(), Online(Y), Sync()),
        Expect(
            accounts={purse(A): -LUNCH, merchant(X): LUNCH, merchant(Y): TEA, FRAUD_LOSS: -TEA},
            cards={A: OnCard(1, -LUNCH, Made(X)), CLONE: OnCard(1, -TEA, Made(Y))},
            goods={X: (LUNCH,), Y: (TEA,)},
            classes=(Found("fork", -TEA),),
            blocked=(A,),
        ),
    ),
    Sequence(
        "fork, and both go on",
        "What builds on a fork is part of it; what builds on the first use is not (SPEC, Reconciliation).",
        (
            *(_COPIED, Offline(X), Offline(Y)),
            *(*sale(X, A, LUNCH), *sale(Y, CLONE, TEA)),
            *(Wait(MINUTE_MS), *sale(X, A, SOUP), *sale(Y, CLONE, TEA)),
            *(Online(X), Sync(), Online(Y), Sync()),
        ),
        Expect(
            accounts={purse(A): -LUNCH - SOUP, merchant(X): LUNCH + SOUP, merchant(Y): 2 * TEA, FRAUD_LOSS: -2 * TEA},
            cards={A: OnCard(2, -LUNCH - SOUP, Made(X, 2)), CLONE: OnCard(2, -2 * TEA, Made(Y, 2))},
            goods={X: (LUNCH, SOUP), Y: (TEA, TEA)},
            classes=(Found("fork", -TEA), Found("fork", -TEA)),
            blocked=(A,),
        ),
    ),
    Sequence(
        "a blocked card is refused where the list has arrived",
        "A blocked card is refused at online terminals within seconds; whoever is offline sells to it until the list "
        "comes (SPEC, Lists).",
        (
            *(_COPIED, Offline(Z), *sale(X, A, LUNCH), *sale(Z, CLONE, TEA), Online(Z), Sync()),
            *(Ring(Y, SOUP), Pay(Y), Tap(Y, CLONE), Shows(Y, "card_blocked"), Lift(Y)),
            *(Wait(2 * MINUTE_MS), Sync()),
        ),
        Expect(
            accounts={purse(A): -LUNCH, merchant(X): LUNCH, merchant(Z): TEA, FRAUD_LOSS: -TEA},
            cards={A: OnCard(1, -LUNCH, Made(X)), CLONE: OnCard(1, -TEA, Made(Z))},
            goods={X: (LUNCH,), Z: (TEA,)},
            classes=(Found("fork", -TEA),),
            blocked=(A,),
        ),
    ),
)

FLOORS = (
    Sequence(
        "a card below its floor, at the till that knows it",
        "It shows less than was read from it before: to the card office; nobody is called a clone for it (SPEC, "
        "Floors).",
        (
            *(_COPIED, *sale(X, A, LUNCH), NOT_AT_ONCE),
            *(Ring(X, TEA), Pay(X), Tap(X, CLONE), Shows(X, "below_floor"), Lift(X)),
            *(Wait(2 * MINUTE_MS), Sync()),
        ),
        Expect(
            accounts={purse(A): -LUNCH, merchant(X): LUNCH},
            cards={A: OnCard(1, -LUNCH, Made(X)), CLONE: OnCard()},
            goods={X: (LUNCH,)},
            classes=(Found("refused", LUNCH),),
        ),
    ),
    Sequence(
        "a card below its floor, by the list",
        "The floors travel in the nightly list to tills that never saw the card (SPEC, Floors; Lists).",
        (
            *(_COPIED, *sale(X, A, LUNCH), Sync()),
            *(Ring(Y, TEA), Pay(Y), Tap(Y, CLONE), Shows(Y, "below_floor"), Lift(Y)),
            *(Wait(2 * MINUTE_MS), Sync()),
        ),
        Expect(
            accounts={purse(A): -LUNCH, merchant(X): LUNCH},
            cards={A: OnCard(1, -LUNCH, Made(X)), CLONE: OnCard()},
            goods={X: (LUNCH,)},
            classes=(Found("refused", LUNCH),),
        ),
    ),
    Sequence(
        "an intended counter is no floor",
        "A torn sale's intended counter was never read: the card that was not debited pays on (SPEC, Floors).",
        (
            *sale(X, A, LUNCH, Torn.BEFORE),
            *(Wait(11 * MINUTE_MS), Sync()),
            *(*sale(X, A, TEA), Sync()),
        ),
        Expect(
            accounts={purse(A): -TEA, merchant(X): TEA},
            cards={A: OnCard(1, -TEA, Made(X, 2))},
            goods={X: (TEA,)},
        ),
    ),
)
