"""A contact slot of a PC/SC reader with a SAM in it, through pyscard's `scard` layer as in `pcsc.py`.

A SAM is found by its reader's name, or by its answer to reset: the chips known say "MIFARE ... SAM" in it
(LibLogicalAccess, atrparser.cpp). Nothing is held between errors: pulled out and plugged in again, it works again. A
daemon that does not answer is a chip that is missing (`patience.py`).
"""

from contextlib import suppress
from typing import Any, Self

from smartcard import scard as _untyped  # pyright: ignore[reportMissingTypeStubs]

from hardware.ports import SamFailed
from hardware.readers.patience import Patience
from hardware.readers.picking import pick_reader

scard: Any = _untyped


class ContactSlot:
    """A `SamSlot`. `name`: the reader, or how its name begins; empty: the first that holds a SAM."""

    def __init__(self, name: str = "") -> None:
        self._wanted = name
        self._context: int | None = None
        self._card: tuple[int, int] | None = None
        self._patience = Patience(SamFailed)
        self.name = ""
        """The reader that was used last."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def power_up(self) -> None:
        """Connect for us alone, which is what powers it up. Raises SamFailed."""
        self.close()
        self._require(self._asked(self._establish))
        self.name = self._found()
        either = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
        connect, exclusive = scard.SCardConnect, scard.SCARD_SHARE_EXCLUSIVE
        result, handle, protocol = self._asked(connect, self._context, self.name, exclusive, either)
        self._require(result)
        self._card = int(handle), int(protocol)

    def transmit(self, apdu: bytes) -> bytes:
        """Return the whole answer. Raises SamFailed; then it is powered up anew or not at all."""
        if self._card is None:
            raise SamFailed("the SAM is not powered")
        result, answer = self._asked(scard.SCardTransmit, *self._card, list(apdu))
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
            self._patience.let_go(scard.SCardDisconnect, card[0], scard.SCARD_UNPOWER_CARD)
        if context is not None:
            self._patience.let_go(scard.SCardReleaseContext, context)

    def _establish(self) -> int:
        """Keep the context, however late it comes; return what the daemon said."""
        result, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
        if result == scard.SCARD_S_SUCCESS:
            self._context = int(context)
        return int(result)

    def _found(self) -> str:
        names: list[str] = []
        with suppress(SystemError):  # pyscard's own answer where the library knows the context no more
            _, names = self._asked(scard.SCardListReaders, self._context, [])
        found = pick_reader(names, self._wanted) if self._wanted else next(filter(self._holds_a_sam, names), "")
        if not found:
            self.close()
            there = ", ".join(names) or "none"
            raise SamFailed(f"no SAM in a reader {self._wanted}; there are: {there}".replace("  ", " "))
        return found

    def _holds_a_sam(self, name: str) -> bool:
        asked = [(name, scard.SCARD_STATE_UNAWARE)]
        result, readers = self._asked(scard.SCardGetStatusChange, self._context, 0, asked)
        atr = bytes(readers[0][2]) if result == scard.SCARD_S_SUCCESS else b""
        return b"MIFARE" in atr and b"SAM" in atr

    def _asked(self, function: Any, *args: object) -> Any:
        """What libpcsclite answers. Raises SamFailed for a daemon that is silent; then all is begun anew."""
        try:
            return self._patience.ask(function, *args)
        except SamFailed:
            self.close()
            raise

    def _require(self, result: int) -> None:
        if result != scard.SCARD_S_SUCCESS:
            self.close()
            raise SamFailed(f"SAM: {scard.SCardGetErrorMessage(result)}")
