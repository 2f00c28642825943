"""The database's schema, step by step: what is in the field goes up by these and by nothing else.

A step is written once and never changed after a release. `tests/server/test_migrations.py` holds them against the
tables of `server/tables.py` and its like, on both engines, up and down with rows in them.
"""
