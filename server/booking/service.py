"""Books what people decide about money: movements, corrections, reversals; each once, in one transaction.

asked -> done before? -> one person or two -> legs posted, and who, why and on what evidence is kept with them
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.ids import CardKey, ShiftNo, TerminalId, Tno
from protocol.instants import CampusTime, UtcMs
from protocol.money import Cents
from server.auth.rules import Operator, Permission
from server.auth.service import TwoPeople
from server.booking import store
from server.booking.acts import ON_CARDS, Act, Count, card_of
from server.booking.rules import MOVEMENTS, REVERSIBLE
from server.db import Database
from server.errors import Conflict, Forbidden, Invalid, NotFound
from server.ingest.book import ShiftStatus
from server.ingest.loading import hold_drawer, load, load_posted
from server.ingest.saving import Work, write
from server.ledger.accounts import VAULT, Account, AccountKind, Postings, balanced, difference_of, pending
from server.ledger.rules import reversed_postings
from server.note import note_subject
from server.numbers import next_number
from server.requests import done_before, was_done

ACT_NUMBER = "number:act"


class Bookings:
    """Writes postings that no terminal and no card office makes."""

    def __init__(
        self,
        database: Database,
        together: TwoPeople,
        campus: CampusTime,
        clock: Callable[[], UtcMs],
        alone_cents_max: int,
    ) -> None:
        self._database, self._together, self._campus, self._clock = database, together, campus, clock
        self._alone_cents_max = alone_cents_max

    async def move(self, operator: Operator, request: str, name: str, owner: str, cents: int, document: str) -> bool:
        """Book a named movement; a large one when two people ask for it. False: it waits for the second one."""
        movement = MOVEMENTS[name]
        if bool(owner) != movement.has_owner:
            raise Invalid("wrong_owner", "this movement needs an owner" if movement.has_owner else "it has no owner")
        if not movement.at_desk and not operator.may(Permission.FINANCE):
            raise Forbidden("not_allowed", f"this needs the permission {Permission.FINANCE}")
        act = Act(f"movement:{request}", name, movement.postings(owner, cents), document, document, owner)

        async def check(connection: AsyncConnection) -> None:
            owed = await store.balance(connection, Account(movement.debit, owner)) if movement.only_owed else cents
            if owed < cents:
                raise Conflict("more_than_owed", f"only {owed} cents are owed on that account")
            for kind in sorted(movement.known_first):
                await _must_exist(connection, Account(kind, owner))
            held = -await store.balance(connection, VAULT) if movement.credit is AccountKind.VAULT else cents
            if held < cents:
                raise Conflict(
                    "more_than_held", f"the vault holds {held} cents by the books; count it, and correct them"
                )

        return await self._book(operator, act, check, alone=cents <= self._alone_cents_max)

    async def correct(
        self, operator: Operator, request: str, legs: Sequence[tuple[Account, int]], reason: str, evidence: str
    ) -> bool:
        """Two people: post these legs, on accounts that there are. False: it waits for the second one."""
        accounts = [account for account, _ in legs]
        if sum(cents for _, cents in legs) or len(set(accounts)) != len(accounts):
            raise Invalid("not_balanced", "the legs are on different accounts and sum to zero")

        async def check(connection: AsyncConnection) -> None:
            for account, cents in legs:
                await _check_leg(connection, account, cents)

        act = Act(f"correction:{request}", "correction", balanced(*legs), reason, evidence)
        return await self._book(operator, act, check)

    async def reverse(self, operator: Operator, cause: str, reason: str, evidence: str) -> bool:
        """Two people: undo everything that was posted for a cause, once. False: it waits for the second one.

        What a closed card gave up is owed to its holder again: the plastic itself stays closed. The purse of a card
        in use gets back what a correction took from it, or gives back what it brought.
        """
        if cause.partition(":")[0] not in REVERSIBLE:
            raise Invalid(
                "not_reversible",
                f"only a whole act of a person is reversed ({', '.join(sorted(REVERSIBLE))}); write a correction",
            )
        async with self._database.reading() as connection:
            legs = await store.legs_of(connection, cause)
            purses = {card_of(leg.account) for leg in legs if leg.account.kind in ON_CARDS}
            in_use = await store.in_use(connection, purses)
        if not legs:
            raise NotFound("no_such_cause", f"nothing was posted for {cause}; GET /ledger/acts lists causes")
        back = _off_cards(reversed_postings(legs), in_use)
        act = Act(f"reversal:{cause}", "reversal", back, reason, evidence, are_found=True)

        async def check(connection: AsyncConnection) -> None:
            for leg in act.legs:
                counted = leg.account.kind is AccountKind.DRAWER and await hold_drawer(connection, leg.account.owner)
                if counted is ShiftStatus.CLOSED:
                    raise Conflict("drawer_counted", "that drawer was counted meanwhile; write a correction")
            if await store.in_use(connection, purses, lock=True) != in_use:
                raise Conflict("card_changed", "its card was closed or replaced meanwhile; ask again")

        return await self._book(operator, act, check)

    async def count(
        self,
        operator: Operator,
        request: str,
        shift: tuple[TerminalId, Tno, ShiftNo],
        counted: Cents,
        reason: str,
        evidence: str,
    ) -> bool:
        """Two people: hand in the drawer of a shift that its terminal cannot count any more. False: it waits.

        What the books have in the drawer goes; the difference is the operator's.
        """
        count = Count(f"count:{request}", *shift, counted, reason, evidence)

        async def check(connection: AsyncConnection) -> None:
            await _must_exist(connection, count.drawer)
            if await hold_drawer(connection, count.drawer.owner) is ShiftStatus.CLOSED:
                raise Conflict("drawer_counted", f"the drawer of shift {count.shift} was counted before")
            if await store.is_in_use(connection, count.tid, count.tno):
                text = f"{count.tid} still writes this chain: close the shift there, or declare the terminal lost"
                raise Conflict("shift_goes_on", text)

        return await self._book(operator, count, check)

    async def acts(self, before: int | None, limit: int) -> Sequence[RowMapping]:
        """What was booked, newest first."""
        async with self._database.glancing() as connection:
            return await store.acts(connection, before, limit)

    async def _book(
        self,
        operator: Operator,
        act: Act | Count,
        check: Callable[[AsyncConnection], Awaitable[None]] | None = None,
        *,
        alone: bool = False,
    ) -> bool:
        note_subject(act.cause)
        form = act.form()

        async def book(connection: AsyncConnection) -> bool:
            number = await next_number(connection, ACT_NUMBER)  # from here on one at a time
            if await was_done(connection, act.cause, form):
                return True
            if check is not None:
                await check(connection)
            work = await self._load(connection, act)
            first = operator.name
            if not alone:
                meant = act.asked(), act.found()
                proposed = await self._together.agree_in(connection, operator, "book", act.cause, *meant)
                if proposed is None:
                    return False
                first = proposed.by
            await done_before(connection, act.cause, form)
            now = self._clock()
            act.post(work.book, self._campus.business_day(now))
            await write(connection, work, now)
            await store.keep_act(
                connection,
                {
                    "number": number,
                    "cause": act.cause,
                    "name": act.name,
                    "owner": act.owner,
                    "cents": act.cents,
                    "reason": act.reason,
                    "evidence": act.evidence,
                    "proposed_by": first,
                    "by": operator.name,
                    "at": now,
                },
            )
            return True

        return await self._database.transact(book)

    async def _load(self, connection: AsyncConnection, act: Act | Count) -> Work:
        """Lock the cards whose purses move, for their balances follow, and the chain whose drawer is counted."""
        work = await load(connection, self._campus, act.tnos(), act.reach())
        await load_posted(connection, work, [act.cause])
        missing = sorted(act.reach().cards - work.book.cards.keys())
        if missing:
            raise NotFound("no_such_card", f"no card has the number {missing[0][0]}/{missing[0][1]}")
        return work


async def _must_exist(connection: AsyncConnection, account: Account) -> None:
    if not await store.exists(connection, account):
        others = ", ".join(await store.owners(connection, account.kind)) or "none"
        text = (
            f"there is no account {account}; GET /ledger/accounts/{account.kind} lists those of its kind. The first "
            f"that hold something: {others}"
        )
        raise NotFound("no_such_account", text)


async def _check_leg(connection: AsyncConnection, account: Account, cents: int) -> None:
    """Refuse an account that nothing else knows, and a drawer that was counted: only what is left in one may go."""
    await _must_exist(connection, account)
    if account.kind is not AccountKind.DRAWER or await hold_drawer(connection, account.owner) is not ShiftStatus.CLOSED:
        return
    if await store.balance(connection, account) + cents:
        text = f"{account} was counted: what lay in it is in {VAULT.kind}, what was missing in {difference_of(account)}"
        raise Conflict("drawer_counted", text)


def _off_cards(legs: Postings, in_use: Collection[CardKey]) -> Postings:
    """The same legs, those of cards that are not in use any more at their numbers."""

    def off(account: Account) -> Account:
        is_gone = account.kind in ON_CARDS and card_of(account) not in in_use
        return pending(card_of(account)[0]) if is_gone else account

    moved = (replace(leg, account=off(leg.account)) for leg in legs)
    sums: dict[Account, int] = {}
    for leg in moved:
        sums[leg.account] = sums.get(leg.account, 0) + leg.cents
    return balanced(*sums.items())
