"""Whatever answers where a token should be, late, cut or made up: it is a token that proves itself, or it is none."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.cards.keys import CardKeys
from hardware.cards.tokens import read_token
from hardware.ports import CardChannel, CardError
from hardware.simulated.reader import SimulatedReader, VirtualCard
from protocol.purse import CardId, CardRead, Technology
from tests.hardware.card_bench import KEYS, NEXT_KEYS, UID, WHO
from tests.hardware.tag_bench import tag, ultralight
from tests.hardware.test_purse_fuzz import NOISE, Fuzzed, Plan

BOTH_SETS = CardKeys([KEYS.for_a_till(), NEXT_KEYS.for_a_till()])
WHO_ID = CardId(WHO.card, WHO.generation, Technology.TOKEN, WHO.card_class)
TAGS: dict[str, Callable[[], VirtualCard]] = {"NTAG 424 DNA": tag, "Ultralight AES": ultralight}

# Like those of the purses, and what nearly is an answer of a tag behind a reader.
GARBLES = st.one_of(
    st.tuples(st.just("random"), st.binary(max_size=260)),
    st.tuples(st.just("random"), st.binary(max_size=40).map(lambda data: data + b"\x90\x00")),
    st.tuples(st.just("random"), st.binary(max_size=40).map(lambda data: b"\xd5\x43\x00" + data + b"\x90\x00")),
    st.tuples(st.just("cut"), st.binary(min_size=1, max_size=20)),
    st.tuples(st.just("more"), st.binary(min_size=1, max_size=300)),
    st.tuples(st.sampled_from(["late", "lost", "swallowed"]), st.just(b"\x90\x00")),
)
PLANS: st.SearchStrategy[Plan] = st.dictionaries(st.integers(0, 8), GARBLES, min_size=1, max_size=4)


def fuzzed(card: VirtualCard, plan: Plan) -> Fuzzed:
    reader = SimulatedReader()
    reader.place(card)
    channel = reader.wait_for_card(0)
    assert channel is not None
    return Fuzzed(channel, plan)


def is_true_or_unproven(read: CardRead | None) -> bool:
    """A token is believed for its own word only."""
    return read is None or not read.genuine or (read.id, read.key_set) == (WHO_ID, 1)


@pytest.mark.parametrize("name", TAGS)
@settings(max_examples=150)
@given(plan=PLANS)
def test_a_tag_that_is_garbled_is_itself_or_unproven(name: str, plan: Plan) -> None:
    card = TAGS[name]()
    with suppress(CardError):
        assert is_true_or_unproven(read_token(fuzzed(card, plan), BOTH_SETS))
    read = read_token(fuzzed(card, {}), BOTH_SETS)
    assert read is not None and read.genuine and is_true_or_unproven(read)


class Told:
    """A channel that keeps what the card says."""

    def __init__(self, channel: CardChannel) -> None:
        self.uid, self.technology, self.said = channel.uid, channel.technology, list[bytes]()
        self._channel = channel

    def transmit(self, apdu: bytes) -> bytes:
        self.said.append(self._channel.transmit(apdu))
        return self.said[-1]


@pytest.mark.parametrize("name", TAGS)
def test_no_bit_of_an_answer_may_be_another(name: str) -> None:
    """All that counts is under a MAC, or is the tag's own proof: no changed bit makes it somebody else."""
    whole = Told(fuzzed(TAGS[name](), {}))
    assert read_token(whole, BOTH_SETS) is not None
    for number, answer in enumerate(whole.said):
        for at in range(len(answer)):
            bent = answer[:at] + bytes((answer[at] ^ 0x01,)) + answer[at + 1 :]
            with suppress(CardError):
                assert is_true_or_unproven(read_token(fuzzed(TAGS[name](), {number: ("random", bent)}), BOTH_SETS))


@pytest.mark.parametrize("technology", [Technology.DESFIRE, None])
@settings(max_examples=150)
@given(
    answers=st.lists(NOISE | st.binary(max_size=18).map(lambda data: b"\xd5\x43\x00" + data + b"\x90\x00"), min_size=1)
)
def test_noise_is_nobody(technology: Technology | None, answers: list[bytes]) -> None:
    class Noise:
        def __init__(self) -> None:
            self.uid, self.technology, self._at = UID, technology, 0

        def transmit(self, apdu: bytes) -> bytes:
            self._at += 1
            return answers[self._at % len(answers)]

    read = read_token(Noise(), BOTH_SETS)
    assert read is None or not read.genuine
