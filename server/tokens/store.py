"""Rows of tokens and of what is held back, and what a decision about a sale looks at."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, and_, delete, func, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.entries import Operation, Stage
from protocol.ids import CardKey, CardNo, Epoch, Generation, Seq, TerminalId, Tno
from protocol.instants import BusinessDay, UtcMs
from protocol.limits import NO_LIMITS, LimitRules
from protocol.messages import Ask
from protocol.money import Cents
from protocol.policy import read_file
from protocol.proofs import Proof
from protocol.purse import Technology
from server.ingest.book import CardRow, CardStatus
from server.ingest.rows import card_of
from server.ledger.accounts import Account
from server.ledger.rules import Use
from server.tables import card, chain, entry, list_file, posting, step
from server.token_tables import WITHOUT_COUNTER, hold, token, token_use
from server.tokens.rules import Held, Sold

MOVES_MAX = 1_000


async def newest_of(connection: AsyncConnection, no: CardNo) -> RowMapping | None:
    """The plastic that a number has now, locked."""
    query = select(card).where(card.c.card == no).order_by(card.c.generation.desc()).limit(1)
    return (await connection.execute(query.with_for_update())).mappings().one_or_none()


async def bound(connection: AsyncConnection, uid: str) -> RowMapping | None:
    """What a UID is bound to."""
    return (await connection.execute(select(token).where(token.c.uid == uid))).mappings().one_or_none()


async def uid_of(connection: AsyncConnection, key: CardKey) -> str | None:
    """Which UID is bound to a card."""
    same = (token.c.card == key[0], token.c.generation == key[1])
    found: str | None = await connection.scalar(select(token.c.uid).where(*same))
    return found


async def tokens(connection: AsyncConnection, no: CardNo | None, after: str, limit: int) -> Sequence[RowMapping]:
    """Bound UIDs in their order behind one of them; only those of one number, where it is given."""
    query = select(token).where(token.c.uid > after).order_by(token.c.uid).limit(limit)
    query = query if no is None else query.where(token.c.card == no)
    return (await connection.execute(query)).mappings().all()


async def bind(connection: AsyncConnection, values: dict[str, Any]) -> None:
    """Say whose a UID is."""
    await connection.execute(insert(token).values(values))


async def unbind(connection: AsyncConnection, uid: str) -> bool:
    """It is nobody's; whether it was somebody's."""
    return bool((await connection.execute(delete(token).where(token.c.uid == uid))).rowcount)


async def card_with(connection: AsyncConnection, uid: str) -> CardRow | None:
    """The card of whoever shows this UID; None also for a tag that has to prove itself."""
    same = and_(card.c.card == token.c.card, card.c.generation == token.c.generation)
    query = select(card).join_from(token, card, same).where(token.c.uid == uid, token.c.proves == 0)
    row = (await connection.execute(query)).mappings().one_or_none()
    return card_of(row) if row is not None else None


async def chain_with(connection: AsyncConnection, tid: TerminalId, epoch: Epoch | None = None) -> RowMapping | None:
    """A chain of a terminal: of this epoch, or its newest."""
    query = select(chain).where(chain.c.tid == tid).order_by(chain.c.epoch.desc()).limit(1)
    query = query if epoch is None else query.where(chain.c.epoch == epoch)
    return (await connection.execute(query)).mappings().one_or_none()


async def answer_at(connection: AsyncConnection, tno: Tno, seq: Seq) -> RowMapping | None:
    """What was answered about a sale."""
    query = select(hold).where(hold.c.tno == tno, hold.c.seq == seq)
    return (await connection.execute(query)).mappings().one_or_none()


async def keep_answer(connection: AsyncConnection, values: dict[str, Any]) -> None:
    """What was answered, and what is held back for it."""
    await connection.execute(insert(hold).values(values))


async def forget(connection: AsyncConnection, asked_before: UtcMs) -> None:
    """Answers that nobody asks for again."""
    await connection.execute(delete(hold).where(hold.c.asked_at < asked_before))


async def take_proof(connection: AsyncConnection, ask: Ask, proof: Proof) -> bool:
    """Keep what a token shows for a sale, where it has shown nothing newer; whether it has not. Its card is locked."""
    use = token_use.c
    same = (use.card == ask.card.no, use.generation == ask.card.generation, use.kind == proof.kind)
    newest = await connection.scalar(select(func.max(use.counter)).where(*same))
    if proof.is_spent(newest or 0):
        return False
    if proof.counter:
        place = {"tno": ask.tno, "branch": 0, "seq": ask.seq, "settled": 0}
        shown = {"card": ask.card.no, "generation": ask.card.generation, "kind": proof.kind, "counter": proof.counter}
        await connection.execute(insert(token_use).values({**shown, **place}))
    return True


async def hash_at(connection: AsyncConnection, tno: Tno, seq: Seq) -> bytes | None:
    """The hash of an entry of a chain's first history, if it has come."""
    query = select(entry.c.hash).where(entry.c.tno == tno, entry.c.branch == 0, entry.c.seq == seq)
    found: bytes | None = await connection.scalar(query)
    return found


