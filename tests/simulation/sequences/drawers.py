"""Drawers that were counted before everything about them was known (SPEC, "Money on the server")."""

from tests.simulation.sequences.format import (
    CASH,
    DESFIRE,
    FIRST,
    NOT_AT_ONCE,
    SECOND,
    SOUP,
    TEA,
    VAULT,
    A,
    B,
    Check,
    CloseShift,
    CopyDisk,
    CountDrawer,
    DeclareLost,
    Expect,
    Found,
    KeepDisk,
    LetThrough,
    Made,
    Offline,
    OnCard,
    Online,
    OpenShift,
    RestoreDisk,
    S,
    SendKept,
    Sequence,
    Sync,
    X,
    cash,
    merchant,
    miscount,
    purse,
    sale,
)

_GOODS = {S: (CASH, TEA)}
_CARDS = {A: OnCard(1, CASH, Made(S)), B: OnCard(1, TEA, Made(S, 2))}

DRAWERS = (
    Sequence(
        "cash of a second history is told after its drawer was counted",
        "Cash of a shift whose entry comes after the count lay in what was counted: the difference that is found is "
        "what the cashier is wrong by (SPEC, Money on the server; Reconciliation).",
        (
            *(OpenShift(S, FIRST), Sync(), CopyDisk(S), Offline(S)),
            *(*cash(S, A, CASH), KeepDisk(S), NOT_AT_ONCE, RestoreDisk(S)),
            *(*cash(S, B, TEA), CloseShift(S, -SOUP), Online(S), Sync()),
            Check(
                Expect(
                    accounts={purse(B): TEA, VAULT: SOUP - CASH - TEA, miscount(S): CASH - SOUP},
                    cards=_CARDS,
                    goods=_GOODS,
                    classes=(Found("shift_difference", CASH - SOUP, card=None),),
                )
            ),
            *(SendKept(S), LetThrough(S)),
        ),
        Expect(
            accounts={purse(A): CASH, purse(B): TEA, VAULT: SOUP - CASH - TEA, miscount(S): -SOUP},
            cards=_CARDS,
            goods=_GOODS,
            classes=(Found("shift_difference", -SOUP, card=None), Found("chain_break", card=None)),
        ),
        on=DESFIRE,
    ),
    Sequence(
        "two people count the drawer of a lost till",
        "A terminal that is lost counts no drawer: two people do. Cash that it tells of when it comes back lay in it, "
        "and its own count is one too many (SPEC, Money on the server).",
        (
            *(OpenShift(S, FIRST), *cash(S, A, CASH), Sync()),
            *(Offline(S), *cash(S, B, TEA), DeclareLost(S), CountDrawer(S, -SOUP)),
            Check(
                Expect(
                    accounts={purse(A): CASH, VAULT: SOUP - CASH - TEA, miscount(S): TEA - SOUP},
                    cards=_CARDS,
                    goods=_GOODS,
                    classes=(Found("shift_difference", TEA - SOUP, card=None),),
                )
            ),
            *(CloseShift(S), Online(S), Sync()),
        ),
        Expect(
            accounts={purse(A): CASH, purse(B): TEA, VAULT: SOUP - CASH - TEA, miscount(S): -SOUP},
            cards=_CARDS,
            goods=_GOODS,
            classes=(Found("shift_difference", -SOUP, card=None),),
        ),
        on=DESFIRE,
    ),
    Sequence(
        "a drawer of an old epoch is told while the same shift of the new one is open",
        "Each epoch of a terminal counts its shifts from 1: a drawer is counted against its own epoch's cash (SPEC, "
        "Money on the server).",
        (
            *(Sync(), CopyDisk(X), *sale(X, B, SOUP), Sync(), Offline(X)),
            *(OpenShift(X, FIRST), CloseShift(X), KeepDisk(X), RestoreDisk(X)),
            *(Online(X), Sync(), OpenShift(X, SECOND), Sync(), SendKept(X)),
            *(CloseShift(X), Sync()),
        ),
        Expect(
            accounts={purse(B): -SOUP, merchant(X): SOUP},
            cards={B: OnCard(1, -SOUP, Made(X))},
            goods={X: (SOUP,)},
            classes=(Found("chain_break", card=None),),
        ),
    ),
)
