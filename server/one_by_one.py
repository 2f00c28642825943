"""Work on many things of which one may be broken: it is put in front of people, and the others go on."""

import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from protocol.ids import CardKey, CardNo, Generation, Tno
from protocol.instants import UtcMs
from protocol.money import Cents
from server.db import Database
from server.ingest.book import Case, CaseClass, StepId
from server.ingest.saving import open_case_once

NOWHERE: StepId = (Tno(0), 0, 0)

log = logging.getLogger(__name__)

_Thing = TypeVar("_Thing")


@dataclass(frozen=True, slots=True)
class Subject:
    """What a piece of work is about, as a case names it."""

    step: StepId = NOWHERE
    card: CardKey | None = None


def of_card(no: CardNo) -> Subject:
    """A number, whichever of its plastics."""
    return Subject(card=(no, Generation(1)))


class OneByOne:
    """Does the same to each of many things."""

    def __init__(self, database: Database, clock: Callable[[], UtcMs]) -> None:
        self._database, self._clock = database, clock

    async def each(
        self,
        what: str,
        things: Iterable[_Thing],
        work: Callable[[_Thing], Awaitable[int]],
        subject: Callable[[_Thing], Subject],
    ) -> int:
        """The sum of what the work answers. Where it fails a case is opened, once, and the next thing has its turn."""
        count = 0
        for thing in things:
            try:
                count += await work(thing)
            except Exception as error:
                log.exception("%s failed for %s; the others go on", what, subject(thing))
                await self._open_case(f"{what}: {type(error).__name__}; the log says more", subject(thing))
        return count

    async def _open_case(self, text: str, about: Subject) -> None:
        case = Case(CaseClass.STUCK, about.card, about.step, Cents(0), text)
        await self._database.transact(lambda connection: open_case_once(connection, case, self._clock()))
