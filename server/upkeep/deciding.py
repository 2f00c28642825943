"""What two people decide about entries that are held back: work of many transactions, about the same for both."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from protocol.ids import Epoch, TerminalId
from protocol.signing import sha256_of
from server.auth.rules import Operator
from server.auth.service import TwoPeople
from server.upkeep.service import Place, Upkeep


@dataclass(frozen=True, slots=True)
class Released:
    """How many of the entries that waited are posted, and which epochs are reinstated."""

    count: int
    waited: int
    epochs: tuple[Epoch, ...] = ()


async def reinstate(upkeep: Upkeep, together: TwoPeople, operator: Operator, tid: TerminalId) -> Released | None:
    """End the revocation of a terminal's revoked epochs and post what was kept aside of them. None: it is proposed.

    Raises Conflict where no epoch of it is revoked, NotFound.
    """
    of_epochs = await upkeep.revoked_of(tid)
    places = [place for its in of_epochs.values() for place in its]

    async def end() -> int:
        count = await upkeep.release(places)
        await upkeep.reinstate(tid, of_epochs.keys())
        return count

    count = await together.decide(operator, "reinstate", tid, {"epochs": sorted(of_epochs), **_these(places)}, end)
    return None if count is None else Released(count, len(places), tuple(sorted(of_epochs)))


async def accept_quarantined(
    upkeep: Upkeep, together: TwoPeople, operator: Operator, tid: TerminalId
) -> Released | None:
    """Post what a revoked terminal sent, or what it had no right to do. None: it is proposed.

    Both mean the same entries: where more came in since the first one looked, it is proposed anew. Raises NotFound.
    """
    places = await upkeep.waiting_of(tid)

    async def release() -> int:
        return await upkeep.release(places)

    count = await together.decide(operator, "accept-quarantined", tid, _these(places), release)
    return None if count is None else Released(count, len(places))


def _these(places: Sequence[Place]) -> dict[str, object]:
    """What two people agree on, however many entries there are."""
    return {"entries": len(places), "sha256": sha256_of(msgspec.json.encode(places)).hex()}
