"""Tokens in the simulation: a card that only says who it is, the server that answers for it, and who asks."""

from bisect import bisect_right
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

from msgspec.structs import replace as with_members

from hardware.simulated.plain_card import VirtualPlain
from hardware.simulated.tearing import Tear
from protocol.authorise import Refusal, Refused
from protocol.entries import SaleStep, Stage
from protocol.ids import CardKey, CardNo, Counter, Generation, Seq
from protocol.instants import BusinessDay, UtcMs
from protocol.limits import LimitRules
from protocol.messages import Answer, Ask, Known, Who
from protocol.money import Cents
from protocol.pay_codes import make_pay_code
from protocol.proofs import Proof, ProofKind
from protocol.purse import CardClass, CardId, CardRead, Identity, SignedLoad, Technology
from protocol.signing import SigningKey, Verifier, to_base64url
from protocol.tokens import read_of
from server.ingest.book import Book
from server.ledger.accounts import OPERATOR_LOSS, AccountKind, balanced, owner_of, purse
from server.ledger.rules import Use
from server.tokens.rules import (
    HOLD_MS,
    MISSING_MAX_MS,
    Decision,
    Held,
    Sold,
    code_refusal,
    decide,
    id_of,
    listed_of,
    missing_since,
    spent_of,
    when_of,
)
from terminal.card_port import CardPort
from tests.simulation.plastic import Holding, Made, Plastic, Virtual

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.till import Till


class Token(Plastic):
    """Any card with a UID, or (`proven`) one that shows by itself who it is."""

    def __init__(self, no: int, generation: int, card_class: int, *, proven: bool) -> None:
        identity = Identity(CardNo(no), Generation(generation), CardClass(card_class))
        virtual = VirtualPlain(bytes((4, generation)) + no.to_bytes(5))
        super().__init__(identity, Technology.TOKEN, cast("Virtual", virtual))
        self.proven, self.shown = proven, 0

    @property
    def id(self) -> CardId:
        """As entries name it."""
        return CardId(*self.key, Technology.TOKEN, self.identity.card_class)

    def arm(self, tear: Tear | None) -> None:
        """Nothing is written on it that could be torn."""
        assert tear is None

    def observe(self) -> list[Made]:
        """It makes no steps."""
        return []

    def holding(self) -> Holding:
        """It holds nothing."""
        return Holding(0, 0, 0, 0)

    def digest(self) -> bytes:
        """It never changes."""
        return self.virtual.uid

    def read(self) -> CardRead:
        """What a terminal learns of it, and never the same twice."""
        self.shown += 1
        return read_of(self.id, proof=Proof(ProofKind.SUN, Counter(self.shown)))


class Phone(Token):
    """A token that is nothing but codes on a screen; it never lies on a reader."""

    def __init__(self, no: int, generation: int, card_class: int) -> None:
        super().__init__(no, generation, card_class, proven=False)
        self.last = ""
        """The newest code that was on the screen; whoever stood behind may have a picture of it."""

    def code(self, at: UtcMs, key: SigningKey) -> str:
        """A code that was made at an instant, and is on the screen now."""
        self.last = make_pay_code(self.id, at, key)
        return self.last


class TokenPort(CardPort):
    """The shipping port, and what the driver of proven tokens finds out."""

    till: "Till"

    async def read(self, load_known: "Callable[[bytes], SignedLoad | None]") -> CardRead | None:
        """Who a proven token is, it says itself."""
        card = self.till.card
        if isinstance(card, Token) and card.proven:
            return card.read()
        return await super().read(load_known)


@dataclass(frozen=True, slots=True)
class Asks:
    """Implements the shell's `Server` on a simulated line."""

    till: "Till"

    @property
    def is_up(self) -> bool:
        """Whether the line is there."""
        return self.till.line.up

    def who(self, uid: str) -> str:
        """Ask whose token a UID is."""
        nonce = to_base64url(self.till.rng.randbytes(32))
        self._send(Who(nonce, uid))
        return nonce

    def ask(self, seq: Seq, entry_hash: bytes, card: CardId, amount: Cents, proof: Proof | None) -> None:
        """Ask for the money."""
        grant = self.till.disk.grant
        self._send(Ask(grant.epoch, grant.tno, seq, to_base64url(entry_hash), card, amount, proof))

    def _send(self, question: Who | Ask) -> None:
        till = self.till
        till.line.send(lambda: till.campus.server.answer(till, question), upwards=True)


@dataclass(frozen=True, slots=True)
class Kept:
    """What was answered about a sale, and what is held back until when."""

    ask: Ask
    answer: Answer
    held: Held
    ends_at: int


Holds = dict[tuple[int, int], Kept]
"""By (tno, seq of the prepared entry)."""


