"""What terminals, cards and the server agree on: values, entries, rules. No I/O."""
