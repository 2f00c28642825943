"""Finds the operator of a token, and brings about decisions of two people."""

import hmac
from collections.abc import Callable, Mapping
from hashlib import sha256

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.instants import UtcMs
from server.auth import store
from server.auth.rules import Operator, Proposal, Step, two_people
from server.db import Database
from server.errors import Conflict


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

    async def agree(self, operator: Operator, action: str, subject: str, body: object = None) -> bool:
        """Whether this is the second person's request; False: it is proposed now. Raises Conflict for the same one."""
        text = msgspec.json.encode(body, order="deterministic").decode()
        asked = Proposal(action, subject, text, operator.name, self._clock())

        async def note(connection: AsyncConnection) -> Step:
            step = two_people(await store.find(connection, action, subject), asked)
            if step is Step.PROPOSED:
                await store.put(connection, asked)
            elif step is Step.CONFIRMED:
                await store.remove(connection, asked)
            return step

        step = await self._database.transact(note)
        if step is Step.SAME_PERSON:
            raise Conflict("second_person_needed", "you proposed this yourself; another operator must confirm it")
        return step is Step.CONFIRMED

    async def waiting(self) -> list[Proposal]:
        """What was proposed and not confirmed yet."""
        async with self._database.reading() as connection:
            return await store.every(connection)
