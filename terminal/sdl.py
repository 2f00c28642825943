"""What pygame must be told before it is imported for the first time."""

import os


def prepare_sdl() -> None:
    """SIGTERM and SIGINT stay this program's own, and nothing is advertised on its standard output."""
    os.environ.setdefault("SDL_NO_SIGNAL_HANDLERS", "1")
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
