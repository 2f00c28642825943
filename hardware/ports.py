"""What the programs ask of hardware: small protocols, and the one tree of everything that can go wrong.

    HardwareError
    ├── CardError                the customer can act: tap again, or go to the card office
    │   ├── CardLeftField        the outcome of the command under way is unknown
    │   ├── SeveralCards         nobody knows which one is meant
    │   ├── CardNotOurs          not a card of this installation
    │   ├── PurseUnreadable      not the structure or the genuine bytes that a card of ours must have
    │   └── CardRefused          the card answered with a status that is no success
    └── DeviceError              staff must act
        ├── ReaderUnplugged
        └── SamFailed            the chip that holds the card keys is missing, or refused

Everything here blocks: the terminal calls it from its card thread, the simulation inline.
"""

import enum
from typing import Protocol, runtime_checkable

from protocol.ids import Counter
from protocol.instants import MonoMs, UtcMs
from protocol.purse import CardRead, Mark, PurseChange, SignedLoad, Technology

GET_UID = bytes.fromhex("ffca000000")
"""The reader's own command for the UID (PC/SC part 3, 3.2.2.1.3)."""


class HardwareError(Exception):
    """Something outside the programs did not do its part."""


class CardError(HardwareError):
    """The customer can act: tap again, or go to the card office."""


class CardLeftField(CardError):
    """The card went away during a command: it may have carried that command out, or not."""


class SeveralCards(CardError):
    """More than one card is in the field. None of them has been spoken to, but for its UID."""


class CardNotOurs(CardError):
    """The card does not belong to this installation, or to no key set this terminal holds."""


class PurseUnreadable(CardError):
    """What the card says of itself is missing, malformed or not genuine; only the card office can help."""


class CardRefused(CardError):
    """The card answered a command with a status word that is no success."""

    def __init__(self, command: str, status_word: int, reason: str = "") -> None:
        super().__init__(f"{command} was answered with {status_word:04X}" + (f": {reason}" if reason else ""))
        self.command = command
        self.status_word = status_word


class DeviceError(HardwareError):
    """Staff must act: a device is missing, empty or broken."""


class ReaderUnplugged(DeviceError):
    """The card reader does not answer any more."""


class SamFailed(DeviceError):
    """The chip that holds the card keys (a SAM) is not there, is another one, or refused a command."""


class SamSlot(Protocol):
    """Where a SAM is plugged in."""

    @property
    def name(self) -> str:
        """The reader; empty before its first use."""
        ...

    def power_up(self) -> None:
        """Power the chip up anew: whatever was under way in it is over. Raises SamFailed."""
        ...

    def transmit(self, apdu: bytes) -> bytes:
        """Return the whole answer, the two status bytes included. Raises SamFailed."""
        ...

    def close(self) -> None:
        """Power the chip down and let go of it, until it is powered up anew."""
        ...


class CardChannel(Protocol):
    """A card in the field, spoken to in APDUs."""

    @property
    def uid(self) -> bytes:
        """The card's UID, 4, 7, 8 (FeliCa) or 10 bytes; empty where it has none, or shows another at every look."""
        ...

    @property
    def technology(self) -> Technology | None:
        """What the reader believes the chip to be (from SAK and ATR); None where it cannot tell.

        `TOKEN`: FeliCa or type B. It holds nothing of ours, and its UID is all that it is asked for.
        """
        ...

    def transmit(self, apdu: bytes) -> bytes:
        """Return the whole answer, the two status bytes included.

        Raises CardLeftField when the card went away (whether it carried the command out is unknown) and
        ReaderUnplugged.
        """
        ...


class CardReader(Protocol):
    """A contactless reader with at most one card in its field."""

    def wait_for_card(self, timeout_s: float) -> CardChannel | None:
        """Return the card in the field, waiting at most this long; None when none came.

        Raises SeveralCards, where the reader can see them, and ReaderUnplugged.
        """
        ...

    def wait_until_absent(self, timeout_s: float) -> bool:
        """Say whether the field was empty within this time. Raises ReaderUnplugged."""
        ...


class PurseCard(Protocol):
    """A card of ours in the field: read it, take one step, or find out what became of one."""

    @property
    def technology(self) -> Technology:
        """Which kind of chip it is."""
        ...

    def read(self, load_record_known: SignedLoad | None = None) -> CardRead:
        """Authenticate and read everything a decision needs.

        A load record that the caller has verified before is not read from the card again while the card still
        names it (Classic only). A card whose identity is genuine but whose purse cannot be read is answered with
        `purse=None`. Raises CardLeftField, CardNotOurs, CardRefused, PurseUnreadable.
        """
        ...

    def write(self, change: PurseChange) -> CardRead:
        """Make one step and prove it; the answer is what the card shows now.

        After any CardError the outcome is unknown: the same card must be tapped again and made definite.
        """
        ...

    def make_definite(self, intended: Mark, counter_after: Counter, tried: PurseChange | None = None) -> CardRead:
        """Make what became of an intended step firm, and read the card: no later read can answer otherwise.

        Whoever still knows the step itself gives it as `tried`: then the slot it was built on need not be readable.
        What it means is for `protocol.purse.what_became_of` to say. Raises as `read` does; then nothing is decided.
        """
        ...


class Signal(enum.Enum):
    """What a customer hears and sees at the reader."""

    APPROVED = "approved"
    REFUSED = "refused"
    TAP_AGAIN = "tap_again"
    WAITING = "waiting"


@runtime_checkable
class Indicator(Protocol):
    """Buzzer and lamps beside the reader."""

    def signal(self, signal: Signal) -> None:
        """Show and sound it; returns at once, and never fails: a broken lamp must not stop a sale."""
        ...


class Clock(Protocol):
    """The machine's two clocks."""

    def utc_ms(self) -> UtcMs:
        """What the machine takes for the present UTC, in milliseconds."""
        ...

    def mono_ms(self) -> MonoMs:
        """Milliseconds since boot; never goes backwards."""
        ...
