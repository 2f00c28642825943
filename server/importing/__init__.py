"""Cards and balances of an old system, from a CSV file."""
