"""What a technician does at the screen of a machine that is no terminal yet, as one pure function.

    SERVER --address--> CODE --claim code--> WAITING (four words) --approved--> KEYS, or the counter
                          ^                     |
                          +------ FAILED <------+

`terminal/enrol_screen.py` listens and asks the server; how a machine enrols is in `terminal/claim.py`.
"""

import enum
from dataclasses import dataclass, field, replace

from protocol.enrolment import NotACode, read_code
from terminal.enrol_fault import EnrolFault
from terminal.floor_commands import Speak
from terminal.presses import Do, Enter, Escape, Press, Rub, Turn, Type
from terminal.theme import Theme

ADDRESS_MAX, CODE_MAX = 120, 11
"""A code has ten signs and perhaps a hyphen."""


class Step(enum.StrEnum):
    """What is asked for, or waited for."""

    SERVER = "server"
    CODE = "code"
    WAITING = "waiting"
    """The server is asked, then a person at the desk compares the words."""
    FAILED = "failed"
    KEYS = "keys"
    """It is a terminal, and has no card keys yet."""


@dataclass(frozen=True, slots=True)
class Enrolling:
    """What the screen shows."""

    step: Step
    server: str = ""
    """Its address, as in `[server]`; empty: it is typed here."""
    typed: str = field(default="", repr=False)
    four_words: str = ""
    fault: EnrolFault | None = None
    """What went wrong."""
    why: str = ""
    """The same in the program's own words, in English; or a sentence about what is still missing."""
    keys_from: int = 0
    """Which of the keyboard's pages is shown, where a panel is too small for all keys at once."""
    is_wrong: bool = False
    """What was typed last can be no address, or no code."""
    theme: Theme = Theme.LIGHT


@dataclass(frozen=True, slots=True)
class Begin:
    """Ask the server by this code."""

    code: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Leave:
    """Stop waiting for the desk."""


Asked = Begin | Leave | Speak | None


def begun(server: str, theme: Theme) -> Enrolling:
    """The first picture."""
    return Enrolling(Step.CODE if server else Step.SERVER, server, theme=theme)


def pressed(now: Enrolling, what: Press) -> tuple[Enrolling, Asked]:
    """What is shown next, and what is to be done."""
    now = replace(now, is_wrong=False)
    match what:
        case Type(sign) if now.step in (Step.SERVER, Step.CODE):
            most = ADDRESS_MAX if now.step is Step.SERVER else CODE_MAX
            return replace(now, typed=(now.typed + sign)[:most]), None
        case Rub():
            return replace(now, typed=now.typed[:-1]), None
        case Turn(first):
            return replace(now, keys_from=first), None
        case Do(Speak() as speak):
            return now, speak
        case Enter():
            return _entered(now)
        case Escape():
            return _back(now)
        case _:
            return now, None


def address_of(typed: str) -> str:
    """The address that somebody typed, who need not type how it begins."""
    return typed.strip() if "://" in typed else f"https://{typed.strip()}"


def failed(now: Enrolling, fault: EnrolFault, why: str) -> Enrolling:
    """The server, or the desk, said no."""
    return replace(now, step=Step.FAILED, fault=fault, why=why, four_words="", typed="")


def _entered(now: Enrolling) -> tuple[Enrolling, Asked]:
    match now.step:
        case Step.SERVER if now.typed.strip():
            return replace(now, step=Step.CODE, server=address_of(now.typed), typed="", keys_from=0), None
        case Step.CODE:
            try:
                code = read_code(now.typed)
            except NotACode:
                return replace(now, is_wrong=True), None
            return replace(now, step=Step.WAITING, fault=None, why="", typed="", keys_from=0), Begin(code)
        case Step.FAILED:
            return replace(now, step=Step.CODE, fault=None, why=""), None
        case _:
            return now, None


def _back(now: Enrolling) -> tuple[Enrolling, Asked]:
    """Digits first; then one step, where there is one."""
    if now.typed:
        return replace(now, typed=""), None
    match now.step:
        case Step.CODE:
            return replace(now, step=Step.SERVER, typed=now.server, keys_from=0), None
        case Step.WAITING:
            return replace(now, step=Step.CODE, four_words="", why=""), Leave()
        case Step.FAILED:
            return replace(now, step=Step.CODE, fault=None, why=""), None
        case _:
            return now, None
