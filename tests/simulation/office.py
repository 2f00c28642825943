"""The cash desk and the card office on a Book in memory: the shipping rules of `server/cards`, and paper.

What the desk did is on paper too. After a restore the paper is entered again; value that a card had collected before
anybody knew (adopted against clearing) is what a document explains first, or it would be given twice.
"""

import dataclasses
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from protocol.entries import LoadStep
from protocol.ids import CardKey, Generation
from protocol.instants import CampusTime, UtcMs
from protocol.load_record import decode_load
from protocol.messages import version_of
from protocol.money import Cents
from protocol.signing import SigningKey, from_base64url, sha256_of
from server.booking.acts import Count
from server.cards import rules
from server.ingest.book import Book, CardRow, CardStatus, ChainRow, ShiftStatus, StepId
from server.ingest.keeping import held_back, post_again
from server.ingest.late import decide_late
from server.ingest.on_tokens import is_token, put_on
from server.ingest.totals import explain
from server.ledger.accounts import (
    FUNDER,
    VAULT,
    Account,
    balanced,
    difference_of,
    pending,
    pending_subsidy,
    purse,
)
from server.ledger.rules import Resolution
from tests.simulation.drawers import DESK, counts_of
from tests.simulation.paper import Document
from tests.simulation.plastic import Plastic
from tests.simulation.tokens import Holds, PostedAt, write_off

if TYPE_CHECKING:
    from tests.simulation.campus import Campus

CAMPUS_TIME = CampusTime()
LOAD_SEED = sha256_of(b"loads")
LOAD_KEY = SigningKey(LOAD_SEED)
SERVER_KEY = SigningKey(sha256_of(b"server"))
"""Everything else that the server signs."""
STRANGER_KEY = SigningKey(sha256_of(b"stranger"))


@dataclass
class Kept:
    """Everything of the server that a backup contains."""

    book: Book
    server_epoch: int = 1
    list_number: int = 0
    entered: set[int] = dataclasses.field(default_factory=set)
    """Numbers of the desk's documents that are in the books."""
    sheets: set[str] = dataclasses.field(default_factory=set)
    """Causes of the counts by people that are in the books."""
    closed: dict[CardKey, tuple[UtcMs, int]] = dataclasses.field(default_factory=dict)
    """Closed cards: since when, and the number of the first list that says so."""
    holds: Holds = dataclasses.field(default_factory=dict)
    """What is held back for sales of tokens."""
    posted_at: PostedAt = dataclasses.field(default_factory=PostedAt)
    released: set[StepId] = dataclasses.field(default_factory=set)
    """Entries that two people have let be posted."""


