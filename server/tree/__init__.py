"""The tree over all that was booked and asked for: grown every night, its root signed, and what it holds proven."""
