"""Terminals that forget, go silent or lose entries, and what the cards say meanwhile (SPEC, "Sync" and "Money")."""

from protocol.instants import DAY_MS
from tests.simulation.sequences.format import (
    AID,
    BALANCE,
    CLASSIC,
    FUNDER,
    LUNCH,
    NEW,
    NOT_AT_ONCE,
    OPERATOR_LOSS,
    SOUP,
    TEA,
    TOO_LATE,
    A,
    B,
    BookHole,
    Boot,
    Cancel,
    Check,
    Confirm,
    CopyDisk,
    Cut,
    CutAt,
    DeclareLost,
    EnterPin,
    Expect,
    Found,
    KeepDisk,
    Lift,
    Made,
    Nightly,
    Offline,
    OnCard,
    Online,
    Pay,
    Replace,
    RestoreDisk,
    Ring,
    S,
    SendKept,
    SendLost,
    SendWithout,
    Sequence,
    SetLimits,
    Shows,
    Subsidise,
    Sync,
    Tap,
    Torn,
    Wait,
    WeakReads,
    X,
    Y,
    collect,
    merchant,
    pending,
    purse,
    sale,
    subsidy,
    suspense,
)

IMAGES = (
    Sequence(
        "restored image that oversold",
        "The second history is kept and posted as a whole branch: what a later tap of the card confirms is paid, the "
        "rest waits in suspense (SPEC, Sync).",
        (
            *(Sync(), CopyDisk(X)),
            *(*sale(X, A, LUNCH), Sync()),
            *(RestoreDisk(X), Offline(X)),
            *(*sale(X, A, TEA), *sale(X, B, SOUP)),
            *sale(Y, A, TEA),
            *(Online(X), Sync()),
        ),
        Expect(
            accounts={
                purse(A): -LUNCH - 2 * TEA,
                purse(B): -SOUP,
                merchant(X): LUNCH + TEA,
                merchant(Y): TEA,
                suspense(X): SOUP,
            },
            cards={A: OnCard(3, -LUNCH - 2 * TEA, Made(Y)), B: OnCard(1, -SOUP, Made(X, 3))},
            goods={X: (LUNCH, TEA, SOUP), Y: (TEA,)},
            classes=(Found("chain_break", -SOUP, card=B), Found("chain_break", card=None)),
        ),
    ),
    Sequence(
        "restored image that oversold, and a wrong PIN before the next sale",
        "PIN tries are steps of the card without an outcome; what the sale behind them builds on is confirmed through "
        "them (SPEC, Open, torn, recovered, 4).",
        (
            *(SetLimits(pin_above=SOUP), Sync(), CopyDisk(X)),
            *(*sale(X, A, TEA), RestoreDisk(X), Offline(X), *sale(X, A, SOUP)),
            *(Ring(Y, LUNCH), Pay(Y), Tap(Y, A), EnterPin(Y, right=False), Lift(Y)),
            *(Tap(Y, A), EnterPin(Y, right=True), Shows(Y, "Done"), Lift(Y)),
            *(Online(X), Sync(), Nightly(), Sync()),
        ),
        Expect(
            accounts={purse(A): -TEA - SOUP - LUNCH, merchant(X): TEA + SOUP, merchant(Y): LUNCH},
            cards={A: OnCard(5, -TEA - SOUP - LUNCH, Made(Y, 3))},
            goods={X: (TEA, SOUP), Y: (LUNCH,)},
            classes=(Found("chain_break", card=None),),
        ),
        pin=True,
    ),
)

_SAME_PLACE = (
    *(Sync(), Offline(X), CopyDisk(X), Cut(X), Boot(X), *sale(X, A, LUNCH), KeepDisk(X)),
    *(NOT_AT_ONCE, RestoreDisk(X)),
)
"""The till's next entry has the very place in its chain that the mark on card A already names."""

