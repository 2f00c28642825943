"""Pages in a browser, for everybody of the house."""
