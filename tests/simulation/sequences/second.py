"""What a second history of a terminal tells moves no money before a card or two people speak for it (SPEC, Sync)."""

from protocol.instants import DAY_MS
from tests.simulation.sequences.format import (
    CLONE,
    LUNCH,
    SOUP,
    TEA,
    VAULT,
    A,
    B,
    Check,
    CloseShift,
    Copy,
    CopyDisk,
    Expect,
    Found,
    LetThrough,
    Made,
    Nightly,
    Offline,
    OnCard,
    Online,
    OpenShift,
    RestoreDisk,
    SellForCash,
    Sequence,
    Steps,
    Sync,
    Torn,
    Vended,
    Wait,
    X,
    Y,
    drawer,
    merchant,
    pending,
    purse,
    sale,
    suspense,
)


def _second_history(*told: Steps, before: Steps = ()) -> Steps:
    """X tells of a soup for B; an older image of it, with `before` in it, goes on otherwise and is heard of later."""
    first = (Sync(), *before, Sync(), CopyDisk(X), *sale(X, B, SOUP), Sync())
    return (*first, RestoreDisk(X), Offline(X), *(step for steps in told for step in steps), Online(X), Sync())


_SOUP_CARD = OnCard(1, -SOUP, Made(X))
_ELSEWHERE = Found("chain_break", card=None)

SECOND = (
    Sequence(
        "a second history's cash waits for two people",
        "No card tells of cash: it lies in the drawer and waits in suspense, shifts open and close for nobody, until "
        "two people let it be posted (SPEC, Sync, 4).",
        (
            *_second_history((OpenShift(X, TEA), SellForCash(X, LUNCH), CloseShift(X))),
            Nightly(),
            Check(
                Expect(
                    accounts={purse(B): -SOUP, merchant(X): SOUP, drawer(X): -LUNCH, suspense(X): LUNCH},
                    cards={B: _SOUP_CARD},
                    goods={X: (SOUP,)},
                    classes=(_ELSEWHERE,),
                )
            ),
            LetThrough(X),
        ),
        Expect(
            accounts={purse(B): -SOUP, merchant(X): SOUP + LUNCH, VAULT: -LUNCH},
            cards={B: _SOUP_CARD},
            goods={X: (SOUP,)},
            classes=(_ELSEWHERE,),
        ),
    ),
    Sequence(
        "a second history takes back no delivery of the first",
        "The first history sold it, the second says that nothing fell: the merchant keeps the price until two people "
        "agree (SPEC, Sync, 4).",
        (
            *_second_history((Vended(X, Made(X), "failed"),), before=sale(X, A, LUNCH)),
            Nightly(),
            Check(
                Expect(
                    accounts={purse(A): -LUNCH, purse(B): -SOUP, merchant(X): LUNCH + SOUP},
                    cards={A: OnCard(1, -LUNCH, Made(X)), B: OnCard(1, -SOUP, Made(X, 2))},
                    goods={X: (LUNCH, SOUP)},
                    classes=(_ELSEWHERE,),
                )
            ),
            LetThrough(X),
        ),
        Expect(
            accounts={purse(A): -LUNCH, pending(A): LUNCH, purse(B): -SOUP, merchant(X): SOUP},
            cards={A: OnCard(1, -LUNCH, Made(X)), B: OnCard(1, -SOUP, Made(X, 2))},
            goods={X: (LUNCH, SOUP)},
            classes=(_ELSEWHERE,),
        ),
    ),
    Sequence(
        "a second history's delivery that failed is given back when its sale is confirmed",
        "It is told with the sale: what a later tap confirms of it pays its holder, not the merchant (SPEC, Sync, 4).",
        (
            *_second_history((*sale(X, A, LUNCH), Vended(X, Made(X, 2), "failed"))),
            Check(
                Expect(
                    accounts={purse(A): -LUNCH, purse(B): -SOUP, suspense(X): LUNCH, merchant(X): SOUP},
                    cards={A: OnCard(1, -LUNCH, Made(X, 2)), B: _SOUP_CARD},
                    goods={X: (SOUP, LUNCH)},
                    classes=(Found("chain_break", -LUNCH), _ELSEWHERE),
                )
            ),
            *(*sale(Y, A, TEA), Sync()),
        ),
        Expect(
            accounts={purse(A): -LUNCH - TEA, pending(A): LUNCH, purse(B): -SOUP, merchant(X): SOUP, merchant(Y): TEA},
            cards={A: OnCard(2, -LUNCH - TEA, Made(Y)), B: _SOUP_CARD},
            goods={X: (SOUP, LUNCH), Y: (TEA,)},
            classes=(_ELSEWHERE,),
        ),
    ),
    Sequence(
        "a second history's torn sale is decided by proof alone",
        "Time decides for the holder where a terminal's own word is missing; a second history has none to miss (SPEC, "
        "Sync, 4).",
        (
            *_second_history(sale(X, A, LUNCH, Torn.AFTER)),
            *(Wait(31 * DAY_MS), Nightly()),
            Check(
                Expect(
                    accounts={purse(B): -SOUP, merchant(X): SOUP},
                    cards={A: OnCard(1, -LUNCH, Made(X, 2)), B: _SOUP_CARD},
                    goods={X: (SOUP,)},
                    classes=(Found("torn", -LUNCH), _ELSEWHERE),
                )
            ),
            *(*sale(Y, A, TEA), Sync()),
        ),
        Expect(
            accounts={purse(A): -LUNCH - TEA, pending(A): LUNCH, purse(B): -SOUP, merchant(X): SOUP, merchant(Y): TEA},
            cards={A: OnCard(2, -LUNCH - TEA, Made(Y)), B: _SOUP_CARD},
            goods={X: (SOUP,), Y: (TEA,)},
            classes=(Found("debited_not_delivered", -LUNCH), _ELSEWHERE),
        ),
    ),
    Sequence(
        "a second history's sales of a copied card freeze nobody",
        "The card used the counter otherwise, so nothing of it moves; what the same history builds on that is no more "
        "(SPEC, Sync, 4).",
        (
            *(Sync(), CopyDisk(X), *sale(X, B, SOUP), Sync(), Copy(A, onto=CLONE), *sale(Y, A, LUNCH), Sync()),
            *(RestoreDisk(X), Offline(X), *sale(X, CLONE, TEA), Wait(DAY_MS), *sale(X, CLONE, SOUP)),
            *(Online(X), Sync()),
        ),
        Expect(
            accounts={purse(A): -LUNCH, purse(B): -SOUP, merchant(X): SOUP, merchant(Y): LUNCH},
            cards={
                A: OnCard(1, -LUNCH, Made(Y)),
                CLONE: OnCard(2, -TEA - SOUP, Made(X, 3)),
                B: _SOUP_CARD,
            },
            goods={X: (SOUP, TEA, SOUP), Y: (LUNCH,)},
            classes=(Found("chain_break", -TEA), Found("chain_break", -SOUP), _ELSEWHERE),
        ),
    ),
)