SAME_PLACE = (
    Sequence(
        "a restored image writes the same mark again",
        "A mark names its entry together with the card's counter: the same place in two histories are two steps "
        "(SPEC, Money on the server).",
        (*_SAME_PLACE, *sale(X, A, TEA), Online(X), Sync(), SendKept(X)),
        Expect(
            accounts={purse(A): -LUNCH - TEA, merchant(X): LUNCH + TEA},
            cards={A: OnCard(2, -LUNCH - TEA, Made(X, 2))},
            goods={X: (LUNCH, TEA)},
            classes=(Found("chain_break", card=None),),
        ),
    ),
    Sequence(
        "a restored image writes the same mark again, torn and weak",
        "What was not written is overwritten, although the slot in force carries the same mark (SPEC, Made definite).",
        (
            *(*_SAME_PLACE, *sale(X, A, TEA, Torn.HALF), Cancel(X)),
            *(WeakReads(A, new=False), Tap(X, A), Shows(X, "Ringing"), Lift(X)),
            *(WeakReads(A, new=True), *sale(Y, A, SOUP)),
            *(Online(X), Sync(), SendKept(X)),
        ),
        Expect(
            accounts={purse(A): -LUNCH - SOUP, merchant(X): LUNCH, merchant(Y): SOUP},
            cards={A: OnCard(2, -LUNCH - SOUP, Made(Y))},
            goods={X: (LUNCH,), Y: (SOUP,)},
            classes=(Found("chain_break", card=None),),
        ),
        on=CLASSIC,
    ),
)

MID_SALE = (
    Sequence(
        "an image of the middle of a sale",
        "The sale was settled; started from its image a till finds it open and, too late, torn. A step has one "
        "outcome: the second one is set aside for the audit (SPEC, Sync; Reconciliation).",
        (
            *(Ring(X, LUNCH), Pay(X), CutAt(X, "before sale_settled"), Tap(X, A), Lift(X), CopyDisk(X), Boot(X)),
            *(Tap(X, A), Shows(X, "PaidEarlier"), Confirm(X), Lift(X), Sync()),
            *(TOO_LATE, RestoreDisk(X), Sync(), *sale(Y, A, TEA), Sync()),
        ),
        Expect(
            accounts={purse(A): -LUNCH - TEA, merchant(X): LUNCH, merchant(Y): TEA},
            cards={A: OnCard(2, -LUNCH - TEA, Made(Y))},
            goods={X: (LUNCH,), Y: (TEA,)},
            classes=(Found("duplicate", -LUNCH), Found("chain_break", card=None)),
        ),
    ),
    Sequence(
        "an image of the middle of a sale, and it reports first",
        "The second history says torn and the card proves the debit; when the first one arrives with its settled sale "
        "the merchant is paid, at the operator's expense (SPEC, Open, torn, recovered, 4).",
        (
            Offline(X),
            *(Ring(X, LUNCH), Pay(X), CutAt(X, "before sale_settled"), Tap(X, A), Lift(X), CopyDisk(X), Boot(X)),
            *(Tap(X, A), Shows(X, "PaidEarlier"), Confirm(X), Lift(X), KeepDisk(X)),
            *(TOO_LATE, RestoreDisk(X), Online(X), Sync(), *sale(Y, A, TEA), Sync()),
            SendKept(X),
        ),
        Expect(
            accounts={
                purse(A): -LUNCH - TEA,
                pending(A): LUNCH,
                merchant(X): LUNCH,
                merchant(Y): TEA,
                OPERATOR_LOSS: -LUNCH,
            },
            cards={A: OnCard(2, -LUNCH - TEA, Made(Y))},
            goods={X: (LUNCH,), Y: (TEA,)},
            classes=(Found("debited_not_delivered", -LUNCH), Found("chain_break", card=None)),
        ),
    ),
)

ENDED = (
    Sequence(
        "an epoch ends with an open sale",
        "A till that must begin a new epoch gives up what is open in the old one: no sale stays open for ever (SPEC, "
        "Open, torn, recovered, 3; Handshake).",
        (
            *(Sync(), CopyDisk(X), *sale(X, B, SOUP), Sync(), RestoreDisk(X)),
            *(Offline(X), *sale(X, A, LUNCH, Torn.AFTER), Online(X), Sync()),
            *(*sale(Y, A, TEA), Sync()),
        ),
        Expect(
            accounts={
                purse(A): -LUNCH - TEA,
                pending(A): LUNCH,
                purse(B): -SOUP,
                merchant(X): SOUP,
                merchant(Y): TEA,
            },
            cards={A: OnCard(2, -LUNCH - TEA, Made(Y)), B: OnCard(1, -SOUP, Made(X))},
            goods={X: (SOUP,), Y: (TEA,)},
            classes=(Found("debited_not_delivered", -LUNCH), Found("chain_break", card=None)),
        ),
    ),
)

