"""The counter after a stop of any kind, from what the journal says (SPEC, "Open, torn, recovered")."""

from dataclasses import dataclass, replace

from msgspec import structs

from protocol.basket import Basket
from protocol.entries import Stage, kind_of
from protocol.instants import Now
from terminal.desk import AppendEntry, Desk, Effect, Noting, Phase, Preparing, Receipt, Ringing, Stepped
from terminal.step_draft import HAND_OVER_MS, Open, elapsed_ms


@dataclass(frozen=True, slots=True)
class Unfinished:
    """What the journal does not know the end of."""

    opens: tuple[Open, ...] = ()
    """Steps without an outcome, oldest first."""
    last: Receipt | None = None
    """The sale settled last."""
    pin_try: Open | None = None
    """The newest PIN try, while the journal does not show its card again."""


def wake(desk: Desk, found: Unfinished, now: Now) -> Stepped:
    """Start again.

    A step without outcome is open again, or torn at once where nobody can tell whether ten minutes are over. A token's
    debited nothing, and nothing was handed over for it: it is void. The sale settled last is *paid, perhaps not handed
    over*.
    """
    kept: list[Open] = []
    over: list[Effect] = []
    for known in found.opens:
        if known.body.card.is_token:
            over.append(AppendEntry(kind_of(known.operation, Stage.VOIDED), known.outcome()))
            continue
        passed = elapsed_ms(known.prepared_at, now, same_boot=False)
        if passed <= HAND_OVER_MS:
            kept.append(replace(known, prepared_at=now.plus(-passed)))
        else:
            over.append(AppendEntry(kind_of(known.operation, Stage.TORN), known.outcome()))
    return structs.replace(
        desk,
        phase=Ringing(Basket(desk.prices)),
        opens=tuple(kept),
        pin_tries=(replace(found.pin_try, prepared_at=now),) if found.pin_try else (),
        unconfirmed=_perhaps_not_handed_over(found.last, now),
    ), tuple(over)


def interrupted(phase: Phase, *, is_stored: bool) -> str:
    """The sentence for whoever stood there when the disk failed: what became of what was being written down.

    Before an entry is stored no card is written for it and nothing goes over the counter. What may have been paid, the
    counter shows when it wakes.
    """
    match phase:
        case Preparing():
            return "said.not_stored"
        case Noting() if not is_stored:
            return "said.not_stored"
        case _:
            return "said.disk_again"


def _perhaps_not_handed_over(last: Receipt | None, now: Now) -> Receipt | None:
    """The last sale if it is younger than ten minutes or of unknown age, its instant told by the present clock."""
    passed = elapsed_ms(last.at, now, same_boot=False) if last else 0
    if last is None or HAND_OVER_MS < passed < 2**53:
        return None
    age = passed if passed <= HAND_OVER_MS else 0
    return replace(last, at=replace(last.at, mono_ms=now.plus(-age).mono_ms))
