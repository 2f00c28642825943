"""Tokens: cards whose purse is the server's row: whose they are, and what they may pay."""
