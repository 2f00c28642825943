"""Pay codes on phones: for a minute, once, and only by a clock that can be believed (SPEC, "Pay codes")."""

from protocol.instants import MINUTE_MS, SECOND_MS
from tests.simulation.sequences.format import (
    FRAUD_LOSS,
    LUNCH,
    NOT_AT_ONCE,
    SOUP,
    TEA,
    TOKENS,
    A,
    Boot,
    Cancel,
    Cut,
    Expect,
    Found,
    LoseClock,
    Offline,
    Online,
    Pay,
    Ring,
    Scan,
    Sequence,
    SetLimits,
    Shows,
    StepClock,
    Steps,
    Sum,
    Sync,
    Till,
    X,
    Y,
    merchant,
    purse,
)

_STANDS_IN = (SetLimits(stand_in=2 * LUNCH), Sync())
_OLD_MS = 61 * SECOND_MS


def _shown(till: Till, cents: Sum, *, old_ms: int = 0, again: bool = False, forged: bool = False) -> Steps:
    """Ring, ask, hold the phone to the scanner."""
    return Ring(till, cents), Pay(till), Scan(till, A, old_ms, again, forged)


def _paid(*goods: Sum) -> Expect:
    total = sum(goods, Sum())
    return Expect({purse(A): -total, merchant(X): total}, goods={X: goods})


PHONE_SEQUENCES = (
    Sequence(
        "a phone pays",
        "Its code names it, the server approves, the entry debits.",
        (*_shown(X, LUNCH), Shows(X, "Done"), Sync()),
        _paid(LUNCH),
        TOKENS,
        phone=True,
    ),
    Sequence(
        "a phone pays where the line is down",
        "A code is proof enough for a stand-in, within the day's limit.",
        (
            *(*_STANDS_IN, Offline(X), *_shown(X, LUNCH), Shows(X, "Done"), NOT_AT_ONCE),
            *(*_shown(X, LUNCH + TEA), Shows(X, "server_silent"), Online(X), Sync()),
        ),
        _paid(LUNCH),
        TOKENS,
        phone=True,
    ),
    Sequence(
        "a code is shown again at the same till",
        "Once for a code and terminal, whoever holds the picture of it.",
        (
            *(*_STANDS_IN, Offline(X), *_shown(X, TEA), Shows(X, "Done"), NOT_AT_ONCE),
            *(*_shown(X, SOUP, again=True), Shows(X, "replayed"), Online(X), Sync()),
        ),
        _paid(TEA),
        TOKENS,
        phone=True,
    ),
    Sequence(
        "a code is shown again after a start",
        "What was shown stands in the journal: a start forgets nothing of it.",
        (
            *(*_STANDS_IN, Offline(X), *_shown(X, TEA), Shows(X, "Done"), Cut(X), Boot(X), NOT_AT_ONCE),
            *(*_shown(X, SOUP, again=True), Shows(X, "PaidEarlier"), Cancel(X)),
            *(Scan(X, A, again=True), Shows(X, "replayed"), Online(X), Sync()),
        ),
        _paid(TEA),
        TOKENS,
        phone=True,
    ),
    Sequence(
        "a code is shown again where a server answers",
        "The server takes a code once over all terminals: the second sale is void.",
        (*_shown(X, TEA), Shows(X, "Done"), *_shown(Y, SOUP, again=True), Shows(Y, "replayed"), Sync()),
        _paid(TEA),
        TOKENS,
        phone=True,
    ),
    Sequence(
        "a code is shown to two tills without a line",
        "Neither can know of the other: both merchants are paid, the second sale is fraud loss, the phone is blocked.",
        (
            *(*_STANDS_IN, Offline(X), Offline(Y), *_shown(X, LUNCH), Shows(X, "Done")),
            *(*_shown(Y, TEA, again=True), Shows(Y, "Done"), Online(X), Sync(), Online(Y), Sync()),
        ),
        Expect(
            {purse(A): -LUNCH, merchant(X): LUNCH, merchant(Y): TEA, FRAUD_LOSS: -TEA},
            goods={X: (LUNCH,), Y: (TEA,)},
            classes=(Found("fork", -TEA),),
            blocked=(A,),
        ),
        TOKENS,
        phone=True,
    ),
    Sequence(
        "a code is too old",
        "A minute after it was made nobody takes it; a new one pays.",
        (
            *(*_STANDS_IN, Offline(X), *_shown(X, LUNCH, old_ms=_OLD_MS), Shows(X, "code_expired")),
            *(Scan(X, A), Shows(X, "Done"), Online(X), Sync()),
        ),
        _paid(LUNCH),
        TOKENS,
        phone=True,
    ),
    Sequence(
        "a till that does not know the time takes no code",
        "Neither without a clock, nor by one that the code itself shows to be behind.",
        (
            *(*_STANDS_IN, Offline(X), StepClock(X, -MINUTE_MS), *_shown(X, TEA), Shows(X, "clock_unsure")),
            *(LoseClock(X), Scan(X, A), Shows(X, "clock_unsure"), Online(X), Sync()),
        ),
        Expect(),
        TOKENS,
        phone=True,
    ),
    Sequence(
        "a code that the server did not sign",
        "It names somebody, and proves nothing, whether a server can be asked or not.",
        (
            *(*_STANDS_IN, *_shown(X, TEA, forged=True), Shows(X, "not_genuine")),
            *(Offline(X), Scan(X, A, forged=True), Shows(X, "not_genuine"), Online(X), Sync()),
        ),
        Expect(),
        TOKENS,
        phone=True,
    ),
)
