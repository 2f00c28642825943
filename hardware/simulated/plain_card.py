"""The twin of a card that knows nothing of us: its UID is all it says (ISO/IEC 14443-3), everything else is refused."""

from hardware.ports import GET_UID
from hardware.simulated.tearing import Field

_ATR = bytes.fromhex("3b80800101")
"""A processor card without historical bytes (PC/SC part 3, 3.1.3.2.3.1)."""
_NOT_SUPPORTED = bytes.fromhex("6d00")


class VirtualPlain:
    """Any contactless card: of a library, of a bank, of a transport company."""

    def __init__(self, uid: bytes) -> None:
        self.uid, self.atr, self.field = uid, _ATR, Field()

    def reset(self) -> None:
        """Power up anew: there is nothing to forget."""

    def put_back(self) -> None:
        """Bring the card into the field (again)."""
        self.field.put_back()

    def process(self, apdu: bytes) -> bytes:
        """Answer one APDU. Raises CardTorn when the card is away."""
        self.field.require_present()
        return self.uid + b"\x90\x00" if apdu == GET_UID else _NOT_SUPPORTED
