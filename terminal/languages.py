"""The languages a terminal speaks, by the names that settings give them, and which one is spoken now."""

from collections.abc import Iterator, Mapping

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


class Spoken(Mapping[str, str]):
    """Every sentence in the language that is spoken now: whoever holds this follows when another one is chosen."""

    def __init__(self, language: str) -> None:
        """Raises NoSuchLanguage."""
        self.language, self._words = language, words_of(language)

    def speak(self, language: str) -> None:
        """From now on this one. Raises NoSuchLanguage."""
        self._words = words_of(language)
        self.language = language

    def __getitem__(self, key: str) -> str:
        return self._words[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._words)

    def __len__(self) -> int:
        return len(self._words)
