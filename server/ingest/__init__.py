"""Takes in terminals' journals, each entry exactly once."""
