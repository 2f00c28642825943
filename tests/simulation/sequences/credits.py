"""Value onto cards: loads, refunds and cash, torn or not, never twice (SPEC, "Open, torn, recovered" 8 and "Loads")."""

from tests.simulation.sequences.format import (
    AID,
    CASH,
    CLASSIC,
    DESFIRE,
    FIRST,
    FUNDER,
    GRANTED,
    LUNCH,
    NOT_AT_ONCE,
    SECOND,
    SOUP,
    TEA,
    TOO_LATE,
    A,
    BackUp,
    BookHole,
    Boot,
    Cancel,
    Check,
    Checkpoint,
    Cut,
    Expect,
    Found,
    GiveBack,
    Grant,
    Lift,
    Made,
    Nightly,
    Offline,
    OnCard,
    Online,
    RestoreServer,
    Revoke,
    S,
    SendLost,
    SendWithout,
    Sequence,
    SetLimits,
    Shows,
    Subsidise,
    Sync,
    T,
    TakeCash,
    Tap,
    Torn,
    X,
    Y,
    cash,
    collect,
    drawer,
    merchant,
    pending,
    pending_subsidy,
    purse,
    refund,
    sale,
    subsidy,
)

_PAST_ITS_LIST = (
    *(Grant(A, FIRST), Sync(), BackUp(), Grant(A, SECOND), Sync()),
    *collect(S, A),
    *(Offline(S), RestoreServer(), Sync()),
    *(*collect(T, A), Shows(T, "NothingToLoad"), Sync()),
)

