"""A virtual DESFire chip below its commands: APDUs and frames, the session and the transaction that an error ends.

    APDU --> process --> one command --> handler --> answer, MACed while a session holds, in frames of 59 bytes
                              \\--Refused--> 91 xx; session and transaction are gone

Native commands come wrapped as ISO 7816-4 APDUs, `90 cmd 00 00 Lc data 00`, and are answered with `91 xx`.
Sources: M075031 (frames, status codes), EV1's AES secure messaging as publicly known, NXP AN12196 for EV2's.
"""

import os
from collections.abc import Callable

from hardware.cards.crypto import RandomBytes
from hardware.simulated.desfire_files import Transaction
from hardware.simulated.desfire_session import Authentication, Session
from hardware.simulated.desfire_state import PICC_AID, CommMode, DesfireState, Refused, Status
from hardware.simulated.tearing import CardTorn, Field, Moment, Tear

FRAME_BYTES_MAX = 59
"""What an answer carries beside its status: FSC 64 less block frame and status byte."""
COMMAND_DATA_BYTES_MAX = 55
"""What a wrapped command carries: the frame less the six bytes of the ISO wrapping."""
MORE = 0xAF

_GET_UID = bytes.fromhex("ffca000000")


class DesfireChip:
    """What holds for every command. Any refusal ends the session and aborts the transaction."""

    def __init__(self, state: DesfireState, random_bytes: RandomBytes = os.urandom) -> None:
        self._state = state
        self._random_bytes = random_bytes
        self.field = Field()
        self._aid = PICC_AID
        self._session: Session | None = None
        self._challenge: Authentication | None = None
        self._transaction = Transaction()
        self._outgoing: list[bytes] = []
        self._incoming: tuple[int, bytes] | None = None
        self._commands: dict[int, Callable[[int, bytes], bytes]] = {}

    @property
    def uid(self) -> bytes:
        """The card's UID, 7 bytes."""
        return self._state.uid

    @property
    def atr(self) -> bytes:
        """What a PC/SC reader makes up for a processor card without historical bytes of its own but 0x80."""
        return bytes.fromhex("3b8180018080")

    def reset(self) -> None:
        """Power up anew: the card level is selected, the session and everything not committed are gone."""
        self._aid = PICC_AID
        self._end_session()

    def put_back(self) -> None:
        """Bring the card into the field (again)."""
        self.reset()
        self.field.put_back()

    def arm(self, tear: Tear | None) -> None:
        """Plan a tear, counted from the next exchange; None calls it off. A commit is atomic: never DURING."""
        if tear is not None and tear.moment is Moment.DURING:
            raise ValueError("a DESFire writes atomically: it is torn before or after, never during")
        self.field.arm(tear)

    def snapshot(self) -> DesfireState:
        """Everything the card keeps: to persist it, to clone it, or to roll it back later."""
        return self._state

    def restore(self, state: DesfireState) -> None:
        """Make the card what a snapshot says, as a cloner would; a session ends."""
        self._state = state
        self.reset()

    def process(self, apdu: bytes) -> bytes:
        """Answer one APDU with data and status word. Raises CardTorn when the card is, or goes, away."""
        self.field.require_present()
        if apdu == _GET_UID:
            return self._state.uid + b"\x90\x00"
        tear = self.field.next_exchange()
        answer = self._answer_apdu(apdu)
        if tear is not None:
            raise CardTorn("the card left before its answer")
        return answer

    def _answer_apdu(self, apdu: bytes) -> bytes:
        if apdu[:1] != b"\x90":
            return b"\x6e\x00"
        data = apdu[5:-1]
        if len(apdu) < 5 or apdu[2:4] != b"\x00\x00" or apdu[-1] or (len(apdu) > 5 and apdu[4] != len(data)):
            return b"\x67\x00"
        try:
            if len(data) > COMMAND_DATA_BYTES_MAX:
                raise Refused(Status.LENGTH_ERROR)
            return self._continue(data) if apdu[1] == MORE else self._start(apdu[1], data)
        except Refused as refused:
            self._end_session()
            return bytes((0x91, refused.status))

    def _start(self, code: int, data: bytes) -> bytes:
        self._outgoing, self._incoming, self._challenge = [], None, None
        handler = self._commands.get(code)
        if handler is None:
            raise Refused(Status.ILLEGAL_COMMAND)
        return handler(code, data)

    def _continue(self, data: bytes) -> bytes:
        """An additional frame: the second half of an authentication, more of a long command, or of a long answer."""
        if self._challenge is not None:
            challenge, self._challenge = self._challenge, None
            self._session, proof = challenge.answer(data)
            return proof + b"\x91\x00"
        if self._incoming is not None:
            (code, so_far), self._incoming = self._incoming, None
            return self._commands[code](code, so_far + data)
        if self._outgoing and not data:
            return self._next_frame()
        raise Refused(Status.ILLEGAL_COMMAND)

    def _end_session(self) -> None:
        self._session = self._challenge = self._incoming = None
        self._outgoing = []
        self._transaction.clear()

    def _done(self, body: bytes = b"", mode: CommMode = CommMode.MACED) -> bytes:
        """The answer to a command that succeeded, secured while a session holds."""
        sealed = self._session.sealed(body, mode) if self._session else body
        if len(sealed) <= FRAME_BYTES_MAX:
            return sealed + b"\x91\x00"
        return self._in_frames([sealed[at : at + FRAME_BYTES_MAX] for at in range(0, len(sealed), FRAME_BYTES_MAX)])

    def _in_frames(self, frames: list[bytes]) -> bytes:
        self._outgoing = frames
        return self._next_frame()

    def _next_frame(self) -> bytes:
        frame = self._outgoing.pop(0)
        return frame + bytes((0x91, MORE if self._outgoing else 0))

    def _opened(self, code: int, data: bytes, length: int, mode: CommMode = CommMode.MACED) -> bytes:
        """The data of a command without content, of this length. Raises Refused."""
        if self._session:
            data = self._session.opened(code, data, mode)
        if len(data) != length:
            raise Refused(Status.LENGTH_ERROR)
        return data
