"""Tokens: the server's word in time, money held back until its entry comes, and what a stand-in may cost."""

from protocol.instants import DAY_MS, SECOND_MS
from tests.simulation.sequences.format import (
    BALANCE,
    LUNCH,
    NOT_AT_ONCE,
    OPERATOR_LOSS,
    SOUP,
    TEA,
    TOKENS,
    TOO_LATE,
    A,
    Boot,
    Check,
    CopyDisk,
    Cut,
    CutAt,
    Deaf,
    Expect,
    Found,
    GiveBack,
    Hears,
    HearsLate,
    HoldBack,
    KeepDisk,
    LetGo,
    LetThrough,
    Lift,
    Made,
    Nightly,
    Offline,
    Online,
    Pay,
    RestoreDisk,
    Ring,
    SendKept,
    Sequence,
    SetLimits,
    Shows,
    StepClock,
    Sum,
    Sync,
    Tap,
    Wait,
    X,
    Y,
    merchant,
    purse,
    sale,
)
from tests.simulation.sequences.phones import PHONE_SEQUENCES


def _paid(cents: Sum, *goods: Sum) -> Expect:
    return Expect({purse(A): -cents, merchant(X): cents}, goods={X: goods or (cents,)})


_ASKED_TWICE = Wait(2 * SECOND_MS)
_GIVEN_UP = Wait(4 * SECOND_MS)
_STANDS_IN = SetLimits(stand_in=2 * BALANCE)

