"""Signed lists that terminals sell by."""
