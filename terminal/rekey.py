"""Cards come by the card office one after the other, and each gets the keys of the newest set; nothing else changes.

WaitingForCard --> KeysChanged   (the next card, until somebody cancels)
      ^      \\--> KeysUnchanged (the same card once more, or another)
"""

from dataclasses import dataclass

from protocol.ids import CardNo
from terminal.replace import WhyNot


@dataclass(frozen=True, slots=True)
class WaitingForCard:
    """Put a card of ours on the reader."""


@dataclass(frozen=True, slots=True)
class KeysChanged:
    """The card was read back with its new keys."""

    card: CardNo
    key_set: int


@dataclass(frozen=True, slots=True)
class KeysUnchanged:
    """Why they are not, or not all; the same card finishes it."""

    why: WhyNot


RekeyPhase = WaitingForCard | KeysChanged | KeysUnchanged
