"""Registers terminals and grants them epochs: a new journal key is a new epoch with a number of its own.

A grant closes nothing: entries that continue an older epoch are welcome whenever they arrive.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import TypedDict

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.enrolment import KeyTier
from protocol.entries import Body
from protocol.ids import CardNo, Epoch, Seq, SiteId, TerminalId, Tno
from protocol.instants import UtcMs
from protocol.messages import Grant, NotAMessage, sign, verified
from protocol.purse import CardId
from protocol.signing import VerifyKey, from_base64url, sha256_of, to_base64url
from server.alarms.raising import end_alarm, raise_alarm
from server.alarms.rules import AlarmKind
from server.auth.service import Agreed
from server.db import Database
from server.due import Due, leave
from server.enrolment.revoking import revoke_certificates
from server.errors import Conflict, Forbidden, Invalid, NotFound
from server.ingest.book import TerminalStatus
from server.ingest.posting import park_cause
from server.ingest.reach import entry_in
from server.keys import ServerKeys
from server.numbers import TNO, next_number
from server.terminals import store


class Particulars(TypedDict):
    """What may be changed of a terminal."""

    title: str
    merchant: str
    can_load: bool
    can_issue: bool
    spare: bool


def raises_right(known: RowMapping | None, values: Particulars) -> bool:
    """Whether a terminal gets a right that it has not."""
    had = (known["can_load"], known["can_issue"]) if known is not None else (False, False)
    return any(
        right and not before for right, before in zip((values["can_load"], values["can_issue"]), had, strict=True)
    )


@dataclass(frozen=True, slots=True)
class Registered:
    """A terminal with its chains, newest last, each with `tip_seq`."""

    row: RowMapping
    chains: Sequence[RowMapping]


@dataclass(frozen=True, slots=True)
class Parked:
    """An entry that waits to be posted: what it tells (None: it cannot be read), whose card it is about, and what is
    booked for it meanwhile.
    """

    row: RowMapping
    body: Body | None
    person: str | None
    suspended: Sequence[RowMapping]


def card_of(body: Body | None) -> CardNo | None:
    """The number of the card that an entry is about."""
    card = getattr(body, "card", None)
    return card.no if isinstance(card, CardId) else None


def standing_of(chain: RowMapping) -> str:
    """Of an epoch: active, revoked or lost; one that is both is lost."""
    is_revoked = chain["revoked_at"] and chain["status"] == TerminalStatus.ACTIVE
    return "revoked" if is_revoked else str(chain["status"])


class Terminals:
    """The register of terminals."""

    def __init__(self, database: Database, keys: ServerKeys, clock: Callable[[], UtcMs]) -> None:
        self._database, self._keys, self._clock = database, keys, clock

    async def put(self, tid: TerminalId, site: SiteId, values: Particulars, agreed: Agreed, *, alone: bool) -> bool:
        """Register a terminal, or change its particulars; its site stays. False: one person has proposed it.

        Who gives a terminal a right and a key of his own to it makes money, so that takes two, who mean the same key of
        it too; the rest takes one who may do it `alone`.
        """

        if values["spare"] and (values["merchant"] or values["can_load"] or values["can_issue"]):
            raise Invalid("spare_without_place", "a spare has neither a merchant nor rights until it gets a place")
        as_spare = {"placed_at": 0, "replaced_by": ""} if values["spare"] else {}

        async def put(connection: AsyncConnection) -> bool:
            known = await store.find(connection, tid)
            if known is not None and known["site"] != site:
                raise Conflict("other_site", f"{tid} belongs to {known['site']}; register a new terminal for {site}")
            if raises_right(known, values):
                chains = await store.chains(connection, tid)
                key = to_base64url(chains[-1]["key"]) if chains else ""
                if not await agreed(connection, {"site": site, **values}, {"journal_key": key}):
                    return False
            elif not alone:
                raise Forbidden("not_allowed", "no right is given: this needs the permission terminals")
            if known is None:
                await store.add(connection, {"tid": tid, "site": site, "registered_at": self._clock(), **values})
            else:
                await store.change(connection, tid, {**values, **as_spare})
            await end_alarm(connection, AlarmKind.NO_PARTICULARS, tid, self._clock())
            await leave(connection, Due.REGISTER)
            await leave(connection, Due.LISTS)
            return True

        return await self._database.transact(put)

    async def grant(self, tid: TerminalId, journal_key: str, agreed: Agreed, *, alone: bool) -> bytes | None:
        """The signed grant of an epoch for this journal key; None: one person has proposed it.

        The same key again gets the same grant. A key to a right is as good as the right: where the terminal has one,
        that takes two; the rest takes one who may do it `alone`.
        """
        return await self._database.transact(
            lambda connection: self.grant_in(connection, tid, journal_key, KeyTier.FILE, agreed, alone)
        )

    async def grant_in(
        self,
        connection: AsyncConnection,
        tid: TerminalId,
        journal_key: str,
        tier: KeyTier,
        agreed: Agreed,
        alone: bool,
    ) -> bytes | None:
        """`grant` within a transaction, of a key of this tier; by hand nobody signs for more than a file."""
        try:
            key = VerifyKey(from_base64url(journal_key))
        except ValueError as error:
            raise Invalid("not_a_key", f"journal key: {error}") from error
        known = await store.find(connection, tid)
        if known is None:
            raise NotFound("no_such_terminal", f"no terminal is called {tid}")
        if known["replaced_by"]:
            raise Conflict(
                "replaced", f"{known['replaced_by']} stands in the place of {tid}; register it as a spare first"
            )
        earlier = await store.chains(connection, tid)
        newest = earlier[-1] if earlier else None
        has_right = known["can_load"] or known["can_issue"]
        is_same = newest is not None and newest["key"] == key.raw
        if not alone and (is_same or not has_right):
            raise Forbidden(
                "not_allowed", "nothing here waits for a second person: this needs the permission terminals"
            )
        if newest is not None and is_same:
            return bytes(newest["grant_jws"])
        if any(row["key"] == key.raw for row in earlier):
            raise Conflict("old_key", "this journal key belonged to an earlier epoch; make a new one")
        if has_right and not await agreed(connection, {"journal_key": journal_key, "tier": int(tier)}, None):
            return None
        grant = Grant(
            SiteId(known["site"]),
            tid,
            Epoch(newest["epoch"] + 1 if newest else 1),
            Tno(await next_number(connection, TNO)),
            journal_key,
            self._clock(),
            newest["epoch"] if newest else 0,
            Seq(newest["tip_seq"]) if newest else Seq(0),
            to_base64url(newest["tip_hash"]) if newest else "",
        )
        jws = sign(grant, self._keys.grant)
        await store.add_chain(connection, {**_chain_columns(grant, jws), "tier": int(tier)})
        await revoke_certificates(connection, tid, grant.at)
        if newest is not None and newest["tier"] != tier:
            text = f"the journal key of epoch {grant.epoch} is of tier {tier:d}, the one before of {newest['tier']}"
            await raise_alarm(connection, AlarmKind.OTHER_TIER, tid, text, grant.at)
        return jws

    async def place(self, tid: TerminalId, broken: TerminalId, since: UtcMs, agreed: Agreed, *, alone: bool) -> bool:
        """Put a spare in the place of another terminal of its site from an instant on; False: one person proposed it.

        It takes over the merchant, the title and the rights, which take two people as ever; the rest takes one who may
        do it `alone`. The other one keeps what the register says of it, for what its journal still brings, but gets
        into the broker no more.
        """
        now = self._clock()

        async def place(connection: AsyncConnection) -> bool:
            first, second = sorted((tid, broken))
            rows = {name: await store.find(connection, name) for name in (first, second)}
            spare, other = rows[tid], rows[broken]
            if spare is None or other is None:
                raise NotFound("no_such_terminal", f"no terminal is called {tid if spare is None else broken}")
            chains = await store.chains(connection, tid)
            _refuse_place(spare, other, chains)
            taken = {name: other[name] for name in ("title", "merchant", "can_load", "can_issue")}
            if other["can_load"] or other["can_issue"]:
                key = to_base64url(chains[-1]["key"])
                asked = {"instead_of": broken, "since": since}
                if not await agreed(connection, asked, {"journal_key": key, **taken}):
                    return False
            elif not alone:
                raise Forbidden("not_allowed", "no right is given: this needs the permission terminals")
            await store.change(connection, tid, {**taken, "spare": False, "placed_at": max(since, now)})
            await store.change(connection, broken, {"replaced_by": tid})
            await revoke_certificates(connection, broken, now)
            await leave(connection, Due.LISTS)
            return True

        return await self._database.transact(place)

    async def adopt(self, jws: bytes) -> Grant:
        """Take back a grant that a restored server has forgotten: it carries our own signature."""
        try:
            grant = verified(jws, Grant, self._keys.trust.grant)
        except NotAMessage as error:
            raise Invalid("not_our_grant", str(error)) from error

        async def adopt(connection: AsyncConnection) -> Grant:
            known = await store.chain_numbered(connection, grant.tno)
            if known is not None:
                if known["grant_jws"] != jws:
                    raise Conflict("number_taken", f"chain {grant.tno} was granted to {known['tid']} since")
                return grant
            if await store.find(connection, grant.tid) is None:
                values = {"tid": grant.tid, "site": grant.site, "registered_at": self._clock(), "title": "adopted"}
                await store.add(connection, values)
                lacks = (
                    "put back by its grant alone: merchant, title and rights are not known. PUT /terminals/"
                    f"{grant.tid} says them; until then its sales are paid to whom its own entries name, and loads of "
                    "it wait for two people"
                )
                await raise_alarm(connection, AlarmKind.NO_PARTICULARS, grant.tid, lacks, self._clock())
            text = f"the forgotten grant of epoch {grant.epoch} was adopted: was this server restored?"
            await raise_alarm(connection, AlarmKind.GRANT_ADOPTED, grant.tid, text, self._clock())
            newest = max((chain["epoch"] for chain in await store.chains(connection, grant.tid)), default=0)
            await store.add_chain(connection, _chain_columns(grant, jws))
            await leave(connection, Due.LISTS)
            if grant.epoch > newest:
                await revoke_certificates(connection, grant.tid, self._clock())
            return grant

        return await self._database.transact(adopt)

    async def every(self) -> list[Registered]:
        """All terminals with their chains."""
        async with self._database.glancing() as connection:  # a chain that came in between waits for the next look
            rows, chains = await store.every(connection), await store.chains(connection)
        of_terminals = {tid: list(its) for tid, its in groupby(chains, itemgetter("tid"))}
        return [Registered(row, of_terminals.get(row["tid"], [])) for row in rows]

    async def get(self, tid: TerminalId) -> Registered:
        """One terminal. Raises NotFound."""
        async with self._database.reading() as connection:
            row, chains = await store.look(connection, tid), await store.chains(connection, tid)
        if row is None:
            raise NotFound("no_such_terminal", f"no terminal is called {tid}")
        return Registered(row, chains)

    async def is_registered(self, tid: TerminalId) -> bool:
        """Whether a terminal is in the register."""
        async with self._database.glancing() as connection:
            return await store.look(connection, tid) is not None

    async def tid_of(self, tno: Tno) -> TerminalId:
        """Whose chain it is. Raises NotFound."""
        async with self._database.glancing() as connection:
            chain = await store.chain_numbered(connection, tno)
        if chain is None:
            raise NotFound("no_such_chain", f"no chain has the number {tno}")
        return TerminalId(chain["tid"])

    async def batches(self, tno: Tno, limit: int) -> Sequence[RowMapping]:
        """The batches that brought a chain's newest entries, newest first: `received_at`, `first`, `last`, `entries`
        and how many of them wait to be posted (`waiting`).
        """
        async with self._database.glancing() as connection:
            return await store.batches(connection, tno, limit)

    async def parked(self, tid: TerminalId, limit: int) -> list[Parked]:
        """Entries of a terminal that wait to be posted, and why: with all that somebody must know who lets them be."""
        async with self._database.reading() as connection:
            rows = await store.parked_of(connection, tid, limit)
            causes = [park_cause(Tno(row["tno"]), row["branch"], row["seq"]) for row in rows]
            legs = await store.legs_of(connection, causes)
            bodies = [next((entry.body for entry in entry_in(row["jws"])), None) for row in rows]
            holders = await store.holders(connection, {no for body in bodies if (no := card_of(body)) is not None})
        return [
            Parked(row, body, holders.get(card_of(body) or 0), legs.get(cause, []))
            for row, body, cause in zip(rows, bodies, causes, strict=True)
        ]


def _refuse_place(spare: RowMapping, other: RowMapping, chains: Sequence[RowMapping]) -> None:
    """Raises Conflict where this spare cannot stand in that place."""
    tid, broken = spare["tid"], other["tid"]
    if not spare["spare"] or not chains:
        raise Conflict("no_spare", f"{tid} is no spare that is enrolled and waits for a place")
    if chains[-1]["revoked_at"] or chains[-1]["status"] != TerminalStatus.ACTIVE:
        raise Conflict("key_shut_out", f"{tid} was revoked or declared lost; enrol it again")
    if spare["site"] != other["site"]:
        raise Conflict("other_site", f"{tid} belongs to {spare['site']}, {broken} to {other['site']}")
    if other["spare"] or not other["merchant"]:
        raise Conflict("no_place", f"{broken} has no place: it is a spare, or sells for no one merchant")
    if other["replaced_by"]:
        raise Conflict("replaced", f"{other['replaced_by']} stands in the place of {broken} already")


def _chain_columns(grant: Grant, jws: bytes) -> dict[str, object]:
    return {
        "tno": grant.tno,
        "site": grant.site,
        "tid": grant.tid,
        "epoch": grant.epoch,
        "key": grant.verify_key.raw,
        "grant_jws": jws,
        "start_hash": sha256_of(jws),
        "status": TerminalStatus.ACTIVE,
        "granted_at": grant.at,
    }
