"""The server in memory: the shipping rules on a Book, signed answers, lists, the cash desk, backups."""

import copy
import dataclasses
from typing import TYPE_CHECKING, Any

from protocol.authorise import Listed
from protocol.entries import ListVersions
from protocol.ids import LoadSeq, MerchantId, SiteId, TerminalId, Tno
from protocol.instants import DAY_MS
from protocol.limits import NO_LIMITS, LimitRules
from protocol.load_record import sign_load
from protocol.messages import (
    Ack,
    Answer,
    Ask,
    Grant,
    Hello,
    Known,
    NotAMessage,
    TipAnswer,
    Want,
    Who,
    decode_batch,
    sign,
    verified,
    version_of,
)
from protocol.money import Cents
from protocol.policy import CardBook, CardsFile, FloorRow
from protocol.policy import CardRow as ListedCard
from protocol.price_list import Names, PriceList, Product
from protocol.purse import SignedLoad
from protocol.signing import SigningKey, to_base64url
from server.cards.rules import record_of
from server.ingest.book import CardRow, CardStatus
from server.ingest.on_tokens import is_token
from server.ingest.rules import Ack as Taken
from server.ingest.rules import Ask as AskAgain
from server.ingest.rules import Refused, take_batch
from server.numbers import RESTORE_LEAP, RESTORE_LOAD_LEAP
from terminal.lists import Lists
from tests.simulation.office import LOAD_KEY, SERVER_KEY, Kept, Office
from tests.simulation.tokens import answer, end_holds, known

if TYPE_CHECKING:
    from tests.simulation.campus import Campus
    from tests.simulation.till import Till

SITE = SiteId("north")
WAITING_MAX_MS = 7 * DAY_MS
TEA, MEAL = "tea", "meal"
_LISTED = {
    CardStatus.BLOCKED: Listed.BLOCKED,
    CardStatus.CLOSED: Listed.CLOSED,
    CardStatus.RELEASED: Listed.CLOSED,
}


