"""Twins of hardware at the level of its own commands; they ship, for demonstrations and training."""
