"""Answers what terminals ask about tokens, and keeps whose a UID is.

    question -> whose chain? -> card locked -> asked before? -> decide -> held back, answer kept -> COMMIT -> answer

Everything is in the database: whichever program of the server is asked, the answer is the same.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.authorise import Refusal, Refused
from protocol.ids import CardKey, CardNo, Generation, TerminalId
from protocol.instants import BusinessDay, CampusTime, UtcMs
from protocol.messages import Answer, Ask, Known, NotAMessage, Who, read_question, sign
from protocol.money import Cents
from protocol.purse import Technology
from protocol.signing import from_base64url
from protocol.tokens import uid_text
from server.cards.reports import limit_lists, reports_of
from server.cards.rules import Silent, stand_ins
from server.db import Database
from server.errors import Conflict, Invalid, NotFound
from server.ingest.book import CardRow, CardStatus, TerminalStatus
from server.ingest.loading import load
from server.ingest.reach import Reach
from server.ingest.saving import write
from server.keys import ServerKeys
from server.ledger.accounts import OPERATOR_LOSS, balanced, owner_of, purse, subsidy
from server.numbers import server_epoch
from server.one_by_one import OneByOne, Subject
from server.tokens import store
from server.tokens.rules import (
    ANSWERS_KEPT_MS,
    HOLD_MS,
    MISSING_MAX_MS,
    Decision,
    Pace,
    code_refusal,
    decide,
    id_of,
    listed_of,
    missing_since,
    spent_of,
    when_of,
)

log = logging.getLogger(__name__)
_NOT_HERE, _NOT_OURS, _REPLAYED = (
    Decision(refused=Refused(why)) for why in (Refusal.TERMINAL_REVOKED, Refusal.CARD_NOT_OURS, Refusal.REPLAYED)
)
MONTH_DAYS_MAX = 31


@dataclass(frozen=True, slots=True)
class WorstCase:
    """What may have been sold without an answer and is not known yet."""

    silent: list[Silent]
    tokens: int

    @property
    def a_token_cents(self) -> int:
        """To one token."""
        return sum(known.cents for known in self.silent)

    @property
    def cents(self) -> int:
        """To all of them."""
        return self.a_token_cents * self.tokens


class Tokens:
    """Keeps tokens."""

    def __init__(self, database: Database, keys: ServerKeys, campus: CampusTime, clock: Callable[[], UtcMs]) -> None:
        self._database, self._keys, self._campus, self._clock = database, keys, campus, clock
        self._pace = Pace()

    # Terminals ---------------------------------------------------------------------------------------------------

    async def answer(self, tid: TerminalId, raw: bytes) -> bytes | None:
        """The signed answer to a terminal's question. None: it is none of ours, or one too many."""
        try:
            question = read_question(raw)
        except NotAMessage as error:
            log.warning("a question of %s refused: %s", tid, error)
            return None
        if not self._pace.lets_in(tid, self._clock()):
            log.warning("%s asks too often; this question is not answered", tid)
            return None
        if isinstance(question, Who):
            return await self._known(tid, question)
        return await self._database.transact(lambda connection: self._asked(connection, tid, question))

    async def _known(self, tid: TerminalId, who: Who) -> bytes | None:
        async with self._database.reading() as connection:
            chain = await store.chain_with(connection, tid)
            if chain is None or _is_shut_out(chain):
                log.warning("%s asks whose a UID is, and may not", tid)
                return None
            card, epoch = await store.card_with(connection, who.uid), await server_epoch(connection)
        known = Known(epoch, tid, who.nonce, self._clock())
        if card is not None:
            known = Known(epoch, tid, who.nonce, known.at, id_of(card), listed_of(card))
        return sign(known, self._keys.ack)

    async def _asked(self, connection: AsyncConnection, tid: TerminalId, ask: Ask) -> bytes | None:
        chain, now = await store.chain_with(connection, tid, ask.epoch), self._clock()
        if chain is None or chain["tno"] != ask.tno:
            log.warning("%s asks under a number that is not its own", tid)
            return None
        card, digest = await self._lock(connection, ask.card.key), from_base64url(ask.hash)
        before = await store.answer_at(connection, ask.tno, ask.seq)
        if before is not None and _is_about(before, ask, digest):
            return bytes(before["answer"])
        held_entry = await store.hash_at(connection, ask.tno, ask.seq)
        if before is not None or _is_shut_out(chain) or held_entry not in (None, digest):
            log.warning("%s asks about a sale that it may not make: entry %s", tid, ask.seq)
            return await self._sign(connection, tid, ask, _NOT_HERE, now)
        if await store.is_decided(connection, ask.tno, ask.seq):
            return None
        if card is None or card.technology != Technology.TOKEN:
            return await self._sign(connection, tid, ask, _NOT_OURS, now)
        if (why := code_refusal(ask.card, ask.proof, self._keys.trust.ack, now)) is not None:
            decision = Decision(refused=Refused(why))
        elif ask.proof is None or await store.take_proof(connection, ask, ask.proof):
            decision = await self._decide(connection, card, ask.amount, chain["site"], now)
        else:
            decision = _REPLAYED
        answer = await self._sign(connection, tid, ask, decision, now)
        await self._keep(connection, ask, decision, answer, now)
        return answer

    async def _decide(
        self, connection: AsyncConnection, card: CardRow, amount: Cents, site: str, now: UtcMs
    ) -> Decision:
        rules, when = await store.rules_of(connection, site), when_of(now, self._campus)
        held = await store.held_for(connection, card.key, now)
        sold = await store.sold_since(connection, card.key, BusinessDay(when.day - MONTH_DAYS_MAX))
        return decide(card, held, spent_of(sold, held, rules, when, self._campus), amount, rules=rules, when=when)

    async def _sign(
        self, connection: AsyncConnection, tid: TerminalId, ask: Ask, decision: Decision, now: UtcMs
    ) -> bytes:
        refused, main, granted = decision.refused, decision.main_cents, decision.subsidy_cents
        answer = Answer(
            await server_epoch(connection),
            tid,
            ask.epoch,
            ask.seq,
            ask.hash,
            now,
            ask.card,
            ask.amount,
            refused.reason if refused else None,
            Cents(refused.figure if refused else 0),
            main,
            Cents(main - decision.held.main_cents),
            granted,
            Cents(granted - decision.held.subsidy_cents),
        )
        return sign(answer, self._keys.ack)

    async def _keep(self, connection: AsyncConnection, ask: Ask, decision: Decision, answer: bytes, now: UtcMs) -> None:
        values = {
            "tno": ask.tno,
            "seq": ask.seq,
            "hash": from_base64url(ask.hash),
            "card": ask.card.no,
            "generation": ask.card.generation,
            "amount": ask.amount,
            "main_cents": decision.held.main_cents,
            "subsidy_cents": decision.held.subsidy_cents,
            "asked_at": now,
            "ends_at": 0 if decision.refused else now + HOLD_MS,
            "answer": answer,
        }
        await store.keep_answer(connection, values)

    # The desk ----------------------------------------------------------------------------------------------------

    async def bind(self, uid: str, no: CardNo) -> None:
        """Say that whoever shows this UID is the holder of a card. Raises NotFound, Invalid, Conflict."""
        if uid_text(bytes.fromhex(uid)) is None:
            why = "4 bytes from 08 on and 8 from 01fe on change at every tap, and zeros are what many cards show"
            raise Invalid("uid_says_nothing", f"nobody is known by this UID: {why}")

        async def bind(connection: AsyncConnection) -> None:
            row = await store.newest_of(connection, no)
            if row is None:
                raise NotFound("no_such_card", f"no card has the number {no}")
            key: CardKey = (no, Generation(row["generation"]))
            bound = await store.bound(connection, uid)
            if bound is not None and (bound["card"], bound["generation"]) == key:
                return
            if row["technology"] != Technology.TOKEN:
                raise Conflict("not_a_token", "the purse of this card is on the card itself")
            if row["status"] not in (CardStatus.ACTIVE, CardStatus.BLOCKED):
                raise Conflict("card_closed", f"the card is {row['status']}")
            if bound is not None:
                raise Conflict("uid_bound", f"this UID is bound to card {bound['card']}; take it away there first")
            if await store.uid_of(connection, key) is not None:
                raise Conflict("card_bound", "another UID is bound to this card; take that away first")
            values = {"uid": uid, "card": key[0], "generation": key[1], "bound_at": self._clock()}
            await store.bind(connection, values)

        await self._database.transact(bind)

    async def unbind(self, uid: str) -> None:
        """It is nobody's any more; the money stays on the card's number. Raises NotFound, Conflict."""

        async def unbind(connection: AsyncConnection) -> None:
            found = await store.bound(connection, uid)
            if found is not None and found["proves"]:
                raise Conflict("token_proves_itself", "this tag says itself whose it is: block or replace its card")
            if not await store.unbind(connection, uid):
                raise NotFound("no_such_token", "this UID is bound to no card")

        await self._database.transact(unbind)

    async def of(self, uid: str) -> RowMapping:
        """What a UID is bound to. Raises NotFound."""
        async with self._database.glancing() as connection:
            found = await store.bound(connection, uid)
        if found is None:
            raise NotFound("no_such_token", "this UID is bound to no card")
        return found

    async def page(self, no: CardNo | None, after: str, limit: int) -> Sequence[RowMapping]:
        """Bound UIDs in their order."""
        async with self._database.glancing() as connection:
            return await store.tokens(connection, no, after, limit)

    async def worst_case(self) -> WorstCase:
        """What silent terminals may have sold without an answer."""
        async with self._database.reading() as connection:
            reports, limits = await reports_of(connection), await limit_lists(connection)
            return WorstCase(stand_ins(reports, limits, self._clock(), self._campus), await store.active(connection))

    async def worst_case_cents(self) -> int:
        """The same in one figure."""
        return (await self.worst_case()).cents

    # What time brings --------------------------------------------------------------------------------------------

    async def run(self) -> dict[str, int]:
        """What purses have lacked for thirty days becomes our loss; old answers are forgotten."""
        async with self._database.glancing() as connection:
            keys = await store.overdrawn(connection)
        written_off = await OneByOne(self._database, self._clock).each(
            "writing a token's purse off", keys, self._write_off, lambda key: Subject(card=key)
        )
        before = UtcMs(self._clock() - ANSWERS_KEPT_MS)
        await self._database.transact(lambda connection: store.forget(connection, before))
        return {"purses_written_off": written_off}

    async def _write_off(self, key: CardKey) -> int:
        async def write_off(connection: AsyncConnection) -> int:
            now = self._clock()
            work = await load(connection, self._campus, [], _reach(key))
            card, count = work.book.cards[key], 0
            for account, cents in ((purse(key), card.main_cents), (subsidy(key), card.subsidy_cents)):
                since = missing_since(cents, await store.moves_of(connection, account)) if cents < 0 else now
                if now - since >= MISSING_MAX_MS:
                    legs, count = balanced((account, -cents), (OPERATOR_LOSS, cents)), count + 1
                    cause = f"missing:{owner_of(key)}@{since}.{account.kind}"
                    work.book.post(cause, self._campus.business_day(now), legs)
            await write(connection, work, now)
            return count

        return await self._database.transact(write_off)

    async def _lock(self, connection: AsyncConnection, key: CardKey) -> CardRow | None:
        return (await load(connection, self._campus, [], _reach(key))).book.cards.get(key)


def _reach(key: CardKey) -> Reach:
    return Reach(frozenset({key}), frozenset(), frozenset())


def _is_about(before: RowMapping, ask: Ask, digest: bytes) -> bool:
    asked = (bytes(before["hash"]), before["card"], before["generation"], before["amount"])
    return asked == (digest, *ask.card.key, ask.amount)


def _is_shut_out(chain: RowMapping) -> bool:
    return bool(chain["revoked_at"]) or chain["status"] == TerminalStatus.LOST
