"""Phones that show pay codes for a token: who may, and the code itself."""
