"""Every kind of entry: its bytes, what it may hold, and what it adds to the turnover."""

import json
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.entries import (
    BODIES,
    Body,
    CardStep,
    Discount,
    Kind,
    Line,
    ListVersions,
    Operation,
    Stage,
    kind_of,
    stage_of,
    turnover_of,
)
from protocol.ids import ProductId
from protocol.journal import decode_payload, encode_entry, read_entry, seal
from protocol.money import Cents
from protocol.purse import CardId, SeenStep
from tests.protocol.golden import entries, golden, office_entries, token_entries
from tests.protocol.samples import KEY, OFFICE_STORY, START, STORY, chain_of, entry_after, refund, sale
from tests.protocol.strategies import values_of

GOLDEN = golden("entries")["entries"]
OF_TOKENS = golden("token_entries")["entries"]
OF_OFFICE = golden("office_entries")["entries"]


def test_the_golden_chains_have_every_kind() -> None:
    assert {row["kind"] for row in (*GOLDEN, *OF_OFFICE)} == set(Kind) == set(BODIES)
    assert {type(body) for _, body in (*STORY, *OFFICE_STORY)} == set(BODIES.values())


@pytest.mark.parametrize("index", range(len(GOLDEN)), ids=[row["kind"] for row in GOLDEN])
def test_the_bytes_of_an_entry_never_change(index: int) -> None:
    """Terminals in the field have signed these bytes. Changing them breaks every chain."""
    assert entries()["entries"][index] == GOLDEN[index]
    sealed = read_entry(GOLDEN[index]["jws"].encode())
    assert encode_entry(sealed.entry).decode() == GOLDEN[index]["payload"]


@pytest.mark.parametrize("index", range(len(OF_TOKENS)))
def test_the_bytes_of_a_token_s_sale_never_change(index: int) -> None:
    assert token_entries()["entries"][index] == OF_TOKENS[index]
    sealed = read_entry(OF_TOKENS[index]["jws"].encode())
    assert encode_entry(sealed.entry).decode() == OF_TOKENS[index]["payload"]
    assert not isinstance(sealed.entry.body, CardStep) or not sealed.entry.body.touches_card


@pytest.mark.parametrize("index", range(len(OF_OFFICE)))
def test_the_bytes_of_the_card_office_never_change(index: int) -> None:
    assert office_entries()["entries"][index] == OF_OFFICE[index]
    sealed = read_entry(OF_OFFICE[index]["jws"].encode())
    assert encode_entry(sealed.entry).decode() == OF_OFFICE[index]["payload"]


def test_the_bytes_of_a_sale_never_change() -> None:
    """The one entry spelled out here, so that a change of it cannot be hidden in a file."""
    assert GOLDEN[3]["payload"] == (
        '{"v":1,"site":"north-campus","tid":"till-07","epoch":1,"tno":41,"seq":4,'
        f'"prev":"{GOLDEN[2]["hash"]}","kind":"sale_settled","at":1796011208000,"mono":68000,"boot":1,'
        '"clock":"server","lists":{"cards":1,"prices":2,"promotions":3,"limits":4,"loads":5,"floors":6,"staff":7,'
        '"texts":8,"config":4294967305},"staff":"wang.li","shift":3,"turnover":1200,"body":'
        '{"card":{"no":1001,"generation":1,"technology":"classic","card_class":1},"amount":1200,'
        '"counter":11,"counter_after":12,"main":5000,"main_after":4100,"subsidy":300,"prepared":3,'
        '"card_last":[{"ok":1,"tno":40,"seq":7,"counter":11,"main":5000,"subsidy":300},{}],'
        '"merchant":"canteen-1","lines":[{"product":"rice","qty":1,"unit":100,"list":150},'
        '{"product":"mapo-tofu","qty":2,"unit":600,"discounts":[{"reason":"percent:10","cents":120}]},'
        '{"product":"free","qty":1,"unit":20}]}}'
    )


