"""Which language a browser gets, and its sentences."""

import enum
from collections.abc import Mapping
from importlib import import_module
from typing import Final

Sentences = Mapping[str, tuple[str, str, str]]
"""By key: English, simplified Chinese, traditional Chinese. `{name}` stands for what differs."""


class Language(enum.StrEnum):
    """A language of the pages, by its BCP 47 tag."""

    EN = "en"
    ZH_HANS = "zh-Hans"
    ZH_HANT = "zh-Hant"


NAMES: Final = {Language.EN: "English", Language.ZH_HANS: "简体中文", Language.ZH_HANT: "繁體中文"}
_FILES: Final = (
    "layout",
    "sign_in",
    "account",
    "overview",
    "problems",
    "entry_kinds",
    "terminals",
    "terminal_acts",
    "enrolments",
    "shifts",
    "trail",
    "books",
    "proposals",
    "classes",
    "days",
    "steps",
    "cards",
    "proof",
    "cases",
    "prices",
    "refused",
    "said_findings",
    "said_entries",
    "said_alarms",
    "said_by_terminals",
)
_TRADITIONAL: Final = ("hant", "tw", "hk", "mo")


def _all() -> dict[str, tuple[str, str, str]]:
    found: dict[str, tuple[str, str, str]] = {}
    for name in _FILES:
        sentences: Sentences = import_module(f"server.web.texts.{name}").SENTENCES
        assert not found.keys() & sentences.keys(), f"{name}: a key that another page has"
        found |= sentences
    return found


SENTENCES: Final = _all()
_PLACES: Final = {language: place for place, language in enumerate(Language)}


def sentence(language: Language, key: str) -> str:
    """One sentence with its braces. Raises KeyError for one that is nowhere: a mistake of ours."""
    return SENTENCES[key][_PLACES[language]]


def say(language: Language, key: str, **what: object) -> str:
    """One sentence with what differs. Raises KeyError for one that is nowhere: a mistake of ours."""
    return sentence(language, key).format(**what)


def chosen(cookie: str, accepted: str) -> Language:
    """What somebody chose, else the first that the browser asks for and we speak, else English."""
    if cookie in set(Language):
        return Language(cookie)
    for part in accepted.lower().split(","):
        primary, *rest = part.partition(";")[0].strip().split("-")
        if primary == "zh":
            return Language.ZH_HANT if any(tag in _TRADITIONAL for tag in rest) else Language.ZH_HANS
        if primary == "en":
            return Language.EN
    return Language.EN
