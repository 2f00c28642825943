"""Accounts of people who use the pages: passwords, one-time codes, sessions."""
