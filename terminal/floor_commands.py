"""What is said to the whole counter and not to one customer: its language, and whether it is practised at."""

import enum
from dataclasses import dataclass


class Trial(enum.StrEnum):
    """How a card that is not there behaves in training."""

    PAYS = "pays"
    POOR = "poor"
    """There is too little on it."""
    TORN = "torn"
    """It is taken away in the middle of the write."""
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Speak:
    """Another language for everybody at this counter."""

    language: str


@dataclass(frozen=True, slots=True)
class Train:
    """Begin or end training."""

    on: bool


@dataclass(frozen=True, slots=True)
class Pretend:
    """In training: a card was held to the reader."""

    trial: Trial


FloorCommand = Speak | Train | Pretend


def read_training(word: str) -> Train:
    """`on` or `off`. Raises ValueError."""
    if word.lower() not in ("on", "off"):
        raise ValueError(word)
    return Train(word.lower() == "on")


def read_pretend(word: str) -> Pretend:
    """One of `Trial`. Raises ValueError."""
    return Pretend(Trial(word.lower()))


def read_language(word: str) -> Speak:
    """A name as in the settings; whether there is such a language is asked for later."""
    return Speak(word)
