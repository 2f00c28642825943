"""The server in memory: the shipping rules on a Book, signed answers, lists, the cash desk, backups."""

import copy
import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from protocol.authorise import Listed
from protocol.entries import ListVersions
from protocol.ids import CardKey, Generation, LoadSeq, MerchantId, SiteId, TerminalId, Tno
from protocol.instants import DAY_MS, CampusTime, UtcMs
from protocol.journal import Tip
from protocol.limits import NO_LIMITS, LimitRules
from protocol.load_record import sign_load
from protocol.messages import (
    Ack,
    Grant,
    Hello,
    NotAMessage,
    TipAnswer,
    Want,
    decode_batch,
    sign,
    verified,
    version_of,
)
from protocol.money import Cents
from protocol.policy import CardBook, CardsFile, FloorRow
from protocol.policy import CardRow as ListedCard
from protocol.price_list import Names, PriceList, Product
from protocol.purse import LoadRecord, SignedLoad
from protocol.signing import SigningKey, sha256_of, to_base64url
from server.ingest.book import Book, CardRow, CardStatus, CaseClass, ChainRow
from server.ingest.keeping import post_again
from server.ingest.posting import resolve
from server.ingest.rules import Ask, take_batch
from server.ledger.accounts import ADOPTED, Account, AccountKind, balanced, pending
from server.ledger.rules import Resolution
from terminal.lists import Lists
from tests.simulation.paper import Document
from tests.simulation.plastic import Plastic

if TYPE_CHECKING:
    from tests.simulation.campus import Campus
    from tests.simulation.till import Till

SITE = SiteId("north")
CAMPUS_TIME = CampusTime()
SERVER_KEY = SigningKey(sha256_of(b"server"))
LOAD_KEY = SigningKey(sha256_of(b"loads"))
TORN_DECIDED_AFTER_MS = 30 * DAY_MS
WAITING_MAX_MS = 7 * DAY_MS
TEA, MEAL = "tea", "meal"
_LISTED = {
    CardStatus.BLOCKED: Listed.BLOCKED,
    CardStatus.CLOSED: Listed.CLOSED,
    CardStatus.RELEASED: Listed.CLOSED,
}


@dataclass
class Kept:
    """Everything of the server that a backup contains."""

    book: Book
    server_epoch: int = 1
    list_number: int = 0
    entered: set[int] = dataclasses.field(default_factory=set)
    """Numbers of the desk's documents that are in the books."""
    explained: dict[CardKey, int] = dataclasses.field(default_factory=dict)
    """How much of what was adopted from each card a document has explained since."""
    replaced: dict[CardKey, tuple[CardKey, int]] = dataclasses.field(default_factory=dict)
    """Closed cards whose rest waits: to which card it goes, and since when."""


