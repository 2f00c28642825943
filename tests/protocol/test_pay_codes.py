"""Pay codes: one spelling, signed by one key for one purpose, and good for a minute by a clock that can be believed."""

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocol.authorise import Refusal
from protocol.enrolment import CODE_ALPHABET
from protocol.ids import U16_MAX, U32_MAX, CardNo, Counter, Generation
from protocol.instants import SECOND_MS, ClockSource, MonoMs, Now, UtcMs
from protocol.pay_codes import (
    AHEAD_MS,
    PREFIX,
    VALID_MS,
    PayCode,
    code_refusal,
    is_our_code,
    made_at,
    make_pay_code,
    read_pay_code,
)
from protocol.proofs import Proof, ProofKind
from protocol.purse import CardClass, CardId, Technology
from protocol.signing import from_base64url, to_base64url
from tests.protocol.mutations import FOREIGN
from tests.protocol.samples import NOON, PAY_CODE, SERVER_KEY, TOKEN

ids = st.builds(
    CardId,
    st.integers(1, U32_MAX).map(CardNo),
    st.integers(1, U16_MAX).map(Generation),
    st.just(Technology.TOKEN),
    st.sampled_from(list(CardClass)),
)
DIGITS = st.text(CODE_ALPHABET, min_size=122, max_size=122)


def of(text: str) -> PayCode:
    code = read_pay_code(text)
    assert code is not None
    return code


@given(ids, st.integers(1, U32_MAX))
def test_a_code_says_whose_and_when_and_nobody_else_can_say_it(card: CardId, second: int) -> None:
    text = make_pay_code(card, UtcMs(second * SECOND_MS + 999), SERVER_KEY)
    code = of(text)
    assert (code.card, code.proof.counter, code.proof.kind) == (card, second, ProofKind.CODE)
    assert text == make_pay_code(card, made_at(code.proof), SERVER_KEY), "within a second the same"
    assert is_our_code(card, code.proof, SERVER_KEY.public) and not is_our_code(card, code.proof, FOREIGN.public)
    assert len(text) == 127 and set(text) <= set(CODE_ALPHABET) | set(PREFIX), "letters and digits, of one case"


def test_a_code_is_for_one_token_and_one_second() -> None:
    code = of(PAY_CODE)
    assert code.card == TOKEN and made_at(code.proof) == NOON // SECOND_MS * SECOND_MS
    others = [
        CardId(CardNo(TOKEN.no + 1), TOKEN.generation, TOKEN.technology, TOKEN.card_class),
        CardId(TOKEN.no, Generation(TOKEN.generation + 1), TOKEN.technology, TOKEN.card_class),
        CardId(TOKEN.no, TOKEN.generation, TOKEN.technology, TOKEN.card_class + 1),
    ]
    assert not any(is_our_code(other, code.proof, SERVER_KEY.public) for other in others)
    later = msgspec.structs.replace(code.proof, counter=Counter(code.proof.counter + 1))
    assert not is_our_code(TOKEN, later, SERVER_KEY.public)


def test_a_signature_for_another_purpose_does_not_pass() -> None:
    said = bytes.fromhex("0101") + TOKEN.generation.to_bytes(2) + TOKEN.no.to_bytes(4) + bytes(3) + b"\x01"
    bare = Proof(ProofKind.CODE, Counter(1), to_base64url(SERVER_KEY.sign(said)))
    assert not is_our_code(TOKEN, bare, SERVER_KEY.public)


@given(st.text(max_size=200) | DIGITS.map(PREFIX.__add__) | DIGITS)
@example("")
@example(PREFIX)
@example(PREFIX * 2 + "0" * 117)
@example(PREFIX + "0" * 122)
@example(PAY_CODE.lower())
@example(PAY_CODE[:-1])
@example(PAY_CODE + "0")
@example(" " + PAY_CODE)
@example(PAY_CODE + "\n")
@example(PAY_CODE[:-1] + "\uff10")
def test_whatever_is_scanned_is_a_code_in_its_one_spelling_or_nothing(text: str) -> None:
    code = read_pay_code(text)
    if code is not None:
        assert text == _again(code) and not is_our_code(code.card, code.proof, SERVER_KEY.public)


@given(st.integers(0, 126), st.characters())
def test_no_other_character_in_any_place_is_taken_for_this_code(place: int, other: str) -> None:
    """The two bits that are filled up say nothing, and may say nothing else."""
    text = PAY_CODE[:place] + other + PAY_CODE[place + 1 :]
    code = read_pay_code(text)
    assert text == PAY_CODE or code is None or not is_our_code(code.card, code.proof, SERVER_KEY.public)


@pytest.mark.parametrize("filling", [1, 2, 3])
def test_the_bits_of_the_last_digit_that_say_nothing_are_zero(filling: int) -> None:
    last = CODE_ALPHABET.index(PAY_CODE[-1])
    assert last & 3 == 0 and read_pay_code(PAY_CODE[:-1] + CODE_ALPHABET[last | filling]) is None


@pytest.mark.parametrize(
    ("age_ms", "vouched_ms", "clock", "refused"),
    [
        (0, 0, ClockSource.RTC, None),
        (VALID_MS, 0, ClockSource.SERVER, None),
        (VALID_MS + 1, 0, ClockSource.SERVER, Refusal.CODE_EXPIRED),
        (0, VALID_MS, ClockSource.RTC, Refusal.CLOCK_UNSURE),
        (-AHEAD_MS, 0, ClockSource.NTP, None),
        (-AHEAD_MS - 1, 0, ClockSource.NTP, Refusal.CLOCK_UNSURE),
        (50 * SECOND_MS, 50 * SECOND_MS + AHEAD_MS, ClockSource.RTC, Refusal.CODE_EXPIRED),
        (10 * SECOND_MS, 10 * SECOND_MS + AHEAD_MS, ClockSource.RTC, None),
        (10 * SECOND_MS, 10 * SECOND_MS + AHEAD_MS + 1, ClockSource.RTC, Refusal.CLOCK_UNSURE),
        (0, 0, ClockSource.NONE, Refusal.CLOCK_UNSURE),
    ],
)
def test_a_code_is_good_for_a_minute_by_a_clock_that_can_be_believed(
    age_ms: int, vouched_ms: int, clock: ClockSource, refused: Refusal | None
) -> None:
    """`vouched_ms`: how late it is by the server's word, from the making of the code on."""
    proof = of(PAY_CODE).proof
    now = Now(UtcMs(made_at(proof) + age_ms), MonoMs(0), clock)
    assert code_refusal(proof, now, UtcMs(made_at(proof) + vouched_ms)) is refused


@pytest.mark.parametrize(
    "payload",
    ['{"kind":"code","counter":1}', '{"kind":"sun","counter":1,"signature":"' + "A" * 86 + '"}', '{"kind":"code"}'],
)
def test_a_code_is_proven_by_a_signature_and_nothing_else_is(payload: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(payload, type=Proof)


class _Repeats:
    """Signs whatever it is asked to with the same bytes."""

    public = SERVER_KEY.public

    def __init__(self, signature: str) -> None:
        self.signature = from_base64url(signature)

    def sign(self, message: bytes) -> bytes:
        return self.signature if message else b""


def _again(code: PayCode) -> str:
    """What a code says, written once more."""
    return make_pay_code(code.card, made_at(code.proof), _Repeats(code.proof.signature))
