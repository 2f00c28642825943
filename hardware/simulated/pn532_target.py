"""A virtual card as a PN532 meets it on the air: selected, spoken to, and fallen silent after a refusal.

The virtual cards answer a PC/SC reader's pseudo-APDUs; here the chip's MIFARE commands (60, 61, 30, A0) become those,
so a card's rules are written once. What a MIFARE Classic refuses ends its session until it is selected anew.

Sources: NXP UM0701-02 (status codes, section 7.1), NXP AN10833 (SAK), MF1S50YYX_V1 section 9 (commands, NAK), NXP
MF3ICD81 as publicly known (ATS). ATQA and SAK come from the ATR that a card has for PC/SC readers.
"""

from hardware.cards.ultralight_aes import through
from hardware.ports import GET_UID
from hardware.simulated.plain_card import VirtualFelica, VirtualTypeB
from hardware.simulated.reader import CardInField
from hardware.simulated.tearing import CardTorn

OK, TIMEOUT, FORMAT, AUTHENTICATION = 0x00, 0x01, 0x13, 0x14
NOT_ACCEPTABLE = 0x27
SAK_ISO_DEP = 0x20
FELICA = (1, 2)
"""BrTy of InListPassiveTarget: at 212 and at 424 kbit/s."""
_TYPE_A, _TYPE_B = 0, 3

_STORAGE_CARD = b"\x80\x4f\x0c\xa0\x00\x00\x03\x06"
_CLASSIC_4K_NAME, _ULTRALIGHT_NAME = b"\x00\x02", b"\x00\x03"
_DESFIRE_HISTORICAL = b"\x80"
_RATS, _HALT = 0xE0, b"\x50\x00"
_SUCCESS = b"\x90\x00"


