"""Whatever is asked, held back, posted and forgotten in whatever order: approvals alone never overdraw a token."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.entries import Kind
from protocol.journal import Sealed
from protocol.messages import Answer
from protocol.purse import CardId
from server.tokens.rules import HOLD_MS
from tests.server.office import Desk, open_desk
from tests.server.test_cards import enrol, send
from tests.server.token_world import ask, new_token, prepared, purse_of, question, settled
from tests.server.world import Till

START = 1_000
SETTLED, VOIDED = Kind.SALE_SETTLED, Kind.SALE_VOIDED
AMOUNTS = st.sampled_from([1, 300, 500, 999, 1_000])
THINGS = st.one_of(
    st.tuples(st.just("ask"), st.integers(0, 1), AMOUNTS),
    st.tuples(st.just("ask again"), st.integers(0, 1), st.integers(0, 5)),
    st.tuples(st.sampled_from(["settle", "void"]), st.integers(0, 1), st.integers(0, 5)),
    st.tuples(st.just("send"), st.integers(0, 1), st.just(0)),
    st.tuples(st.just("wait"), st.sampled_from([1_000, HOLD_MS // 2, HOLD_MS]), st.just(0)),
)


@dataclass
class Counter:
    """A till and what it asked about: the outcome is still to be said, or to be sent."""

    till: Till
    sent: int = 0
    begun: list[tuple[Sealed, Answer, int]] = field(default_factory=list[tuple[Sealed, Answer, int]])
    said: dict[int, tuple[int, bool]] = field(default_factory=dict[int, tuple[int, bool]])
    """By the place of an outcome: when its approval was given, and whether it debits."""


async def play(desk: Desk, card: CardId, counters: list[Counter], things: list[tuple[str, int, int]]) -> bool:
    """Whether an approval's hold had ended before its sale was posted."""
    overtaken = False
    for what, which, figure in things:
        if what == "wait":
            desk.clock.pass_ms(which)
            continue
        at = counters[which]
        if what == "ask":
            begun = prepared(at.till, card, figure)
            answer = await ask(desk, at.till, question(at.till, begun))
            assert answer is not None
            at.begun.append((begun, answer, desk.clock()))
        elif what == "send" and at.sent < len(at.till.chain):
            for seq, (asked_at, debits) in at.said.items():
                overtaken |= at.sent < seq and debits and desk.clock() - asked_at >= HOLD_MS
            await send(desk, at.till, at.sent)
            at.sent = len(at.till.chain)
        elif what != "send" and at.begun:
            begun, answer, asked_at = at.begun[figure % len(at.begun)]
            if what == "ask again":
                assert await ask(desk, at.till, question(at.till, begun)) == answer
                continue
            at.begun.remove((begun, answer, asked_at))
            debits = what == "settle" and answer.refused is None
            outcome = settled(at.till, begun, answer if debits else None, SETTLED if debits else VOIDED)
            at.said[outcome.seq] = (asked_at, debits)
    return overtaken


async def live(directory: Path, lives: list[list[tuple[str, int, int]]]) -> None:
    async with open_desk(directory) as desk:
        for number, things in enumerate(lives):
            card = await new_token(desk, START, f"04{number:06x}")
            counters = [Counter(Till(2 * number + index)) for index in (1, 2)]
            for counter in counters:
                await enrol(desk, counter.till)
            overtaken = await play(desk, card, counters, [*things, ("send", 0, 0), ("send", 1, 0)])
            main, _ = await purse_of(desk, card)
            assert main >= 0 or overtaken, things


@settings(max_examples=8, deadline=None)
@given(lives=st.lists(st.lists(THINGS, max_size=14), min_size=4, max_size=4))
def test_approvals_alone_never_take_a_token_below_zero(lives: list[list[tuple[str, int, int]]]) -> None:
    with TemporaryDirectory() as directory:
        asyncio.run(live(Path(directory), lives))


async def test_the_play_can_overdraw_where_a_hold_has_ended(tmp_path: Path) -> None:
    """The property is not empty: with the bound of ten minutes left out it would not hold."""
    ask_and_settle = [("ask", 0, START), ("wait", HOLD_MS, 0), ("ask", 1, START), ("settle", 0, 0), ("settle", 1, 0)]
    async with open_desk(tmp_path) as desk:
        card, counters = await new_token(desk, START), [Counter(Till(1)), Counter(Till(2))]
        for counter in counters:
            await enrol(desk, counter.till)
        assert await play(desk, card, counters, [*ask_and_settle, ("send", 0, 0), ("send", 1, 0)])
        assert await purse_of(desk, card) == (-START, 0)
