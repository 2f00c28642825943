"""The machine's loudspeaker. A thread of its own opens it and plays, so that nobody ever waits for a sound."""

import logging
import threading
from queue import SimpleQueue

import pygame

from hardware.ports import Signal
from terminal.sounds import RATE_HZ, Sound, pcm

_log = logging.getLogger(__name__)

_SOUNDS = {
    Signal.APPROVED: Sound.APPROVED,
    Signal.REFUSED: Sound.REFUSED,
    Signal.TAP_AGAIN: Sound.TAP_AGAIN,
}


class Speaker:
    """Implements the port `Indicator`: what happens to a sale is heard. Silent where there is nothing to play on."""

    def __init__(self, volume: int) -> None:
        """`volume`: 0 (off) to 100."""
        self._volume = volume
        self._wanted: SimpleQueue[Sound] = SimpleQueue()
        self.works: bool | None = None
        """Whether there is something to play on; None: that is not known yet."""
        self.played: list[Sound] = []
        """The newest, for whoever looks after it."""
        if volume:
            threading.Thread(target=self._play, name="speaker", daemon=True).start()

    def signal(self, signal: Signal) -> None:
        """Sound it when its turn comes; waiting for a card makes no sound."""
        if signal in _SOUNDS:
            self.play(_SOUNDS[signal])

    def warn(self) -> None:
        """Something is not as always any more."""
        self.play(Sound.WARNING)

    def play(self, sound: Sound) -> None:
        """Sound it when its turn comes."""
        if self._volume:
            self._wanted.put(sound)

    def _play(self) -> None:
        try:
            pygame.mixer.init(RATE_HZ, -16, 1, 512)
            sounds = {sound: pygame.mixer.Sound(buffer=pcm(sound, self._volume)) for sound in Sound}
        except (pygame.error, OSError) as error:
            _log.info("no sound: %s", error)
            self.works = False
            return
        self.works = True
        while True:
            sound = self._wanted.get()
            pygame.mixer.stop()
            sounds[sound].play()
            self.played = [*self.played[-9:], sound]
