"""Whatever terminals have told of a card, however little of it fits: the night ends, and each cent is in one class."""

import random

import pytest

from protocol.entries import Operation, Stage
from protocol.ids import CardKey, CardNo, Counter, Generation, Seq, TerminalId, Tno
from protocol.instants import DAY_MS, BusinessDay, UtcMs
from protocol.money import Cents
from protocol.purse import SeenStep
from server.ingest.book import CardStatus, CaseClass, StepId
from server.ingest.waiting import INCONSISTENT, SECOND_OUTCOME
from server.ledger.rules import Resolution, Use
from server.reconcile.facts import CardFacts, CaseFact, Move, Parked, StepFact, TerminalFact, Terms, reason_of
from server.reconcile.rules import prove_card
from server.reconcile.silence import Silence

KEY: CardKey = (CardNo(7), Generation(1))
CARDS = 2_000


class Anything:
    """Facts of a card from small ranges, so that they meet and contradict one another."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)

    def card(self) -> CardFacts:
        some = self._chance.randint
        steps = {step.id: step for step in [self._step() for _ in range(some(0, 6))]}
        moves = [move for number in range(some(0, 3)) if (move := self._move(number))]
        in_order = tuple(steps[place] for place in sorted(steps))
        ledger = sum(step.ledger_cents for step in in_order) + sum(move.cents for move in moves)
        return CardFacts(
            KEY,
            ledger,
            self._chance.choice(list(CardStatus)),
            self._chance.choice(("desfire", "classic", "")),
            some(0, 20),
            in_order,
            tuple(moves),
            tuple(self._parked() for _ in range(some(0, 2))),
            tuple(self._case() for _ in range(some(0, 3))),
        )

    def silence(self, card: CardFacts) -> Silence:
        some = self._chance.randint
        known = tuple(
            TerminalFact(Tno(tno), TerminalId(f"till-{tno}"), UtcMs(some(0, 10) * DAY_MS), Seq(some(0, 6)))
            for tno in (1, 2, 3)
        )
        return Silence(card, known, Terms(UtcMs(some(0, 20) * DAY_MS)), {terminal.tno: terminal for terminal in known})

    def _place(self) -> StepId:
        return Tno(self._chance.choice((1, 2))), self._chance.choice((0, 0, 1)), self._chance.randint(1, 6)

    def _step(self) -> StepFact:
        some, one_of, place = self._chance.randint, self._chance.choice, self._place()
        counter, amount, main, day = some(0, 4), some(0, 5), some(-3, 9), some(0, 10)
        return StepFact(
            place,
            KEY,
            one_of(list(Operation)),
            one_of(list(Stage)),
            TerminalId(f"till-{place[0]}"),
            UtcMs(day * DAY_MS),
            BusinessDay(day),
            amount,
            counter,
            one_of((counter, *[counter + 1] * 3, counter + 2)),
            main,
            main + one_of((-amount, amount, 0, some(-9, 9))),
            some(0, 3),
            some(0, 3),
            tuple(self._seen() for _ in range(some(0, 3))),
            one_of((None, None, *Use)),
            one_of((None, None, *Resolution)),
            one_of((False, True)),
            some(0, 9),
        )

    def _seen(self) -> SeenStep:
        some = self._chance.randint
        tno, ok = self._chance.choice((0, 1, 2, 9)), self._chance.choice((0, 1, 1))
        return SeenStep(ok=ok, tno=tno, seq=some(1, 6), counter=Counter(some(0, 5)), main=Cents(some(-3, 9)))

    def _move(self, number: int) -> Move | None:
        cause = f"{self._chance.choice(('hole', 'opening', 'correction', 'close', 'replace', 'reversal'))}:{number}"
        reason, some = reason_of(cause), self._chance.randint
        return Move(cause, reason, some(-5, 5), some(0, 5), BusinessDay(2)) if reason else None

    def _parked(self) -> Parked:
        some, why = self._chance.randint, self._chance.choice((SECOND_OUTCOME, f"{INCONSISTENT}x", "unknown card"))
        return Parked(self._place(), TerminalId("till-1"), why, some(0, 5), some(-5, 5))

    def _case(self) -> CaseFact:
        cls = self._chance.choice(list(CaseClass))
        return CaseFact(cls, self._place(), self._chance.randint(0, 9), "text", KEY)


@pytest.mark.parametrize("start", range(0, CARDS, 500))
def test_every_cent_is_in_one_class_and_every_finding_has_a_key_of_its_own(start: int) -> None:
    for seed in range(start, start + 500):
        anything = Anything(seed)
        card = anything.card()
        proof = prove_card(card, anything.silence(card))
        assert proof.unexplained_cents == 0, seed
        keys = [found.key for found in proof.findings]
        assert len(set(keys)) == len(keys), seed
