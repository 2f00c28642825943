"""Whatever is asked, held back, posted and forgotten in whatever order: approvals alone never overdraw a token."""

import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from protocol.entries import Kind
from protocol.journal import Sealed
from protocol.messages import Answer
from protocol.purse import CardId
from server.tokens.rules import HOLD_MS, QUESTIONS_MS
from tests.server.office import Desk, open_desk
from tests.server.test_cards import enrol, send
from tests.server.token_world import ask, new_token, prepared, purse_of, question, settled
from tests.server.world import Till

Thing = tuple[str, int, int]
START = 1_000
SETTLED, VOIDED = Kind.SALE_SETTLED, Kind.SALE_VOIDED
LIVES = 60


def life(chance: random.Random) -> list[Thing]:
    """Two tills that ask for much, settle most of it, and seldom send; time hardly passes."""
    things: list[Thing] = []
    for _ in range(chance.randint(4, 14)):
        what = chance.choices(["ask", "ask again", "settle", "void", "send", "wait"], [6, 1, 6, 1, 2, 1])[0]
        figure = chance.choice([1, 300, 500, 999, 1_000]) if what == "ask" else chance.randrange(6)
        which = chance.choice([1_000, 1_000, HOLD_MS // 2, HOLD_MS]) if what == "wait" else chance.randrange(2)
        things.append((what, which, figure))
    return [*things, ("send", 0, 0), ("send", 1, 0)]


@dataclass
class Counter:
    """A till and what it asked about: the outcome is still to be said, or to be sent."""

    till: Till
    sent: int = 0
    begun: list[tuple[Sealed, Answer, int]] = field(default_factory=list[tuple[Sealed, Answer, int]])
    said: dict[int, tuple[int, bool]] = field(default_factory=dict[int, tuple[int, bool]])
    """By the place of an outcome: when its approval was given, and whether it debits."""


async def play(desk: Desk, card: CardId, counters: list[Counter], things: list[Thing]) -> bool:
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


@pytest.mark.seeds
async def test_approvals_alone_never_take_a_token_below_zero(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        counters = [Counter(Till(1)), Counter(Till(2))]
        for counter in counters:
            await enrol(desk, counter.till)
        in_time = 0
        for seed in range(LIVES):
            things, card = life(random.Random(seed)), await new_token(desk, START, f"04{seed:06x}")
            overtaken = await play(desk, card, counters, things)
            main, _ = await purse_of(desk, card)
            assert main >= 0 or overtaken, f"seed {seed}: {things}"
            in_time += not overtaken
            for counter in counters:
                counter.begun.clear()
                counter.said.clear()
            desk.clock.pass_ms(QUESTIONS_MS)
        assert in_time > LIVES // 2, "most of them are about nothing but holds"


async def test_the_play_can_overdraw_where_a_hold_has_ended(tmp_path: Path) -> None:
    """The property is not empty: with the bound of ten minutes left out it would not hold."""
    ask_and_settle = [("ask", 0, START), ("wait", HOLD_MS, 0), ("ask", 1, START), ("settle", 0, 0), ("settle", 1, 0)]
    async with open_desk(tmp_path) as desk:
        card, counters = await new_token(desk, START), [Counter(Till(1)), Counter(Till(2))]
        for counter in counters:
            await enrol(desk, counter.till)
        assert await play(desk, card, counters, [*ask_and_settle, ("send", 0, 0), ("send", 1, 0)])
        assert await purse_of(desk, card) == (-START, 0)
