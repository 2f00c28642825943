"""What vouches for a terminal's time when the server is far away."""

import pytest
from msgspec import structs

from protocol.entries import Booted, ClockChanged, Entry, Kind
from protocol.ids import Seq
from protocol.instants import DAY_MS, HOUR_MS, ClockSource, MonoMs, Now, UtcMs
from terminal.signed_time import SignedTime
from tests.protocol.samples import START, entry_after

GRANTED = UtcMs(1_796_000_000_000)
RTC, SERVER, NONE = ClockSource.RTC, ClockSource.SERVER, ClockSource.NONE


class Story:
    """A terminal's clocks, entry by entry; instants are counted from the grant."""

    def __init__(self) -> None:
        self.state, self.boot = SignedTime(), 1

    def writes(self, at: int, mono: int, clock: ClockSource, *, stepped: bool = False) -> "Story":
        """The next entry; `stepped`: it says that the clock chip was stepped."""
        body = ClockChanged(UtcMs(GRANTED + at), RTC) if stepped else Booted("test")
        kind = Kind.CLOCK_CHANGED if stepped else Kind.BOOTED
        self.state = self.state.after(entry_of(kind, body, GRANTED + at, mono, self.boot, clock))
        return self

    def boots(self) -> "Story":
        """Off and on again."""
        self.boot += 1
        return self

    def vouched(self, at: int, mono: int, clock: ClockSource) -> int:
        """What is vouched for, in milliseconds after the grant."""
        return self.state.at(Now(UtcMs(GRANTED + at), MonoMs(mono), clock), GRANTED) - GRANTED


def entry_of(kind: Kind, body: Booted | ClockChanged, at: int, mono: int, boot: int, clock: ClockSource) -> Entry:
    """An entry with clocks as told; its place does not matter."""
    plain = entry_after(START, kind, body)
    return structs.replace(plain, seq=Seq(1), at=UtcMs(at), mono=MonoMs(mono), boot=boot, clock=clock)


@pytest.fixture
def till() -> Story:
    """A terminal that has just been enrolled."""
    return Story()


def test_while_the_server_s_clock_runs_it_is_the_time(till: Story) -> None:
    till.writes(HOUR_MS, 50, SERVER)
    assert till.vouched(5 * HOUR_MS, 50 + 4 * HOUR_MS, SERVER) == 5 * HOUR_MS


def test_the_program_alone_starts_again_and_no_time_passes_by_that(till: Story) -> None:
    """The entries count starts of the program; the monotonic clock is the machine's and goes on."""
    up = 7 * DAY_MS
    till.writes(0, up, SERVER)
    for start in range(1, 4):
        till.boots().writes(start * 1_000, up + start * 1_000, RTC)
    assert till.vouched(4_000, up + 4_000, RTC) == 4_000


def test_before_any_word_of_the_server_the_grant_is_one(till: Story) -> None:
    till.writes(90 * DAY_MS, 1_000, RTC).writes(90 * DAY_MS, 5_000, RTC).boots().writes(95 * DAY_MS, 300, RTC)
    assert till.vouched(95 * DAY_MS, 1_300, RTC) == 5_000 + 1_300


def test_without_a_chip_only_the_time_under_power_counts(till: Story) -> None:
    till.writes(HOUR_MS, 50, SERVER).writes(2 * HOUR_MS, 50 + HOUR_MS, SERVER)
    till.boots().writes(2 * HOUR_MS, 10, NONE).writes(3 * HOUR_MS, HOUR_MS, NONE)
    till.boots().writes(3 * HOUR_MS, 20, NONE)
    assert till.vouched(0, 70, NONE) == 2 * HOUR_MS + HOUR_MS + 70


@pytest.mark.parametrize("ahead", [0, 3 * DAY_MS, 1_000 * DAY_MS])
def test_a_chip_s_advance_counts_and_not_what_it_shows(till: Story, ahead: int) -> None:
    till.writes(ahead + 10, 10, RTC).writes(HOUR_MS, HOUR_MS, SERVER)
    till.boots().writes(ahead + 2 * DAY_MS, 10, RTC)
    assert till.vouched(ahead + 2 * DAY_MS + 500, 510, RTC) == 2 * DAY_MS + 500


def test_a_chip_that_was_stepped_counts_no_more(till: Story) -> None:
    till.writes(10, 10, RTC).writes(HOUR_MS, HOUR_MS, SERVER).writes(HOUR_MS, HOUR_MS, SERVER, stepped=True)
    till.boots().writes(40 * DAY_MS, 10, RTC)
    assert till.vouched(40 * DAY_MS, 510, RTC) == HOUR_MS + 510
    till.writes(2 * HOUR_MS, HOUR_MS, SERVER).boots().writes(41 * DAY_MS, 10, RTC)
    assert till.vouched(41 * DAY_MS, 10, RTC) == 41 * DAY_MS - (40 * DAY_MS + HOUR_MS - 10 - 2 * HOUR_MS)


def test_a_chip_stepped_in_front_of_the_server_s_word_is_not_compared_with_it(till: Story) -> None:
    till.writes(10, 10, RTC).writes(20, 20, RTC, stepped=True).writes(HOUR_MS, HOUR_MS, SERVER)
    till.boots().writes(40 * DAY_MS, 10, RTC)
    assert till.vouched(40 * DAY_MS, 510, RTC) == HOUR_MS + 510


def test_a_chip_that_stood_still_does_not_turn_the_time_back(till: Story) -> None:
    till.writes(10, 10, RTC).writes(HOUR_MS, HOUR_MS, SERVER).writes(5 * HOUR_MS, 5 * HOUR_MS, SERVER)
    till.boots().writes(5 * HOUR_MS, 10, RTC)
    assert till.vouched(2 * HOUR_MS, 700, RTC) == 5 * HOUR_MS + 700
