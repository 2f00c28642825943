"""Both reader stacks down to a virtual card, and what goes through them, recorded and sent again by the library alone.

pcsc     Recorded --> PcscChannel --> pyscard --> pcscd --> virtual card
pn532    Pn532Channel --> Recorded chip --> nfcpy --> pseudo-terminal --> virtual PN532 --> virtual card
"""

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from smartcard import scard as _untyped  # pyright: ignore[reportMissingTypeStubs]

from hardware.ports import CardChannel, CardReader
from hardware.readers.pcsc import PcscChannel, PcscReader
from hardware.readers.pn532 import Pn532Reader
from hardware.simulated.pcscd import PrivatePcscd
from hardware.simulated.pn532 import FakePn532
from hardware.simulated.reader import VirtualCard
from hardware.simulated.vpcd import VirtualSlot

scard: Any = _untyped

Said = Sequence[tuple[bytes, bytes]]
"""What was sent, and what was answered."""

_WAIT_S: Final = 5.0
_ANSWER_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Exchange:
    """One APDU, and when it was sent and answered, by `time.perf_counter`."""

    apdu: bytes
    sent_s: float
    answered_s: float


class Recorded:
    """A card's channel that keeps what was said, and when."""

    def __init__(self, channel: CardChannel) -> None:
        self._channel = channel
        self.uid, self.technology = channel.uid, channel.technology
        self.said: list[tuple[bytes, bytes]] = []
        self._times_s: list[tuple[float, float]] = []

    @property
    def exchanges(self) -> list[Exchange]:
        """What was said, with its times."""
        return [Exchange(apdu, *times) for (apdu, _), times in zip(self.said, self._times_s, strict=True)]

    def transmit(self, apdu: bytes) -> bytes:
        """Pass it on."""
        sent_s = time.perf_counter()
        answer = self._channel.transmit(apdu)
        self._times_s.append((sent_s, time.perf_counter()))
        self.said.append((apdu, answer))
        return answer


class Stack(Protocol):
    """A reader with a virtual card on it."""

    @property
    def reader(self) -> CardReader:
        """The shipping adapter."""
        ...

    def put_on(self, card: VirtualCard) -> None:
        """Put a card into the empty field."""
        ...

    def take_away(self) -> None:
        """Empty the field."""
        ...

    def recorded(self, channel: CardChannel) -> Recorded:
        """The channel; what goes through it from now on is recorded."""
        ...

    @property
    def said(self) -> Said:
        """What was recorded."""
        ...

    def send_bare(self, said: Said) -> list[bytes]:
        """Send the same with nothing but the library; its answers."""
        ...


class PcscStack:
    """pyscard and a real pcscd."""

    def __init__(self, slot: VirtualSlot, reader: PcscReader) -> None:
        self.reader, self._slot = reader, slot
        self._channel: PcscChannel | None = None
        self._recorded: Recorded | None = None

    def put_on(self, card: VirtualCard) -> None:
        """Put a card into the empty field."""
        self._slot.insert(card)

    def take_away(self) -> None:
        """Empty the field."""
        self._slot.remove()
        assert self.reader.wait_until_absent(_WAIT_S)

    def recorded(self, channel: CardChannel) -> Recorded:
        """The channel; what goes through it from now on is recorded."""
        assert isinstance(channel, PcscChannel)
        self._channel, self._recorded = channel, Recorded(channel)
        return self._recorded

    @property
    def said(self) -> Said:
        """What was recorded: APDUs."""
        return self._recorded.said if self._recorded is not None else ()

    def send_bare(self, said: Said) -> list[bytes]:
        """Transmit the same APDUs; their answers."""
        assert self._channel is not None
        handle, protocol = self._channel._handle, self._channel._protocol
        messages = [list(apdu) for apdu, _ in said]
        return [bytes(scard.SCardTransmit(handle, protocol, message)[1]) for message in messages]


class _RecordedChip:
    """nfcpy's chip, with what it was told to say to cards."""

    def __init__(self, chip: Any) -> None:
        self.chip = chip
        self.said: list[tuple[bytes, bytes]] = []

    def command(self, code: int, data: bytearray, timeout_s: float) -> bytearray:
        """Pass it on."""
        answer: bytearray = self.chip.command(code, data, timeout_s)
        self.said.append((bytes((code, *data)), bytes(answer)))
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self.chip, name)


class Pn532Stack:
    """nfcpy and a virtual PN532."""

    def __init__(self, fake: FakePn532, reader: Pn532Reader) -> None:
        self.reader, self._fake = reader, fake
        self._chip: _RecordedChip | None = None

    def put_on(self, card: VirtualCard) -> None:
        """Put a card into the empty field."""
        self._fake.insert(card)

    def take_away(self) -> None:
        """Empty the field."""
        self._fake.remove()
        assert self.reader.wait_until_absent(_WAIT_S)

    def recorded(self, channel: CardChannel) -> Recorded:
        """The channel; what the chip is told from now on is recorded."""
        chip: Any = self.reader._chip
        self._chip = _RecordedChip(chip.chip if isinstance(chip, _RecordedChip) else chip)
        self.reader._chip = self._chip
        return Recorded(channel)

    @property
    def said(self) -> Said:
        """What was recorded: commands to the chip."""
        return self._chip.said if self._chip is not None else ()

    def send_bare(self, said: Said) -> list[bytes]:
        """Give the chip the same commands; its answers."""
        assert self._chip is not None
        chip = self._chip.chip
        return [bytes(chip.command(command[0], bytearray(command[1:]), _ANSWER_S)) for command, _ in said]


@contextmanager
def both_stacks() -> Iterator[dict[str, Stack]]:
    """Both stacks by name, with nothing in their fields."""
    short = tempfile.TemporaryDirectory(prefix="fanka-")  # a socket's path is short
    with short as directory, PrivatePcscd(Path(directory)) as daemon:
        os.environ["PCSCLITE_CSOCK_NAME"] = str(daemon.socket_path)  # read once, by the first call of this process
        with (
            VirtualSlot(daemon.ports[0]) as slot,
            PcscReader(daemon.reader_names[0]) as pcsc,
            FakePn532(Path(directory) / "pn532") as fake,
            Pn532Reader(str(fake.path)) as pn532,
        ):
            yield {"pcsc": PcscStack(slot, pcsc), "pn532": Pn532Stack(fake, pn532)}
