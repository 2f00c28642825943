"""What the till sounds like: short tones as PCM, computed here, told apart by their pattern, not by pitch alone."""

import enum
import math
from array import array
from dataclasses import dataclass

RATE_HZ = 22_050
"""Samples a second, one channel, 16 bits."""
_FADE_MS = 6
"""Each tone swells and fades that long, so that it does not click."""
_LOUDEST = 32_000


class Sound(enum.StrEnum):
    """What is said without words."""

    APPROVED = "approved"
    REFUSED = "refused"
    TAP_AGAIN = "tap_again"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Tone:
    """So high, so long, and so long a silence behind it."""

    hz: int
    ms: int
    rest_ms: int = 0


PATTERNS: dict[Sound, tuple[Tone, ...]] = {
    Sound.APPROVED: (Tone(1_047, 70, 20), Tone(1_568, 160)),
    Sound.REFUSED: (Tone(330, 170, 90), Tone(330, 170, 90), Tone(330, 170)),
    Sound.TAP_AGAIN: (Tone(880, 80, 60), Tone(880, 80, 260), Tone(880, 80, 60), Tone(880, 80)),
    Sound.WARNING: (Tone(587, 450, 60), Tone(440, 450)),
}
"""Two short ones that rise; three even ones; twice two with a pause; two long ones that fall."""


def pcm(sound: Sound, volume: int) -> bytes:
    """The samples of a sound in native byte order. `volume`: 0 (silence) to 100."""
    assert 0 <= volume <= 100
    peak = _LOUDEST * volume * volume // 10_000
    samples = array("h")
    for tone in PATTERNS[sound]:
        samples.extend(_samples(tone, peak))
        samples.extend([0] * (RATE_HZ * tone.rest_ms // 1_000))
    return samples.tobytes()


def duration_ms(sound: Sound) -> int:
    """How long it lasts."""
    return sum(tone.ms + tone.rest_ms for tone in PATTERNS[sound])


def _samples(tone: Tone, peak: int) -> list[int]:
    count, fade = RATE_HZ * tone.ms // 1_000, RATE_HZ * _FADE_MS // 1_000
    step = 2 * math.pi * tone.hz / RATE_HZ
    return [round(peak * min(1.0, at / fade, (count - at) / fade) * math.sin(step * at)) for at in range(count)]