LOADS = (
    Sequence(
        "one load, two offline stations",
        "The record says everything ever loaded, not what to add: the second station finds nothing to bring (SPEC, "
        "Loads, 3).",
        (
            *(Grant(A, FIRST), Sync(), Offline(S), Offline(T)),
            *collect(S, A),
            *collect(T, A),
            Shows(T, "NothingToLoad"),
            *(Online(S), Online(T), Sync()),
        ),
        Expect(
            accounts={purse(A): FIRST, GRANTED: -FIRST},
            cards={A: OnCard(1, FIRST, Made(S))},
            goods={S: (FIRST,)},
        ),
    ),
    Sequence(
        "cumulative loads at two offline stations",
        "A station with the older list brings its part, the one with the newer list the rest; the older one then finds "
        "the card past its list, writes nothing and says so (SPEC, Loads, 3).",
        (
            *(Grant(A, FIRST), Sync(), Offline(T)),
            *(Grant(A, SECOND), Sync(), Offline(S)),
            *collect(T, A),
            *collect(S, A),
            *(*collect(T, A), Shows(T, "NothingToLoad")),
            *(Online(S), Online(T), Sync()),
        ),
        Expect(
            accounts={purse(A): FIRST + SECOND, GRANTED: -FIRST - SECOND},
            cards={A: OnCard(2, FIRST + SECOND, Made(S))},
            goods={S: (SECOND,), T: (FIRST,)},
        ),
    ),
    Sequence(
        "cumulative loads, the newer list first",
        "All of it at once, and nothing is left for the older list (SPEC, Loads, 3).",
        (
            *(Grant(A, FIRST), Sync(), Offline(T)),
            *(Grant(A, SECOND), Sync(), Offline(S)),
            *collect(S, A),
            *collect(T, A),
            *(Online(T), Online(S), Sync()),
        ),
        Expect(
            accounts={purse(A): FIRST + SECOND, GRANTED: -FIRST - SECOND},
            cards={A: OnCard(1, FIRST + SECOND, Made(S))},
            goods={S: (FIRST + SECOND,)},
        ),
    ),
    Sequence(
        "torn load, on the card, tapped again",
        "Proven on the card: settled, once (SPEC, Open, torn, recovered, 8).",
        (*(Grant(A, FIRST), Sync()), *collect(S, A, Torn.AFTER), *(Tap(S, A), Shows(S, "Done"), Lift(S)), Sync()),
        Expect(
            accounts={purse(A): FIRST, GRANTED: -FIRST},
            cards={A: OnCard(1, FIRST, Made(S))},
            goods={S: (FIRST,)},
        ),
    ),
    Sequence(
        "torn load, not on the card, tapped again",
        "Proven absent: void, and the same tap collects it (SPEC, Open, torn, recovered, 8).",
        (*(Grant(A, FIRST), Sync()), *collect(S, A, Torn.BEFORE), *(Tap(S, A), Shows(S, "Done"), Lift(S)), Sync()),
        Expect(
            accounts={purse(A): FIRST, GRANTED: -FIRST},
            cards={A: OnCard(1, FIRST, Made(S, 2))},
            goods={S: (FIRST,)},
        ),
    ),
    Sequence(
        "torn load, on the card, paid elsewhere",
        "The purchase builds on the load: it has been collected (SPEC, Open, torn, recovered, 4 and 8).",
        (*(Grant(A, FIRST), Sync()), *collect(S, A, Torn.AFTER), *sale(X, A, TEA), TOO_LATE, Sync()),
        Expect(
            accounts={purse(A): FIRST - TEA, GRANTED: -FIRST, merchant(X): TEA},
            cards={A: OnCard(2, FIRST - TEA, Made(X))},
            goods={X: (TEA,)},
        ),
    ),
    Sequence(
        "torn load, not on the card, collected at the other station",
        "It is simply collected later; the torn one is void by that (SPEC, Open, torn, recovered, 8).",
        (*(Grant(A, FIRST), Sync()), *collect(S, A, Torn.BEFORE), *collect(T, A), TOO_LATE, Sync()),
        Expect(
            accounts={purse(A): FIRST, GRANTED: -FIRST},
            cards={A: OnCard(1, FIRST, Made(T))},
            goods={T: (FIRST,)},
        ),
    ),
    Sequence(
        "torn load, on the card, the other station is asked",
        "The card carries the load's number already: nothing to bring (SPEC, Loads, 3).",
        (
            *(Grant(A, FIRST), Sync()),
            *collect(S, A, Torn.AFTER),
            *(*collect(T, A), Shows(T, "NothingToLoad")),
            *(Tap(S, A), Shows(S, "Done"), Lift(S)),
            Sync(),
        ),
        Expect(
            accounts={purse(A): FIRST, GRANTED: -FIRST},
            cards={A: OnCard(1, FIRST, Made(S))},
            goods={S: (FIRST,)},
        ),
    ),
    Sequence(
        "server restored below the card's load total, told by the station's own entry",
        "The load had been collected and acknowledged; the restored server gets the entry once more and adopts what "
        "it had forgotten against top-up clearing (SPEC, Loads; Money on the server).",
        (
            *(BackUp(), Grant(A, FIRST), Sync()),
            *(*collect(S, A), Sync()),
            *(RestoreServer(), Sync()),
        ),
        Expect(
            accounts={purse(A): FIRST, GRANTED: -FIRST},
            cards={A: OnCard(1, FIRST, Made(S))},
            goods={S: (FIRST,)},
            classes=(Found("load_unmatched", FIRST),),
        ),
    ),
    Sequence(
        "server restored below the card's load total, told by another station",
        "A station that is handed a record below the card's total writes nothing and journals both: the card's own "
        "record proves the total before the load's own entry comes (SPEC, Loads, 3).",
        (
            *_PAST_ITS_LIST,
            Check(
                Expect(
                    accounts={pending(A): FIRST + SECOND, GRANTED: -FIRST - SECOND},
                    cards={A: OnCard(1, FIRST + SECOND, Made(S))},
                    goods={S: (FIRST + SECOND,)},
                    classes=(Found("load_unmatched", SECOND),),
                )
            ),
            *(Online(S), Sync()),
        ),
        Expect(
            accounts={purse(A): FIRST + SECOND, GRANTED: -FIRST - SECOND},
            cards={A: OnCard(1, FIRST + SECOND, Made(S))},
            goods={S: (FIRST + SECOND,)},
            classes=(Found("load_unmatched", SECOND),),
        ),
        on=CLASSIC,
    ),
    Sequence(
        "server restored below the card's load number, and more is granted than the card has collected",
        "The restored server's next load number is above any that it forgot: the card collects what its total lacks "
        "(SPEC, Loads; Money on the server).",
        (
            *(BackUp(), Grant(A, TEA), Sync(), *collect(S, A)),
            *(Grant(A, SOUP), Sync(), NOT_AT_ONCE, *collect(S, A)),
            *(Offline(S), RestoreServer(), Grant(A, CASH), Sync()),
            *(*collect(T, A), Shows(T, "Done"), Online(S), Sync()),
        ),
        Expect(
            accounts={purse(A): CASH, GRANTED: -CASH},
            cards={A: OnCard(3, CASH, Made(T))},
            goods={S: (TEA, SOUP), T: (CASH - TEA - SOUP,)},
        ),
    ),
    Sequence(
        "a card that was loaded again still pays",
        "What a load brings counts as collected, not as spent: the next signed record covers the balance (SPEC, Loads, "
        "5).",
        (
            *(*sale(X, A, LUNCH), Sync(), Grant(A, FIRST), Sync(), *collect(S, A), Sync()),
            *(Grant(A, SECOND), Sync(), NOT_AT_ONCE, *collect(S, A), Sync()),
            *(NOT_AT_ONCE, *sale(X, A, TEA), Shows(X, "Done"), Sync()),
        ),
        Expect(
            accounts={purse(A): FIRST + SECOND - LUNCH - TEA, merchant(X): LUNCH + TEA, GRANTED: -FIRST - SECOND},
            cards={A: OnCard(4, FIRST + SECOND - LUNCH - TEA, Made(X, 2))},
            goods={X: (LUNCH, TEA), S: (FIRST, SECOND)},
        ),
    ),
    Sequence(
        "server restored below the card's load total, told by another station without a record",
        "A DESFire card keeps the total without its signature: nothing is adopted before the load's own entry brings "
        "the record (SPEC, Loads, 3).",
        (
            *_PAST_ITS_LIST,
            Check(
                Expect(
                    accounts={pending(A): FIRST, GRANTED: -FIRST},
                    cards={A: OnCard(1, FIRST + SECOND, Made(S))},
                    goods={S: (FIRST + SECOND,)},
                    classes=(Found("load_unmatched", SECOND),),
                )
            ),
            *(Online(S), Sync()),
        ),
        Expect(
            accounts={purse(A): FIRST + SECOND, GRANTED: -FIRST - SECOND},
            cards={A: OnCard(1, FIRST + SECOND, Made(S))},
            goods={S: (FIRST + SECOND,)},
            classes=(Found("load_unmatched", SECOND), Found("load_unmatched", SECOND)),
        ),
        on=DESFIRE,
    ),
)