def _structs(kind: Any) -> set[type[msgspec.Struct]]:
    found: set[type[msgspec.Struct]] = set()
    for field in msgspec.structs.fields(kind):
        pending = [field.type]
        while pending:
            seen = pending.pop()
            pending += get_args(seen)
            if isinstance(seen, type) and issubclass(seen, msgspec.Struct):
                found |= {seen} | _structs(seen)
    return found


def test_the_golden_chain_shows_every_member() -> None:
    """Somebody who writes a second reader finds each member at least once."""
    shown = "\n".join(row["payload"] for row in (*GOLDEN, *OF_TOKENS, *OF_OFFICE))
    for kind in {*BODIES.values(), *(inner for body in BODIES.values() for inner in _structs(body))}:
        for name in kind.__struct_encode_fields__:
            assert f'"{name}":' in shown, f"{kind.__name__}.{name}"


@pytest.mark.parametrize(
    "kind", [*dict.fromkeys(BODIES.values()), Line, Discount, CardStep, ListVersions, CardId, SeenStep]
)
def test_a_default_is_recognised_by_its_value(kind: type[msgspec.Struct]) -> None:
    """msgspec leaves a default out by identity: only values that exist once in a process are safe defaults.

    A default like 1440 or "hello" would be left out by the terminal and written by whoever decoded it from bytes.
    """
    for field in msgspec.structs.fields(kind):
        if field.default is not msgspec.NODEFAULT:
            assert field.default is None or field.default == () or field.default in (0, "")
            assert type(field.default) in (int, str, tuple, type(None))


def test_stages_and_kinds_name_each_other() -> None:
    for operation in Operation:
        for stage in Stage:
            assert stage_of(kind_of(operation, stage)) == (operation, stage)
    assert stage_of(Kind.PIN_TRIED) is None
    assert sum(stage_of(kind) is not None for kind in Kind) == 20


def test_turnover_counts_what_was_sold_minus_what_was_given_back() -> None:
    moving = {kind: turnover_of(kind, body) for kind, body in STORY if turnover_of(kind, body)}
    assert moving == {
        Kind.SALE_SETTLED: 1_200,
        Kind.CASH_SALE: 1_200,
        Kind.REFUND_SETTLED: -600,
        Kind.REFUND_VOIDED: -600,
    }
    assert [sealed.entry.turnover for sealed in chain_of()][-1] == 1_200


def test_a_refund_that_becomes_pending_credit_touches_no_card() -> None:
    assert sale(0).touches_card
    assert not msgspec.structs.replace(refund(0), counter_after=refund(0).counter).touches_card


def test_the_net_price_of_a_line_is_whole_cents() -> None:
    line = Line(ProductId("tea"), 3, Cents(333), discounts=(Discount("coupon", Cents(99)), Discount("staff", Cents(1))))
    assert line.net_cents == 899


def test_the_largest_basket_fits_an_entry() -> None:
    """99 lines, each with the longest product id, the largest figures and a list price."""
    line = Line(ProductId("x" * 32), 9_999, Cents(99_999_999), Cents(99_999_998))
    body = msgspec.structs.replace(sale(3), lines=(line,) * 99)
    sealed = seal(entry_after(START, Kind.SALE_SETTLED, body), KEY)
    assert len(sealed.jws) <= 16 * 1_024


@given(st.sampled_from(list(Kind)).flatmap(lambda kind: st.tuples(st.just(kind), values_of(BODIES[kind]))))
def test_an_entry_survives_its_bytes(part: tuple[Kind, Body]) -> None:
    """Any content that the types allow, not only that of the golden file."""
    entry = entry_after(START, *part)
    assert decode_payload(encode_entry(entry)) == entry
    assert read_entry(seal(entry, KEY).jws).entry == entry
    assert json.loads(encode_entry(entry))["kind"] == part[0]