OF_CARDS = (
    Sequence(
        "a token pays",
        "Approved by the server, debited by the entry alone.",
        (*sale(X, A, LUNCH), Shows(X, "Done"), Sync()),
        _paid(LUNCH),
        TOKENS,
    ),
    Sequence(
        "a token has too little",
        "Refused by the server: void, and nothing moves.",
        (*sale(X, A, BALANCE + TEA), Shows(X, "balance_too_low"), Sync()),
        Expect(),
        TOKENS,
    ),
    Sequence(
        "what a token was approved is held back, and free again when its outcome is posted",
        "A second till is refused what the first was approved, however late the first one's entries are.",
        (
            *(HoldBack(X), *sale(X, A, LUNCH), Shows(X, "Done")),
            *(*sale(Y, A, BALANCE), Shows(Y, "balance_too_low"), NOT_AT_ONCE),
            *(*sale(Y, A, BALANCE - LUNCH), Shows(Y, "Done"), LetGo(X), Sync()),
        ),
        Expect(
            {purse(A): -BALANCE, merchant(X): LUNCH, merchant(Y): BALANCE - LUNCH},
            goods={X: (LUNCH,), Y: (BALANCE - LUNCH,)},
        ),
        TOKENS,
    ),
    Sequence(
        "a hold ends before its entry comes",
        "After ten minutes nothing is held back: both merchants are paid, and the token is listed as blocked.",
        (
            *(HoldBack(X), *sale(X, A, BALANCE), TOO_LATE, *sale(Y, A, BALANCE), Shows(Y, "Done")),
            *(LetGo(X), Sync(), NOT_AT_ONCE, *sale(Y, A, TEA), Shows(Y, "card_blocked"), Sync()),
        ),
        Expect(
            {purse(A): -2 * BALANCE, merchant(X): BALANCE, merchant(Y): BALANCE},
            goods={X: (BALANCE,), Y: (BALANCE,)},
        ),
        TOKENS,
    ),
    Sequence(
        "the server's answer is lost and asked for again",
        "The same question has the same answer: charged once.",
        (
            *(Deaf(X), Ring(X, BALANCE), Pay(X), Tap(X, A), Shows(X, "Approving")),
            *(Hears(X), _ASKED_TWICE, Lift(X), Shows(X, "Done"), Sync()),
        ),
        _paid(BALANCE),
        TOKENS,
        proven=True,
    ),
    Sequence(
        "no answer comes in time",
        "Void; a late answer changes nothing, and what was held back is free with the posting.",
        (
            *(Deaf(X), Ring(X, BALANCE), Pay(X), Tap(X, A), _GIVEN_UP, Lift(X), Shows(X, "server_silent")),
            *(Hears(X), Sync(), *sale(X, A, BALANCE), Shows(X, "Done"), Sync()),
        ),
        _paid(BALANCE),
        TOKENS,
        proven=True,
    ),
    Sequence(
        "the answer about one sale comes while the next one waits",
        "An answer counts for the very sale that was asked about: both are void.",
        (
            *(HearsLate(X, 6 * SECOND_MS), Ring(X, BALANCE), Pay(X), Tap(X, A), _GIVEN_UP, Shows(X, "server_silent")),
            *(Lift(X), Ring(X, BALANCE - TEA), Pay(X), Tap(X, A), Shows(X, "Approving")),
            *(_GIVEN_UP, Shows(X, "server_silent"), Lift(X), Hears(X), Sync()),
        ),
        Expect(),
        TOKENS,
        proven=True,
    ),
    Sequence(
        "where the line is down a token is refused at once",
        "Nobody is asked, nothing is written down but why.",
        (Offline(X), *sale(X, A, LUNCH), Shows(X, "server_silent"), Online(X), Sync()),
        Expect(),
        TOKENS,
    ),
    Sequence(
        "the power fails before a token's sale is asked about",
        "Void at the start: nothing was debited, and nothing handed over.",
        (CutAt(X, "after sale_prepared"), Ring(X, LUNCH), Pay(X), Tap(X, A), Boot(X), Sync(), *sale(X, A, TEA), Sync()),
        _paid(TEA),
        TOKENS,
    ),
    Sequence(
        "the power fails while a token's sale is asked about",
        "Void at the start, and what was held back is free with the posting of that.",
        (
            *(Deaf(X), Ring(X, BALANCE), Pay(X), Tap(X, A), Cut(X), Hears(X), Boot(X), Sync()),
            *(*sale(X, A, BALANCE), Shows(X, "Done"), Sync()),
        ),
        _paid(BALANCE),
        TOKENS,
        proven=True,
    ),
    Sequence(
        "a refund of a token's sale is on it at once",
        "Pending credit reaches a token with its own posting.",
        (*sale(X, A, LUNCH), GiveBack(X, Made(X), TEA), Sync()),
        Expect({purse(A): TEA - LUNCH, merchant(X): LUNCH - TEA}, goods={X: (LUNCH, TEA)}),
        TOKENS,
    ),
    Sequence(
        "a stand-in overdraws a token",
        "The merchant is paid, the token blocked while it lacks something, which is our loss after thirty days.",
        (
            *(_STANDS_IN, Sync(), Offline(X), *sale(X, A, BALANCE), NOT_AT_ONCE, *sale(X, A, TEA), Shows(X, "Done")),
            *(Online(X), Sync(), NOT_AT_ONCE, *sale(X, A, TEA), Shows(X, "card_blocked"), Sync(), Nightly()),
            Check(_paid(BALANCE + TEA, BALANCE, TEA)),
            *(Wait(31 * DAY_MS), Sync(), Nightly()),
        ),
        Expect({purse(A): -BALANCE, merchant(X): BALANCE + TEA, OPERATOR_LOSS: -TEA}, goods={X: (BALANCE, TEA)}),
        TOKENS,
        proven=True,
    ),
    Sequence(
        "a stand-in is bounded",
        "No more than the day's limit without an answer; the same token may still be asked about.",
        (
            *(SetLimits(stand_in=LUNCH), Sync(), Offline(X), *sale(X, A, LUNCH), NOT_AT_ONCE),
            *(*sale(X, A, TEA), Shows(X, "server_silent"), Online(X), Sync(), NOT_AT_ONCE, *sale(X, A, TEA), Sync()),
        ),
        _paid(LUNCH + TEA, LUNCH, TEA),
        TOKENS,
        proven=True,
    ),
    Sequence(
        "a clock that is set back gives no second day of stand-ins",
        "What was sold on a later day counts on an earlier one; and a clock too far ahead counts no day.",
        (
            *(SetLimits(stand_in=LUNCH), Sync(), Offline(X), StepClock(X, DAY_MS), *sale(X, A, LUNCH), NOT_AT_ONCE),
            *(StepClock(X, -DAY_MS), *sale(X, A, TEA), Shows(X, "server_silent"), NOT_AT_ONCE),
            *(StepClock(X, DAY_MS), *sale(X, A, TEA), Shows(X, "server_silent"), NOT_AT_ONCE),
            *(StepClock(X, 2 * DAY_MS), *sale(X, A, TEA), Shows(X, "server_silent")),
            *(StepClock(X, -3 * DAY_MS), Online(X), Sync()),
        ),
        _paid(LUNCH),
        TOKENS,
        proven=True,
    ),
    Sequence(
        "a second history's token sale waits for two people",
        "A token proves nothing: nobody is paid, and nobody pays, before two people let it be posted.",
        (
            *(_STANDS_IN, Sync(), CopyDisk(X), *sale(X, A, SOUP), Sync(), RestoreDisk(X), Offline(X), NOT_AT_ONCE),
            *(*sale(X, A, LUNCH), Online(X), Sync(), Nightly()),
            Check(
                Expect(
                    {purse(A): -SOUP, merchant(X): SOUP},
                    goods={X: (SOUP, LUNCH)},
                    classes=(Found("chain_break", card=None),),
                )
            ),
            LetThrough(X),
        ),
        Expect(
            {purse(A): -SOUP - LUNCH, merchant(X): SOUP + LUNCH},
            goods={X: (SOUP, LUNCH)},
            classes=(Found("chain_break", card=None),),
        ),
        TOKENS,
        proven=True,
    ),
    Sequence(
        "a token's sale that one history voids and another one settled",
        "The void came first and stands; what was settled, and handed over, is found and people look at it "
        "(SPEC, Reconciliation, duplicate).",
        (
            *(HoldBack(X), Deaf(X), Ring(X, LUNCH), Pay(X), Tap(X, A), Shows(X, "Approving"), CopyDisk(X), Hears(X)),
            *(_ASKED_TWICE, Lift(X), Shows(X, "Done"), KeepDisk(X), RestoreDisk(X), Sync()),
            *(SendKept(X), LetThrough(X), Sync()),
        ),
        Expect(goods={X: (LUNCH,)}, classes=(Found("chain_break", card=None), Found("duplicate", -LUNCH))),
        TOKENS,
        proven=True,
    ),
)

TOKEN_SEQUENCES = OF_CARDS + PHONE_SEQUENCES
"""Those of cards and of phones."""