REVOKED = (
    Sequence(
        "a revoked station",
        "That a terminal may not work any more is told before a card is asked for anything: no load, no cash, no sale "
        "(SPEC, Approval).",
        (
            *(Grant(A, FIRST), Sync(), Revoke(S)),
            *(*collect(S, A), Shows(S, "terminal_revoked"), Cancel(S)),
            *(*cash(S, A, CASH), Shows(S, "terminal_revoked"), Cancel(S)),
            *(*sale(S, A, TEA), Shows(S, "terminal_revoked"), Cancel(S)),
            Sync(),
        ),
        Expect(accounts={pending(A): FIRST, GRANTED: -FIRST}),
    ),
)

_AIDED = (Subsidise(A, AID, 1), SetLimits(period=1), Sync(), *collect(S, A))

SUBSIDIES = (
    Sequence(
        "the subsidy pays first",
        "A subsidy of the running period is used up before the main purse (SPEC, Approval; Loads, 3).",
        (*_AIDED, *sale(X, A, TEA), NOT_AT_ONCE, *sale(X, A, LUNCH), Sync()),
        Expect(
            accounts={FUNDER: -AID, purse(A): AID - TEA - LUNCH, merchant(X): TEA + LUNCH},
            cards={A: OnCard(3, AID - TEA - LUNCH, Made(X, 2))},
            goods={S: (AID,), X: (TEA, LUNCH)},
        ),
    ),
    Sequence(
        "what is left of a subsidy expires",
        "With the next period's subsidy the rest of the last one leaves the card in the same step, back to who pays "
        "for it (SPEC, Loads, 3).",
        (
            *(*_AIDED, *sale(X, A, TEA), Sync()),
            *(Subsidise(A, SOUP, 2), SetLimits(period=2), Sync(), NOT_AT_ONCE, *collect(S, A), Sync()),
        ),
        Expect(
            accounts={FUNDER: -TEA - SOUP, subsidy(A): SOUP, merchant(X): TEA},
            cards={A: OnCard(3, mark=Made(S, 2), subsidy=SOUP)},
            goods={S: (AID, SOUP), X: (TEA,)},
        ),
    ),
    Sequence(
        "a subsidy of another period pays nothing",
        "It has expired, whether it is still on the card or not (SPEC, Approval).",
        (*_AIDED, SetLimits(period=2), Sync(), *sale(X, A, TEA), Sync()),
        Expect(
            accounts={FUNDER: -AID, subsidy(A): AID, purse(A): -TEA, merchant(X): TEA},
            cards={A: OnCard(2, -TEA, Made(X), subsidy=AID)},
            goods={S: (AID,), X: (TEA,)},
        ),
    ),
    Sequence(
        "refund onto the card of a sale that the subsidy paid in part",
        "Each purse gets back what it paid (SPEC, Money on the server).",
        (*_AIDED, *sale(X, A, LUNCH), NOT_AT_ONCE, *refund(X, Made(X), LUNCH, A), Sync()),
        Expect(
            accounts={FUNDER: -AID, subsidy(A): AID},
            cards={A: OnCard(3, mark=Made(X, 2), subsidy=AID)},
            goods={S: (AID,), X: (LUNCH, LUNCH)},
        ),
        on=DESFIRE,
    ),
    Sequence(
        "refund as pending credit of a sale that the subsidy paid in part",
        "What the subsidy paid stays a subsidy: main gets back what main paid, the rest comes with the next load, and "
        "a little later the card has it all again (SPEC, Money on the server).",
        (
            *(*_AIDED, *sale(X, A, LUNCH), NOT_AT_ONCE, GiveBack(X, Made(X), LUNCH), Sync()),
            Check(
                Expect(
                    accounts={FUNDER: -AID, purse(A): AID - LUNCH, pending(A): LUNCH - AID, pending_subsidy(A): AID},
                    cards={A: OnCard(2, AID - LUNCH, Made(X))},
                    goods={S: (AID,), X: (LUNCH, LUNCH)},
                )
            ),
            *(Nightly(), Sync(), NOT_AT_ONCE, *collect(S, A), Sync()),
        ),
        Expect(
            accounts={FUNDER: -AID, subsidy(A): AID},
            cards={A: OnCard(3, mark=Made(S, 2), subsidy=AID)},
            goods={S: (AID, LUNCH), X: (LUNCH, LUNCH)},
        ),
        on=CLASSIC,
    ),
    Sequence(
        "a subsidised sale is torn after the debit",
        "Both purses paid, and each gets back what it paid (SPEC, Open, torn, recovered, 4; Money on the server).",
        (*_AIDED, *sale(X, A, LUNCH, Torn.AFTER), *sale(Y, A, TEA), TOO_LATE, Sync()),
        Expect(
            accounts={
                FUNDER: -AID,
                purse(A): AID - LUNCH - TEA,
                pending(A): LUNCH - AID,
                pending_subsidy(A): AID,
                merchant(Y): TEA,
            },
            cards={A: OnCard(3, AID - LUNCH - TEA, Made(Y))},
            goods={S: (AID,), Y: (TEA,)},
            classes=(Found("debited_not_delivered", -LUNCH),),
        ),
        on=CLASSIC,
    ),
)

