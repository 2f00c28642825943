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
