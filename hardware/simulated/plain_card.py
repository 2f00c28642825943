"""The twins of cards that know nothing of us: a UID is all that they say, everything else is refused.

Sources: ISO/IEC 14443-3 (types A and B), JIS X 6319-4 (FeliCa), PC/SC part 3 section 3.1.3.2.3 (answers to reset).
"""

from collections.abc import Iterator

from hardware.ports import GET_UID
from hardware.simulated.tearing import Field

_ATR = bytes.fromhex("3b80800101")
"""A processor card without historical bytes (PC/SC part 3, 3.1.3.2.3.1)."""
_ATR_FELICA = bytes.fromhex("3b8f8001804f0ca00000030611003b0000000042")
_ATR_TYPE_B_HEAD = bytes.fromhex("3b888001")
_OK = b"\x90\x00"
_NOT_SUPPORTED = bytes.fromhex("6d00")


class VirtualPlain:
    """Any contactless card: of a library, of a bank, of a transport company."""

    def __init__(self, uid: bytes, atr: bytes = _ATR) -> None:
        self.uid, self.atr, self.field = uid, atr, Field()

    def reset(self) -> None:
        """Power up anew: there is nothing to forget."""

    def put_back(self) -> None:
        """Bring the card into the field (again)."""
        self.field.put_back()

    def process(self, apdu: bytes) -> bytes:
        """Answer one APDU. Raises CardTorn when the card is away."""
        self.field.require_present()
        return self.uid + _OK if apdu == GET_UID else _NOT_SUPPORTED


class VirtualFelica(VirtualPlain):
    """A FeliCa card of one system: a transit card, a student card of Japan. Its IDm is its UID."""

    def __init__(self, idm: bytes, system: bytes = b"\x00\x03") -> None:
        assert len(idm) == 8 and len(system) == 2
        super().__init__(idm, _ATR_FELICA)
        self._system = system

    def polled(self, system: bytes, request: int) -> bytes | None:
        """The answer to a polling for a system (FF: any byte), behind its length; None where it keeps silent."""
        if any(asked not in (0xFF, own) for asked, own in zip(system, self._system, strict=True)):
            return None
        return b"\x01" + self.uid + bytes.fromhex("100b4b428485d0ff") + (self._system if request == 1 else b"")


class VirtualTypeB(VirtualPlain):
    """A card of type B with ISO-DEP. Its PUPI is its UID: always the same, or one after the other at each power-up."""

    def __init__(self, *pupis: bytes) -> None:
        self._pupis: Iterator[bytes] = iter(pupis[1:])
        told = bytes.fromhex("1c2d9411f7718500")
        atr = _ATR_TYPE_B_HEAD + told
        check = 0
        for byte in atr[1:]:
            check ^= byte
        super().__init__(pupis[0], atr + bytes((check,)))
        self.atqb_tail = told[:7]
        """Application data and protocol info."""

    def reset(self) -> None:
        """Power up anew, perhaps under another PUPI."""
        self.uid = next(self._pupis, self.uid)