_TWO_SALES_OFFLINE = (Offline(X), *sale(X, A, LUNCH), *sale(X, B, SOUP))

HOLES = (
    Sequence(
        "a hole is booked and its rows are found later",
        "Two people book the missing step from the card's own chain, provisionally; the found entry reverses that in "
        "the same transaction and pays the merchant (SPEC, Sync).",
        (
            *(*_TWO_SALES_OFFLINE, SendWithout(X, lost=(Made(X),))),
            *(*sale(Y, A, TEA), Sync()),
            *(BookHole(X), SendWithout(X, lost=(Made(X),))),
            Check(
                Expect(
                    accounts={
                        purse(A): -LUNCH - TEA,
                        purse(B): -SOUP,
                        suspense(X): LUNCH,
                        merchant(X): SOUP,
                        merchant(Y): TEA,
                    },
                    cards={A: OnCard(2, -LUNCH - TEA, Made(Y)), B: OnCard(1, -SOUP, Made(X, 2))},
                    goods={X: (LUNCH, SOUP), Y: (TEA,)},
                    classes=(Found("hole", -LUNCH), Found("hole", card=None)),
                )
            ),
            SendLost(X),
            *(Online(X), Sync()),
        ),
        Expect(
            accounts={
                purse(A): -LUNCH - TEA,
                purse(B): -SOUP,
                merchant(X): LUNCH + SOUP,
                merchant(Y): TEA,
            },
            cards={A: OnCard(2, -LUNCH - TEA, Made(Y)), B: OnCard(1, -SOUP, Made(X, 2))},
            goods={X: (LUNCH, SOUP), Y: (TEA,)},
        ),
    ),
    Sequence(
        "a missing outcome is booked and found later",
        "What was prepared has arrived, its outcome is in the hole: booked from the card's chain, settled when it is "
        "found (SPEC, Sync).",
        (
            *(*_TWO_SALES_OFFLINE, SendWithout(X, lost=(Made(X),), outcomes_only=True)),
            *(*sale(Y, A, TEA), Sync()),
            *(BookHole(X), SendWithout(X, lost=(Made(X),), outcomes_only=True)),
            Check(
                Expect(
                    accounts={
                        purse(A): -LUNCH - TEA,
                        purse(B): -SOUP,
                        suspense(X): LUNCH,
                        merchant(X): SOUP,
                        merchant(Y): TEA,
                    },
                    cards={A: OnCard(2, -LUNCH - TEA, Made(Y)), B: OnCard(1, -SOUP, Made(X, 2))},
                    goods={X: (LUNCH, SOUP), Y: (TEA,)},
                    classes=(Found("hole", -LUNCH), Found("hole", card=None), Found("open", -LUNCH)),
                )
            ),
            SendLost(X),
            *(Online(X), Sync()),
        ),
        Expect(
            accounts={
                purse(A): -LUNCH - TEA,
                purse(B): -SOUP,
                merchant(X): LUNCH + SOUP,
                merchant(Y): TEA,
            },
            cards={A: OnCard(2, -LUNCH - TEA, Made(Y)), B: OnCard(1, -SOUP, Made(X, 2))},
            goods={X: (LUNCH, SOUP), Y: (TEA,)},
        ),
    ),
    Sequence(
        "a terminal declared lost comes back",
        "Its open sale is decided by the card's next tap: credited to the student. When it comes back and says that "
        "it had settled, the merchant is paid, at the operator's expense (SPEC, Open, torn, recovered, 4).",
        (
            *sale(X, A, LUNCH, Torn.AFTER),
            *(Sync(), Offline(X), Tap(X, A), Shows(X, "Done"), Lift(X)),
            *(*sale(Y, A, TEA), Sync(), Wait(8 * DAY_MS)),
            *(DeclareLost(X), Sync()),
            Check(
                Expect(
                    accounts={purse(A): -LUNCH - TEA, pending(A): LUNCH, merchant(Y): TEA},
                    cards={A: OnCard(2, -LUNCH - TEA, Made(Y))},
                    goods={X: (LUNCH,), Y: (TEA,)},
                    classes=(Found("debited_not_delivered", -LUNCH),),
                )
            ),
            *(Online(X), Sync()),
        ),
        Expect(
            accounts={
                purse(A): -LUNCH - TEA,
                pending(A): LUNCH,
                merchant(X): LUNCH,
                merchant(Y): TEA,
                OPERATOR_LOSS: -LUNCH,
            },
            cards={A: OnCard(2, -LUNCH - TEA, Made(Y))},
            goods={X: (LUNCH,), Y: (TEA,)},
            classes=(Found("debited_not_delivered", -LUNCH),),
        ),
    ),
)

