"""The bell of a text terminal."""

import io

from hardware.peripherals.bell import Bell
from hardware.ports import Indicator, Signal


class Console(io.BytesIO):
    """Somebody sits there."""

    def isatty(self) -> bool:
        """Yes."""
        return True


def test_approved_refused_and_tap_again_sound_different() -> None:
    heard = {}
    for signal in Signal:
        out = Console()
        bell: Indicator = Bell(out)
        bell.signal(signal)
        heard[signal] = out.getvalue()
    assert len({heard[Signal.APPROVED], heard[Signal.REFUSED], heard[Signal.TAP_AGAIN]}) == 3
    assert set(b"".join(heard.values())) == {7} and not heard[Signal.WAITING]


def test_nobody_listening_stops_no_sale() -> None:
    gone = Console()
    gone.close()
    Bell(gone).signal(Signal.APPROVED)


def test_a_log_file_is_not_rung_at() -> None:
    log = io.BytesIO()
    Bell(log).signal(Signal.APPROVED)
    assert not log.getvalue()
