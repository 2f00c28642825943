"""Holders of tokens in a life: the server's word is lost, late, or nobody is there to ask."""

import enum
import random
from typing import TYPE_CHECKING

from protocol.instants import HOUR_MS, MINUTE_MS, UtcMs
from protocol.purse import Technology
from terminal.desk import Approving
from tests.simulation.network import FAIR, Weather
from tests.simulation.office import SERVER_KEY, STRANGER_KEY
from tests.simulation.people import Walk
from tests.simulation.till import Till
from tests.simulation.tokens import Phone, Token

if TYPE_CHECKING:
    from tests.simulation.life import Life

TOKENS, VISITS_PER_DAY = 5, 22
FIRST_CENTS, STAND_IN_CENTS = 9_000, 2_500
_WAITS_MS, _LOOKS_MAX = 300, 40
"""Longer than a till asks for."""


class TokenFault(enum.StrEnum):
    """What goes wrong between a question and its answer. The value is the name under which it is counted."""

    QUESTION_LOST = "token question lost"
    ANSWER_LOST = "token answer lost"
    ANSWER_LATE = "token answer late"
    LINE_DOWN = "token without a line"
    HOLD_UNUSED = "token hold never used"


_WEATHER = {
    TokenFault.QUESTION_LOST: Weather(lost=1_000),
    TokenFault.ANSWER_LOST: Weather(acks_lost=1_000),
    TokenFault.ANSWER_LATE: Weather(delay_ms_max=20_000),
    TokenFault.HOLD_UNUSED: Weather(delay_ms_max=2_500),
}


class CodeFault(enum.StrEnum):
    """What is wrong with the code that a scanner is shown; likewise."""

    OLD = "pay code too old"
    AGAIN = "pay code shown again"
    FORGED = "pay code forged"


class TokenPeople:
    """Everybody who has a token."""

    def __init__(self, life: "Life") -> None:
        self._life, self._campus = life, life.campus
        self.tokens: list[Token] = []

    def issue(self) -> None:
        """The card office binds them; every second one shows by itself who it is, the last one is a phone."""
        for number in range(TOKENS):
            phone = number == TOKENS - 1
            token = self._campus.card(Technology.TOKEN, FIRST_CENTS, proven=number % 2 == 0, phone=phone)
            assert isinstance(token, Token)
            self.tokens.append(token)

    @property
    def _rng(self) -> random.Random:
        return self._life.rng

    def plan_day(self, day: int, ms: int) -> None:
        """Visits within so much time from now on, and money that somebody brings."""
        for number in range(VISITS_PER_DAY):
            self._life.plan(f"token's visit {number} of day {day}", ms, self._somebody_comes)
        self._life.plan(f"token's load of day {day}", ms, self._somebody_loads)

    def _somebody_loads(self) -> None:
        self._campus.server.load(self._rng.choice(self.tokens), self._rng.randrange(500, 4_000))

    def _somebody_comes(self) -> None:
        till, token = self._rng.choice(self._life.tills), self._rng.choice(self.tokens)
        cents = self._rng.choice((1, 300, self._rng.randrange(100, 1_500), self._rng.randrange(1_500, 9_000)))
        fault = self._rng.choice(list(TokenFault)) if self._rng.random() < 0.5 else None
        self._life.walk(self._buy(till, token, cents, fault))

    def _buy(self, till: Till, token: Token, cents: int, fault: TokenFault | None) -> Walk:
        people = self._life.people
        if not (yield from people.reach(till, token)):
            return
        wish = people.wish(token, cents)
        till.ring(cents, wish=wish.number)
        till.pay()
        yield self._rng.randint(500, 2_500)
        yield from people.clear_reader(till)
        if till.shows == "AwaitingCard":
            fair = till.line.weather
            self._strike(till, fault)
            self._show(till, token)
            yield from self._wait(till, fault)
            till.line.weather = FAIR if self._life.mended else fair
            yield self._rng.randint(100, 1_500)
            if isinstance(token, Phone) and till.shows == "Done" and self._rng.random() < 0.3:
                yield from self._again(till, token)
        till.lift()
        till.clear()
        yield from people.leave(till, token)

    def _show(self, till: Till, token: Token) -> None:
        """Hold it to the reader, or to the scanner; where the till asks, once more."""
        if not isinstance(token, Phone):
            till.tap(token)
            if till.shows == "RepeatAsked":
                till.confirm()
            return
        text = self._code_of(token)
        till.scan(token, text)
        if till.shows == "RepeatAsked":
            till.confirm()
            till.scan(token, text)

    def _code_of(self, phone: Phone) -> str:
        """A new one, mostly. One that was shown before is soon too old as well: `_again` is quicker."""
        now, chance = self._campus.server.now, self._rng.random()
        if chance < 0.1:
            self._campus.counts[CodeFault.OLD] += 1
            return phone.code(UtcMs(now - self._rng.randrange(62_000, HOUR_MS)), SERVER_KEY)
        if chance < 0.2:
            self._campus.counts[CodeFault.FORGED] += 1
            return phone.code(now, STRANGER_KEY)
        return phone.code(now, SERVER_KEY)

    def _again(self, till: Till, phone: Phone) -> Walk:
        """Whoever stood behind has a picture of the code."""
        self._campus.counts[CodeFault.AGAIN] += 1
        till.ring(300, wish=self._life.people.wish(phone, 300).number)
        till.pay()
        yield self._rng.randint(500, 20_000)
        for _ in range(2):
            if till.shows in ("AwaitingCard", "RepeatAsked"):
                till.confirm()
                till.scan(phone, phone.last)
        yield from self._wait(till, None)
        till.clear()

    def _strike(self, till: Till, fault: TokenFault | None) -> None:
        if fault is None or not till.line.up:
            return
        if fault is not TokenFault.HOLD_UNUSED:  # counted when it comes to pass
            self._campus.counts[fault] += 1
        if fault is TokenFault.LINE_DOWN:
            till.offline()
            self._come_back(till, self._rng.choice((MINUTE_MS, 20 * MINUTE_MS, 4 * HOUR_MS)))
        else:
            till.line.weather = _WEATHER[fault]

    def _wait(self, till: Till, fault: TokenFault | None) -> Walk:
        """Until the till has an answer, or has waited long enough."""
        lost_ms = self._rng.choice((900, 2_500, 6_000))
        for look in range(_LOOKS_MAX):
            if till.shows not in ("Identifying", "Approving"):
                return
            yield _WAITS_MS
            if fault is TokenFault.HOLD_UNUSED and self._is_held_for(till):
                self._lose(till)
                return
            if look * _WAITS_MS > lost_ms and fault in (TokenFault.QUESTION_LOST, TokenFault.ANSWER_LOST):
                till.line.weather = FAIR
            if till.is_on:
                till.tick()

    def _is_held_for(self, till: Till) -> bool:
        """Whether the server has approved what a till waits for, and the till has not heard it."""
        if not till.is_on or not isinstance(till.phase, Approving):
            return False
        kept = self._campus.server.kept.holds.get((till.disk.grant.tno, till.phase.open.seq))
        return kept is not None and kept.ends_at > self._campus.server.now

    def _lose(self, till: Till) -> None:
        """The server has said yes, and the till hears and says nothing for longer than money is held back."""
        self._campus.counts[TokenFault.HOLD_UNUSED] += 1
        till.offline()
        self._come_back(till, self._rng.choice((12 * MINUTE_MS, 3 * HOUR_MS)))
        till.cut_power()
        self._life.went_dark(till)

    def _come_back(self, till: Till, ms: int) -> None:
        self._life.later(ms, lambda: self._life.reconnect(till))
