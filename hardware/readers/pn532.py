"""A PN532 contactless reader through nfcpy's driver: on a serial line, or inside an ACR122U on USB.

The card drivers speak a PC/SC reader's pseudo-APDUs; this adapter turns them into the chip's own commands:

    FF CA            nothing, or select the card anew after it has refused something
    FF 82            nothing: the key is kept here
    FF 86            InDataExchange 60 / 61      FF B0    InDataExchange 30      FF D6    InDataExchange A0 / A2
    FF 00, D4 42     InCommunicateThru to a card without ISO-DEP, as an ACR122U passes it on
    anything else    InDataExchange to a card with ISO-DEP, which the chip speaks itself

Cards of type A are spoken to. Of FeliCa and type B the chip tells the UID when it looks for them, and that is all.

Only nfcpy's `Chipset` and `Device` are used. Its `connect` guesses technologies (a Classic with a long UID becomes an
Ultralight), and its `init` raises the line's speed, which a chip keeps when the program is killed. These are
internals: nfcpy is pinned (docs/decisions/0024-the-second-reader-stack.md).

Sources: NXP UM0701-02 (commands, section 7; status codes, section 7.1), PC/SC part 3 (pseudo-APDUs).
"""

import errno
import logging
import termios
import time
from typing import Any, Self

import nfc.clf.device as _device  # pyright: ignore[reportMissingTypeStubs]
import nfc.clf.pn532 as _driver  # pyright: ignore[reportMissingTypeStubs]
import nfc.clf.transport as _transport  # pyright: ignore[reportMissingTypeStubs]

from hardware.ports import GET_UID, CardLeftField, ReaderUnplugged, SeveralCards
from hardware.readers.introductions import SAK_ISO_DEP, Air, Found, found_in, one_of_each, with_lasting_uids
from protocol.purse import Technology

PRESENCE_S = 0.3
"""A card that lies in the field is asked so often whether it still does; pcscd asks every 0.4 s."""

_device_module: Any = _device
_driver_module: Any = _driver
_transport_module: Any = _transport
_quiet = logging.getLogger("nfc")
_quiet.setLevel(logging.CRITICAL)
"""nfcpy logs whole frames, and in frames are keys; what it logs as errors is in our exceptions."""

_LINK_FAILURES = (OSError, termios.error, LookupError, TypeError, AttributeError, AssertionError)
"""What nfcpy raises for a line that is dead, gone or garbled: it takes pieces of frames for whole ones."""
_PREAMBLE = bytes(16)
_ANSWER_S = 1.0
"""The chip gives up on a card by itself long before: after that it is the chip that does not answer."""
_WAKE_UP_S, _POLL_S = 0.01, 0.1
_SET_PARAMETERS_AUTOMATIC = 0x14
_WAIT_FOR_A_S = 0.25
"""The chip waits for type A; after so long it is asked for the others too."""
_RETRIES_FEW, _RETRIES_FOR_EVER = b"\x01\x00\x02", b"\x01\x00\xff"
_MORE = 0x40
_STATUS_MASK = 0x3F
_TO_CARD_BYTES_MAX = 250
_STATUS_FORMAT, _STATUS_AUTHENTICATION = 0x13, 0x14

_DIRECT, _THROUGH, _WENT_THROUGH = bytes(3), b"\xd4\x42", b"\xd5\x43"
_OK, _FAILED, _NOT_ALLOWED = b"\x90\x00", b"\x63\x00", b"\x69\x82"
_NOT_SUPPORTED, _WRONG_LENGTH = b"\x6a\x81", b"\x67\x00"


