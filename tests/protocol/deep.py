"""Text that nests until a decoder which recurses gives up."""

DEEP = ["[" * 3_000 + "]" * 3_000, '{"a":' * 900 + "1" + "}" * 900]
"""Each fits an entry: arrays of arrays, objects of objects."""
