"""A virtual PN532: its host commands, and the cards in its field.

Played as far as nfcpy and libnfc use it as a reader of ISO 14443 types A and B at 106 kbit/s and of FeliCa, with two
targets at most. Not played: the chip as a card, NFC-DEP, commands to cards of type B and FeliCa, real registers (they
keep what is written to them), time.

Source: NXP UM0701-02 section 7.
"""

from collections.abc import Callable, Sequence

from hardware.simulated.pn532_target import FELICA, NOT_ACCEPTABLE, OK, SAK_ISO_DEP, TIMEOUT, Target
from hardware.simulated.reader import CardInField

TARGETS_MAX = 2
ANSWER_BYTES_MAX = 262
"""What InDataExchange brings of an answer at once; the rest is asked for."""
RETRY_FOR_EVER = 0xFF

_FIRMWARE = bytes.fromhex("32010607")
"""IC PN532, version 1.6, ISO 14443 A and B and ISO 18092."""
_AUTOMATIC_RATS = 0x10
_MORE = 0x40
_TARGET_MASK = 0x3F


class SyntaxWrong(Exception):
    """The chip does not know the command, or cannot read its data: it answers with an error frame."""


class Pn532Chip:
    """One chip from power-up on. `answer` takes a command and returns the answer, or None while it waits for a card."""

    def __init__(self) -> None:
        self._field: list[Target] = []
        self._listed: list[Target] = []
        self._registers: dict[int, int] = {}
        self._parameters = _AUTOMATIC_RATS
        self._retries = RETRY_FOR_EVER
        self._configured = False
        self._awaited: bytes | None = None
        self._to_card, self._from_card = bytearray(), b""
        self.asleep = True
        """Since power-up or PowerDown: a long preamble wakes it."""
        self._commands: dict[int, Callable[[bytes], bytes | None]] = {
            0x00: self._diagnose,
            0x02: lambda _: _FIRMWARE,
            0x04: lambda _: self._general_status(),
            0x06: self._read_registers,
            0x08: self._write_registers,
            0x10: lambda _: b"",
            0x12: self._set_parameters,
            0x14: self._configure_sam,
            0x16: self._power_down,
            0x32: self._configure_rf,
            0x40: self._data_exchange,
            0x42: self._communicate_thru,
            0x44: self._silence,
            0x4A: self._list_targets,
            0x52: self._release,
            0x54: self._select,
        }

    def place(self, cards: Sequence[CardInField]) -> None:
        """These cards, and no others, are in the field now."""
        for target in self._listed:
            target.silence()
        self._field = [Target(card) for card in cards]
        for target in self._field:
            target.power_off()

    def answer(self, command: bytes) -> bytes | None:
        """Carry out a command: its code and data in, the answer's code and data out. Raises SyntaxWrong.

        None: it waits for a card; `look_again` when one may have come. A new command ends the waiting.
        """
        self._awaited = None
        handler = self._commands.get(command[0])
        if handler is None or (command[0] >= 0x40 and not self._configured):
            raise SyntaxWrong
        try:
            found = handler(command[1:])
        except IndexError as error:
            raise SyntaxWrong from error
        return None if found is None else bytes((command[0] + 1,)) + found

    def look_again(self) -> bytes | None:
        """The answer to the command that waits for a card, if one is there now."""
        return None if self._awaited is None else self.answer(self._awaited)

    def abort(self) -> None:
        """The host wants no answer any more."""
        self._awaited = None

    def _diagnose(self, data: bytes) -> bytes:
        match data[0]:
            case 0x00:
                return data
            case 0x06:
                there = bool(self._listed) and self._listed[0].sak & SAK_ISO_DEP and self._listed[0].listens
                return bytes((OK if there else TIMEOUT,))
            case _:
                return bytes((OK,))

    def _general_status(self) -> bytes:
        targets = b"".join(bytes((number, 0, 0, 0x10)) for number in range(1, len(self._listed) + 1))
        return bytes((OK, 1, len(self._listed))) + targets + bytes((0x80,))

    def _read_registers(self, data: bytes) -> bytes:
        addresses = [int.from_bytes(data[at : at + 2]) for at in range(0, len(data), 2)]
        return bytes(self._registers.get(address, 0) for address in addresses)

    def _write_registers(self, data: bytes) -> bytes:
        for at in range(0, len(data), 3):
            self._registers[int.from_bytes(data[at : at + 2])] = data[at + 2]
        return b""

    def _set_parameters(self, data: bytes) -> bytes:
        self._parameters = data[0]
        return b""

    def _configure_sam(self, data: bytes) -> bytes:
        self._configured = data[0] in (1, 2, 3, 4)
        return b""

    def _power_down(self, data: bytes) -> bytes:
        self.asleep = bool(data[0])
        self._switch_field_off()
        return bytes((OK,))

    def _configure_rf(self, data: bytes) -> bytes:
        if data[0] == 0x01 and not data[1] & 0x01:
            self._switch_field_off()
        if data[0] == 0x05:
            self._retries = data[3]
        return b""

    def _switch_field_off(self) -> None:
        self._listed = []
        for target in self._field:
            target.power_off()

    def _list_targets(self, data: bytes) -> bytes | None:
        wanted, kind, told = data[0], data[1], data[2:]
        if not 1 <= wanted <= TARGETS_MAX:
            raise SyntaxWrong
        present = [target for target in self._field if target.present and target.answers(kind, told)]
        collide = kind in FELICA and len(present) > 1 and not told[4]  # all in one time slot
        self._listed = [] if collide else present[:wanted]
        if not self._listed and self._retries == RETRY_FOR_EVER:
            self._awaited = b"\x4a" + data
            return None
        self._to_card, self._from_card = bytearray(), b""
        with_ats = bool(self._parameters & _AUTOMATIC_RATS)
        found = [target.described(told, with_ats=with_ats) for target in self._listed]
        return bytes((len(found),)) + b"".join(bytes((at,)) + said for at, said in enumerate(found, start=1))

    def _target(self, byte: int) -> Target | None:
        number = byte & _TARGET_MASK
        return self._listed[number - 1] if 1 <= number <= len(self._listed) else None

    def _data_exchange(self, data: bytes) -> bytes:
        target = self._target(data[0])
        if target is None:
            return bytes((NOT_ACCEPTABLE,))
        if self._from_card and len(data) == 1:
            return self._next_part()
        self._to_card += data[1:]
        if data[0] & _MORE:
            return bytes((OK,))
        command, self._to_card = bytes(self._to_card), bytearray()
        status, self._from_card = target.exchange(command)
        return self._next_part() if status == OK else bytes((status,))

    def _next_part(self) -> bytes:
        part, self._from_card = self._from_card[:ANSWER_BYTES_MAX], self._from_card[ANSWER_BYTES_MAX:]
        return bytes((_MORE if self._from_card else OK,)) + part

    def _communicate_thru(self, data: bytes) -> bytes:
        if not self._listed:
            return bytes((TIMEOUT,))
        status, answer = self._listed[0].exchange_raw(data)
        return bytes((status,)) + answer

    def _silence(self, data: bytes) -> bytes:
        for number, target in enumerate(self._listed, start=1):
            if data[0] in (0, number):
                target.silence()
        return bytes((OK,))

    def _release(self, data: bytes) -> bytes:
        self._silence(data)
        self._listed = [target for number, target in enumerate(self._listed, start=1) if data[0] not in (0, number)]
        return bytes((OK,))

    def _select(self, data: bytes) -> bytes:
        target = self._target(data[0])
        if target is None:
            return bytes((NOT_ACCEPTABLE,))
        if not target.present:
            return bytes((TIMEOUT,))
        target.select()
        return bytes((OK,))