class _CardSilent(Exception):
    """The chip's status for an exchange is no success."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status:02X} from the PN532")
        self.status = status


class Pn532Channel:
    """A card in the field, until it leaves or the reader looks for the next one."""

    def __init__(self, reader: "Pn532Reader", found: Found) -> None:
        self._reader = reader
        self._found = found
        self.uid = found.uid
        self.technology = found.technology
        self._key = b""
        self._opened: bytes | None = None
        self._silent = False
        self._lost = False
        self._heard_at_s = time.monotonic()

    @property
    def ask_at_s(self) -> float:
        """When to ask whether it is still there, by `time.monotonic`."""
        return 0.0 if self._lost else self._heard_at_s + PRESENCE_S

    def transmit(self, apdu: bytes) -> bytes:
        """Return the whole answer, the two status bytes included. Raises CardLeftField and ReaderUnplugged.

        After either it is unknown whether the card carried the command out.
        """
        if self._lost:
            raise CardLeftField("the card has left the field")
        try:
            answer = self._answer(apdu)
        except _CardSilent as silent:
            self._lost = True
            raise CardLeftField(str(silent)) from silent
        except (CardLeftField, ReaderUnplugged):
            self._lost = True
            raise
        self._heard_at_s = time.monotonic()
        return answer

    def lose(self) -> None:
        """Whatever is asked from now on, the card has left."""
        self._lost = True

    def is_there(self) -> bool:
        """Ask the card without changing what it has in hand. Raises ReaderUnplugged."""
        if not self._lost:
            self._lost = not self._still_answers()
            self._heard_at_s = time.monotonic()
        return not self._lost

    def _still_answers(self) -> bool:
        if self._found.air is not Air.A:
            return [found.uid for found in self._reader.look(self._found.air)] == [self.uid]
        if self._found.sak & SAK_ISO_DEP:
            return self._reader.iso_dep_card_answers()
        try:
            if self._opened is not None:
                self._reader.exchange(self._opened)  # opens the open sector once more
            else:
                self._select_anew()
        except (_CardSilent, CardLeftField):
            return False
        return True

    def _answer(self, apdu: bytes) -> bytes:
        if apdu == GET_UID:
            if self._silent:
                self._select_anew()
            return self.uid + _OK
        if self._found.air is not Air.A:
            return _NOT_SUPPORTED
        if apdu[:1] == b"\xff":
            if self.technology is Technology.CLASSIC:
                return self._classic(apdu)
            return self._through(apdu)
        return self._reader.exchange(apdu) if self._found.sak & SAK_ISO_DEP else _NOT_SUPPORTED

    def _select_anew(self) -> None:
        """After a refusal a MIFARE Classic hears nothing before this. Raises CardLeftField."""
        self._opened = None
        if [found.uid for found in self._reader.look(Air.A)] != [self.uid]:
            raise CardLeftField("the card is not in the field any more")
        self._silent = False

    def _through(self, apdu: bytes) -> bytes:
        if self._found.is_ultralight and apdu[1:3] == b"\xd6\x00" and len(apdu) == 9:
            return self._refusable(bytes((0xA2, apdu[3])) + apdu[5:], _NOT_ALLOWED)
        if apdu[1:4] != _DIRECT or apdu[5:7] != _THROUGH or self._found.sak & SAK_ISO_DEP:
            return _NOT_SUPPORTED
        return _WENT_THROUGH + self._reader.pass_on(apdu[7:]) + _OK

    def _classic(self, apdu: bytes) -> bytes:
        data = apdu[5:]
        match apdu[1]:
            case 0x82 if len(data) == 6:
                self._key = data
                return _OK
            case 0x86 if len(data) == 5:
                if self._silent:
                    self._select_anew()
                self._opened = None
                command = bytes((data[3], data[2])) + self._key + self.uid[-4:]
                answer = self._refusable(command, _FAILED)
                self._opened = command if answer == _OK else None
                return answer
            case 0xB0 if len(apdu) == 5:
                return self._refusable(bytes((0x30, apdu[3])), _NOT_ALLOWED)
            case 0xD6 if len(data) == 16:
                return self._refusable(bytes((0xA0, apdu[3])) + data, _NOT_ALLOWED)
            case 0x82 | 0x86 | 0xB0 | 0xD6:
                return _WRONG_LENGTH
            case _:
                return _NOT_SUPPORTED

    def _refusable(self, command: bytes, refusal: bytes) -> bytes:
        """A MIFARE command; what the card refuses ends its session. Raises _CardSilent where it does not answer."""
        if self._silent:
            return refusal
        try:
            return self._reader.exchange(command) + _OK
        except _CardSilent as silent:
            if silent.status not in (_STATUS_FORMAT, _STATUS_AUTHENTICATION):
                raise
            self._silent, self._opened = True, None
            return refusal


class Pn532Reader:
    """A `CardReader` on a serial line (`/dev/ttyS0`), or an ACR122U on USB (`usb`, or `usb:BUS:DEVICE`).

    Plugged in again it works again. The chip waits for a card of type A by itself, and looks for others now and then.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._is_usb = path.startswith("usb")
        self._chip: Any = None
        self._retries = b""
        self._channel: Pn532Channel | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def wait_for_card(self, timeout_s: float) -> Pn532Channel | None:
        """Return the only card in the field, waiting for one at most this long; None when none came.

        The channel handed out before is lost. Raises SeveralCards and ReaderUnplugged.
        """
        deadline_s = time.monotonic() + timeout_s
        self._lose_channel()
        while True:
            found = self.look()
            if len(found) > 1:
                raise SeveralCards("more than one card is in the field")
            if found:
                self._channel = Pn532Channel(self, found[0])
                return self._channel
            remaining_s = deadline_s - time.monotonic()
            if remaining_s <= 0:
                return None
            self._wait_in_chip(min(remaining_s, _WAIT_FOR_A_S))

    def wait_until_absent(self, timeout_s: float) -> bool:
        """Say whether the field was empty within this time. Raises ReaderUnplugged.

        A card that lost power for a moment was away: what it had in hand is gone.
        """
        deadline_s = time.monotonic() + timeout_s
        while True:
            ask_at_s = self._channel.ask_at_s if self._channel else 0.0
            if ask_at_s <= time.monotonic():
                if self._is_empty():
                    return True
                ask_at_s = time.monotonic() + PRESENCE_S
            time.sleep(max(0.0, min(ask_at_s, deadline_s) - time.monotonic()))
            if ask_at_s >= deadline_s:
                return False

    def close(self) -> None:
        """Let go of card and chip. The reader can be used again afterwards."""
        self._lose_channel()
        chip, self._chip = self._chip, None
        if chip is not None:
            _hang_up(chip)

    def look(self, *airs: Air) -> list[Found]:
        """Switch the field off and on, and find up to two cards of each kind; those of the last kind are selected.

        `airs`: which kinds; all of them if none is named. Raises ReaderUnplugged.
        """
        self._switch_field_off()
        self._set_retries(_RETRIES_FEW)
        found: list[Found] = []
        for air in airs or (Air.F212, Air.F424, Air.B, Air.A):
            if air is Air.F424 and found:
                continue  # FeliCa answers at either speed
            here = self._listed(2, _ANSWER_S, air)
            if air is Air.B and here:
                self._switch_field_off()
                here = with_lasting_uids(here, self._listed(2, _ANSWER_S, air))
            found += here
        return one_of_each(found)

    def exchange(self, data: bytes) -> bytes:
        """Send data to the selected card and return its answer. Raises _CardSilent and ReaderUnplugged."""
        *before, last = [data[at : at + _TO_CARD_BYTES_MAX] for at in range(0, len(data), _TO_CARD_BYTES_MAX)] or [b""]
        for part in before:
            self._exchange_once(part, more=True)
        body, more = self._exchange_once(last)
        while more:
            part, more = self._exchange_once(b"")
            body += part
        return body

    def pass_on(self, frame: bytes) -> bytes:
        """Send a frame to the selected card as it is; the chip's status and the answer. Raises ReaderUnplugged."""
        return self._command(0x42, frame)

    def iso_dep_card_answers(self) -> bool:
        """Whether the selected ISO-DEP card answers an empty block (Diagnose, test 6). Raises ReaderUnplugged."""
        return any(self._command(0x00, b"\x06")[:1] == b"\x00" for _ in range(2))

    def _is_empty(self) -> bool:
        if self._channel is not None and self._channel.is_there():
            return False
        if self._channel is not None:
            self._lose_channel()
            return True
        return not self.look()

    def _lose_channel(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.lose()

    def _exchange_once(self, data: bytes, *, more: bool = False) -> tuple[bytes, bool]:
        answer = self._command(0x40, bytes((_MORE * more | 1,)) + data)
        if answer[0] & _STATUS_MASK:
            raise _CardSilent(answer[0] & _STATUS_MASK)
        return answer[1:], bool(answer[0] & _MORE)

    def _wait_in_chip(self, timeout_s: float) -> None:
        """Let the chip wait until a card of type A comes. An ACR122U cannot be called off, so it is asked again."""
        if self._is_usb:
            time.sleep(min(timeout_s, _POLL_S))
            return
        self._set_retries(_RETRIES_FOR_EVER)
        self._listed(1, timeout_s, Air.A)

    def _listed(self, cards_max: int, timeout_s: float, air: Air) -> list[Found]:
        """InListPassiveTarget, by its code: nfcpy's own function asks for one card whatever it is told."""
        answer = self._command(0x4A, bytes((cards_max,)) + air.value, timeout_s)
        try:
            return found_in(answer, air)
        except IndexError as error:
            raise self._unplugged("the PN532 names half a card") from error

    def _switch_field_off(self) -> None:
        self._command(0x32, b"\x01\x02")

    def _set_retries(self, retries: bytes) -> None:
        if self._retries != retries:
            self._command(0x32, b"\x05" + retries)
            self._retries = retries

    def _command(self, code: int, data: bytes, timeout_s: float = _ANSWER_S) -> bytes:
        """One command to the chip; no cards where it was to wait for one and none came. Raises ReaderUnplugged."""
        waits = self._retries == _RETRIES_FOR_EVER and code == 0x4A
        try:
            answer = self._opened().command(code, bytearray(data), max(timeout_s, 0.001))
        except _driver_module.Chipset.Error as error:
            raise self._unplugged(f"the PN532 does not know command {code:02X}") from error
        except _LINK_FAILURES as error:
            if waits and isinstance(error, OSError) and error.errno == errno.ETIMEDOUT:
                return b"\x00"
            raise self._unplugged(f"the PN532 at {self._path} does not answer") from error
        if not answer and code in (0x00, 0x40, 0x42, 0x4A):
            raise self._unplugged("the PN532 gives an empty answer")
        return bytes(answer)

    def _unplugged(self, sentence: str) -> ReaderUnplugged:
        """What to raise; the next call starts from nothing."""
        self.close()
        return ReaderUnplugged(sentence)

    def _opened(self) -> Any:
        """The chip, opened anew after it was gone. Raises what nfcpy raises."""
        if self._chip is None:
            self._chip = _open_usb(self._path) if self._is_usb else _open_line(self._path)
            self._retries = b""
            self._chip.set_parameters(_SET_PARAMETERS_AUTOMATIC)
        return self._chip


def _open_line(path: str) -> Any:
    """Wake the chip on a serial line and set it up, at 115200 baud, which it has after power-up."""
    line = _transport_module.TTY(path)
    try:
        chip = _driver_module.Chipset(line, _quiet)
        line.write(_PREAMBLE + chip.ACK)  # whoever was here before may have left it waiting for a card
        time.sleep(_WAKE_UP_S)
        chip.sam_configuration("normal")
        _driver_module.Device(chip, _quiet)
    except BaseException:
        line.close()
        raise
    return chip


def _open_usb(path: str) -> Any:
    """The PN532 in a USB device that nfcpy finds; set up by nfcpy."""
    found = _device_module.connect(path)
    if not isinstance(found, _driver_module.Device):
        raise OSError(errno.ENODEV, f"no PN532 on {path}")
    return found.chipset


def _hang_up(chip: Any) -> None:
    """Call off what the chip may be waiting for, switch the field off, and close the line."""
    try:
        chip.send_ack()
        chip.rf_configuration(0x01, b"\x02")
    except (_driver_module.Chipset.Error, *_LINK_FAILURES):
        _quiet.debug("the PN532 did not hear that it is let go of")
    try:
        chip.close()
    except _LINK_FAILURES:
        _quiet.debug("the line to the PN532 was gone already")
