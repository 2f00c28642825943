"""Takes an old system's cards over: each gets a number of ours, its holder, and a load of what it held.

The money is owed to the holder at once and comes onto the new plastic with its first load. The other side is the
clearing account of the old system, until its operator has paid over what it held (the movement `channel_to_bank`).
A run that was cut short is simply done again: what was done is found and not done twice.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.ids import CardNo, ChannelId, PersonId
from protocol.instants import UtcMs
from protocol.money import Cents, format_cents
from server.cards.service import Cards
from server.db import Database
from server.errors import NotFound
from server.importing import store
from server.importing.rules import BadLine, OldCard
from server.ledger.accounts import clearing
from server.people.service import People


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file."""

    numbers: dict[str, CardNo]
    """Our number of each card of the file."""
    new: int
    """How many of them were not there before this run."""
    posted_cents: int
    """What the ledger shows as taken over for the cards of this file, by this run and earlier ones."""


class Importing:
    """One source of cards."""

    def __init__(
        self, database: Database, cards: Cards, people: People, clock: Callable[[], UtcMs], source: ChannelId
    ) -> None:
        self._database, self._cards, self._people, self._clock = database, cards, people, clock
        self._source = source

    async def objections(self, cards: Sequence[OldCard]) -> list[BadLine]:
        """Lines that contradict what is known here: imported with another balance; another holder or name."""
        async with self._database.glancing() as connection:
            known = await store.known(connection, self._source)
        found: list[BadLine] = []
        for card in cards:
            was = known.get(card.number)
            if was and was.cents != card.cents:
                text = (
                    f"card {card.number} was imported with {format_cents(was.cents)}: book the difference at the desk"
                )
                found.append(BadLine(card.line, text))
            elif was and (was.person, was.card_class) != (card.person, card.card_class):
                text = (
                    f"card {card.number} is {was.person or 'nobody'}'s here, or of another class: which one is right?"
                )
                found.append(BadLine(card.line, text))
            elif card.person and not await self._is_that_person(card):
                text = f"person {card.person} is registered here with another name or class: which one is right?"
                found.append(BadLine(card.line, text))
        return found

    async def run(self, cards: Sequence[OldCard], technology: str) -> Imported:
        """Take over every card that is not there yet, and count what the ledger shows for all of them."""
        async with self._database.glancing() as connection:
            known = await store.known(connection, self._source)
        numbers = {number: CardNo(was.card) for number, was in known.items()}
        new = [card for card in cards if card.number not in numbers]
        for card in new:
            numbers[card.number] = await self._issue(card, technology)
        for card in cards:
            if card.cents:
                request = self._request(card)
                source = clearing(self._source)  # its sum took two people
                await self._cards.load(numbers[card.number], request, card.cents, source, None, explains=False)
        causes = [f"desk:{self._request(card)}" for card in cards]
        async with self._database.reading() as connection:
            posted = await store.posted(connection, clearing(self._source), causes)
        return Imported({card.number: numbers[card.number] for card in cards}, len(new), posted)

    async def _issue(self, card: OldCard, technology: str) -> CardNo:
        """A number for a card. Cut off before it is noted, it is never used: numbers are not scarce."""
        if card.person:
            await self._people.put(PersonId(card.person), card.name, card.card_class)
        person = PersonId(card.person) if card.person else None
        (no,) = await self._cards.issue(1, card.card_class, technology, person)

        async def note(connection: AsyncConnection) -> None:
            await store.add(connection, self._source, card.number, no, card.cents, self._clock())

        await self._database.transact(note)
        return no

    async def _is_that_person(self, card: OldCard) -> bool:
        try:
            known = await self._people.get(PersonId(card.person))
        except NotFound:
            return True
        return (known.name, known.card_class) == (card.name, card.card_class)

    def _request(self, card: OldCard) -> str:
        return f"import.{self._source}.{card.number}"


def sums_agree(cards: Sequence[OldCard], done: Imported) -> bool:
    """The proof: what the file says is what the ledger shows for it."""
    return Cents(sum(card.cents for card in cards)) == done.posted_cents