class Server(Office):
    """One server. `crash_next` makes it lose its memory at a chosen step of the next batch."""

    def __init__(self, campus: "Campus") -> None:
        super().__init__(campus)
        self.instance = 1
        self.up = True
        self.rules: LimitRules = NO_LIMITS
        self.crash_at = ""
        self._grants = 0
        self._was_restored = False

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
        jws = sign(grant, SERVER_KEY)
        self._campus.grants[tno] = (grant, jws)
        self._register(grant, jws)
        return grant, jws

    def _register(self, grant: Grant, jws: bytes) -> None:
        self.book.chains[grant.tno] = self._campus.chain_of(grant, jws)

    def adopt_grants(self) -> None:
        """Take back every grant that was forgotten: a terminal says hello for its newest epoch only."""
        for tno, (grant, jws) in self._campus.grants.items():
            if tno not in self.book.chains:
                self._register(grant, jws)
                self._campus.tell("server", f"is shown a grant that it had forgotten: tno {tno}")

    def hello(self, till: "Till", raw: Hello, grant_jws: bytes) -> None:
        """Answer with what is held. Whoever shows our own ack of what we do not have tells us that we were restored."""
        if not self.up:
            return
        if raw.tno not in self.book.chains:
            self._register(verified(grant_jws, Grant, SERVER_KEY.public), grant_jws)
            self._campus.tell("server", f"adopts a grant that it had forgotten: tno {raw.tno}")
        chain = self.book.chains[raw.tno]
        tip = chain.branches[0].tip
        if raw.ack and self._shows_a_restore(raw):
            assert self._was_restored, f"{till.name} has an ack of what is not here, and nothing was ever lost"
            self._leap(verified(raw.ack.encode(), Ack, SERVER_KEY.public).server_epoch)
            self._campus.tell("server", f"was restored: {till.name} shows an ack of what is not here")
        answer = TipAnswer(self.kept.server_epoch, chain.tid, chain.epoch, tip.seq, tip.prev, self.now)
        till.line.send(lambda: till.link.take_tip(sign(answer, SERVER_KEY)), upwards=False)

    def _shows_a_restore(self, hello: Hello) -> bool:
        try:
            ack = verified(hello.ack.encode(), Ack, SERVER_KEY.public)
        except NotAMessage:
            return False
        held = (
            row is not None and to_base64url(row.hash) == ack.hash
            for branch in self.book.chains[hello.tno].branches
            for row in (self.book.entries.get((hello.tno, branch, ack.seq)),)
        )
        is_newest = ack.server_epoch >= self.kept.server_epoch and ack.epoch == hello.epoch
        return is_newest and ack.seq > 0 and not any(held)

    def batch(self, till: "Till", tno: Tno, raw: bytes) -> None:
        """One transaction for a batch; the answer goes out after the commit."""
        if not self.up:
            return
        if tno not in self.book.chains:
            self._campus.tell("server", f"refuses a batch of tno {tno}, which it does not know")
            return
        crash, self.crash_at = self.crash_at, ""
        before = copy_of(self.kept) if crash == "before commit" else self.kept
        granted = self._granted()
        self._look_up_lists(tno)
        reply = take_batch(self.book, tno, decode_batch(raw), self.now)
        end_holds(self.book, self.kept.holds)
        self.kept.posted_at.note(self.book, self.now)
        chain = self.book.chains[tno]
        if crash:
            self._campus.counts["server crash"] += 1
        if crash == "before commit":
            self.kept = before
            self.crash("before the commit")
            return
        if isinstance(reply, AskAgain):
            self._campus.tell("server", f"asks {till.name} for entries from {reply.seq}: {reply.why}")
            want = Want(chain.tid, chain.epoch, reply.seq, self.now)
            till.line.send(lambda: till.link.take_want(sign(want, SERVER_KEY)), upwards=False)
            return
        tip = reply.tip
        if isinstance(reply, Refused):
            self._campus.tell("server", f"takes no further history of {till.name}")
            held = TipAnswer(self.kept.server_epoch, chain.tid, chain.epoch, tip.seq, tip.prev, self.now)
            till.line.send(lambda: till.link.take_tip(sign(held, SERVER_KEY)), upwards=False)
            return
        if self._granted() != granted:
            self.publish()
        if crash == "after commit":
            self.crash("after the commit, before the ack")
            return
        self._campus.check_ack(tno, tip)
        ack = Ack(self.kept.server_epoch, chain.tid, chain.epoch, tip.seq, tip.prev, self.now)
        till.line.send(lambda: till.link.take_ack(sign(ack, SERVER_KEY)), upwards=False)

    def answer(self, till: "Till", question: Who | Ask) -> None:
        """Answer at once; only what is held back is kept."""
        if not self.up:
            return
        if isinstance(question, Who):
            told: Known | Answer = known(question, till, self.book, self.kept.server_epoch, self.now)
        else:
            about = (self.book, self.kept.holds, self.rules, self.kept.server_epoch, self.now)
            told = answer(question, till, *about)
        self._campus.tell("server", f"answers {till.name}: {getattr(told, 'refused', None) or 'yes'}")
        signed = sign(told, SERVER_KEY)
        if isinstance(told, Answer):
            self._campus.check_answer(told, signed)
        till.line.send(lambda: till.told(told, signed), upwards=False)

    def import_lines(self, tno: Tno, lines: list[bytes]) -> None:
        """A file of entries, taken like batches."""
        self._look_up_lists(tno)
        for first in range(0, len(lines), 200):
            reply = take_batch(self.book, tno, lines[first : first + 200], self.now)
            assert isinstance(reply, Taken), f"the server does not take a whole file: {reply}"
        end_holds(self.book, self.kept.holds)
        self.kept.posted_at.note(self.book, self.now)

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

    def _look_up_lists(self, tno: Tno) -> None:
        newest = version_of(self.kept.server_epoch, self.kept.list_number)
        self.book.chains[tno].cards_published = newest

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
        rows += tuple(ListedCard(*key, Listed.BLOCKED) for key, row in cards.items() if _owes(row))
        floors = tuple(FloorRow(*key, row.counter, row.load_seq_floor) for key, row in cards.items() if row.counter)
        waiting = tuple(key[0] for key, row in cards.items() if self._has_load(row))
        records = {key: self._signed(row) for key, row in cards.items() if self._has_load(row)} if loads else {}
        return Lists(
            PriceList(number, "CNY", (_product(TEA, 300), _product(MEAL, 1250))),
            ListVersions(cards=number, prices=number, limits=number, loads=number if loads else 0, floors=number),
            CardBook(CardsFile(rows, waiting, floors)),
            self.rules,
            records,
            as_of=self.now,
        )

    @staticmethod
    def _has_load(row: CardRow) -> bool:
        has_subsidy = row.subsidy_total_cents and row.load_seq > row.load_seq_floor
        return row.status is CardStatus.ACTIVE and (row.loaded_total_cents > row.collected_cents or bool(has_subsidy))

    @staticmethod
    def _signed(row: CardRow) -> SignedLoad:
        return sign_load(record_of(row), LOAD_KEY)

    # Backups -----------------------------------------------------------------------------------------------------

    def backup(self) -> Kept:
        """A copy of everything."""
        return copy_of(self.kept)

    def restore(self, backup: Kept, *, told: bool = True) -> None:
        """Go back to a backup. `told`: by the restore command, which raises the epoch and moves every sequence."""
        epoch = self.kept.server_epoch
        self.kept, self._was_restored = copy_of(backup), True
        if told:
            self._leap(epoch)
        self._campus.tell("server", "is restored from a backup")
        self.crash("for the restore")

    def _leap(self, above_epoch: int) -> None:
        """A new epoch, and every number sequence far past what was forgotten."""
        self.kept.server_epoch = above_epoch + 1
        self.kept.list_number += RESTORE_LEAP
        for row in self.book.cards.values():
            row.load_seq = LoadSeq(row.load_seq + RESTORE_LOAD_LEAP)


def _owes(row: CardRow) -> bool:
    return row.status is CardStatus.ACTIVE and is_token(row) and row.main_cents < 0


def copy_of(kept: Kept) -> Kept:
    """A copy that shares only what never changes: far faster than a deep copy of every entry."""
    copied = copy.copy(kept)
    copied.book = _copied(kept.book, {})
    copied.entered, copied.holds = set(kept.entered), dict(kept.holds)
    copied.closed = dict(kept.closed)
    copied.released, copied.sheets = set(kept.released), set(kept.sheets)
    copied.posted_at = kept.posted_at.copy()
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
