"""What the till sounds like, as samples and as patterns, and that nobody waits for a sound."""

import os
import time
from array import array

import pytest

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")

from hardware.ports import Signal
from terminal.sounds import PATTERNS, RATE_HZ, Sound, duration_ms, pcm
from terminal.speaker import Speaker


def rhythm(sound: Sound) -> list[bool]:
    """Loud or silent, in steps of 20 ms."""
    samples = array("h", pcm(sound, 100))
    step = RATE_HZ // 50
    return [max(abs(one) for one in samples[at : at + step]) > 8_000 for at in range(0, len(samples) - step, step)]


def test_sounds_are_told_apart_without_hearing_how_high_they_are() -> None:
    def beats(sound: Sound) -> tuple[int, int]:
        """How many tones, and how long the longest lasts, in tenths of a second."""
        return len(PATTERNS[sound]), max(tone.ms for tone in PATTERNS[sound]) // 100

    assert len({beats(sound) for sound in Sound}) == len(Sound)
    assert len({tuple(rhythm(sound)) for sound in Sound}) == len(Sound)


@pytest.mark.parametrize("sound", Sound)
def test_a_sound_is_short_swells_and_fades_and_is_never_cut_off(sound: Sound) -> None:
    samples = array("h", pcm(sound, 100))
    assert duration_ms(sound) <= 1_000 and abs(len(samples) * 1_000 / RATE_HZ - duration_ms(sound)) < 5
    assert abs(samples[0]) < 500 and abs(samples[-1]) < 3_000 and max(map(abs, samples)) <= 32_000


def test_louder_is_louder_and_nothing_is_silence() -> None:
    loudest = [max(map(abs, array("h", pcm(Sound.APPROVED, volume)))) for volume in (0, 30, 60, 100)]
    assert loudest == sorted(set(loudest)) and loudest[0] == 0


def wait_until_known(speaker: Speaker) -> None:
    deadline = time.monotonic() + 10
    while speaker.works is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_without_a_sound_card_nothing_is_heard_and_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_AUDIODRIVER", "no-such-driver")
    speaker = Speaker(60)
    started = time.monotonic()
    for _ in range(1_000):
        speaker.signal(Signal.APPROVED)
    assert time.monotonic() - started < 1
    wait_until_known(speaker)
    assert speaker.works is False and speaker.played == []


def test_what_happens_is_heard_and_waiting_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_AUDIODRIVER", "dummy")
    speaker, off = Speaker(60), Speaker(0)
    for signal in Signal:
        speaker.signal(signal)
        off.signal(signal)
    speaker.warn()
    wait_until_known(speaker)
    deadline = time.monotonic() + 10
    while len(speaker.played) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert set(speaker.played) == set(Sound) and off.works is None and off.played == []
