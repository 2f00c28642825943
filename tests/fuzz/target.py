"""What is fuzzed: a decoder that reads foreign bytes, what it may say of them, and what its answers must be."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

TAKEN: Final = "taken"


class Broken(Exception):
    """A decoder let something through that it must not."""


def as_it_is(raw: bytes) -> bytes:
    """An input that is its own envelope."""
    return raw


def of_text(read: Callable[[str], Any]) -> Callable[[bytes], Any]:
    """A decoder of text, where what is no UTF-8 never comes to it."""

    def decode(raw: bytes) -> Any:
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            return None
        return read(text)

    return decode


@dataclass(frozen=True)
class Target:
    """One decoder."""

    name: str
    samples: Sequence[bytes]
    """What it takes; every one of them."""
    decode: Callable[[bytes], Any]
    """None: it refused the bytes, as by an exception that it declares."""
    modules: Sequence[str]
    """Whose lines are counted."""
    refuses: tuple[type[Exception], ...] = ()
    """The exceptions that it declares."""
    encode: Callable[[Any], bytes] | None = None
    """Where the form is canonical: what was taken, written again."""
    wrap: Callable[[bytes], bytes] = as_it_is
    """What the decoder reads of an input: signed, compressed or with a MAC, so that it looks behind that."""
    holds: Callable[[bytes, Any], None] | None = None
    """What else must be so of what it took. Raises Broken."""
    weight: int = 20
    """Its part of the runs: those that take long have few."""
    words: Sequence[bytes] = field(default=())

    def check(self, raw: bytes) -> str:
        """Decode one input: how that went, in few words. Raises Broken, and what the decoder must not raise."""
        wrapped = self.wrap(raw)
        try:
            found = self.decode(wrapped)
        except self.refuses as error:
            return f"{type(error).__name__}: {error}"
        if found is None:
            return "refused"
        if self.encode is not None and self.encode(found) != wrapped:
            raise Broken("it took what its own writer spells otherwise")
        if self.holds is not None:
            self.holds(wrapped, found)
        return TAKEN
