"""Double entry: what each journal entry means in money."""
