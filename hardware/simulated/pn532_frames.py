"""How a PN532 and its host wrap commands on a serial line: normal and extended frames, ACK, NACK, error frames.

    00 00 FF LEN LCS TFI PD0 .. PDn DCS 00                normal, up to 255 bytes from TFI on
    00 00 FF FF FF LENM LENL LCS TFI PD0 .. PDn DCS 00    extended
    00 00 FF 00 FF 00   ACK          00 00 FF FF 00 00   NACK          00 00 FF 01 FF 7F 81 00   error

TFI is D4 from the host and D5 from the chip; LEN + LCS and TFI + ... + DCS are zero modulo 256. Whatever stands before
the start `00 FF` is preamble, and wakes a chip that sleeps. Source: NXP UM0701-02 section 6.2.1.
"""

import enum
from dataclasses import dataclass

ACK, NACK = bytes.fromhex("0000ff00ff00"), bytes.fromhex("0000ffff0000")
ERROR = bytes.fromhex("0000ff01ff7f8100")
TO_CHIP, TO_HOST = 0xD4, 0xD5
FRAME_BYTES_MAX = 265
"""From TFI on (UM0701-02 section 6.2.1.2)."""

_START = b"\x00\xff"
_NORMAL_BYTES_MAX = 255


class Signal(enum.Enum):
    """What a frame without a command says."""

    ACK = "ack"
    NACK = "nack"
    BROKEN = "broken"
    """A length or a sum is wrong."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A frame, and how many bytes of preamble came before its start."""

    what: bytes | Signal
    """The command's code and data, or a signal."""
    preamble_bytes: int


def framed(body: bytes, direction: int = TO_HOST) -> bytes:
    """The frame around a code and its data. Raises ValueError for more than a frame holds."""
    content = bytes((direction,)) + body
    if len(content) > FRAME_BYTES_MAX:
        raise ValueError(f"{len(content)} bytes are more than a frame holds")
    if len(content) <= _NORMAL_BYTES_MAX:
        length = bytes((len(content), -len(content) & 0xFF))
    else:
        length = b"\xff\xff" + len(content).to_bytes(2) + bytes((-sum(len(content).to_bytes(2)) & 0xFF,))
    return b"\x00" + _START + length + content + bytes((-sum(content) & 0xFF, 0))


class FrameReader:
    """Cuts what the host sends into frames, however it arrives."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, received: bytes) -> list[Heard]:
        """The frames that are whole with these bytes."""
        self._pending += received
        heard: list[Heard] = []
        while (frame := self._next()) is not None:
            heard.append(frame)
        return heard

    def _next(self) -> Heard | None:
        start = self._pending.find(_START)
        if start < 0:
            return None
        found = _whole_frame(bytes(self._pending[start + 2 :]))
        if found is None:
            return None
        what, size = found
        del self._pending[: start + 2 + size]
        return Heard(what, start)


def _whole_frame(rest: bytes) -> tuple[bytes | Signal, int] | None:
    """What follows a start and how many bytes it takes, without the postamble; None until all of it is there."""
    match rest[:2]:
        case b"\x00\xff":
            return Signal.ACK, 2
        case b"\xff\x00":
            return Signal.NACK, 2
        case b"\xff\xff":
            head, header_bytes = rest[2:5], 5
        case _:
            head, header_bytes = rest[:2], 2
    if len(rest) < header_bytes:
        return None
    if sum(head) & 0xFF:
        return Signal.BROKEN, header_bytes
    length = int.from_bytes(head[:-1])
    if length > FRAME_BYTES_MAX:
        return Signal.BROKEN, header_bytes
    if len(rest) < header_bytes + length + 1:
        return None
    content = rest[header_bytes : header_bytes + length]
    whole = content[:1] == bytes((TO_CHIP,)) and not sum(rest[header_bytes : header_bytes + length + 1]) & 0xFF
    return (content[1:] if whole and length > 1 else Signal.BROKEN), header_bytes + length + 1
