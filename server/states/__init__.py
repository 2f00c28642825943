"""What terminals say of themselves, and which lists they run."""