def known(question: Who, till: "Till", book: Book, epoch: int, now: UtcMs) -> Known:
    """Whose token a UID is."""
    tokens = [card for card in till.campus.cards if isinstance(card, Token)]
    found = next((card for card in tokens if card.virtual.uid.hex() == question.uid), None)
    row = book.cards[found.key] if found else None
    nobody = Known(epoch, till.disk.grant.tid, question.nonce, now)
    return with_members(nobody, card=id_of(row), listed=listed_of(row)) if row else nobody


def answer(ask: Ask, till: "Till", book: Book, holds: Holds, rules: LimitRules, epoch: int, now: UtcMs) -> Answer:
    """What `server/tokens/service.py` does with its tables, on a book in memory."""
    before = holds.get((ask.tno, ask.seq))
    if before is not None and before.ask == ask:
        return before.answer
    entry = book.entries.get((ask.tno, 0, ask.seq))
    if before is not None or (entry is not None and to_base64url(entry.hash) != ask.hash):
        decision = Decision(refused=Refused(Refusal.TERMINAL_REVOKED))
    elif (why := code_refusal(ask.card, ask.proof, _code_key(book), now)) is not None:
        decision = Decision(refused=Refused(why))
    elif ask.proof is not None and ask.proof.is_spent(_newest_shown(ask, ask.proof, book, holds)):
        decision = Decision(refused=Refused(Refusal.REPLAYED))
    else:
        row, when = book.cards[ask.card.key], when_of(now, book.campus)
        living = [one.held for one in holds.values() if one.ask.card.key == row.key and one.ends_at > now]
        spent = spent_of(_sold(book, row.key), living, rules, when, book.campus)
        decision = decide(row, living, spent, ask.amount, rules=rules, when=when)
    refused, main, granted, held = decision.refused, decision.main_cents, decision.subsidy_cents, decision.held
    told = Answer(
        epoch,
        till.disk.grant.tid,
        ask.epoch,
        ask.seq,
        ask.hash,
        now,
        ask.card,
        ask.amount,
        refused.reason if refused else None,
        Cents(refused.figure if refused else 0),
        main,
        Cents(main - held.main_cents),
        granted,
        Cents(granted - held.subsidy_cents),
    )
    if before is None:
        holds[(ask.tno, ask.seq)] = Kept(ask, told, held, 0 if refused else now + HOLD_MS)
    return told


def _code_key(book: Book) -> Verifier:
    assert book.code_key is not None
    return book.code_key


def _newest_shown(ask: Ask, proof: Proof, book: Book, holds: Holds) -> int:
    """The highest counter that the token has shown for any sale, settled or asked about."""
    settled = [counter for key, kind, counter in book.token_uses if (key, kind) == (ask.card.key, proof.kind)]
    asked = [one.ask.proof for one in holds.values() if one.ask.card.key == ask.card.key]
    return max([*settled, *(one.counter for one in asked if one is not None)], default=0)


def end_holds(book: Book, holds: Holds) -> None:
    """Sales whose outcome is posted hold nothing back any more."""
    for place, kept in holds.items():
        step = book.steps.get((kept.ask.tno, 0, place[1]))
        if kept.ends_at and step is not None and step.stage is not Stage.PREPARED:
            holds[place] = replace(kept, ends_at=0)


@dataclass
class PostedAt:
    """When the books grew to which length: so every posting has its instant, like a row of the ledger."""

    lengths: list[int] = field(default_factory=list[int])
    instants: list[UtcMs] = field(default_factory=list[UtcMs])

    def note(self, book: Book, now: UtcMs) -> None:
        """What has come since the last time came now."""
        if len(book.posted) > (self.lengths[-1] if self.lengths else 0):
            self.lengths.append(len(book.posted))
            self.instants.append(now)

    def of(self, index: int) -> UtcMs:
        """When the posting at this place came."""
        return self.instants[bisect_right(self.lengths, index)]

    def copy(self) -> "PostedAt":
        """For a backup."""
        return PostedAt(list(self.lengths), list(self.instants))


def write_off(book: Book, posted_at: PostedAt, now: UtcMs) -> None:
    """What purses of tokens have lacked for thirty days is our loss."""
    posted_at.note(book, now)
    for key, card in book.cards.items():
        if card.technology == Technology.TOKEN and card.main_cents < 0:
            legs = [
                (posted_at.of(index), leg.cents)
                for index, posted in reversed(list(enumerate(book.posted.values())))
                for leg in posted.postings
                if (leg.account.kind, leg.account.owner) == (AccountKind.PURSE, owner_of(key))
            ]
            since = missing_since(card.main_cents, legs)
            if now - since >= MISSING_MAX_MS:
                lost = balanced((purse(key), -card.main_cents), (OPERATOR_LOSS, card.main_cents))
                book.post(f"missing:{owner_of(key)}@{since}", book.campus.business_day(now), lost)


def _sold(book: Book, key: CardKey) -> list[Sold]:
    return [
        Sold(BusinessDay(step.day), step.at, step.body.amount)
        for step in book.steps.values()
        if step.card == key and isinstance(step.body, SaleStep) and step.use is Use.FIRST
    ]
