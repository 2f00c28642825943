"""A PC/SC contactless reader through pyscard and pcscd.

Only pyscard's thin `scard` layer is used: its card-monitoring classes poll in a thread and hide which call failed.
Waiting is one blocking SCardGetStatusChange, for a card and for readers that are plugged in alike, never a loop that
looks again and again. A daemon that does not answer at all is a reader that is gone (`patience.py`).
"""

import time
from contextlib import suppress
from typing import Any, Self

from smartcard import scard as _untyped  # pyright: ignore[reportMissingTypeStubs]

from hardware.ports import GET_UID, CardLeftField, ReaderUnplugged, Signal
from hardware.readers.answers_to_reset import is_type_b, technology_of
from hardware.readers.lamps import is_pseudo_apdu, lamp_commands
from hardware.readers.patience import Patience
from hardware.readers.picking import pick_reader
from protocol.tokens import UID_SIZES

scard: Any = _untyped

_CARD_GONE = {
    scard.SCARD_E_NO_SMARTCARD,
    scard.SCARD_W_REMOVED_CARD,
    scard.SCARD_W_RESET_CARD,
    scard.SCARD_W_UNPOWERED_CARD,
    scard.SCARD_W_UNRESPONSIVE_CARD,
}
_READER_GONE = {
    scard.SCARD_E_INVALID_HANDLE,
    scard.SCARD_E_NO_READERS_AVAILABLE,
    scard.SCARD_E_NO_SERVICE,
    scard.SCARD_E_READER_UNAVAILABLE,
    scard.SCARD_E_SERVICE_STOPPED,
    scard.SCARD_E_UNKNOWN_READER,
}
READERS_CHANGED = r"\\?PnP?\Notification"
"""A reader that does not exist; its state changes when readers come and go."""
_ESCAPES: tuple[int, ...] = (scard.SCARD_CTL_CODE(1), scard.SCARD_CTL_CODE(3_500))
"""CCID escape: of libccid, which allows it only where its settings say so, and of ACS's own driver."""
_STATE_READER_GONE: int = scard.SCARD_STATE_UNKNOWN | scard.SCARD_STATE_UNAVAILABLE


class PcscChannel:
    """A card in the field of a PC/SC reader, until the reader hands out the next one."""

    def __init__(self, patience: Patience, handle: int, protocol: int, atr: bytes) -> None:
        """Ask the reader for the card's UID. Raises CardLeftField and ReaderUnplugged."""
        self._patience = patience
        self._handle = handle
        self._protocol = protocol
        self.technology = technology_of(atr)
        self.uid = self._asked_uid()
        """4, 7, 8 or 10 bytes; empty for a card without one (a contact card), or with one that changes."""
        if is_type_b(atr) and self._asked_uid_after_power_down() != self.uid:
            self.uid = b""

    def transmit(self, apdu: bytes) -> bytes:
        """Return the whole answer, the two status bytes included. Raises CardLeftField and ReaderUnplugged.

        After either it is unknown whether the card carried the command out. A card that leaves in the middle can show
        as a success without an answer, so the length decides, not the result code.
        """
        result, answer = self._patience.ask(scard.SCardTransmit, self._handle, self._protocol, list(apdu))
        if result in _READER_GONE:
            raise ReaderUnplugged(_sentence(result))
        if result != scard.SCARD_S_SUCCESS or len(answer) < 2:
            raise CardLeftField(_sentence(result))
        return bytes(answer)

    def _asked_uid(self) -> bytes:
        answer = self.transmit(GET_UID)
        return answer[:-2] if answer.endswith(b"\x90\x00") and len(answer) - 2 in UID_SIZES else b""

    def _asked_uid_after_power_down(self) -> bytes:
        """What a card that may make its PUPI anew is called then. Raises CardLeftField and ReaderUnplugged."""
        either = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
        shared, unpower = scard.SCARD_SHARE_EXCLUSIVE, scard.SCARD_UNPOWER_CARD
        result, self._protocol = self._patience.ask(scard.SCardReconnect, self._handle, shared, either, unpower)
        if result in _READER_GONE:
            raise ReaderUnplugged(_sentence(result))
        if result != scard.SCARD_S_SUCCESS:
            raise CardLeftField(_sentence(result))
        return self._asked_uid()

    def show(self, command: bytes) -> None:
        """Give the reader a command for its lamps, by escape, or where the card's commands go if it is taken there.

        Raises ReaderUnplugged.
        """
        if not _escaped(self._patience, self._handle, command) and is_pseudo_apdu(command):
            self._patience.ask(scard.SCardTransmit, self._handle, self._protocol, list(command))

    def close(self) -> None:
        """Let go of the card; it stays in the field."""
        self._patience.let_go(scard.SCardDisconnect, self._handle, scard.SCARD_LEAVE_CARD)


