"""Cashiers' shifts as the journals and the books have them."""
