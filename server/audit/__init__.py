"""Checks at night what ingest has believed by chains: every single signature."""
