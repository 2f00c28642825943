"""The terminal program: sells from the card, journals, syncs."""
