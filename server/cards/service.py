"""The card office: issue, load, block, replace, close; each in one transaction.

Money only ever moves by postings. What reaches a card is a signed, cumulative load record.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.ids import CardKey, CardNo, Generation, PersonId
from protocol.instants import BusinessDay, CampusTime, UtcMs
from protocol.load_record import encode_load, sign_load
from protocol.money import Cents
from server import due
from server.auth.service import Assent
from server.cards import store
from server.cards.giving import give, give_less_debt, give_subsidy
from server.cards.office import Holding, Office
from server.cards.reports import asked_for, exposed_of, reports_of
from server.cards.rules import (
    Plastic,
    collects_no_more,
    grantable,
    grantable_subsidy,
    let_subsidy_lapse,
    load_refusal,
    paid_at_once,
    promised,
    record_of,
    rest_of,
    waiting_over,
)
from server.db import Database
from server.due import Due
from server.errors import Conflict, NotFound
from server.ingest.book import CardRow, CardStatus, ShiftStatus
from server.ingest.loading import hold_drawer, load
from server.ingest.on_tokens import is_token
from server.ingest.reach import Reach
from server.ingest.rows import card_columns
from server.ingest.saving import write
from server.ingest.totals import debt, explain
from server.keys import ServerKeys
from server.ledger.accounts import (
    FUNDER,
    VAULT,
    Account,
    AccountKind,
    Postings,
    balanced,
    owner_of,
    pending,
    pending_subsidy,
    purse,
)
from server.one_by_one import OneByOne, of_card
from server.requests import done_before, was_done


class Cards:
    """Keeps cards."""

    def __init__(
        self, database: Database, keys: ServerKeys, campus: CampusTime, clock: Callable[[], UtcMs], alone_cents_max: int
    ) -> None:
        self._database, self._keys, self._campus, self._clock = database, keys, campus, clock
        self._alone_cents_max = alone_cents_max

    async def issue(self, count: int, card_class: int, technology: str, person: PersonId | None) -> list[CardNo]:
        """Give out the next issue numbers; the plastics are personalised with them."""

        async def issue(connection: AsyncConnection) -> list[CardNo]:
            await _check_person(connection, person)
            numbers = [await store.new_number(connection) for _ in range(count)]
            rows = [
                {
                    **card_columns(CardRow((number, Generation(1)), card_class, technology)),
                    "person": person,
                    "issued_at": self._clock(),
                }
                for number in numbers
            ]
            await store.add(connection, rows)
            return numbers

        return await self._database.transact(issue)

    async def bind(self, no: CardNo, person: PersonId | None) -> None:
        """Say whose card it is; None: nobody's."""

        async def bind(connection: AsyncConnection) -> None:
            await _check_person(connection, person)
            office = await self._open(connection, no)
            await store.change(connection, office.newest.key, {"person": person})

        await self._database.transact(bind)

    async def get(self, no: CardNo) -> Holding:
        """Everything about a number. Raises NotFound."""
        async with self._database.reading() as connection:
            rows = await store.generations(connection, no, lock=False)
            if not rows:
                raise NotFound("no_such_card", f"no card has the number {no}")
            owed = await store.pending_of(connection, no)
            return Holding(no, rows, owed, await store.pending_of(connection, no, AccountKind.PENDING_SUBSIDY))

    async def page(self, after: tuple[int, int], person: str | None, limit: int) -> Sequence[RowMapping]:
        """Cards in the order of their numbers."""
        async with self._database.glancing() as connection:
            return await store.page(connection, after, person, limit)

    async def history(self, no: CardNo, before: int | None, limit: int) -> Sequence[RowMapping]:
        """The newest steps of a number, newest first."""
        async with self._database.glancing() as connection:
            return await store.steps(connection, no, before, limit)

    async def events(self, no: CardNo, limit: int) -> Sequence[RowMapping]:
        """What terminals told of the plastics of a number, newest first: made, blocked, given other keys."""
        async with self._database.glancing() as connection:
            return await store.events(connection, no, limit)

    async def load(
        self,
        no: CardNo,
        request: str,
        cents: Cents,
        source: Account,
        agreed: Assent | None,
        explains: bool | None = None,
    ) -> bool:
        """Money taken in at a desk: owed to the holder at once, on the card with its next load. Once a request.

        `agreed` is asked where it is more than one person loads alone; None: whoever calls has seen to that. False: it
        waits for a second person.

        `explains`: whether the card may have collected it before this server was restored; must be said where it
        has collected something that nothing explains yet, or the same cash would be counted twice.
        """

        async def take(connection: AsyncConnection, office: Office) -> None:
            if explains is None and office.unexplained_cents:
                text = f"the card has collected {office.unexplained_cents} cents that no document tells of"
                raise Conflict("say_whether_it_explains", f"{text}: say whether this one does")
            self._post(office, f"desk:{request}", balanced((source, -cents), (pending(no), cents)))
            rest = cents - self._explain(office, office.plastics, cents) if explains else cents
            owing = debt(await store.pending_of(connection, no), promised(office.plastics))
            give_less_debt(office.work.book, office.newest, Cents(rest), owing, self._today)

        form = {"cents": cents, "from": str(source), "explains": explains}
        return await self._once(no, f"desk:{request}", form, cents, take, agreed, source=source)

    async def subsidise(self, no: CardNo, request: str, cents: Cents, period: int, agreed: Assent | None) -> bool:
        """A subsidy of a period. What was left of another period's goes back to who pays for it.

        `agreed` and what comes of it: as with `load`.
        """

        async def take(connection: AsyncConnection, office: Office) -> None:
            if office.newest.period != period:
                left = max(0, await store.pending_of(connection, no, AccountKind.PENDING_SUBSIDY))
                self._post(office, f"lapsed:{request}", balanced((pending_subsidy(no), -left), (FUNDER, left)))
                for plastic in office.plastics[:-1]:
                    let_subsidy_lapse(plastic.row)
            self._post(office, f"subsidy:{request}", balanced((FUNDER, -cents), (pending_subsidy(no), cents)))
            give_subsidy(office.work.book, office.newest, period, cents, self._today)
            await self._note_subsidy(connection, office.newest)

        return await self._once(no, f"subsidy:{request}", {"cents": cents, "period": period}, cents, take, agreed)

    async def set_blocked(self, no: CardNo, *, blocked: bool) -> None:
        """Block a card, or let it pay again."""

        async def mark(connection: AsyncConnection) -> None:
            office = await self._open(connection, no)
            if office.newest.status not in (CardStatus.ACTIVE, CardStatus.BLOCKED):
                raise Conflict("card_closed", f"the card is {office.newest.status}")
            if not blocked and await store.has_open_fork(connection, no):
                raise Conflict("case_open", "the card was used twice, and nobody has closed the case yet")
            office.newest.status = CardStatus.BLOCKED if blocked else CardStatus.ACTIVE
            await write(connection, office.work, self._clock())

        await self._database.transact(mark)

    async def replace(self, no: CardNo) -> CardKey:
        """The card is lost or broken: a new generation gets now what no unreported sale can have spent.

        One that was handed in and paid out has nothing left; its holder gets a new plastic for what is owed since.
        """

        async def replace(connection: AsyncConnection) -> CardKey:
            now = self._clock()
            office = await self._open(connection, no)
            old, handed_in = office.newest, office.plastics[-1].in_hand
            if old.status not in (CardStatus.ACTIVE, CardStatus.BLOCKED) and not handed_in:
                raise Conflict("card_closed", f"the card is {old.status}")
            exposed = None if handed_in else await exposed_of(connection, old, now, self._campus)
            paid = paid_at_once(old.main_cents, exposed)
            old.status = old.status if handed_in else CardStatus.CLOSED
            new = CardRow((no, Generation(old.key[1] + 1)), old.card_class, old.technology, period=old.period)
            office.work.book.cards[new.key] = new
            self._post(office, f"replace:{owner_of(old.key)}", balanced((purse(old.key), -paid), (pending(no), paid)))
            give(office.work.book, new, paid, self._today)
            await self._save(connection, office, [new])
            row = (await store.generations(connection, no))[-2]
            if not handed_in:
                await store.change(connection, old.key, {"closed_at": now, "closed_for": "replaced"})
            await store.change(connection, new.key, {"person": row["person"], "issued_at": now})
            return new.key

        return await self._database.transact(replace)

    async def close(self, no: CardNo, card_cents: Cents) -> Cents:
        """The plastic was handed in showing this balance: pay the lesser of card and ledger, and what is pending."""

        async def close(connection: AsyncConnection) -> Cents:
            office = await self._open(connection, no)
            old = office.newest
            if old.status not in (CardStatus.ACTIVE, CardStatus.BLOCKED):
                raise Conflict("card_closed", f"the card is {old.status}")
            shown = old.main_cents - await asked_for(connection, old.key) if is_token(old) else card_cents
            on_card, others = max(0, min(shown, old.main_cents)), office.plastics[:-1]
            owed = await self._free(connection, office, others)
            set_off = min(on_card, debt(await store.pending_of(connection, no), promised(others)))
            paid = on_card - set_off + owed
            legs = balanced((purse(old.key), -on_card), (pending(no), set_off - owed), (VAULT, paid))
            self._post(office, f"close:{owner_of(old.key)}", legs)
            old.status = CardStatus.CLOSED
            await write(connection, office.work, self._clock())
            now = self._clock()
            await store.change(connection, old.key, {"closed_at": now, "closed_for": "handed_in", "moved_at": now})
            return Cents(paid)

        return await self._database.transact(close)

    async def pay_out(self, no: CardNo, request: str, cents: Cents) -> None:
        """Pay pending credit out in cash where no card can collect it any more."""

        async def take(connection: AsyncConnection, office: Office) -> None:
            free = await self._free(connection, office, office.plastics)
            if cents > free:
                raise Conflict("not_free", f"only {free} cents are owed and promised to no card")
            self._post(office, f"payout:{request}", balanced((pending(no), -cents), (VAULT, cents)))

        await self._once(no, f"payout:{request}", {"cents": cents}, Cents(0), take, any_status=True)

    async def run(self) -> dict[str, int]:
        """What time brings: closed cards released, uncollected loads set free, pending credit granted, loads signed."""
        async with self._database.glancing() as connection:
            waiting = await store.waiting(connection)
        one_by_one = OneByOne(self._database, self._clock)
        released = await one_by_one.each("settling a closed card", sorted(waiting), self._settle_closed, of_card)
        async with self._database.reading() as connection:
            owed = await due.cards_due(connection, Due.PENDING)
        granted = await one_by_one.each("granting pending credit", owed, self._grant_pending, of_card)
        return {"cards_released": released, "loads_granted": granted}

    async def settle_all(self) -> int:
        """`run`, as a step before the night's proof: how many things it did."""
        return sum((await self.run()).values())

    async def sign_loads(self) -> list[tuple[CardNo, bytes]]:
        """The signed records of all cards with something uncollected; what was never signed is signed now."""

        async def sign(connection: AsyncConnection) -> list[tuple[CardNo, bytes]]:
            found = await store.uncollected(connection)
            return [(card.key[0], record or await self._sign(connection, card)) for card, record in found]

        return await self._database.transact(sign)

    async def _sign(self, connection: AsyncConnection, card: CardRow) -> bytes:
        raw = encode_load(sign_load(record_of(card), self._keys.load))
        await store.keep_record(connection, card, raw, self._clock())
        return raw

    async def _once(
        self,
        no: CardNo,
        cause: str,
        form: Mapping[str, object],
        granted: Cents,
        take: Callable[[AsyncConnection, Office], Awaitable[None]],
        agreed: Assent | None = None,
        *,
        any_status: bool = False,
        source: Account = VAULT,
    ) -> bool:
        """Do a money request; the same request again does nothing, another one under its id is refused.

        Cash goes only into the drawer of a shift that is open: what is counted later must be in the books then.
        False: it waits for a second person.
        """
        asked = {"card": no, **form}

        async def do(connection: AsyncConnection) -> bool:
            in_drawer = source.kind is AccountKind.DRAWER
            open_now = not in_drawer or await hold_drawer(connection, source.owner) is ShiftStatus.OPEN
            office = await self._open(connection, no)
            if await was_done(connection, cause, asked):
                return True
            if not open_now:
                raise Conflict("shift_not_open", "this server knows of no open shift with that drawer")
            refusal = "" if any_status else await self._refusal(connection, office.newest, granted)
            if refusal:
                raise Conflict("cannot_load", refusal)
            who = await store.holder_of(connection, no)
            if agreed is not None and not await agreed(connection, asked, who, granted <= self._alone_cents_max):
                return False
            await done_before(connection, cause, asked)
            await take(connection, office)
            await self._save(connection, office, [] if any_status else [office.newest])
            return True

        return await self._database.transact(do)

    async def _settle_closed(self, no: CardNo) -> int:
        async def settle(connection: AsyncConnection) -> int:
            now, count = self._clock(), 0
            office = await self._open(connection, no)
            reports = await reports_of(connection)
            for plastic in office.plastics:
                row = plastic.row
                if row.status is CardStatus.CLOSED and waiting_over(plastic, reports, now):
                    row.status, count = CardStatus.RELEASED, count + 1
                    self._post(office, f"release:{owner_of(row.key)}", rest_of(row))
                closed = row.status in (CardStatus.CLOSED, CardStatus.RELEASED)
                if closed and not plastic.moved_at and collects_no_more(plastic, reports):
                    await store.change(connection, row.key, {"moved_at": now})
                    await due.leave(connection, Due.PENDING, [no])
            await write(connection, office.work, now)
            return count

        return await self._database.transact(settle)

    async def _grant_pending(self, no: CardNo) -> int:
        async def grant(connection: AsyncConnection) -> int:
            await due.take(connection, Due.PENDING, no)
            if not await store.generations(connection, no):
                return 0
            office = await self._open(connection, no)
            card, free = office.newest, await self._free(connection, office, office.plastics)
            subsidy_owed = await store.pending_of(connection, no, AccountKind.PENDING_SUBSIDY)
            main = free and not await self._refusal(connection, card, free)
            if main:
                give(office.work.book, card, free, self._today)
            free = grantable_subsidy(subsidy_owed, office.plastics)
            granted = free and not await self._refusal(connection, card, free)
            if granted:
                give_subsidy(office.work.book, card, card.period, free, self._today)
            await self._save(connection, office, [card] if main or granted else [])
            if granted:
                await self._note_subsidy(connection, card)
            return int(bool(main or granted))

        return await self._database.transact(grant)

    async def _free(self, connection: AsyncConnection, office: Office, plastics: Sequence[Plastic]) -> Cents:
        """Pending credit that may be given: promised to no card, nor collected by the newest before a restore."""
        no = office.newest.key[0]
        owed = grantable(await store.pending_of(connection, no), plastics)
        return Cents(owed - self._explain(office, office.plastics[-1:], owed))

    async def _note_subsidy(self, connection: AsyncConnection, card: CardRow) -> None:
        """Which load brings it, where a load does."""
        if not is_token(card):
            await store.change(connection, card.key, {"subsidy_seq": card.load_seq})

    @property
    def _today(self) -> BusinessDay:
        return self._campus.business_day(self._clock())

    def _explain(self, office: Office, plastics: Sequence[Plastic], cents: Cents) -> Cents:
        rows = [plastic.row for plastic in plastics]
        return explain(office.work.book, rows, cents, self._today)

    async def _refusal(self, connection: AsyncConnection, card: CardRow, cents: int) -> str:
        return load_refusal(card, cents, in_question=await store.is_in_question(connection, card.key))

    async def _open(self, connection: AsyncConnection, no: CardNo) -> Office:
        """Lock the plastics of a number and load them."""
        rows = await store.generations(connection, no)
        if not rows:
            raise NotFound("no_such_card", f"no card has the number {no}")
        keys = frozenset((no, Generation(row["generation"])) for row in rows)
        work = await load(connection, self._campus, [], Reach(keys, frozenset(), frozenset()))
        return Office(work, store.plastics_of(rows, work.book.cards))

    async def _save(self, connection: AsyncConnection, office: Office, loaded: Iterable[CardRow]) -> None:
        await write(connection, office.work, self._clock())
        for card in loaded:
            if not is_token(card) and not await store.has_record(connection, card):
                await self._sign(connection, card)

    def _post(self, office: Office, cause: str, legs: Postings) -> None:
        office.work.book.post(cause, self._today, legs)


async def _check_person(connection: AsyncConnection, person: PersonId | None) -> None:
    if person is not None and not await store.has_person(connection, person):
        raise NotFound("no_such_person", f"no person has the id {person}")
