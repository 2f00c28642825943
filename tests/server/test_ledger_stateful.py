"""What terminals send and two people book, through the database, beside a dictionary of accounts."""

import asyncio
import shutil
from collections import Counter
from collections.abc import Coroutine
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec.structs import replace as with_members
from sqlalchemy import func, select

from protocol.entries import CashSale, Kind, ShiftClosed, ShiftOpened
from protocol.ids import Seq, ShiftNo
from protocol.money import Cents
from server import tables
from server.auth.rules import Operator, Role
from server.auth.service import TwoPeople
from server.booking.service import Bookings
from server.db import Database
from server.ingest.book import Book, CardRow
from server.ingest.rules import Ack
from server.ingest.service import Ingest
from server.ledger.accounts import Account, AccountKind
from tests.server.desk import Clock, assert_balances_are_sums, keys_in, postings_in, put_book, rows_of, sqlite_url
from tests.server.world import CAMPUS, LOAD_KEY, MERCHANT, Till, plastic, sale_of, topup_of
from tests.stateful import run, runs

ALONE: Final = 500
"""More than so many cents are moved by two people only."""
PEOPLE: Final = [Operator("ann", (Role.ADMIN,)), Operator("bob", (Role.FINANCE,))]
MOVES: Final = {
    "fee_taken": ("vault", "fees"),
    "bank_to_vault": ("vault", "bank"),
    "loss_covered": ("bank", "operator_loss"),
}
"""The model of some movements: what is debited and what is credited."""

Legs = dict[tuple[str, str], int]
T = TypeVar("T")
cents = st.integers(1, 2_000)
people = st.sampled_from(PEOPLE)


@cache
def empty_server() -> TemporaryDirectory[str]:
    """A database with its tables: making them takes longer than most lives."""
    directory = TemporaryDirectory(prefix="fanka-")

    async def migrated() -> None:
        async with Database(sqlite_url(Path(directory.name))) as database:
            await database.migrate()

    asyncio.run(migrated())
    return directory


