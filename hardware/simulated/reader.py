"""The twin of a card reader: put a virtual card on it, take it away, and speak to it in APDUs.

Place and take away from any thread; a waiting `wait_for_card` wakes up at once. In a simulation, where nothing
may wait, pass a timeout of 0.
"""

import threading
from typing import Protocol

from hardware.ports import CardLeftField, ReaderUnplugged
from hardware.readers.answers_to_reset import is_felica, is_type_b
from hardware.simulated.tearing import CardTorn, Field
from protocol.purse import Technology

_STORAGE_CARD_ATR = bytes.fromhex("3b8f8001804f0ca000000306")
_ULTRALIGHT_ATR = _STORAGE_CARD_ATR + b"\x03\x00\x03"


class AnsweringCard(Protocol):
    """What any reader needs of a card; all that the virtual PC/SC reader needs."""

    @property
    def atr(self) -> bytes:
        """The answer to reset as a PC/SC reader reports it."""
        ...

    def reset(self) -> None:
        """Power up anew: sessions and everything not committed are gone, memory stays."""
        ...

    def process(self, apdu: bytes) -> bytes:
        """Answer one APDU with its two status bytes. Raises CardTorn when the card is, or goes, away."""
        ...


class CardInField(AnsweringCard, Protocol):
    """What a reader needs that finds the card by itself."""

    field: Field

    @property
    def uid(self) -> bytes:
        """The card's UID."""
        ...


class VirtualCard(CardInField, Protocol):
    """What the simulated reader needs: it also places the card."""

    def put_back(self) -> None:
        """Bring the card into the field (again)."""
        ...


class SimulatedChannel:
    """A virtual card in the field of a simulated reader, from this placing on until it leaves."""

    def __init__(self, card: VirtualCard, reader: "SimulatedReader", placing: int) -> None:
        self._card = card
        self._reader = reader
        self._placing = placing
        self.uid = card.uid
        if is_type_b(card.atr):
            card.reset()
            self.uid = self.uid if card.uid == self.uid else b""
        self.technology: Technology | None = technology_of(card.atr)
        self.transmit_count = 0

    def transmit(self, apdu: bytes) -> bytes:
        """Pass one APDU to the card. Raises CardLeftField, and ReaderUnplugged while the reader is unplugged."""
        self._reader.require_plugged()
        self.transmit_count += 1
        if self._reader.placing != self._placing:
            raise CardLeftField("another card, or none, is in the field")
        try:
            return self._card.process(apdu)
        except CardTorn as torn:
            raise CardLeftField(str(torn)) from torn


class SimulatedReader:
    """A reader in the same process; implements the port `CardReader`."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._card: VirtualCard | None = None
        self._plugged = True
        self.placing = 0

    def place(self, card: VirtualCard) -> None:
        """Put a card into the field; one that was torn away before is powered up anew."""
        with self._changed:
            card.put_back()
            self._card = card
            self.placing += 1
            self._changed.notify_all()

    def take_away(self) -> None:
        """Empty the field. A channel to the card that was there raises CardLeftField from now on."""
        with self._changed:
            if self._card is not None:
                self._card.field.take_away()
            self._card = None
            self.placing += 1
            self._changed.notify_all()

    def unplug(self) -> None:
        """Make everything raise ReaderUnplugged until `plug_in`."""
        with self._changed:
            self._plugged = False
            self._changed.notify_all()

    def plug_in(self) -> None:
        """The reader answers again."""
        with self._changed:
            self._plugged = True

    def require_plugged(self) -> None:
        """Raise ReaderUnplugged while the reader is unplugged."""
        if not self._plugged:
            raise ReaderUnplugged("the simulated reader is unplugged")

    def wait_for_card(self, timeout_s: float) -> SimulatedChannel | None:
        """Return the card in the field, waiting at most this long; None when none came. Raises ReaderUnplugged."""
        with self._changed:
            self._changed.wait_for(lambda: self._present() or not self._plugged, timeout_s)
            self.require_plugged()
            return SimulatedChannel(self._card, self, self.placing) if self._card and self._present() else None

    def wait_until_absent(self, timeout_s: float) -> bool:
        """Say whether the field was empty within this time. Raises ReaderUnplugged."""
        with self._changed:
            absent = self._changed.wait_for(lambda: not self._present() or not self._plugged, timeout_s)
            self.require_plugged()
            return absent

    def _present(self) -> bool:
        return self._card is not None and self._card.field.present


def technology_of(atr: bytes) -> Technology | None:
    """What a reader takes the chip for, by its ATR (PC/SC part 3 section 3.1.3.2.3): an Ultralight for neither."""
    if atr.startswith(_ULTRALIGHT_ATR):
        return None
    if is_felica(atr) or is_type_b(atr):
        return Technology.TOKEN
    return Technology.CLASSIC if atr.startswith(_STORAGE_CARD_ATR) else Technology.DESFIRE
