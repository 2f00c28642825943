"""A contact slot of a PC/SC reader with a SAM in it, through pyscard's `scard` layer as in `pcsc.py`.

A SAM is found by its reader's name, or by its answer to reset: the chips known say "MIFARE ... SAM" in it
(LibLogicalAccess, atrparser.cpp). Nothing is held between errors: pulled out and plugged in again, it works again.
"""

from contextlib import suppress
from typing import Any, Self

from smartcard import scard as _untyped  # pyright: ignore[reportMissingTypeStubs]

from hardware.ports import SamFailed
from hardware.readers.picking import pick_reader

scard: Any = _untyped


class ContactSlot:
    """A `SamSlot`. `name`: the reader, or how its name begins; empty: the first that holds a SAM."""

    def __init__(self, name: str = "") -> None:
        self._wanted = name
        self._context: int | None = None
        self._card: tuple[int, int] | None = None
        self.name = ""
        """The reader that was used last."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def power_up(self) -> None:
        """Connect for us alone, which is what powers it up. Raises SamFailed."""
        self.close()
        result, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
        self._require(result)
        self._context = int(context)
        self.name = self._found()
        either = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
        result, handle, protocol = scard.SCardConnect(self._context, self.name, scard.SCARD_SHARE_EXCLUSIVE, either)
        self._require(result)
        self._card = int(handle), int(protocol)

    def transmit(self, apdu: bytes) -> bytes:
        """Return the whole answer. Raises SamFailed; then it is powered up anew or not at all."""
        if self._card is None:
            raise SamFailed("the SAM is not powered")
        result, answer = scard.SCardTransmit(*self._card, list(apdu))
        self._require(result)
        if len(answer) < 2:
            self.close()
            raise SamFailed("the SAM did not answer")
        return bytes(answer)

    def close(self) -> None:
        """Power the chip down and let go of it."""
        card, self._card = self._card, None
        context, self._context = self._context, None
        if card is not None:
            scard.SCardDisconnect(card[0], scard.SCARD_UNPOWER_CARD)
        if context is not None:
            scard.SCardReleaseContext(context)

    def _found(self) -> str:
        names: list[str] = []
        with suppress(SystemError):  # pyscard's own answer where the library knows the context no more
            _, names = scard.SCardListReaders(self._context, [])
        found = pick_reader(names, self._wanted) if self._wanted else next(filter(self._holds_a_sam, names), "")
        if not found:
            self.close()
            there = ", ".join(names) or "none"
            raise SamFailed(f"no SAM in a reader {self._wanted}; there are: {there}".replace("  ", " "))
        return found

    def _holds_a_sam(self, name: str) -> bool:
        result, readers = scard.SCardGetStatusChange(self._context, 0, [(name, scard.SCARD_STATE_UNAWARE)])
        atr = bytes(readers[0][2]) if result == scard.SCARD_S_SUCCESS else b""
        return b"MIFARE" in atr and b"SAM" in atr

    def _require(self, result: int) -> None:
        if result != scard.SCARD_S_SUCCESS:
            self.close()
            raise SamFailed(f"SAM: {scard.SCardGetErrorMessage(result)}")