REPLACED = (
    Sequence(
        "waiting rule: the old card was used offline before the report",
        "The new card gets now what no silent terminal can have spent, the rest when all have reported; what the old "
        "card paid is its own debit (SPEC, Money on the server).",
        (
            *(Offline(X), *sale(X, A, LUNCH)),
            *(Wait(DAY_MS), Replace(A, by=NEW), Sync()),
            *(Wait(DAY_MS), Online(X), Sync(), Nightly(), Sync()),
            *(*collect(S, NEW), Sync()),
        ),
        Expect(
            accounts={purse(A): -BALANCE, purse(NEW): BALANCE - LUNCH, merchant(X): LUNCH},
            cards={A: OnCard(1, -LUNCH, Made(X)), NEW: OnCard(1, BALANCE - LUNCH, Made(S))},
            goods={X: (LUNCH,), S: (BALANCE - LUNCH,)},
        ),
    ),
    Sequence(
        "waiting rule: the rest of a subsidy follows its holder",
        "What is left in the subsidy purse of a replaced card is granted to the new one for the same period, with the "
        "rest of main (SPEC, Money on the server).",
        (
            *(Subsidise(A, AID, 1), SetLimits(period=1), Sync(), *collect(S, A), *sale(X, A, TEA), Sync()),
            *(Wait(DAY_MS), Replace(A, by=NEW), Sync()),
            *(Wait(DAY_MS), Sync(), Nightly(), Sync()),
            *(*collect(S, NEW), Sync()),
        ),
        Expect(
            accounts={FUNDER: -AID, purse(A): -BALANCE, purse(NEW): BALANCE, subsidy(NEW): AID - TEA, merchant(X): TEA},
            cards={
                A: OnCard(2, mark=Made(X), subsidy=AID - TEA),
                NEW: OnCard(1, BALANCE, Made(S, 2), subsidy=AID - TEA),
            },
            goods={X: (TEA,), S: (AID, BALANCE + AID - TEA)},
        ),
    ),
    Sequence(
        "waiting rule: the old card is used offline after its rest was paid out",
        "After seven days the rest is given without waiting any longer; a later debit of the old card is our loss, the "
        "merchant is paid (SPEC, Money on the server).",
        (
            *(Offline(X), Wait(DAY_MS), Replace(A, by=NEW), Sync()),
            *(Wait(8 * DAY_MS), Nightly(), Sync()),
            *(*collect(S, NEW), Sync()),
            *(*sale(X, A, LUNCH), Online(X), Sync()),
        ),
        Expect(
            accounts={purse(A): -BALANCE, purse(NEW): BALANCE, merchant(X): LUNCH, OPERATOR_LOSS: -LUNCH},
            cards={A: OnCard(1, -LUNCH, Made(X)), NEW: OnCard(1, BALANCE, Made(S))},
            goods={X: (LUNCH,), S: (BALANCE,)},
            classes=(Found("overdue", -LUNCH, share=-LUNCH),),
        ),
    ),
)
