"""Whatever a card answers, late, cut or made up: only the port's errors come out; the card holds nothing undecided."""

from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hardware.cards.open_card import open_card
from hardware.ports import CardChannel, CardError, CardLeftField
from protocol.purse import Outcome, Technology, what_became_of
from tests.hardware.card_bench import KINDS, OFFICE, STATION, TILL, UID, Bench, Kind, issued, load, sale

# Each in the place of one answer: what is done to it.
GARBLES = st.one_of(
    st.tuples(st.just("random"), st.binary(max_size=40)),
    st.tuples(st.just("random"), st.binary(max_size=6).map(lambda data: data + b"\x90\x00")),
    st.tuples(st.just("random"), st.binary(max_size=6).map(lambda data: data + b"\x91\x00")),
    st.tuples(st.just("random"), st.binary(max_size=60).map(lambda data: data + b"\x91\xaf")),
    st.tuples(st.just("cut"), st.binary(min_size=1, max_size=20)),
    st.tuples(st.just("more"), st.binary(min_size=1, max_size=300)),
    st.tuples(st.sampled_from(["late", "lost", "swallowed"]), st.just(b"\x90\x00")),
)
PLANS = st.dictionaries(st.integers(0, 30), GARBLES, min_size=1, max_size=4)
NOISE = st.one_of(st.binary(max_size=70), st.sampled_from([b"\x90\x00", b"\x91\x00", b"\x91\xaf"]))
Plan = dict[int, tuple[str, bytes]]


@dataclass
class Fuzzed:
    """A channel that garbles some answers, by their number."""

    channel: CardChannel
    plan: Plan
    uid: bytes = UID
    technology: Technology | None = None
    count: int = field(default=-1, init=False)
    before: bytes = field(default=b"", init=False)

    def __post_init__(self) -> None:
        self.uid, self.technology = self.channel.uid, self.channel.technology

    def transmit(self, apdu: bytes) -> bytes:
        self.count += 1
        how, data = self.plan.get(self.count, ("", b""))
        if how == "swallowed":
            return data
        answer = self.channel.transmit(apdu)
        late, self.before = self.before, answer
        match how:
            case "random":
                return data
            case "cut":
                return answer[: -len(data)]
            case "more":
                return data + answer
            case "late":
                return late
            case "lost":
                raise CardLeftField("lost")
            case _:
                return answer


def fuzzed(bench: Bench, plan: Plan) -> Fuzzed:
    bench.reader.place(bench.card)
    return Fuzzed(bench.channel(), plan)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60)
@given(plan=PLANS)
def test_reading_changes_nothing_and_says_nothing_untrue(kind: Kind, plan: Plan) -> None:
    bench = issued(kind)
    truth, snapshot = bench.tap().read(), bench.card.snapshot()
    with suppress(CardError):
        read = open_card(fuzzed(bench, plan), TILL).read()
        assert read.identity == truth.identity and read.purse in (truth.purse, None)
    assert bench.card.snapshot() == snapshot


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("credit", [False, True], ids=["sale", "load"])
@settings(max_examples=40)
@given(plan=PLANS)
def test_a_step_is_written_whole_or_not_at_all(kind: Kind, credit: bool, plan: Plan) -> None:
    """And whoever is told that it was written finds it on the card."""
    bench = issued(kind)
    keys = STATION if credit else TILL
    before = bench.tap(keys).read()
    change = load(before, 1, 1, 300) if credit else sale(before, 1)
    written = False
    with suppress(CardError):
        channel = fuzzed(bench, plan)
        driver = open_card(channel, keys)
        if driver.read() == before:
            driver.write(change)
            written = True
    read = bench.tap(keys).read()
    assert read.purse == change.after if written else read.purse in (before.purse, change.after)
    assert read.identity == before.identity


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("was_written", [False, True])
@settings(max_examples=40)
@given(plan=PLANS)
@example(plan={20: ("random", bytes(16) + b"\x90\x00")})
def test_what_is_made_definite_stays_so(kind: Kind, was_written: bool, plan: Plan) -> None:
    bench = issued(kind)
    driver = bench.tap()
    change = sale(driver.read(), 1)
    if was_written:
        driver.write(change)
    mark, counter = change.after.mark, change.after.counter
    said = None
    with suppress(CardError):
        said = what_became_of(mark, counter, open_card(fuzzed(bench, plan), TILL).make_definite(mark, counter))
    read = bench.tap().read()
    assert read.purse in (change.purse_before, change.after)
    assert said in (None, Outcome.UNKNOWN, what_became_of(mark, counter, read)), "unknown: nothing is decided yet"


@pytest.mark.parametrize("technology", [Technology.CLASSIC, Technology.DESFIRE, None])
@settings(max_examples=100)
@given(answers=st.lists(NOISE, min_size=1, max_size=12))
def test_a_card_of_pure_noise_is_refused(technology: Technology | None, answers: list[bytes]) -> None:
    class Noise:
        def __init__(self) -> None:
            self.uid, self.technology, self._at = UID, technology, 0

        def transmit(self, apdu: bytes) -> bytes:
            self._at += 1
            return answers[self._at % len(answers)]

    with pytest.raises(CardError):
        open_card(Noise(), OFFICE).read()
