"""What the people at the counter see, whatever it is drawn on."""

from typing import Protocol

from terminal.views import View


class Face(Protocol):
    """A console, a screen, or both. Nothing here fails: a dark screen must not stop a sale."""

    def show(self, view: View) -> None:
        """The picture has changed."""
        ...

    def say(self, text: str) -> None:
        """One sentence, or a few lines, in answer to somebody."""
        ...

    def note(self, event: str, /, **facts: str | int) -> None:
        """Something happened that a program may want to know."""
        ...


class Faces:
    """Implements `Face`: what one shows and says, the other does too."""

    def __init__(self, first: Face, second: Face) -> None:
        self._both = first, second

    def show(self, view: View) -> None:
        """The picture has changed."""
        for face in self._both:
            face.show(view)

    def say(self, text: str) -> None:
        """An answer."""
        for face in self._both:
            face.say(text)

    def note(self, event: str, /, **facts: str | int) -> None:
        """Something happened."""
        for face in self._both:
            face.note(event, **facts)
