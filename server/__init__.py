"""The server program: takes journals in, keeps the ledger, explains every cent."""
