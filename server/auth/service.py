"""Finds the operator of a token, and brings about decisions of two people."""

import hmac
from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256
from typing import TypeVar

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.instants import UtcMs
from server.auth import store
from server.auth.rules import Operator, Permission, Proposal, Step, is_same_person, two_people
from server.db import Database
from server.errors import Conflict, Forbidden, NotFound
from server.note import Outcome, note_outcome, note_subject

_Result = TypeVar("_Result")

Agreed = Callable[[AsyncConnection, Mapping[str, object], object], Awaitable[bool]]
Assent = Callable[[AsyncConnection, Mapping[str, object], object, bool], Awaitable[bool]]
"""The last says that one person may do it alone."""
"""Whether two people have agreed on what is asked and what it was found to touch; inside its transaction."""


class Operators:
    """The operators of this installation, known by the SHA-256 of their bearer tokens."""

    def __init__(self, by_token_sha256: Mapping[str, Operator]) -> None:
        self._by_token_sha256 = dict(by_token_sha256)

    def of_token(self, token: str) -> Operator | None:
        """Whose token this is."""
        shown = sha256(token.encode("utf-8", "replace")).hexdigest()
        found = None
        for known, operator in self._by_token_sha256.items():
            if hmac.compare_digest(known, shown):
                found = operator
        return found


class TwoPeople:
    """A decision that takes two different operators who ask for the very same thing."""

    def __init__(self, database: Database, clock: Callable[[], UtcMs]) -> None:
        self._database, self._clock = database, clock

    async def agree_in(
        self,
        connection: AsyncConnection,
        operator: Operator,
        action: str,
        subject: str,
        wanted: Mapping[str, object],
        found: object = None,
    ) -> Proposal | None:
        """What the first person proposed, where this is the second one's request for the same; else it is proposed.

        Asked in the transaction that does it: what fails leaves the proposal. Raises Conflict where something else
        waits under this name.
        """
        asked = self._asked(operator, action, subject, wanted, found)
        known = await _second_of(connection, asked)
        if known is not None:
            await store.remove(connection, asked)
        return known

    def agreement(self, operator: Operator, action: str, subject: str) -> Agreed:
        """`agree_in` for a service that knows nothing of operators."""

        async def agreed(connection: AsyncConnection, wanted: Mapping[str, object], found: object) -> bool:
            return await self.agree_in(connection, operator, action, subject, wanted, found) is not None

        return agreed

    def agreement_or_alone(self, operator: Operator, action: str, subject: str) -> Assent:
        """The same for what one person may do alone up to some amount; never in the place of what waits."""

        async def agreed(connection: AsyncConnection, wanted: Mapping[str, object], found: object, alone: bool) -> bool:
            if not alone:
                return await self.agree_in(connection, operator, action, subject, wanted, found) is not None
            known = await store.find(connection, action, subject)
            if known is not None and self._clock() <= known.ends_at:
                raise _other(known)
            return True

        return agreed

    def agreement_to_trust(self, operator: Operator, action: str, subject: str) -> Agreed:
        """The same where a machine gets what makes money: whoever is the second one must be one who decides."""

        async def agreed(connection: AsyncConnection, wanted: Mapping[str, object], found: object) -> bool:
            proposal = await self.agree_in(connection, operator, action, subject, wanted, found)
            if proposal is not None and not operator.may(Permission.DECIDE):
                raise Forbidden(
                    "not_allowed", f"{proposal.by} proposed this; to confirm it needs the permission decide"
                )
            return proposal is not None

        return agreed

    async def decide(
        self, operator: Operator, action: str, subject: str, found: object, work: Callable[[], Awaitable[_Result]]
    ) -> _Result | None:
        """Do work of many transactions that two people agree on; None: it is proposed now.

        `found` names all that the work will touch. The proposal goes when all of it is done, so the work must bear
        being done again.
        """
        asked = self._asked(operator, action, subject, {}, found)

        async def agree(connection: AsyncConnection) -> bool:
            return await _second_of(connection, asked, Outcome.CONFIRMED) is not None

        if not await self._database.transact(agree):
            return None
        done = await work()
        await self._database.transact(lambda connection: store.remove(connection, asked))
        return done

    async def waiting(self) -> list[Proposal]:
        """What was proposed and can still be confirmed."""
        async with self._database.glancing() as connection:
            return [known for known in await store.every(connection) if self._clock() <= known.ends_at]

    async def withdraw(self, operator: Operator, action: str, subject: str) -> None:
        """What was proposed is not wanted: its own proposer says so, or somebody who decides."""
        note_subject(f"{action} {subject}")

        async def withdraw(connection: AsyncConnection) -> None:
            known = await store.find(connection, action, subject)
            if known is None:
                raise NotFound("no_such_proposal", f"nothing waits as {action} of {subject}; GET /proposals lists all")
            if not is_same_person(known.by, operator.name) and not operator.may(Permission.DECIDE):
                raise Forbidden(
                    "not_allowed", f"{known.by} proposed this; to withdraw it needs the permission {Permission.DECIDE}"
                )
            await store.remove(connection, known)

        await self._database.transact(withdraw)

    def _asked(
        self, operator: Operator, action: str, subject: str, wanted: Mapping[str, object], found: object
    ) -> Proposal:
        text = msgspec.json.encode({"asked": wanted, "found": found}, order="deterministic").decode()
        return Proposal(action, subject, text, operator.name, self._clock())


def _other(known: Proposal) -> Conflict:
    return Conflict(
        "other_proposed",
        f"{known.by} proposed something else as {known.action} of {known.subject}, and it waits: GET /proposals shows "
        "it. Send exactly that to confirm it, use another id, or withdraw it (POST /proposals/withdraw)",
    )


async def _second_of(connection: AsyncConnection, asked: Proposal, outcome: Outcome = Outcome.DONE) -> Proposal | None:
    known = await store.find(connection, asked.action, asked.subject)
    step = two_people(known, asked)
    if step is Step.OTHER and known is not None:
        raise _other(known)
    if step is Step.CONFIRMED and known is not None:
        note_outcome(outcome, proposed_by=known.by)
        return known
    note_outcome(Outcome.REPEATED if step is Step.REPEATED else Outcome.PROPOSED)
    if step is Step.REPEATED:
        return None
    if known is not None:
        await store.remove(connection, asked)
    await store.put(connection, asked)
    return None
