"""Whether a token may pay: the terminals' own rules, on a purse made of the server's row less what it holds back.

asked --approved--> held back --the sale's outcome is posted, or ten minutes--> over
    \\--refused--> over
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from protocol.authorise import Approved, House, Listed, Refusal, Refused, Standing, authorise
from protocol.ids import TerminalId
from protocol.instants import DAY_MS, MINUTE_MS, SECOND_MS, BusinessDay, CampusTime, ClockSource, UtcMs, month_of_day
from protocol.limits import LimitRules, When
from protocol.money import Cents
from protocol.pay_codes import AHEAD_MS, VALID_MS, is_our_code, made_at
from protocol.proofs import Proof, ProofKind
from protocol.purse import SPENT_CENTS_MAX, CardClass, CardId, Purse, Spent, Technology
from protocol.signing import Verifier
from protocol.tokens import read_of
from server.ingest.book import CardRow, CardStatus

CODE_MAX_MS = VALID_MS + AHEAD_MS
"""Our own clock takes a pay code for no older than a terminal's may, and the question comes at once."""
HOLD_MS = 10 * MINUTE_MS
"""As long as a terminal may hand over: what it settles then is known soon after, if it is online."""
ANSWERS_KEPT_MS = DAY_MS
"""The same question has the same answer so long."""
MISSING_MAX_MS = 30 * DAY_MS
"""What a purse lacks after this time is our loss."""
QUESTIONS_MAX, QUESTIONS_MS = 60, 10 * SECOND_MS


@dataclass(frozen=True, slots=True)
class Held:
    """What is held back for one sale."""

    main_cents: Cents
    subsidy_cents: Cents

    @property
    def cents(self) -> int:
        """Both purses."""
        return self.main_cents + self.subsidy_cents


@dataclass(frozen=True, slots=True)
class Sold:
    """A settled sale of a token."""

    day: BusinessDay
    at: UtcMs
    amount: Cents


@dataclass(frozen=True, slots=True)
class Decision:
    """What the purses have, less what is held back for other sales, and what of it is held back for this one."""

    main_cents: Cents = Cents(0)
    subsidy_cents: Cents = Cents(0)
    held: Held = Held(Cents(0), Cents(0))
    refused: Refused | None = None


def decide(
    card: CardRow, held: Sequence[Held], spent: Spent, amount: Cents, *, rules: LimitRules, when: When
) -> Decision:
    """May the token pay this? What is held back for other sales is not there."""
    main = Cents(card.main_cents - sum(known.main_cents for known in held))
    granted = Cents(card.subsidy_cents - sum(known.subsidy_cents for known in held))
    read = read_of(id_of(card), Purse(card.counter, main, granted, spent, period=card.period))
    answer = authorise(read, amount, standing=Standing(listed_of(card)), house=House(rules, 0), when=when)
    match answer:
        case Refused():
            return Decision(refused=answer)
        case Approved(main_cents, subsidy_cents):
            return Decision(main, granted, Held(main_cents, subsidy_cents))


def code_refusal(card: CardId, proof: Proof | None, key: Verifier, now: UtcMs) -> Refusal | None:
    """Why a pay code that a terminal was shown is worth nothing here; None: it is ours and new, or there is none."""
    if proof is None or proof.kind is not ProofKind.CODE:
        return None
    if not is_our_code(card, proof, key):
        return Refusal.NOT_GENUINE
    return Refusal.CODE_EXPIRED if now - made_at(proof) > CODE_MAX_MS else None


def listed_of(card: CardRow) -> Listed:
    """How terminals are told that a token stands: one that owes us something is blocked."""
    if card.status in (CardStatus.CLOSED, CardStatus.RELEASED):
        return Listed.CLOSED
    if card.status is CardStatus.BLOCKED or card.main_cents < 0 or card.subsidy_cents < 0:
        return Listed.BLOCKED
    return Listed.EXCHANGE if card.exchange else Listed.GOOD


def id_of(card: CardRow) -> CardId:
    """A token as entries name it."""
    return CardId(*card.key, Technology.TOKEN, CardClass(card.card_class))


def when_of(now: UtcMs, campus: CampusTime) -> When:
    """The instant of a question, by our own clock."""
    day = campus.business_day(now)
    return When(day, BusinessDay(day + 1), campus.minute_of_day(now), ClockSource.SERVER)


def spent_of(sold: Iterable[Sold], held: Sequence[Held], rules: LimitRules, when: When, campus: CampusTime) -> Spent:
    """What a card of ours would carry: the sales of this day, month and meal, those under way included."""
    month, meal = month_of_day(when.day), rules.meal_at(when.minute)
    under_way = sum(known.cents for known in held)
    day_cents, month_cents, count = under_way, under_way, len(held)
    for sale in sold:
        today = sale.day == when.day
        day_cents += sale.amount if today else 0
        month_cents += sale.amount if month_of_day(sale.day) == month else 0
        count += today and meal is not None and rules.meal_at(campus.minute_of_day(sale.at)) == meal
    bounded = (Cents(min(cents, SPENT_CENTS_MAX)) for cents in (day_cents, month_cents))
    return Spent(when.day, next(bounded), month, next(bounded), meal.number if meal else 0, min(255, count))


class Pace:
    """How many questions of each terminal were let in lately."""

    def __init__(self) -> None:
        self._asked: dict[TerminalId, deque[UtcMs]] = {}

    def lets_in(self, tid: TerminalId, now: UtcMs) -> bool:
        """Whether one more may be answered."""
        asked = self._asked.setdefault(tid, deque(maxlen=QUESTIONS_MAX))
        if len(asked) == QUESTIONS_MAX and 0 <= now - asked[0] < QUESTIONS_MS:  # a clock set back silences nobody
            return False
        asked.append(now)
        return True


def missing_since(balance: int, postings: Iterable[tuple[UtcMs, int]]) -> UtcMs:
    """Since when a purse is below zero; `postings`: instants and cents, newest first."""
    assert balance < 0
    since = UtcMs(0)
    for at, cents in postings:
        if balance >= 0:
            break
        since, balance = at, balance - cents
    return since
