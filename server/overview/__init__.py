"""How business goes right now, in a few figures."""