_SOLD = (*sale(X, A, LUNCH), NOT_AT_ONCE)

REFUNDS = (
    Sequence(
        "refund onto the card",
        "The card's last step is that very sale: back onto the card (SPEC, Money on the server).",
        (*_SOLD, *refund(X, Made(X), LUNCH, A), Sync()),
        Expect(cards={A: OnCard(2, mark=Made(X, 2))}, goods={X: (LUNCH, LUNCH)}),
        on=DESFIRE,
    ),
    Sequence(
        "refund as pending credit",
        "On MIFARE Classic a refund is always pending credit (SPEC, Money on the server).",
        (*_SOLD, GiveBack(X, Made(X), LUNCH), Shows(X, "Done"), Sync()),
        Expect(
            accounts={purse(A): -LUNCH, pending(A): LUNCH},
            cards={A: OnCard(1, -LUNCH, Made(X))},
            goods={X: (LUNCH, LUNCH)},
        ),
        on=CLASSIC,
    ),
    Sequence(
        "refund after the card has paid elsewhere",
        "Its last step is another sale: pending credit (SPEC, Money on the server).",
        (*_SOLD, *sale(Y, A, TEA), *refund(X, Made(X), LUNCH, A), Sync()),
        Expect(
            accounts={purse(A): -LUNCH - TEA, pending(A): LUNCH, merchant(Y): TEA},
            cards={A: OnCard(2, -LUNCH - TEA, Made(Y))},
            goods={X: (LUNCH, LUNCH), Y: (TEA,)},
        ),
        on=DESFIRE,
    ),
    Sequence(
        "the same receipt twice",
        "Never more than what is left of a sale, by the till's own journal (SPEC, Money on the server).",
        (
            *_SOLD,
            *(GiveBack(X, Made(X), TEA), Shows(X, "Done")),
            GiveBack(X, Made(X), LUNCH, refused="more_than_left"),
            *(GiveBack(X, Made(X), LUNCH - TEA), Shows(X, "Done")),
            GiveBack(X, Made(X), TEA, refused="more_than_left"),
            Sync(),
        ),
        Expect(
            accounts={purse(A): -LUNCH, pending(A): LUNCH},
            cards={A: OnCard(1, -LUNCH, Made(X))},
            goods={X: (LUNCH, TEA, LUNCH - TEA)},
        ),
        on=CLASSIC,
    ),
    Sequence(
        "the same receipt again after a restart from a checkpoint",
        "What was given back is part of what a checkpoint keeps (SPEC, Money on the server).",
        (
            *_SOLD,
            *(GiveBack(X, Made(X), TEA), Checkpoint(X), Cut(X), Boot(X), TOO_LATE),
            GiveBack(X, Made(X), LUNCH, refused="more_than_left"),
            *(GiveBack(X, Made(X), LUNCH - TEA), Shows(X, "Done")),
            Sync(),
        ),
        Expect(
            accounts={purse(A): -LUNCH, pending(A): LUNCH},
            cards={A: OnCard(1, -LUNCH, Made(X))},
            goods={X: (LUNCH, TEA, LUNCH - TEA)},
        ),
        on=CLASSIC,
    ),
    Sequence(
        "power lost after a refund",
        "What was given back is not offered to be handed over (SPEC, Open, torn, recovered, 7).",
        (*_SOLD, GiveBack(X, Made(X), LUNCH), Cut(X), Boot(X), Tap(X, A), Shows(X, "Ringing"), Lift(X), Sync()),
        Expect(
            accounts={purse(A): -LUNCH, pending(A): LUNCH},
            cards={A: OnCard(1, -LUNCH, Made(X))},
            goods={X: (LUNCH, LUNCH)},
        ),
        on=CLASSIC,
    ),
    Sequence(
        "the same receipt again while a refund of it is open",
        "While a credit is open nothing is paid in another form (SPEC, Open, torn, recovered, 8).",
        (
            *_SOLD,
            *(*refund(X, Made(X), LUNCH, A, Torn.AFTER), Cancel(X)),
            GiveBack(X, Made(X), LUNCH, refused="more_than_left"),
            *(Tap(X, A), Lift(X)),
            Sync(),
        ),
        Expect(cards={A: OnCard(2, mark=Made(X, 2))}, goods={X: (LUNCH,)}),
        on=DESFIRE,
    ),
    Sequence(
        "torn refund, on the card, tapped again",
        "Proven on the card: settled (SPEC, Open, torn, recovered, 8).",
        (*_SOLD, *refund(X, Made(X), LUNCH, A, Torn.AFTER), *(Tap(X, A), Shows(X, "Done"), Lift(X)), Sync()),
        Expect(cards={A: OnCard(2, mark=Made(X, 2))}, goods={X: (LUNCH, LUNCH)}),
        on=DESFIRE,
    ),
    Sequence(
        "torn refund, not on the card, tapped again",
        "Proven absent: pending credit (SPEC, Open, torn, recovered, 8).",
        (*_SOLD, *refund(X, Made(X), LUNCH, A, Torn.BEFORE), *(Tap(X, A), Shows(X, "Done"), Lift(X)), Sync()),
        Expect(
            accounts={purse(A): -LUNCH, pending(A): LUNCH},
            cards={A: OnCard(1, -LUNCH, Made(X))},
            goods={X: (LUNCH,)},
        ),
        on=DESFIRE,
    ),
    Sequence(
        "torn refund, on the card, paid elsewhere",
        "The merchant has given it, the next tap builds on it (SPEC, Open, torn, recovered, 4 and 8).",
        (*_SOLD, *refund(X, Made(X), LUNCH, A, Torn.AFTER), *sale(Y, A, TEA), TOO_LATE, Sync()),
        Expect(
            accounts={purse(A): -TEA, merchant(Y): TEA},
            cards={A: OnCard(3, -TEA, Made(Y))},
            goods={X: (LUNCH,), Y: (TEA,)},
        ),
        on=DESFIRE,
    ),
    Sequence(
        "torn refund, not on the card, paid elsewhere",
        "The merchant has given it, the card has not got it: pending credit (SPEC, Open, torn, recovered, 4 and 8).",
        (*_SOLD, *refund(X, Made(X), LUNCH, A, Torn.BEFORE), *sale(Y, A, TEA), TOO_LATE, Sync()),
        Expect(
            accounts={purse(A): -LUNCH - TEA, pending(A): LUNCH, merchant(Y): TEA},
            cards={A: OnCard(2, -LUNCH - TEA, Made(Y))},
            goods={X: (LUNCH,), Y: (TEA,)},
        ),
        on=DESFIRE,
    ),
)

