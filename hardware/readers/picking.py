"""Which of several PC/SC readers a terminal uses: the named one, or the first with a contactless slot.

A reader with several slots shows each as a reader of its own, told apart by a word in its name:

    ACS ACR1252 1S CL Reader [ACR1252 Dual Reader PICC] 00 00     cards without contacts
    ACS ACR1252 1S CL Reader [ACR1252 Dual Reader SAM] 01 00      a chip inside the reader

The two numbers at the end are pcscd's: which reader, which slot. They change with the order of plugging in.
"""

import re
from collections.abc import Sequence

_CONTACTLESS = re.compile(r"PICC|CL\b|[Cc]ontactless")
_OTHER_SLOT = re.compile(r"\b(?:SAM|ICC)\b|[Cc]ontact\b")


def pick_reader(names: Sequence[str], wanted: str) -> str:
    """The reader to use of those there are; empty where it is not among them.

    `wanted`: a whole name, or how it begins (without the two numbers); empty: the first slot that says it is
    contactless, else the first that does not say it is something else.
    """
    if wanted:
        return wanted if wanted in names else next((name for name in names if name.startswith(wanted)), "")
    usable = [name for name in names if not _OTHER_SLOT.search(name)]
    return next(filter(_CONTACTLESS.search, usable), next(iter(usable), ""))
