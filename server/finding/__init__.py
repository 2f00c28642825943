"""Finding a card or a person by what somebody at a desk has in hand."""
