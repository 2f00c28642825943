"""The list files: small, strict, and looked up by card."""

import msgspec
import pytest

from protocol.authorise import Listed, Standing
from protocol.ids import CardNo, Counter, Generation, LoadSeq
from protocol.limits import ClassLimits, LimitRules, Meal, OfflineStep
from protocol.load_record import encode_load
from protocol.money import Cents
from protocol.policy import (
    CardBook,
    CardRow,
    CardsFile,
    FloorRow,
    LoadsFile,
    NotAList,
    encode_file,
    load_text,
    loads_by_card,
    read_file,
)
from tests.protocol.deep import DEEP
from tests.protocol.samples import LOAD_TEXT, RECORD, SIGNED_LOAD

ONE, TWO = (CardNo(1), Generation(1)), (CardNo(2), Generation(3))
CARDS = CardsFile(
    (CardRow(*ONE, Listed.BLOCKED), CardRow(*TWO, Listed.EXCHANGE)),
    (CardNo(2),),
    (FloorRow(*TWO, Counter(7), LoadSeq(2)), FloorRow(*ONE)),
)


def test_the_bytes_of_a_card_list_never_change() -> None:
    raw = b'{"rows":[[1,1,"blocked"],[2,3,"exchange"]],"waiting":[2],"floors":[[2,3,7,2],[1,1,0,0]]}'
    assert encode_file(CARDS) == raw
    assert read_file(raw, CardsFile) == CARDS


def test_a_card_that_no_list_names_is_good() -> None:
    book = CardBook(CARDS)
    assert book.standing(ONE) == Standing(Listed.BLOCKED)
    assert book.standing(TWO) == Standing(Listed.EXCHANGE, Counter(7), LoadSeq(2), topup_waiting=True)
    assert book.standing((CardNo(1), Generation(2))) == Standing()
    assert book.standing((CardNo(2), Generation(4))) == Standing(topup_waiting=True), "a person waits, not the plastic"


def test_loads_are_found_by_card() -> None:
    assert load_text(encode_load(SIGNED_LOAD)) == LOAD_TEXT
    assert loads_by_card(LoadsFile((LOAD_TEXT,))) == {(RECORD.card, RECORD.generation): SIGNED_LOAD}
    with pytest.raises(NotAList):
        loads_by_card(LoadsFile(("A" * 128,)))
    for bad in (LOAD_TEXT[:-1] + "*", "A" * 127, LOAD_TEXT + "AAAA"):
        with pytest.raises(NotAList):
            read_file(encode_file(LoadsFile((bad,))), LoadsFile)


def test_limits_survive_their_bytes() -> None:
    rules = LimitRules((ClassLimits(1, Cents(5)),), (Meal(1, 0, 0, 2),), 1, (OfflineStep(9),), 6)
    assert read_file(encode_file(rules), LimitRules) == rules


@pytest.mark.parametrize("cents", [-1, 100_000_000, "1"])
def test_what_topups_may_come_to_is_an_amount(cents: object) -> None:
    with pytest.raises(NotAList):
        read_file(msgspec.json.encode({"unacked_topups": cents}), LimitRules)


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"[]", b'{"row":[]}', b'{"rows":[[0,1,"good"]]}', b'{"rows":[[1,1,"stolen"]]}', b'{"rows":[[1,1]]}'),
        *(b"\xff", b'{"rows":[]}', b'{"waiting":[1] }', b'{"floors":[[2,3,7]]}', b'{"waiting":[1],"waiting":[1]}'),
        b'{"x":' + DEEP[1].encode() + b"}",
    ],
)
def test_a_faulty_list_is_refused(raw: bytes) -> None:
    with pytest.raises(NotAList, match="CardsFile"):
        read_file(raw, CardsFile)
