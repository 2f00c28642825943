"""One file for each card technology, and the cryptography they share."""
