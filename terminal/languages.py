"""The languages a terminal speaks, by the names that settings give them."""

from terminal.texts import en, zh_hans, zh_hant
from terminal.views import Words

LANGUAGES: dict[str, Words] = {
    "en": en.SENTENCES,
    "zh-Hans": zh_hans.SENTENCES,
    "zh-Hant": zh_hant.SENTENCES,
}


class NoSuchLanguage(ValueError):
    """The text names those there are."""


def words_of(language: str) -> Words:
    """Every sentence in a language. Raises NoSuchLanguage."""
    words = LANGUAGES.get(language)
    if words is None:
        raise NoSuchLanguage(f"no language {language!r}; there is: {', '.join(LANGUAGES)}")
    return words
