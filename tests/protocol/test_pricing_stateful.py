"""Baskets under lists that change, and what a card spends through its days, each beside a model of lists and sums."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from protocol.authorise import Approved, House, Refusal, Refused, Standing, authorise
from protocol.basket import QTY_MAX, Basket, BasketRefusal
from protocol.entries import LINES_MAX, Line
from protocol.ids import CardNo, Counter, Generation, ProductId, Seq, Tno
from protocol.instants import BusinessDay, CampusTime, ClockSource, UtcMs
from protocol.limits import ClassLimits, LimitRules, Meal, When
from protocol.money import SALE_CENTS_MAX, Cents
from protocol.price_list import FREE_AMOUNT, LaterPrices, Names, PriceList, PriceRule, Product
from protocol.pricing import PricingRefusal, Ticket, TotalTooLarge, Unpriced, price_basket
from protocol.purse import CardClass, CardRead, Identity, Mark, Purse, Technology
from tests.stateful import run, runs

CAMPUS: Final = CampusTime()
NAMES: Final = Names("Rice", "米饭", "米飯")
IDS: Final = tuple(ProductId(name) for name in ("rice", "tea", "egg"))
SALE, DAY, MONTH, MAIN, SUBSIDY = 2_000, 3_000, 8_000, 12_000, 2_500
RULES: Final = LimitRules(
    (ClassLimits(CardClass.STUDENT, Cents(SALE), Cents(DAY), Cents(MONTH)),),
    (Meal(1, 390, 540, 1), Meal(2, 660, 720, 2), Meal(2, 780, 840, 2), Meal(3, 1020, 60, 2)),
    subsidy_period=1,
)
START: Final = datetime(2026, 8, 30, 18, 0, tzinfo=UTC)
"""Two hours before a business day begins that is the last one of a month; the campus is eight hours ahead."""

cents = st.integers(0, 400) | st.sampled_from([SALE_CENTS_MAX, SALE_CENTS_MAX // 2, SALE_CENTS_MAX + 1])
quantities = st.integers(1, 4) | st.sampled_from([QTY_MAX, QTY_MAX + 1])
quarters = st.sampled_from([0, 360, 720, 1080])
windows = st.tuples(quarters, quarters | st.just(1440)).filter(lambda at: at[0] != at[1]) | st.just((0, 0))
price_rules = st.tuples(st.integers(0, 400), st.integers(0, 2), windows).filter(
    lambda told: told[1] or (told[2][1] - told[2][0]) % 1440 != 0
)
products = st.tuples(st.integers(0, 400), st.lists(price_rules, max_size=4))
menus = st.lists(products, min_size=2, max_size=3).map(lambda told: dict(zip(IDS, told, strict=False)))
minutes = st.sampled_from([1, 59, 60, 120, 300, 720, 1440, 10_000])
Menu = dict[ProductId, tuple[int, list[tuple[int, int, tuple[int, int]]]]]


def listed(menu: Menu) -> tuple[Product, ...]:
    """The menu as a list carries it."""
    return tuple(
        Product(name, NAMES, Cents(base), rules=tuple(PriceRule(Cents(c), who, *at) for c, who, at in told))
        for name, (base, told) in menu.items()
    )


def price_of(menu: Menu, name: ProductId, who: int | None, minute: int) -> int:
    """The model of a price: each rule with the very minutes in which it holds, and the best of those that match."""
    price, told = menu[name]
    best: tuple[bool, int] | None = None
    for rule_cents, rule_class, (start, end) in told:
        inside = {at % 1440 for at in range(start, end if end > start else end + 1440)}
        rank = (rule_class == 0, len(inside))
        if rule_class in (0, who) and minute in inside and (best is None or rank < best):
            best, price = rank, rule_cents
    return price


@dataclass
class Rung:
    """The model of a line."""

    name: ProductId
    qty: int
    typed: int | None = None


class Till(RuleBasedStateMachine):
    """A till with one basket and its newest list, whoever shows a card."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.version = -1

    @initialize(menu=menus)
    def open(self, menu: Menu) -> None:
        self.list_arrives(menu, None)
        self.next_customer()

    @rule(menu=menus, later=st.none() | st.tuples(minutes, menus))
    def list_arrives(self, menu: Menu, later: tuple[int, Menu] | None) -> None:
        after, menu_then = later or (0, menu)
        self.menu, self.version = menu, self.version + 2
        self.later = (self.now + timedelta(minutes=after), menu_then)
        follows = LaterPrices(self.version + 1, utc_ms(self.later[0]), listed(menu_then)) if later else None
        self.list = PriceList(self.version, "CNY", listed(menu), follows)

    @rule(passed=minutes)
    def time_passes(self, passed: int) -> None:
        self.now += timedelta(minutes=passed)

    @rule()
    def a_customer_comes_with_the_later_list(self) -> None:
        self.now = max(self.now, self.later[0])
        self.next_customer()

    @rule()
    def next_customer(self) -> None:
        self.basket = Basket(self.list.at(utc_ms(self.now)))
        self.rung: list[Rung] = []
        is_later = self.list.later is not None and self.now >= self.later[0]
        self.basket_menu, self.basket_version = self.menu, self.version
        if is_later:
            self.basket_menu, self.basket_version = self.later[1], self.version + 1

    @rule(name=st.sampled_from(IDS), qty=quantities)
    def ring(self, name: ProductId, qty: int) -> None:
        line = next((line for line in self.rung if line.name == name and line.typed is None), None)
        wanted = qty + (line.qty if line else 0)
        refused = BasketRefusal.QTY_TOO_LARGE if wanted > QTY_MAX else None
        if line is None and len(self.rung) == LINES_MAX:
            refused = BasketRefusal.BASKET_FULL
        if self.take(self.basket.add(name, qty), refused):
            if line is None:
                self.rung.append(Rung(name, qty))
            else:
                line.qty = wanted

    @rule(unit=cents, qty=st.integers(1, 2), times=st.sampled_from([1, 1, 2, LINES_MAX]))
    def type_amounts(self, unit: int, qty: int, times: int) -> None:
        for _ in range(times):
            refused = BasketRefusal.AMOUNT_TOO_LARGE if unit > SALE_CENTS_MAX else None
            refused = BasketRefusal.BASKET_FULL if len(self.rung) == LINES_MAX else refused
            if self.take(self.basket.add_amount(Cents(unit), qty), refused):
                self.rung.append(Rung(FREE_AMOUNT, qty, unit))

    @precondition(lambda self: self.rung)
    @rule(at=st.integers(0, LINES_MAX), qty=st.just(0) | quantities)
    def change_quantity(self, at: int, qty: int) -> None:
        at %= len(self.rung)
        if self.take(self.basket.change_qty(at, qty), BasketRefusal.QTY_TOO_LARGE if qty > QTY_MAX else None):
            self.rung[at].qty = qty
            self.rung = [line for line in self.rung if line.qty]

    @precondition(lambda self: self.rung)
    @rule(at=st.integers(0, LINES_MAX), unit=cents)
    def override(self, at: int, unit: int) -> None:
        at %= len(self.rung)
        refused = BasketRefusal.AMOUNT_TOO_LARGE if unit > SALE_CENTS_MAX else None
        if self.take(self.basket.override_price(at, Cents(unit)), refused):
            self.rung[at].typed = unit

    @precondition(lambda self: self.rung)
    @rule(at=st.integers(0, LINES_MAX))
    def remove(self, at: int) -> None:
        at %= len(self.rung)
        self.basket = self.basket.remove(at)
        del self.rung[at]

    @rule()
    def clear(self) -> None:
        self.basket, self.rung = self.basket.cleared(), []

    def take(self, answer: Basket | BasketRefusal, refused: BasketRefusal | None) -> bool:
        """Whether the basket changed, as it should."""
        if refused is not None:
            assert answer is refused
            return False
        assert isinstance(answer, Basket)
        self.basket = answer
        return True

    @invariant()
    def it_costs_the_sum_of_its_lines(self) -> None:
        """For whomever; a sum asks for no order (SPEC, "Prices")."""
        for who in (None, CardClass.STUDENT, CardClass.STAFF):
            ticket = self.priced(self.basket, who)
            assert ticket == self.expected(who)
            back = self.priced(replace(self.basket, items=self.basket.items[::-1]), who)
            assert type(back) is type(ticket)
            if isinstance(ticket, Ticket) and isinstance(back, Ticket):
                assert type(ticket.total_cents) is int and ticket.total_cents == back.total_cents >= 0

    def priced(self, basket: Basket, who: CardClass | None) -> Ticket | PricingRefusal:
        """The shipping answer."""
        return price_basket(basket, who, CAMPUS.minute_of_day(utc_ms(self.now)))

    def expected(self, who: CardClass | None) -> Ticket | PricingRefusal:
        """The model's answer."""
        menu, lines, total = self.basket_menu, list[Line](), 0
        for line in self.rung:
            if line.name not in (*menu, FREE_AMOUNT):
                return Unpriced(line.name)
            base = 0 if line.name == FREE_AMOUNT else menu[line.name][0]
            unit = price_of(menu, line.name, who, minute_of(self.now)) if line.typed is None else line.typed
            shown = base if base != unit else 0
            lines.append(Line(line.name, line.qty, Cents(unit), Cents(shown)))
            total += unit * line.qty
        if total > SALE_CENTS_MAX:
            return TotalTooLarge(Cents(total))
        return Ticket(tuple(lines), Cents(total), self.basket_version)