async def is_decided(connection: AsyncConnection, tno: Tno, seq: Seq) -> bool:
    """Whether the outcome of a sale is posted."""
    same = (step.c.tno == tno, step.c.branch == 0, step.c.seq == seq, step.c.stage != Stage.PREPARED)
    return await connection.scalar(select(step.c.number).where(*same)) is not None


async def held_for(connection: AsyncConnection, key: CardKey, now: UtcMs) -> list[Held]:
    """What is held back on a card."""
    living = (hold.c.card == key[0], hold.c.generation == key[1], hold.c.ends_at > now)
    query = select(hold.c.main_cents, hold.c.subsidy_cents).where(*living)
    return [Held(Cents(row.main_cents), Cents(row.subsidy_cents)) for row in await connection.execute(query)]


async def sold_since(connection: AsyncConnection, key: CardKey, day: BusinessDay) -> list[Sold]:
    """A token's settled sales from a business day on."""
    settled = (step.c.operation == Operation.SALE, step.c.stage == Stage.SETTLED, step.c.use == Use.FIRST)
    of_token = (step.c.card == key[0], step.c.generation == key[1], WITHOUT_COUNTER, step.c.day >= day)
    query = select(step.c.day, step.c.at, step.c.amount).where(*of_token, *settled)
    return [Sold(BusinessDay(row.day), UtcMs(row.at), Cents(row.amount)) for row in await connection.execute(query)]


async def rules_of(connection: AsyncConnection, site: str) -> LimitRules:
    """The limits of a site."""
    query = select(list_file.c.body).where(list_file.c.site == site, list_file.c.name == "limits")
    raw = await connection.scalar(query.order_by(list_file.c.version.desc()).limit(1))
    return NO_LIMITS if raw is None else read_file(bytes(raw), LimitRules)


async def overdrawn(connection: AsyncConnection) -> list[CardKey]:
    """Tokens whose purses lack something."""
    query = select(card.c.card, card.c.generation).where(_lacks()).order_by(card.c.card, card.c.generation)
    return [(CardNo(row.card), Generation(row.generation)) for row in await connection.execute(query)]


async def active(connection: AsyncConnection) -> int:
    """How many UIDs are bound to cards that may pay."""
    same = and_(card.c.card == token.c.card, card.c.generation == token.c.generation)
    query = select(func.count()).select_from(token.join(card, same)).where(card.c.status == CardStatus.ACTIVE)
    return int(await connection.scalar(query) or 0)


async def moves_of(connection: AsyncConnection, account: Account) -> list[tuple[UtcMs, int]]:
    """What was posted to an account, newest first: more than a purse below zero gets in a month."""
    same = (posting.c.account_kind == account.kind, posting.c.owner == account.owner)
    query = select(posting.c.at, posting.c.cents).where(*same).order_by(posting.c.id.desc()).limit(MOVES_MAX)
    return [(UtcMs(row.at), int(row.cents)) for row in await connection.execute(query)]


def _lacks() -> ColumnElement[bool]:
    return and_(card.c.technology == Technology.TOKEN, or_(card.c.main_cents < 0, card.c.subsidy_cents < 0))
