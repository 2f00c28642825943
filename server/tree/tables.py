"""The tree: which row is which leaf, the subtrees that proofs are made from, the signed heads. All only ever grow."""

from sqlalchemy import BigInteger, Column, LargeBinary, PrimaryKeyConstraint, String, Table, UniqueConstraint

from server.tables import metadata

tree_leaf = Table(
    "tree_leaf",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("source", String(8), nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("second", BigInteger, nullable=False),
    Column("third", BigInteger, nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
    UniqueConstraint("source", "first", "second", "third"),
)
"""`first`, `second`, `third`: the row's own key, with zeros behind a shorter one."""

tree_node = Table(
    "tree_node",
    metadata,
    Column("level", BigInteger, nullable=False),
    Column("place", BigInteger, nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
    PrimaryKeyConstraint("level", "place"),
)
"""Complete subtrees of every eighth level: any other one is made from at most 128 hashes."""

tree_head = Table(
    "tree_head",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("server_epoch", BigInteger, nullable=False),
    Column("day", BigInteger, nullable=False, unique=True),
    Column("size", BigInteger, nullable=False),
    Column("root", LargeBinary(32), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("jws", LargeBinary, nullable=False),
)