class Server:
    """One server. `crash_next` makes it lose its memory at a chosen step of the next batch."""

    def __init__(self, campus: "Campus") -> None:
        self._campus = campus
        self.kept = Kept(Book(CAMPUS_TIME))
        self.instance = 1
        self.up = True
        self.rules: LimitRules = NO_LIMITS
        self.crash_at = ""
        self._grants = 0
        self.paper: list[Document] = []

    @property
    def book(self) -> Book:
        """The books as they stand."""
        return self.kept.book

    @property
    def now(self) -> UtcMs:
        """The server's clock is right."""
        return UtcMs(self._campus.timeline.now_ms)

    # Terminals ---------------------------------------------------------------------------------------------------

    def grant(self, till: "Till", key: SigningKey) -> tuple[Grant, bytes]:
        """Give a terminal its next epoch."""
        self._grants += 1
        epochs = [chain for chain in self.book.chains.values() if chain.tid == till.name]
        before = max(epochs, key=lambda chain: chain.epoch, default=None)
        tno = Tno(100 * self.kept.server_epoch + self._grants)
        grant = Grant(
            SITE,
            TerminalId(till.name),
            type(before.epoch)(before.epoch + 1) if before else 1,  # type: ignore[arg-type]
            tno,
            to_base64url(key.public.raw),
            self.now,
            before.epoch if before else 0,
        )
        jws = sign(grant, SERVER_KEY, "grant")
        self._campus.grants[tno] = (grant, jws)
        self._register(grant, jws)
        return grant, jws

    def _register(self, grant: Grant, jws: bytes) -> None:
        chain = ChainRow(grant.tno, grant.site, grant.tid, grant.epoch, grant.verify_key, grant.start(jws))
        self.book.chains[grant.tno] = chain

    def hello(self, till: "Till", raw: Hello, grant_jws: bytes) -> None:
        """Answer with what is held. Whoever shows our own ack beyond our tip tells us that we were restored."""
        if not self.up:
            return
        if raw.tno not in self.book.chains:
            self._register(verified(grant_jws, Grant, SERVER_KEY.public), grant_jws)
            self._campus.tell("server", f"adopts a grant that it had forgotten: tno {raw.tno}")
        chain = self.book.chains[raw.tno]
        tip = chain.branches[0].tip
        if raw.ack and self._shows_a_restore(raw, tip):
            self.kept.server_epoch += 1
            self._campus.tell("server", f"was restored: {till.name} shows an ack beyond {tip.seq}")
        answer = TipAnswer(self.kept.server_epoch, chain.tid, chain.epoch, tip.seq, tip.prev, self.now)
        till.line.send(lambda: till.link.take_tip(sign(answer, SERVER_KEY, "ack")), upwards=False)

    def _shows_a_restore(self, hello: Hello, tip: Tip) -> bool:
        try:
            ack = verified(hello.ack.encode(), Ack, SERVER_KEY.public)
        except NotAMessage:
            return False
        return ack.server_epoch == self.kept.server_epoch and ack.epoch == hello.epoch and ack.seq > tip.seq

    def batch(self, till: "Till", tno: Tno, raw: bytes) -> None:
        """One transaction for a batch; the answer goes out after the commit."""
        if not self.up:
            return
        crash, self.crash_at = self.crash_at, ""
        before = copy_of(self.kept) if crash == "before commit" else self.kept
        granted = self._granted()
        reply = take_batch(self.book, tno, decode_batch(raw), self.now)
        chain = self.book.chains[tno]
        if crash == "before commit":
            self.kept = before
            self.crash("before the commit")
            return
        if isinstance(reply, Ask):
            self._campus.tell("server", f"asks {till.name} for entries from {reply.seq}: {reply.why}")
            want = Want(chain.tid, chain.epoch, reply.seq, self.now)
            till.line.send(lambda: till.link.take_want(sign(want, SERVER_KEY, "ack")), upwards=False)
            return
        tip = reply.tip
        if self._granted() != granted:
            self.publish()
        if crash == "after commit":
            self.crash("after the commit, before the ack")
            return
        self._campus.check_ack(tno, tip)
        ack = Ack(self.kept.server_epoch, chain.tid, chain.epoch, tip.seq, tip.prev, self.now)
        till.line.send(lambda: till.link.take_ack(sign(ack, SERVER_KEY, "ack")), upwards=False)

    def import_lines(self, tno: Tno, lines: list[bytes]) -> None:
        """A file of entries, taken like batches."""
        for first in range(0, len(lines), 200):
            reply = take_batch(self.book, tno, lines[first : first + 200], self.now)
            assert not isinstance(reply, Ask), f"the server asks for entries of a whole file: {reply}"

    def _granted(self) -> int:
        return sum(row.load_seq for row in self.book.cards.values())

    def crash_next(self, at: str = "before commit") -> None:
        """Crash at the next batch: "before commit" or "after commit"."""
        assert at in ("before commit", "after commit")
        self.crash_at = at

    def crash(self, where: str = "") -> None:
        """Stop and start again; a new instance makes every till say hello."""
        self._campus.tell("server", f"crashes {where}".rstrip())
        self.instance += 1
        for till in self._campus.all_tills:
            till.line.send(till.link.greet, upwards=False)

    # Lists -------------------------------------------------------------------------------------------------------

    def publish(self) -> None:
        """Sign new lists and send them to every till that can be reached."""
        self.kept.list_number += 1
        for till in self._campus.all_tills:
            self.send_lists(till)

    def send_lists(self, till: "Till") -> None:
        """The newest lists for one till; retained messages reach it whenever it connects."""
        if self.up:
            lists = self.lists_for(loads=till.can_load)
            till.line.send(lambda: till.take_lists(lists), upwards=False)

    def lists_for(self, *, loads: bool) -> Lists:
        """What a terminal gets; only load-capable ones get loads."""
        number = version_of(self.kept.server_epoch, self.kept.list_number)
        cards = self.book.cards
        rows = tuple(ListedCard(*key, _LISTED[row.status]) for key, row in cards.items() if row.status in _LISTED)
        floors = tuple(FloorRow(*key, row.counter, row.load_seq_floor) for key, row in cards.items() if row.counter)
        waiting = tuple(key[0] for key, row in cards.items() if self._has_load(row))
        records = {key: self._signed(row) for key, row in cards.items() if self._has_load(row)} if loads else {}
        return Lists(
            PriceList(number, "CNY", (_product(TEA, 300), _product(MEAL, 1250))),
            ListVersions(cards=number, prices=number, limits=number, loads=number if loads else 0, floors=number),
            CardBook(CardsFile(rows, waiting, floors)),
            self.rules,
            records,
            self.now,
        )

    @staticmethod
    def _has_load(row: CardRow) -> bool:
        return row.loaded_total_cents > row.collected_cents and row.status is CardStatus.ACTIVE

    @staticmethod
    def _signed(row: CardRow) -> SignedLoad:
        record = LoadRecord(
            *row.key, row.load_seq, row.loaded_total_cents, row.spent_known_cents, row.period, row.subsidy_total_cents
        )
        return sign_load(record, LOAD_KEY)

    # The card office and the cash desk ---------------------------------------------------------------------------

    def register_card(self, card: Plastic) -> None:
        """A card was issued."""
        row = CardRow(card.key, card.identity.card_class, card.technology)
        self.book.cards[card.key] = row

    def load(self, card: Plastic | CardKey, cents: int) -> None:
        """Take cash at the desk and let the next station put it onto the card."""
        key = card.key if isinstance(card, Plastic) else card
        self._campus.truth.take_cash("desk", cents)
        self._campus.tell("desk", f"takes {cents} in cash for a load", key)
        self._write_down("load", key, cents)

    def block(self, card: Plastic | CardKey) -> None:
        """Its holder reported it lost."""
        key = card.key if isinstance(card, Plastic) else card
        self._campus.tell("desk", "blocks the card", key)
        self._write_down("block", key)

    def enter_paper(self) -> None:
        """Enter every document that the books do not know: after a restore."""
        for document in self.paper:
            if document.number not in self.kept.entered:
                self._enter(document)
        self.publish()

    def _write_down(self, what: str, card: CardKey, cents: int = 0, new: Plastic | None = None) -> None:
        self.paper.append(Document(len(self.paper) + 1, what, card, cents, new, self.now))
        self._enter(self.paper[-1])
        self.publish()

    def _enter(self, document: Document) -> None:
        self.kept.entered.add(document.number)
        row = self.book.cards[document.card]
        if document.what == "block":
            row.status = CardStatus.BLOCKED if row.status is CardStatus.ACTIVE else row.status
            return
        if document.new is not None:
            row.status = CardStatus.CLOSED
            self.register_card(document.new)
            self.kept.replaced[document.card] = (document.new.key, document.at_ms)
            return
        desk = Account(AccountKind.DRAWER, "desk/1")
        self._give(f"desk:{document.number}", row, desk, document.cents)

    def _give(self, cause: str, row: CardRow, source: Account, cents: int) -> None:
        """Bring value from an account to a card's next load; what the card had collected unknown to us comes first."""
        explained = min(cents, self._adopted(row.key))
        self.kept.explained[row.key] = self.kept.explained.get(row.key, 0) + explained
        self._grant_load(row, cents - explained)
        legs = balanced((source, -cents), (ADOPTED, explained), (pending(row.key[0]), cents - explained))
        self.book.post(cause, CAMPUS_TIME.business_day(self.now), legs)

    def _adopted(self, card: CardKey) -> int:
        """What a card had collected that the books did not know, and no document has explained yet."""
        cases = (case for case in self.book.cases if case.cls is CaseClass.LOAD_UNMATCHED and case.card == card)
        return sum(case.cents for case in cases) - self.kept.explained.get(card, 0)

    @staticmethod
    def _grant_load(row: CardRow, cents: int) -> None:
        if cents:
            row.loaded_total_cents = Cents(row.loaded_total_cents + cents)
            row.load_seq = LoadSeq(row.load_seq + 1)

    def replace(self, card: Plastic) -> Plastic:
        """A new card for an old one; the balance follows when every till has told what the old one did."""
        new = self._campus.new_plastic(card.technology, card.key[0], generation=Generation(card.key[1] + 1))
        self._campus.tell("desk", f"replaces the card by {new.key[0]}/{new.key[1]}", card.key)
        self._write_down("replace", card.key, new=new)
        return new

    def release_rests(self) -> None:
        """Give the rest of closed cards to their successors: every till has reported past the closing, or a week."""
        for old, (new, since) in sorted(self.kept.replaced.items()):
            reported = all(chain.reported_at > since for chain in self._newest_chains())
            if not reported and self.now - since < WAITING_MAX_MS:
                continue
            del self.kept.replaced[old]
            row, cents = self.book.cards[old], self.book.cards[old].main_cents
            row.status = CardStatus.RELEASED
            successor = self.book.cards[new]
            purse = Account(AccountKind.PURSE, f"{old[0]}/{old[1]}")
            self._give(f"release:{old[0]}/{old[1]}", successor, purse, cents)
            self._campus.tell("server", f"releases {cents} to {new[0]}/{new[1]}", old)
            self.publish()

    def _newest_chains(self) -> list[ChainRow]:
        newest: dict[str, ChainRow] = {}
        for chain in self.book.chains.values():
            if chain.tid not in newest or chain.epoch > newest[chain.tid].epoch:
                newest[chain.tid] = chain
        return list(newest.values())

    def nightly(self) -> None:
        """What time decides: torn steps after thirty days, parked entries, pending credit that becomes a load."""
        day = CAMPUS_TIME.business_day(self.now)
        for step in list(self.book.steps.values()):
            if step.undecided and self.now - step.torn_at > TORN_DECIDED_AFTER_MS:
                resolve(self.book, step, Resolution.STUDENT, day)
                self._campus.tell("server", f"decides {step.id} for its student", step.card)
        for row in [row for row in self.book.entries.values() if row.parked]:
            post_again(self.book, row)
        self.release_rests()
        changed = [self._bring_pending(row) for row in self.book.cards.values() if row.status is CardStatus.ACTIVE]
        if any(changed):
            self.publish()

    def _bring_pending(self, row: CardRow) -> bool:
        """What is owed to the holder and not on its way yet is granted as a load."""
        account = pending(row.key[0])
        postings = (posting for posted in self.book.posted.values() for posting in posted.postings)
        owed = sum(posting.cents for posting in postings if posting.account == account)
        missing = owed - (row.loaded_total_cents - row.collected_cents)
        if missing > 0:
            self._give(f"pending:{row.key[0]}@{row.load_seq}", row, account, missing)
            self._campus.tell("server", f"grants {missing} of pending credit", row.key)
        return missing > 0

    # Backups -----------------------------------------------------------------------------------------------------

    def backup(self) -> Kept:
        """A copy of everything."""
        return copy_of(self.kept)

    def restore(self, backup: Kept, *, told: bool = True) -> None:
        """Go back to a backup. `told`: by the restore command, which raises the epoch and moves every sequence."""
        epoch = self.kept.server_epoch
        self.kept = copy_of(backup)
        if told:
            self.kept.server_epoch = epoch + 1
            for row in self.book.cards.values():
                row.load_seq = LoadSeq(row.load_seq + 100)
        self._campus.tell("server", "is restored from a backup")
        self.crash("for the restore")


