"""Checks the whole database anew for somebody who trusts nobody who runs it: `python -m server audit`."""