class Target:
    """A card in the field of a simulated PN532."""

    def __init__(self, card: CardInField) -> None:
        self.card = card
        self._selected = False
        historical = card.atr[4:-1]
        name = historical[len(_STORAGE_CARD) + 1 :][:2] if historical.startswith(_STORAGE_CARD) else b""
        self.is_classic, self.is_ultralight = name not in (b"", _ULTRALIGHT_NAME), name == _ULTRALIGHT_NAME
        long_uid = len(card.uid) > 4
        if isinstance(card, VirtualFelica | VirtualTypeB):
            self.sak, self.atqa, self.ats = 0x00, b"", b""
        elif self.is_classic:
            is_4k = name == _CLASSIC_4K_NAME
            self.sak = 0x18 if is_4k else 0x08
            self.atqa = bytes((0x00, (0x02 if is_4k else 0x04) | (0x40 if long_uid else 0)))
            self.ats = b""
        elif self.is_ultralight:
            self.sak, self.atqa, self.ats = 0x00, bytes.fromhex("0044"), b""
        else:
            self.sak = SAK_ISO_DEP
            self.atqa = bytes.fromhex("0344" if long_uid else "0304")
            head = bytes.fromhex("75778102") if historical == _DESFIRE_HISTORICAL else bytes.fromhex("78807002")
            body = head + historical
            self.ats = bytes((len(body) + 1,)) + body

    @property
    def present(self) -> bool:
        """Whether it would answer a request now."""
        return self.card.field.present

    @property
    def listens(self) -> bool:
        """Whether it is selected and would answer a command."""
        return self._selected and self.present

    def answers(self, kind: int, told: bytes) -> bool:
        """Whether it answers InListPassiveTarget of this kind, told which one is looked for. Raises IndexError."""
        match self.card:
            case VirtualFelica() as felica:
                return kind in FELICA and felica.polled(told[1:3], told[3]) is not None
            case VirtualTypeB():
                return kind == _TYPE_B and told[0] == 0
            case card:
                return kind == _TYPE_A and told in (b"", _cascaded(card.uid))

    def described(self, told: bytes, *, with_ats: bool) -> bytes:
        """Select it, and say what the chip tells of it behind its number."""
        self.select()
        match self.card:
            case VirtualFelica() as felica:
                polled = felica.polled(told[1:3], told[3]) or b""
                return bytes((len(polled) + 1,)) + polled
            case VirtualTypeB() as card:
                return b"\x50" + card.uid + card.atqb_tail + b"\x01\x00"
            case card:
                ats = self.ats if with_ats else b""
                return self.atqa + bytes((self.sak, len(card.uid))) + card.uid + ats

    def power_off(self) -> None:
        """The field was switched off: everything volatile is gone."""
        self._selected = False
        self.card.reset()

    def select(self) -> None:
        """Anticollision and select went through; a session that there was is gone."""
        self.card.reset()
        self._selected = True

    def silence(self) -> None:
        """Halted, deselected, or not talking any more: it listens again once it is selected."""
        self._selected = False

    def exchange(self, data: bytes) -> tuple[int, bytes]:
        """What the chip reports for a command to the card: a status and, on success, the answer."""
        if not self.listens:
            return TIMEOUT, b""
        try:
            if self.is_ultralight:
                status, answer = self._written(data) if data[:1] == b"\xa2" else self._through(data)
            else:
                status, answer = self._classic(data) if self.is_classic else (OK, self.card.process(data))
        except CardTorn:
            status, answer = TIMEOUT, b""
        self._selected = status == OK
        return status, answer

    def exchange_raw(self, data: bytes) -> tuple[int, bytes]:
        """A frame that the chip passes on as it is: RATS is answered, and what an Ultralight understands."""
        if self.is_ultralight:
            return self._passed_on(data)
        if self.listens and self.ats and data[:1] == bytes((_RATS,)):
            return OK, self.ats
        self.silence()
        return TIMEOUT, b""

    def _passed_on(self, data: bytes) -> tuple[int, bytes]:
        if not self.listens:
            return TIMEOUT, b""
        try:
            status, answer = self._through(data)
        except CardTorn:
            status, answer = TIMEOUT, b""
        self._selected = status != TIMEOUT
        return status, answer

    def _written(self, data: bytes) -> tuple[int, bytes]:
        """The chip knows an Ultralight's WRITE, and understands the four bits of its answer. Raises CardTorn."""
        if len(data) != 6:
            return FORMAT, b""
        answer = self.card.process(bytes((0xFF, 0xD6, 0, data[1], 4)) + data[2:])
        return (OK if answer == _SUCCESS else FORMAT), b""

    def _through(self, data: bytes) -> tuple[int, bytes]:
        """A command of an Ultralight, as an ACR122U passes it on. Raises CardTorn."""
        answer = self.card.process(through(data))
        return answer[2], answer[3:-2]

    def _classic(self, data: bytes) -> tuple[int, bytes]:
        """MIFARE commands. Raises CardTorn."""
        block = data[1] if len(data) > 1 else 0
        match data[:1]:
            case b"\x60" | b"\x61" if len(data) == 12:
                if data[8:] != self.card.process(GET_UID)[:-2][-4:]:
                    return AUTHENTICATION, b""
                self.card.process(b"\xff\x82\x00\x00\x06" + data[2:8])
                answer = self.card.process(bytes((0xFF, 0x86, 0, 0, 5, 1, 0, block, data[0], 0)))
                return (OK if answer == _SUCCESS else AUTHENTICATION), b""
            case b"\x30" if len(data) == 2:
                answer = self.card.process(bytes((0xFF, 0xB0, 0, block, 16)))
            case b"\xa0" if len(data) == 18:
                answer = self.card.process(bytes((0xFF, 0xD6, 0, block, 16)) + data[2:])
            case _:
                return (TIMEOUT if data == _HALT else FORMAT), b""
        return (OK, answer[:-2]) if answer[-2:] == _SUCCESS else (FORMAT, b"")


def _cascaded(uid: bytes) -> bytes:
    """A UID as InListPassiveTarget is told which card it shall find: every level but the last has the cascade tag."""
    match len(uid):
        case 4:
            return uid
        case 7:
            return b"\x88" + uid
        case _:
            return b"\x88" + uid[:3] + b"\x88" + uid[3:]
