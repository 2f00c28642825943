"""The master keys of the cards, on a machine without a network (docs/card-keys.md)."""
