"""What a card's own bytes say about it, without any ledger: what is consistent on it, and what is not."""

import enum
from itertools import pairwise

from protocol.authorise import Refusal, Standing, card_refusal
from protocol.load_record import load_is_genuine
from protocol.purse import PIN_TRIES_MAX, CardRead, Purse, SeenStep, Technology
from protocol.signing import Verifier


class Finding(enum.StrEnum):
    """Something to look at; each has a sentence that also says what to do."""

    PURSE_UNREADABLE = "purse_unreadable"
    VALUE_NOT_COVERED = "value_not_covered"
    LOAD_FORGED = "load_forged"
    LOAD_UNCHECKED = "load_unchecked"
    """The server's key is not held here."""
    LAST_DIFFERS = "last_differs"
    """The newest thing it remembers is not the step that its purse shows."""
    STEP_MISSING = "step_missing"
    """The steps it remembers do not follow one another."""
    SLOT_INVALID = "slot_invalid"
    """Classic: a step was cut short, or taken back after it was."""
    PIN_BLOCKED = "pin_blocked"
    OLD_KEYS = "old_keys"


def findings(read: CardRead, key_set_new: int, load_key: Verifier | None) -> tuple[Finding, ...]:
    """Everything that a desk should know of a card of ours. `load_key`: the server's, None where it is not at hand."""
    found = list[Finding]()
    purse = read.purse
    refused = card_refusal(read, Standing())
    if purse is None or (refused is not None and refused.reason is Refusal.PURSE_UNREADABLE):
        found.append(Finding.PURSE_UNREADABLE)
    elif refused is not None:
        found.append(Finding.VALUE_NOT_COVERED)
    if read.load is not None:
        if load_key is None:
            found.append(Finding.LOAD_UNCHECKED)
        elif not load_is_genuine(read.load, load_key):
            found.append(Finding.LOAD_FORGED)
    if purse is not None:
        found += _of_steps(read, purse)
        if purse.pin_tries >= PIN_TRIES_MAX:
            found.append(Finding.PIN_BLOCKED)
    if read.key_set != key_set_new:
        found.append(Finding.OLD_KEYS)
    return tuple(found)


def step_may_be_cut(read: CardRead) -> bool:
    """Whether a step may lie unfinished on the card itself. DESFire commits a step whole or not at all."""
    return Finding.SLOT_INVALID in (_of_steps(read, read.purse) if read.purse else ())


def _of_steps(read: CardRead, purse: Purse) -> list[Finding]:
    whole = [step for step in read.last if step.ok]
    newest_first = sorted(whole, key=lambda step: -step.counter)
    found = list[Finding]()
    if not newest_first or not _is_of(newest_first[0], purse):
        found.append(Finding.LAST_DIFFERS)
    if any(later.counter != earlier.counter + 1 for later, earlier in pairwise(newest_first)):
        found.append(Finding.STEP_MISSING)
    if read.technology is Technology.CLASSIC and purse.counter and len(whole) < len(read.last):
        found.append(Finding.SLOT_INVALID)
    return found


def _is_of(step: SeenStep, purse: Purse) -> bool:
    return (step.counter, step.tno, step.seq) == (purse.counter, purse.mark.tno, purse.mark.seq)
