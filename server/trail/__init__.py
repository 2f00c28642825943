"""Who did what: one row for every change that an operator asks for."""
