"""A card step that has been decided and is not yet journaled, and the step once it is: open until its outcome is."""

from dataclasses import dataclass, replace
from typing import TypedDict

from msgspec import structs

from protocol.entries import CardStep, Operation
from protocol.ids import CardKey, Counter, Seq, Tno
from protocol.instants import MINUTE_MS, ClockSource, Now
from protocol.money import Cents
from protocol.purse import CardId, CardRead, Mark, PurseChange, Right, SeenStep, SignedLoad, Spent

HAND_OVER_MS = 10 * MINUTE_MS
"""Goods go over the counter only this long after a sale was prepared (SPEC, "Open, torn, recovered")."""


@dataclass(frozen=True, slots=True)
class StepDraft:
    """Everything about a step but the place of its prepared entry, which becomes the mark on the card."""

    operation: Operation
    body: CardStep
    read: CardRead
    right: Right
    spent: Spent
    pin_tries: int = 0
    load: SignedLoad | None = None
    stands_in: bool = False
    """Tokens: whether it may be sold where the server does not answer."""

    def change(self, mark: Mark) -> PurseChange:
        """What to write on the card, once the prepared entry has its place."""
        purse = self.read.purse
        assert purse is not None
        after = purse.stepped(
            mark,
            main_cents=self.body.main_after - self.body.main,
            subsidy_cents=self.body.subsidy_after - self.body.subsidy,
        )
        after = replace(after, spent=self.spent, pin_tries=self.pin_tries)
        if self.load is not None:
            record = self.load.record
            after = replace(after, load_seq=record.load_seq, load_copy=1 - purse.load_copy, period=record.period)
        return PurseChange(self.read, after, self.right, self.load)


class Figures(TypedDict):
    """The members that every card step has but the amount, computed from one read and the cents that move."""

    card: CardId
    counter: Counter
    counter_after: Counter
    main: Cents
    main_after: Cents
    subsidy: Cents
    subsidy_after: Cents
    card_last: tuple[SeenStep, ...]


def figures_of(read: CardRead, *, main_cents: int = 0, subsidy_cents: int = 0) -> Figures:
    """One step from what the card shows, moving these signed amounts."""
    purse = read.purse
    assert purse is not None
    return Figures(
        card=read.id,
        counter=purse.counter,
        counter_after=Counter(purse.counter + 1),
        main=purse.main_cents,
        main_after=Cents(purse.main_cents + main_cents),
        subsidy=purse.subsidy_cents,
        subsidy_after=Cents(purse.subsidy_cents + subsidy_cents),
        card_last=read.last,
    )


@dataclass(frozen=True, slots=True)
class Open:
    """A journaled step whose outcome is not: nobody but this terminal may decide it, for ten minutes."""

    seq: Seq
    operation: Operation
    body: CardStep
    prepared_at: Now

    @property
    def card(self) -> CardKey:
        """The plastic it was prepared for."""
        return self.body.card.key

    def mark(self, tno: Tno) -> Mark:
        """The mark that its write left on the card, if it was made."""
        return Mark(tno, self.seq)

    def outcome(self, last: tuple[SeenStep, ...] | None = None) -> CardStep:
        """The body of its outcome entry; `last` is what the card shows now, if it was read again."""
        seen = self.body.card_last if last is None else last
        return structs.replace(self.body, prepared=self.seq, card_last=seen)

    def over(self, now: Now) -> bool:
        """Whether the ten minutes are over. A clock that cannot measure them counts as over."""
        return elapsed_ms(self.prepared_at, now, same_boot=True) > HAND_OVER_MS


def elapsed_ms(then: Now, now: Now, *, same_boot: bool) -> int:
    """Milliseconds between two instants; more than any deadline where that cannot be known.

    Within one boot the monotonic clock tells; across boots only two trusted wall clocks do.
    """
    if same_boot:
        return now.mono_ms - then.mono_ms
    trusted = ClockSource.NONE not in (then.clock, now.clock) and now.utc_ms >= then.utc_ms
    return now.utc_ms - then.utc_ms if trusted else 2**53