@dataclass(frozen=True)
class Bought:
    """The model of what a card has spent: each purchase with its business day and its meal (0 outside)."""

    day: date
    meal: int
    cents: int


class Days(RuleBasedStateMachine):
    """One student's card through days, meals and the end of a month."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.main, self.subsidy = MAIN, SUBSIDY
        self.bought: list[Bought] = []
        who = Identity(CardNo(7), Generation(1), CardClass.STUDENT)
        purse = Purse(Counter(1), Cents(MAIN), Cents(SUBSIDY), period=1)
        self.card = CardRead(Technology.DESFIRE, bytes(7), 1, who, purse, ())

    @rule(passed=minutes)
    def time_passes(self, passed: int) -> None:
        self.now += timedelta(minutes=passed)

    @rule(price=st.integers(0, SALE + 1) | st.sampled_from([1, 400, 1_000, SALE]))
    def buy(self, price: int) -> None:
        """Approved exactly where the model's limits and money allow it; the subsidy pays first."""
        at = utc_ms(self.now)
        day = CAMPUS.business_day(at)
        when = When(day, BusinessDay(day + 1), CAMPUS.minute_of_day(at), ClockSource.SERVER)
        answer = authorise(self.card, Cents(price), standing=Standing(), house=House(RULES, 0), when=when)
        wrong = self.wrong(price)
        if wrong is not None:
            assert isinstance(answer, Refused) and answer.reason is wrong
            return
        assert isinstance(answer, Approved)
        subsidy = min(price, self.subsidy)
        assert (answer.main_cents, answer.subsidy_cents) == (price - subsidy, subsidy)
        self.main, self.subsidy = self.main - (price - subsidy), self.subsidy - subsidy
        self.bought.append(Bought(self.today, self.meal, price))
        assert self.card.purse is not None
        mark = Mark(Tno(1), Seq(len(self.bought)))
        after = self.card.purse.stepped(mark, main_cents=-answer.main_cents, subsidy_cents=-answer.subsidy_cents)
        self.card = replace(self.card, purse=replace(after, spent=answer.spent))

    @property
    def today(self) -> date:
        """The business day begins at four, campus time."""
        return (self.now + timedelta(hours=8 - 4)).date()

    @property
    def meal(self) -> int:
        """The model of the meals in `RULES`."""
        minute = minute_of(self.now)
        if 390 <= minute < 540:
            return 1
        return 2 if 660 <= minute < 720 or 780 <= minute < 840 else 3 if minute >= 1020 or minute < 60 else 0

    def wrong(self, price: int) -> Refusal | None:
        """The first limit that is broken (SPEC, "Approval")."""
        today, month = self.today, self.today.replace(day=1)
        of_day = [bought for bought in self.bought if bought.day == today]
        of_month = [bought for bought in self.bought if bought.day.replace(day=1) == month]
        if price > SALE:
            return Refusal.SALE_LIMIT
        if self.meal and sum(bought.meal == self.meal for bought in of_day) >= min(2, self.meal):
            return Refusal.MEAL_LIMIT
        if sum(bought.cents for bought in of_day) + price > DAY:
            return Refusal.DAY_LIMIT
        if sum(bought.cents for bought in of_month) + price > MONTH:
            return Refusal.MONTH_LIMIT
        return Refusal.BALANCE_TOO_LOW if price > self.main + self.subsidy else None

    @invariant()
    def the_card_holds_what_is_left(self) -> None:
        purse = self.card.purse
        assert purse is not None and (purse.main_cents, purse.subsidy_cents) == (self.main, self.subsidy)
        assert self.main >= 0 and self.subsidy >= 0


def utc_ms(at: datetime) -> UtcMs:
    """An instant as the rules see it."""
    return UtcMs(int(at.timestamp()) * 1_000)


def minute_of(at: datetime) -> int:
    """What the clock on the campus' wall shows."""
    wall = at + timedelta(hours=8)
    return 60 * wall.hour + wall.minute


@runs(120)
def test_a_basket_costs_what_a_list_of_lines_says(examples: int) -> None:
    run(Till, examples, 25)


@runs(120)
def test_a_card_spends_what_a_list_of_purchases_allows(examples: int) -> None:
    run(Days, examples, 40)