def copy_of(kept: Kept) -> Kept:
    """A copy that shares only what never changes: far faster than a deep copy of every entry."""
    copied = copy.copy(kept)
    copied.book = _copied(kept.book, {})
    copied.entered, copied.explained = set(kept.entered), dict(kept.explained)
    copied.replaced = dict(kept.replaced)
    return copied


def _copied(thing: Any, known: dict[int, Any]) -> Any:
    """Rows, dictionaries and lists are copied, each once; what is frozen is shared."""
    found = known.get(id(thing))
    if found is not None:
        return found
    if isinstance(thing, dict):
        fresh: Any = {key: _copied(item, known) for key, item in thing.items()}
    elif isinstance(thing, list):
        fresh = [_copied(item, known) for item in thing]
    elif dataclasses.is_dataclass(thing) and not _is_frozen(thing):
        fresh = copy.copy(thing)
        for field in dataclasses.fields(thing):
            item = getattr(thing, field.name)
            if isinstance(item, dict | list):
                setattr(fresh, field.name, _copied(item, known))
    else:
        return thing
    known[id(thing)] = fresh
    return fresh


def _is_frozen(thing: Any) -> bool:
    return bool(thing.__dataclass_params__.frozen)


def _product(name: str, cents: int) -> Product:
    return Product(name, Names(name, name, name), Cents(cents))  # type: ignore[arg-type]


MERCHANTS = (MerchantId("canteen"), MerchantId("shop"), MerchantId("cafe"))