class PcscReader:
    """A `CardReader` by its PC/SC name, or the first contactless one (`pick_reader`). Plugged in again it works again.

    It is an `Indicator` too, as far as the reader has lamps and a buzzer that are known.
    """

    def __init__(self, name: str = "") -> None:
        self._wanted_name = name
        self._name = ""
        self._context: int | None = None
        self._readers_state: int = scard.SCARD_STATE_UNAWARE
        self._channel: PcscChannel | None = None
        self._patience = Patience(ReaderUnplugged)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def wait_for_card(self, timeout_s: float) -> PcscChannel | None:
        """Return the card in the field, waiting for one at most this long; None when none came.

        The channel handed out before is closed. Raises ReaderUnplugged: at once when the reader has gone, and when
        it did not come within the time either.
        """
        deadline_s = time.monotonic() + timeout_s
        self._let_go()
        self._wait_for_reader(deadline_s)
        state, atr = self._status(scard.SCARD_STATE_UNAWARE, 0)
        while True:
            if state & scard.SCARD_STATE_PRESENT and not state & scard.SCARD_STATE_MUTE:
                self._channel = self._connect(atr)
            if self._channel is not None:
                return self._channel
            remaining_s = deadline_s - time.monotonic()
            if remaining_s <= 0:
                return None
            state, atr = self._status(state, remaining_s)

    def wait_until_absent(self, timeout_s: float) -> bool:
        """Say whether the field was empty within this time. Raises ReaderUnplugged."""
        deadline_s = time.monotonic() + timeout_s
        state, _ = self._status(scard.SCARD_STATE_UNAWARE, 0)
        while state & scard.SCARD_STATE_PRESENT:
            remaining_s = deadline_s - time.monotonic()
            if remaining_s <= 0:
                return False
            state, _ = self._status(state, remaining_s)
        return True

    def signal(self, signal: Signal) -> None:
        """Show and sound it on the reader, which may take 0.4 s; a reader that cannot, or is gone, is no error."""
        with suppress(ReaderUnplugged):
            for command in lamp_commands(self._name, signal):
                if self._channel is not None:
                    self._channel.show(command)
                elif self._context is not None:
                    self._show_without_card(command)

    def close(self) -> None:
        """Let go of the card and of the daemon. The reader can be used again afterwards."""
        self._let_go()
        context, self._context = self._context, None
        if context is not None:
            self._patience.let_go(scard.SCardReleaseContext, context)

    def _let_go(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    def _show_without_card(self, command: bytes) -> None:
        direct = scard.SCARD_SHARE_DIRECT
        result, handle, _ = self._asked(scard.SCardConnect, self._context, self._name, direct, 0)
        if result == scard.SCARD_S_SUCCESS:
            _escaped(self._patience, handle, command)
            self._patience.let_go(scard.SCardDisconnect, handle, scard.SCARD_LEAVE_CARD)

    def _status(self, known_state: int, timeout_s: float) -> tuple[int, bytes]:
        """Wait until the reader's state differs from the known one; return what it is and the card's ATR.

        Where readers came or went meanwhile another one may be the right one; its state is then told.
        """
        name = self._require_reader()
        waited_for = [(name, known_state), (READERS_CHANGED, self._readers_state)]
        result, readers = self._state_change(waited_for, timeout_s)
        if result == scard.SCARD_E_TIMEOUT:
            return known_state, b""
        self._require(result)
        (_, state, atr), (_, others, _) = readers
        if state & _STATE_READER_GONE:
            self._require(scard.SCARD_E_READER_UNAVAILABLE)
        if self._readers_changed(others) and self._pick() != name:
            return self._status(scard.SCARD_STATE_UNAWARE, 0)
        return state & ~scard.SCARD_STATE_CHANGED, bytes(atr)

    def _wait_for_reader(self, deadline_s: float) -> None:
        """Return when the reader is there. Raises ReaderUnplugged when it is not by then, at once without a daemon."""
        while not self._pick():
            remaining_s = deadline_s - time.monotonic()
            if remaining_s <= 0:
                raise self._missing()
            waited_for = [(READERS_CHANGED, self._readers_state)]
            result, readers = self._state_change(waited_for, remaining_s)
            if result != scard.SCARD_E_TIMEOUT:
                self._require(result)
                self._readers_changed(readers[0][1])

    def _state_change(self, waited_for: list[tuple[str, int]], timeout_s: float) -> Any:
        """Raises ReaderUnplugged."""
        change, timeout_ms = scard.SCardGetStatusChange, int(timeout_s * 1_000)
        return self._asked(change, self._open(), timeout_ms, waited_for, wait_s=timeout_s)

    def _asked(self, function: Any, *args: object, wait_s: float = 0.0) -> Any:
        """What libpcsclite answers. Raises ReaderUnplugged for a daemon that is silent; then all is begun anew."""
        try:
            return self._patience.ask(function, *args, wait_s=wait_s)
        except ReaderUnplugged:
            self.close()
            raise

    def _readers_changed(self, state: int) -> bool:
        """Whether readers came or went; the state is told back, so that it is not told twice."""
        self._readers_state = state & ~scard.SCARD_STATE_CHANGED
        return bool(state & scard.SCARD_STATE_CHANGED)

    def _connect(self, atr: bytes) -> PcscChannel | None:
        """Open the card for us alone; None when it has left meanwhile."""
        either = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
        connect, exclusive = scard.SCardConnect, scard.SCARD_SHARE_EXCLUSIVE
        result, handle, protocol = self._asked(connect, self._context, self._name, exclusive, either)
        if result in _CARD_GONE:
            return None
        self._require(result)
        try:
            return PcscChannel(self._patience, handle, protocol, atr)
        except CardLeftField:
            self._patience.let_go(scard.SCardDisconnect, handle, scard.SCARD_LEAVE_CARD)
            return None

    def _require_reader(self) -> str:
        """The reader that is used. Raises ReaderUnplugged where it is not there."""
        if self._context is None or not self._name:
            self._pick()
        if not self._name:
            raise self._missing()
        return self._name

    def _missing(self) -> ReaderUnplugged:
        """What to raise: which reader is not there, and which are."""
        there = ", ".join(self._names()) or "none"
        self.close()
        return ReaderUnplugged(f"no reader {self._wanted_name or 'without contacts'}; there are: {there}")

    def _pick(self) -> str:
        """Choose among the readers that there are now; empty where none will do. Raises ReaderUnplugged."""
        self._name = pick_reader(self._names(), self._wanted_name)
        return self._name

    def _names(self) -> list[str]:
        """The readers that there are. Raises ReaderUnplugged."""
        result: int = scard.SCARD_E_INVALID_HANDLE
        names: list[str] = []
        with suppress(SystemError):  # pyscard's own answer where the library knows the context no more
            result, names = self._asked(scard.SCardListReaders, self._open(), [])
        if result != scard.SCARD_E_NO_READERS_AVAILABLE:
            self._require(result)
        return names

    def _open(self) -> int:
        """Return the context, made anew after the reader or the daemon was gone. Raises ReaderUnplugged."""
        if self._context is None:
            self._require(self._patience.ask(self._establish))
        assert self._context is not None
        return self._context

    def _establish(self) -> int:
        """Keep the context, however late it comes; return what the daemon said."""
        result, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
        if result == scard.SCARD_S_SUCCESS:
            self._context, self._readers_state = int(context), scard.SCARD_STATE_UNAWARE
        return int(result)

    def _require(self, result: int) -> None:
        """Raise ReaderUnplugged for anything but success; the next call starts from nothing."""
        if result != scard.SCARD_S_SUCCESS:
            self.close()
            raise ReaderUnplugged(_sentence(result))


def _escaped(patience: Patience, handle: int, command: bytes) -> bool:
    """Whether the reader's driver passed an escape on; what the reader made of it is nobody's concern."""
    told = (patience.ask(scard.SCardControl, handle, code, list(command))[0] for code in _ESCAPES)
    return any(result == scard.SCARD_S_SUCCESS for result in told)


def _sentence(result: int) -> str:
    return str(scard.SCardGetErrorMessage(result))
