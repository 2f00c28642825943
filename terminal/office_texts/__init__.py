"""Sentences of the card office, one file a language; `terminal/texts/` takes them in."""
