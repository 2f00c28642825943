"""What two people decide about entries that are kept aside: both mean the very same ones."""

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
    """What was posted of the entries that waited, and the epochs that are reinstated."""

    posted: int
    waited: int
    epochs: tuple[Epoch, ...] = ()


async def reinstate(together: TwoPeople, upkeep: Upkeep, operator: Operator, tid: TerminalId) -> Released | None:
    """End the revocation of a terminal's revoked epochs and post what was kept aside of them; None: it is proposed.

    Raises NotFound; Conflict where no epoch is revoked.
    """
    of_epochs = await upkeep.revoked_of(tid)
    places = [place for its in of_epochs.values() for place in its]

    async def end() -> int:
        count = await upkeep.release(places)
        await upkeep.reinstate(tid, of_epochs.keys())
        return count

    count = await together.decide(operator, "reinstate", tid, {"epochs": sorted(of_epochs), **_these(places)}, end)
    return None if count is None else Released(count, len(places), tuple(sorted(of_epochs)))


async def accept(together: TwoPeople, upkeep: Upkeep, operator: Operator, tid: TerminalId) -> Released | None:
    """Post what waits of a terminal; that changes no right. None: it is proposed, anew where more came in since.

    Raises NotFound; Conflict for a terminal that was never enrolled.
    """
    places = await upkeep.waiting_of(tid)

    async def release() -> int:
        return await upkeep.release(places)

    count = await together.decide(operator, "accept-quarantined", tid, _these(places), release)
    return None if count is None else Released(count, len(places))


def _these(places: Sequence[Place]) -> dict[str, object]:
    """What two people agree on, however many entries there are."""
    return {"entries": len(places), "sha256": sha256_of(msgspec.json.encode(places)).hex()}
