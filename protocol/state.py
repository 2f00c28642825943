"""What a terminal says of itself in its retained topic `state`, and what its last will says for it (SPEC, "State").

Not signed: the broker lets nobody but the terminal write there, and nothing is decided by it.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from protocol.canonical import NotCanonical, encode, read
from protocol.card_keys import KeySetNumber
from protocol.entries import ListVersions
from protocol.ids import U53, EpochField
from protocol.instants import UtcField, UtcMs
from protocol.purse_desfire import KEY_SET_MAX
from protocol.texts import Text
from protocol.wire import Wire

STATE_BYTES_MAX = 4 * 1_024
OFFSET_MIN_MAX, DAY_MIN = 14 * 60, 24 * 60


class NotAState(ValueError):
    """These bytes are not what a terminal says of itself; the text says why."""


class Days(Wire, frozen=True):
    """A campus' civil time (`protocol.instants.CampusTime`), as a terminal has it in its settings."""

    offset_min: Annotated[int, Meta(ge=-OFFSET_MIN_MAX, le=OFFSET_MIN_MAX)]
    day_starts_min: Annotated[int, Meta(ge=0, le=DAY_MIN - 1)]


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a terminal is. One that is not online says nothing else: what it said before still stands."""

    online: Annotated[int, Meta(ge=0, le=1)]
    epoch: EpochField
    lists: ListVersions
    """The lists in force."""
    manifest: U53 = 0
    """Version of the manifest that put them in force."""
    as_of: UtcField = UtcMs(0)
    """When the server signed it."""
    keys: U53 = 0
    """Version of the server's keys that are believed."""
    alarm: Text = ""
    """What somebody must look at; empty if nothing."""
    tier: Annotated[int, Meta(ge=0, le=2)] = 0
    """Where the journal key of this epoch is kept (`protocol.enrolment.KeyTier`)."""
    card_sets: Annotated[tuple[KeySetNumber, ...], Meta(max_length=KEY_SET_MAX)] = ()
    """The sets of card keys that it holds, the one that new cards get first."""
    days: Days | None = None
    """By which days it counts limits."""


def encode_state(state: State) -> bytes:
    """A state as it travels."""
    return encode(state)


def read_state(raw: bytes) -> State:
    """Read a state strictly. Raises NotAState."""
    if len(raw) > STATE_BYTES_MAX:
        raise NotAState(f"a state has at most {STATE_BYTES_MAX} bytes, this one has {len(raw)}")
    try:
        return read(raw, _decoder)
    except NotCanonical as error:
        raise NotAState(str(error)) from error


_decoder = msgspec.json.Decoder(State)
