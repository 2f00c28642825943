"""A proof of a day as a page that grows while it is made: how far it is, then what came of it.

The work lives as long as somebody reads the page. Nothing is kept in this process meanwhile, so any of several servers
may answer; a proof that is stopped goes on at the next run where it was.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from protocol.instants import BusinessDay
from server.errors import ServerError
from server.reconcile.results import DayProof
from server.reconcile.service import Progress, Reconcile
from server.web.books import names_of
from server.web.page import Page

log = logging.getLogger(__name__)

TOLD_EVERY_S = 1.0
FINDINGS_SHOWN_MAX = 100
_HERE = "<!-- progress -->"


@dataclass(slots=True)
class _Far:
    """How far the proof has come."""

    cards: int = 0

    def take(self, progress: Progress) -> None:
        """So far by now."""
        self.cards = progress.cards


async def proving(page: Page, day: BusinessDay, *, dry: bool) -> AsyncGenerator[str]:
    """The page in pieces, at least one a second."""
    desk: Reconcile = page.house.reconcile
    before, _, after = page.drawn("days/proving.html", {"of_day": day, "dry": dry}).partition(_HERE)
    yield before
    far = _Far()
    work = asyncio.create_task(desk.dry_run(day, far.take) if dry else desk.run(day, far.take))
    try:
        while not work.done():
            await asyncio.wait([work], timeout=TOLD_EVERY_S)
            yield page.drawn("days/so_far.html", {"cards": far.cards})
        yield await _outcome(page, work)
    finally:
        work.cancel()
    yield after


async def _outcome(page: Page, work: asyncio.Task[DayProof]) -> str:
    try:
        made = await work
    except ServerError as error:
        return page.drawn("fragments/problem.html", {"told": page.problem(error.code, error.text)})
    except Exception as error:
        log.exception("a proof failed")
        return page.drawn("fragments/problem.html", {"told": page.say("problem.unexpected", kind=type(error).__name__)})
    found = made.findings[:FINDINGS_SHOWN_MAX] if made.is_dry else ()
    return page.drawn("days/proved.html", {"proof": made, "findings": found, "names": await names_of(page)})