class Books(RuleBasedStateMachine):
    """Two tills, two cards, two people, and a server that is told everything late, early or twice."""

    def __init__(self) -> None:
        super().__init__()
        self.runner, self.directory = asyncio.Runner(), TemporaryDirectory(prefix="fanka-")
        path = Path(self.directory.name)
        shutil.copytree(empty_server().name, path, dirs_exist_ok=True)
        self.clock, self.tills, self.cards = Clock(), [Till(1), Till(2)], [plastic(1), plastic(2)]
        self.clock.pass_ms(3_600_000)
        self.told: list[list[Legs]] = [[], []]
        """The model: for each entry of each till what it moves."""
        self.held = [0, 0]
        self.asked: dict[str, tuple[Legs, Operator]] = {}
        self.booked: dict[str, Legs] = {}
        self.open_drawer = [0, 0]
        self.database = Database(sqlite_url(path))
        self.ingest = Ingest(self.database, keys_in(path), CAMPUS, self.clock)
        self.people = Bookings(self.database, TwoPeople(self.database, self.clock), CAMPUS, self.clock, ALONE)
        self.do(self.begin())

    async def begin(self) -> None:
        """Terminals and cards are registered, and each till has opened a shift."""
        await self.database.__aenter__()
        book = Book(CAMPUS, LOAD_KEY.public, chains={till.tno: till.row() for till in self.tills})
        for card in self.cards:
            book.cards[card.id.key] = CardRow(card.id.key, technology=card.id.technology)
        await put_book(self.database, book)
        for which in range(2):
            self.open_shift(which, 100)

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for something."""
        return self.runner.run(work)

    # What tills write
    def write(self, which: int, kind: Kind, body: Any, legs: Legs) -> Seq:
        """One entry, and what the model says of it."""
        assert sum(legs.values()) == 0
        self.told[which].append(legs)
        self.open_drawer[which] += legs.get(self.drawer(which), 0)
        return self.tills[which].append(kind, body).seq

    def drawer(self, which: int) -> tuple[str, str]:
        """The account of a till's cash in its present shift."""
        till = self.tills[which]
        return ("drawer", f"{till.tid}/{till.tno}/{till.shift}")

    def open_shift(self, which: int, cash: int) -> None:
        """Cash from the vault."""
        body = ShiftOpened(self.tills[which].shift, Cents(cash))
        self.write(which, Kind.SHIFT_OPENED, body, {self.drawer(which): -cash, ("vault", ""): cash})

    @rule(which=st.integers(0, 1), amount=cents)
    def sell_for_cash(self, which: int, amount: int) -> None:
        legs = {self.drawer(which): -amount, ("merchant", MERCHANT): amount}
        self.write(which, Kind.CASH_SALE, CashSale(MERCHANT, Cents(amount)), legs)

    @rule(which=st.integers(0, 1), card=st.integers(0, 1), amount=cents)
    def top_up(self, which: int, card: int, amount: int) -> None:
        plastic, body = self.cards[card], topup_of(self.cards[card], amount)
        waiting = ("suspense", f"{self.tills[which].tno}.0.{len(self.told[which]) + 1}")
        seq = self.write(which, Kind.TOPUP_PREPARED, body, {self.drawer(which): -amount, waiting: amount})
        done = with_members(body, prepared=seq)
        plastic.write(self.tills[which].tno, body, seq)
        self.write(which, Kind.TOPUP_SETTLED, done, {waiting: -amount, self.purse(card): amount})

    @rule(which=st.integers(0, 1), card=st.integers(0, 1), amount=cents, is_void=st.booleans())
    def sell(self, which: int, card: int, amount: int, is_void: bool) -> None:
        plastic = self.cards[card]
        if plastic.main < amount:
            return
        body = sale_of(plastic, amount)
        seq = self.write(which, Kind.SALE_PREPARED, body, {})
        done = with_members(body, prepared=seq)
        if is_void:
            self.write(which, Kind.SALE_VOIDED, done, {})
            return
        plastic.write(self.tills[which].tno, body, seq)
        self.write(which, Kind.SALE_SETTLED, done, {self.purse(card): -amount, ("merchant", MERCHANT): amount})

    def purse(self, card: int) -> tuple[str, str]:
        """The account of a card."""
        return ("purse", f"{self.cards[card].id.no}/1")

    @rule(which=st.integers(0, 1), counted=st.integers(0, 5_000), cash=st.integers(0, 300))
    def close_the_shift(self, which: int, counted: int, cash: int) -> None:
        """What is in the drawer by the books goes to the vault as counted; the difference is ours."""
        till, drawer, held = self.tills[which], self.drawer(which), -self.open_drawer[which]
        legs = {drawer: held, ("vault", ""): -counted, ("operator_loss", drawer[1]): counted - held}
        self.write(which, Kind.SHIFT_CLOSED, ShiftClosed(till.shift, counted=Cents(counted)), legs)
        till.shift, self.open_drawer[which] = ShiftNo(till.shift + 1), 0
        self.open_shift(which, cash)

    # What arrives
    @rule(which=st.integers(0, 1), back=st.integers(0, 6), count=st.integers(1, 12))
    def deliver(self, which: int, back: int, count: int) -> None:
        """A run that overlaps what is there already: known, new, or both."""
        till, first = self.tills[which], max(0, self.held[which] - back)
        lines = till.lines[first:][:count]
        if lines:
            taken = self.do(self.ingest.take_lines(till.tid, lines))
            assert taken is not None and isinstance(taken.reply, Ack)
            assert taken.new == max(0, first + len(lines) - self.held[which])
            self.held[which] += taken.new

    @precondition(lambda self: any(self.held))
    @rule()
    def deliver_all_again(self) -> None:
        before = self.do(postings_in(self.database))
        for till, held in zip(self.tills, self.held, strict=True):
            if held:
                self.do(self.ingest.take_lines(till.tid, till.lines[:held]))
        assert self.do(postings_in(self.database)) == before, "what is known changes nothing"

    # What people book
    @rule(request=st.integers(1, 4), name=st.sampled_from(sorted(MOVES)), amount=cents, who=people)
    def move(self, request: int, name: str, amount: int, who: Operator) -> None:
        """The request's number goes with what is asked, so that the same one means the same."""
        cause = f"movement:{name}-{amount}-{request}"
        debited, credited = MOVES[name]
        legs: Legs = {(debited, ""): -amount, (credited, ""): amount}
        work = self.people.move(who, cause.partition(":")[2], name, "", amount, "note 7")
        self.agree(cause, legs, who, self.do(work), alone=amount <= ALONE)

    @rule(request=st.integers(1, 2), amount=st.sampled_from([-300, 1, 700]), who=people)
    def correct(self, request: int, amount: int, who: Operator) -> None:
        legs: Legs = {("fees", ""): -amount, ("fraud_loss", ""): amount}
        asked = [(Account(AccountKind(kind), owner), moved) for (kind, owner), moved in legs.items()]
        name = f"{amount}-{request}"
        work = self.people.correct(who, name, asked, "typed in twice", "note 17")
        self.agree(f"correction:{name}", legs, who, self.do(work))

    @precondition(lambda self: self.booked)
    @rule(which=st.integers(0, 9), who=people)
    def reverse(self, which: int, who: Operator) -> None:
        causes = [cause for cause in self.booked if not cause.startswith("reversal:")]
        cause = causes[which % len(causes)]
        legs = {account: -moved for account, moved in self.booked[cause].items()}
        work = self.people.reverse(who, cause, "typed in twice", "note 17")
        self.agree(f"reversal:{cause}", legs, who, self.do(work))

    def agree(self, cause: str, legs: Legs, who: Operator, is_done: bool, *, alone: bool = False) -> None:
        """The model of two people: it is booked once, when another one than the first asks for it too."""
        first = self.asked.setdefault(cause, (legs, who))[1]
        if alone or cause in self.booked or first is not who:
            assert is_done, "two people have agreed, or need not"
            self.booked.setdefault(cause, legs)
        else:
            assert not is_done, "one person alone books nothing"

    # What always holds
    @invariant()
    def every_account_is_the_sum_of_what_was_told(self) -> None:
        sums: Counter[tuple[str, str]] = Counter()
        for told, held in zip(self.told, self.held, strict=True):
            for legs in told[:held]:
                sums.update(legs)
        for legs in self.booked.values():
            sums.update(legs)
        posting = tables.posting.c
        query = select(posting.account_kind, posting.owner, func.sum(posting.cents))
        rows = self.do(rows_of(self.database, query.group_by(posting.account_kind, posting.owner)))
        assert {(kind, owner): int(held) for kind, owner, held in rows if held} == {
            account: held for account, held in sums.items() if held
        }
        self.do(assert_balances_are_sums(self.database))

    def teardown(self) -> None:
        self.do(self.database.__aexit__(None, None, None))
        self.runner.close()
        self.directory.cleanup()


@runs(15)
def test_the_books_are_what_was_told_and_agreed(examples: int) -> None:
    run(Books, examples, 25)