class Office:
    """What people at a desk do, and what time brings."""

    def __init__(self, campus: "Campus") -> None:
        self._campus = campus
        self.kept = Kept(Book(CAMPUS_TIME, LOAD_KEY.public, SERVER_KEY.public))
        self.paper: list[Document] = []
        self.sheets: list[Count] = []

    @property
    def book(self) -> Book:
        """The books as they stand."""
        return self.kept.book

    @property
    def now(self) -> UtcMs:
        """The server's clock is right."""
        return UtcMs(self._campus.timeline.now_ms)

    def publish(self) -> None:
        """Sign new lists and send them to every till that can be reached."""
        raise NotImplementedError

    def adopt_grants(self) -> None:
        """Take back every grant that was forgotten: each carries our own signature."""
        raise NotImplementedError

    # The desk ----------------------------------------------------------------------------------------------------

    def issue(self, card: Plastic) -> None:
        """A card was given to somebody."""
        self._write_down("issue", card.key, new=card)

    def load(self, card: Plastic | CardKey, cents: int) -> None:
        """Take cash at the desk and let the next station put it onto the card."""
        key = card.key if isinstance(card, Plastic) else card
        row = self.book.cards.get(key)
        refusal = rules.load_refusal(row, cents) if row else "a restored server does not know the card yet"
        if refusal:
            self._campus.tell("desk", f"takes no cash: {refusal}", key)
            return
        self._campus.truth.take_cash("desk", cents)
        self._campus.tell("desk", f"takes {cents} in cash for a load", key)
        self._write_down("load", key, cents)

    def block(self, card: Plastic | CardKey) -> None:
        """Its holder reported it lost."""
        key = card.key if isinstance(card, Plastic) else card
        self._campus.tell("desk", "blocks the card", key)
        self._write_down("block", key)

    def subsidise(self, card: Plastic, cents: int, period: int) -> None:
        """Somebody pays for what a student eats in a period."""
        self._campus.tell("desk", f"grants a subsidy of {cents} for period {period}", card.key)
        self._write_down("subsidy", card.key, cents, period=period)

    def replace(self, card: Plastic) -> Plastic:
        """A new card for an old one; the balance follows when every till has told what the old one did."""
        new = self._campus.new_plastic(card.technology, card.key[0], generation=Generation(card.key[1] + 1))
        self._campus.tell("desk", f"replaces the card by {new.key[0]}/{new.key[1]}", card.key)
        self._write_down("replace", card.key, new=new)
        return new

    def enter_paper(self) -> None:
        """After a restore: show the grants of archived epochs, enter every document that the books do not know."""
        self.adopt_grants()
        for document in self.paper:
            if document.number not in self.kept.entered:
                self._enter(document)
        for count in self.sheets:
            if count.cause not in self.kept.sheets:
                self._enter_count(count)
        self.publish()

    def hand_in(self, count: Count) -> None:
        """Two people have counted a drawer that its till cannot count, and signed a sheet."""
        self.sheets.append(count)
        self._enter_count(count)

    def _enter_count(self, count: Count) -> None:
        """After a restore the till's own count may be booked first: then a correction says what was really there."""
        self.kept.sheets.add(count.cause)
        day = CAMPUS_TIME.business_day(self.now)
        if self.book.shifts.get((count.tno, count.shift)) is not ShiftStatus.CLOSED:
            count.post(self.book, day)
            return
        more = count.cents - counts_of(self._campus)[count.drawer]
        self.book.post(count.cause, day, balanced((VAULT, -more), (difference_of(count.drawer), more)))

    def _write_down(
        self, what: str, card: CardKey, cents: int = 0, new: Plastic | None = None, period: int = 0
    ) -> None:
        self.paper.append(Document(len(self.paper) + 1, what, card, cents, new, self.now, period))
        self._enter(self.paper[-1])
        self.publish()

    def _enter(self, document: Document) -> None:
        self.kept.entered.add(document.number)
        if document.what == "issue":
            assert document.new is not None
            self._add_card(document.new)
            return
        row = self.book.cards[document.card]
        if document.what == "block":
            row.status = CardStatus.BLOCKED if row.status is CardStatus.ACTIVE else row.status
        elif document.what == "subsidy" and self._has_collected(row.key, document.period):
            pass  # its load came first, and has been charged to who pays
        elif document.what == "subsidy":
            self._subsidise(row, document)
        elif document.new is not None:
            self._close_for(row, document.new, UtcMs(document.at_ms))
        else:
            self._give(f"desk:{document.number}", row, DESK, document.cents)

    def _subsidise(self, row: CardRow, document: Document) -> None:
        day, to = CAMPUS_TIME.business_day(self.now), pending_subsidy(row.key[0])
        if row.period != document.period:
            left = self._sums()[to]
            self.book.post(f"lapsed:{row.key[0]}.{document.period}", day, balanced((to, -left), (FUNDER, left)))
        legs = balanced((FUNDER, -document.cents), (to, document.cents))
        self.book.post(f"subsidy:{row.key[0]}.{document.period}", day, legs)
        rules.grant_subsidy(row, document.period, Cents(document.cents))

    def _has_collected(self, card: CardKey, period: int) -> bool:
        loads = (step.body for step in self.book.steps.values() if step.card == card and step.counts)
        records = (decode_load(from_base64url(body.record)) for body in loads if isinstance(body, LoadStep))
        return any(load is not None and load.record.period == period for load in records)

    def _add_card(self, card: Plastic) -> None:
        self.book.cards[card.key] = CardRow(card.key, card.identity.card_class, card.technology)

    def _close_for(self, old: CardRow, new: Plastic, at: UtcMs) -> None:
        exposed = rules.exposure(None, self._reports(), at, CAMPUS_TIME)
        paid = rules.paid_at_once(old.main_cents, exposed)
        old.status = CardStatus.CLOSED
        self._add_card(new)
        self.kept.closed[old.key] = (at, version_of(self.kept.server_epoch, self.kept.list_number + 1))
        self._give(f"replace:{old.key[0]}/{old.key[1]}", self.book.cards[new.key], purse(old.key), paid)

    def _give(self, cause: str, row: CardRow, source: Account, cents: int) -> None:
        """Bring value from an account to a card's next load; what it had collected unknown to us comes first."""
        day = CAMPUS_TIME.business_day(self.now)
        self.book.post(cause, day, balanced((source, -cents), (pending(row.key[0]), cents)))
        rest = cents - explain(self.book, [row], Cents(cents), day)
        if rest and is_token(row):
            put_on(self.book, row, rest, day)
        elif rest:
            rules.grant(row, Cents(rest))

    # What time brings --------------------------------------------------------------------------------------------

    def nightly(self) -> None:
        """Parked entries, what marks or thirty days decide, closed cards' rests, pending credit that becomes a load."""
        for row in [row for row in self.book.entries.values() if row.parked and not held_back(self.book, row)]:
            post_again(self.book, row)
        self._decide_late()
        write_off(self.book, self.kept.posted_at, self.now)
        self.release_rests()
        newest = {key[0]: key for key in sorted(self.book.cards)}
        sums = self._sums()
        given = [self._give_pending(self.book.cards[key], sums) for key in newest.values()]
        if any(given):
            self.publish()

    def let_through(self, tid: str = "") -> None:
        """Two people look at what a second history alone has told (of one terminal), and let it be posted."""
        held = [row for row in self.book.entries.values() if row.parked and held_back(self.book, row)]
        for row in [row for row in held if tid in ("", self.book.chains[row.tno].tid)]:
            self._campus.tell("desk", f"lets entry {row.tno}.{row.branch}.{row.seq} {row.kind} through")
            post_again(self.book, row, allowed=True)
            self.kept.released.add((row.tno, row.branch, row.seq))

    def release_rests(self) -> None:
        """Set the rest of closed cards free: every till has reported past the closing, or a week is over."""
        reports = self._reports()
        for key in sorted(self.kept.closed):
            row = self.book.cards[key]
            if row.status is CardStatus.CLOSED and rules.waiting_over(self._plastic(row), reports, self.now):
                row.status, cents = CardStatus.RELEASED, row.main_cents + row.subsidy_cents
                self.book.post(f"release:{key[0]}/{key[1]}", CAMPUS_TIME.business_day(self.now), rules.rest_of(row))
                self._campus.tell("server", f"releases {cents}", key)
                newest = max(known for known in self.book.cards if known[0] == key[0])
                if self._give_pending(self.book.cards[newest], self._sums()):
                    self.publish()

    def _decide_late(self) -> None:
        day = CAMPUS_TIME.business_day(self.now)
        for step in list(self.book.steps.values()):
            if decide_late(self.book, step, self.now, day):
                self._campus.tell("server", f"decides {step.id}: {step.resolved or step.use}", step.card)
                if step.resolved is Resolution.STUDENT:
                    self._campus.truth.favoured.add(step.id)

    def _give_pending(self, row: CardRow, sums: Counter[Account]) -> bool:
        """What is owed to the holder and not on its way to any card yet is granted as a load; `sums` as they are.

        What the card had collected unknown to us comes first, whether it may be given a load or not.
        """
        account = pending(row.key[0])
        plastics = [self._plastic(card) for key, card in self.book.cards.items() if key[0] == row.key[0]]
        free = rules.grantable_subsidy(sums[pending_subsidy(row.key[0])], plastics)
        granted = bool(free) and not rules.load_refusal(row, free)
        if granted:
            rules.grant_subsidy(row, row.period, free)
        free = rules.grantable(sums[account], plastics)
        free = Cents(free - explain(self.book, [row], free, CAMPUS_TIME.business_day(self.now)))
        if not free or rules.load_refusal(row, free):
            return granted
        number = sum(cause.startswith(f"pending:{row.key[0]}@") for cause in self.book.posted)
        self._give(f"pending:{row.key[0]}@{number}", row, account, free)
        self._campus.tell("server", f"grants {free} of pending credit", row.key)
        return True

    def _sums(self) -> Counter[Account]:
        """What stands in each account."""
        sums = Counter[Account]()
        for posted in self.book.posted.values():
            for posting in posted.postings:
                sums[posting.account] += posting.cents
        return sums

    def _plastic(self, row: CardRow) -> rules.Plastic:
        at, version = self.kept.closed.get(row.key, (UtcMs(0), 0))
        plastic = rules.Plastic(row, at, version)
        if version and rules.collects_no_more(plastic, self._reports()):
            return dataclasses.replace(plastic, moved_at=self.now)
        return plastic

    def _reports(self) -> list[rules.Report]:
        return [
            rules.Report(chain.tid, chain.status, chain.reported_at, chain.cards_version, chain.can_load)
            for chain in self._newest_chains()
        ]

    def _newest_chains(self) -> list[ChainRow]:
        newest = {chain.tid: chain for _, chain in sorted(self.book.chains.items())}
        return list(newest.values())
