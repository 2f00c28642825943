"""Answers who and what is meant by a text, and what a desk asks about a card before it acts."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import RowMapping

from protocol.ids import CardNo, PersonId
from server.db import Database
from server.finding import store
from server.finding.rules import wanted

FOUND_MAX = 100
_DRAWERS_MAX = 200


@dataclass(frozen=True, slots=True)
class Found:
    """What a text can mean. Cards: the rows of plastics with `holder`, the name of whose they are."""

    cards: Sequence[RowMapping]
    people: Sequence[RowMapping]

    @property
    def only_card(self) -> int | None:
        """The number, where nothing else is meant."""
        numbers = {int(row["card"]) for row in self.cards}
        return numbers.pop() if len(numbers) == 1 and not self.people else None

    @property
    def only_person(self) -> str | None:
        """The person, where nobody and nothing else is meant."""
        others = any(row["person"] != self.people[0]["id"] for row in self.cards) if self.people else True
        return str(self.people[0]["id"]) if len(self.people) == 1 and not others else None


class Finding:
    """Looks for cards and people."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, text: str) -> Found:
        """Cards by number and UID, people by id and name; with the people found come their cards."""
        sought = wanted(text)
        if not sought.is_anything:
            return Found([], [])
        async with self._database.reading() as connection:
            people = await store.people(connection, sought.person, sought.begins, sought.name, FOUND_MAX)
            numbers = await store.with_uid(connection, sought.uid) if sought.uid else set[int]()
            numbers |= {sought.number} if sought.number is not None else set()
            cards = list(await store.numbered(connection, numbers))
            held = await store.of_persons(connection, [row["id"] for row in people], FOUND_MAX)
        known = {(row["card"], row["generation"]) for row in cards}
        return Found([*cards, *(row for row in held if (row["card"], row["generation"]) not in known)], people)

    async def cards(self, after: tuple[int, int], status: str, limit: int) -> Sequence[RowMapping]:
        """Plastics in the order of their numbers, each with `holder`; `status` empty: any."""
        async with self._database.glancing() as connection:
            return await store.page(connection, after, status, limit)

    async def cards_of(self, person: PersonId) -> Sequence[RowMapping]:
        """The plastics of a person."""
        async with self._database.glancing() as connection:
            return await store.of_persons(connection, [person], FOUND_MAX)

    async def uids_of(self, no: CardNo) -> dict[int, list[str]]:
        """By generation the UIDs of a number's plastics, where a terminal told them."""
        found: dict[int, list[str]] = {}
        async with self._database.glancing() as connection:
            for row in await store.uids_of(connection, no):
                found.setdefault(int(row["generation"]), []).append(str(row["uid"]))
        return found

    async def open_cases(self, no: CardNo) -> Sequence[RowMapping]:
        """The open cases that keep value from a number's cards."""
        async with self._database.glancing() as connection:
            return await store.open_cases(connection, no)

    async def open_drawers(self) -> Sequence[RowMapping]:
        """Drawers that cash can be put into now: `tid`, `tno`, `number` of the shift, `title` of the terminal."""
        async with self._database.glancing() as connection:
            return await store.open_drawers(connection, _DRAWERS_MAX)