EARLY_REFUNDS = (
    Sequence(
        "a refund comes before its sale",
        "The sale is in a hole, the refund behind it: when the sale is found the refund counts as one of it, and goes "
        "to the purses that had paid, and the case that it opened ends (SPEC, Money on the server).",
        (
            *(*_AIDED, Offline(X), *_SOLD, GiveBack(X, Made(X), LUNCH), Shows(X, "Done")),
            *(SendWithout(X, lost=(Made(X),)), *sale(Y, A, TEA), Sync()),
            *(BookHole(X), SendWithout(X, lost=(Made(X),)), SendLost(X), Online(X), Sync()),
        ),
        Expect(
            accounts={
                FUNDER: -AID,
                purse(A): AID - LUNCH - TEA,
                pending(A): LUNCH - AID,
                pending_subsidy(A): AID,
                merchant(Y): TEA,
            },
            cards={A: OnCard(3, AID - LUNCH - TEA, Made(Y))},
            goods={S: (AID,), X: (LUNCH, LUNCH), Y: (TEA,)},
        ),
        on=CLASSIC,
    ),
)

CASH_IN = (
    Sequence(
        "cash onto the card",
        "An ordinary credit that leaves the load total alone (SPEC, Loads, 6).",
        (*cash(S, A, CASH), Sync()),
        Expect(
            accounts={purse(A): CASH, drawer(S): -CASH},
            cards={A: OnCard(1, CASH, Made(S))},
            goods={S: (CASH,)},
        ),
        on=DESFIRE,
    ),
    Sequence(
        "cash for a load",
        "On MIFARE Classic cash becomes a load of the server; the receipt says waiting, and the load is collected "
        "later (SPEC, Loads, 6).",
        (
            *(*cash(S, A, CASH), Sync()),
            Check(Expect(accounts={pending(A): CASH, drawer(S): -CASH}, goods={S: (CASH,)})),
            *(*collect(T, A), Sync()),
        ),
        Expect(
            accounts={purse(A): CASH, drawer(S): -CASH},
            cards={A: OnCard(1, CASH, Made(T))},
            goods={S: (CASH,), T: (CASH,)},
        ),
        on=CLASSIC,
    ),
    Sequence(
        "more cash than a station may put on a card at once",
        "Above the limit the cash becomes a load of the server, as on MIFARE Classic (SPEC, Loads, 6).",
        (
            *(SetLimits(topup=TEA), Sync(), *cash(S, A, TEA), *cash(S, A, CASH), Sync()),
            *(*collect(T, A), Sync()),
        ),
        Expect(
            accounts={purse(A): TEA + CASH, drawer(S): -TEA - CASH},
            cards={A: OnCard(2, TEA + CASH, Made(T))},
            goods={S: (TEA, CASH), T: (CASH,)},
        ),
        on=DESFIRE,
    ),
    Sequence(
        "more cash than a station may take before the server knows of it",
        "What no ack covers is counted from the journal, after a start too. Sales go on, a smaller top-up as well, and "
        "an ack frees it (SPEC, Loads, 6).",
        (
            *(SetLimits(unacked_topups=CASH), Sync(), *cash(S, A, TEA), Sync(), Offline(S)),
            *(NOT_AT_ONCE, *cash(S, A, LUNCH), Shows(S, "Done"), Cut(S), Boot(S)),
            *(TakeCash(S, FIRST), Shows(S, "topups_unacked"), Cancel(S)),
            *(*cash(S, A, SOUP), Shows(S, "Done"), *sale(S, A, TEA), Shows(S, "Done")),
            *(TakeCash(S, LUNCH), Shows(S, "topups_unacked"), Cancel(S)),
            *(Online(S), Sync(), *cash(S, A, FIRST), Shows(S, "Done"), Sync()),
        ),
        Expect(
            accounts={
                purse(A): LUNCH + SOUP + FIRST,
                drawer(S): -TEA - LUNCH - SOUP - FIRST,
                merchant(S): TEA,
            },
            cards={A: OnCard(5, LUNCH + SOUP + FIRST, Made(S, 5))},
            goods={S: (TEA, LUNCH, SOUP, TEA, FIRST)},
        ),
        on=DESFIRE,
    ),
    Sequence(
        "cash that waits for the server counts too",
        "Where cash becomes a load of the server, nobody knows of it either before an ack (SPEC, Loads, 6).",
        (
            *(SetLimits(unacked_topups=CASH), Sync(), Offline(S), *cash(S, A, FIRST), Shows(S, "Done")),
            *(TakeCash(S, LUNCH), Shows(S, "topups_unacked"), Cancel(S), Online(S), Sync()),
            *(*cash(S, A, LUNCH), Shows(S, "Done"), Sync()),
        ),
        Expect(accounts={pending(A): FIRST + LUNCH, drawer(S): -FIRST - LUNCH}, goods={S: (FIRST, LUNCH)}),
        on=CLASSIC,
    ),
    Sequence(
        "torn cash, on the card, tapped again",
        "Proven on the card: settled (SPEC, Open, torn, recovered, 8).",
        (*cash(S, A, CASH, Torn.AFTER), *(Tap(S, A), Shows(S, "Done"), Lift(S)), Sync()),
        Expect(
            accounts={purse(A): CASH, drawer(S): -CASH},
            cards={A: OnCard(1, CASH, Made(S))},
            goods={S: (CASH,)},
        ),
        on=DESFIRE,
    ),
    Sequence(
        "torn cash, not on the card, tapped again",
        "Proven absent: the cash stays where it is and becomes pending credit (SPEC, Open, torn, recovered, 8).",
        (*cash(S, A, CASH, Torn.BEFORE), *(Tap(S, A), Shows(S, "Done"), Lift(S)), Sync()),
        Expect(accounts={pending(A): CASH, drawer(S): -CASH}),
        on=DESFIRE,
    ),
    Sequence(
        "torn cash, on the card, paid elsewhere",
        "The next tap builds on the credit (SPEC, Open, torn, recovered, 4 and 8).",
        (*cash(S, A, CASH, Torn.AFTER), *sale(X, A, TEA), TOO_LATE, Sync()),
        Expect(
            accounts={purse(A): CASH - TEA, drawer(S): -CASH, merchant(X): TEA},
            cards={A: OnCard(2, CASH - TEA, Made(X))},
            goods={X: (TEA,)},
        ),
        on=DESFIRE,
    ),
    Sequence(
        "torn cash, not on the card, paid elsewhere",
        "The next tap builds on the counter before: pending credit (SPEC, Open, torn, recovered, 4 and 8).",
        (*cash(S, A, CASH, Torn.BEFORE), *sale(X, A, TEA), TOO_LATE, Sync()),
        Expect(
            accounts={purse(A): -TEA, pending(A): CASH, drawer(S): -CASH, merchant(X): TEA},
            cards={A: OnCard(1, -TEA, Made(X))},
            goods={X: (TEA,)},
        ),
        on=DESFIRE,
    ),
)
