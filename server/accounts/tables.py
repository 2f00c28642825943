"""Tables of accounts and their sessions."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table

from server.tables import metadata

account = Table(
    "account",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("roles", String(120), nullable=False),
    Column("password", String(200), nullable=False),
    Column("otp", String(200), nullable=False, default=""),
    Column("otp_step", BigInteger, nullable=False, default=0),
    Column("is_new", Boolean, nullable=False, default=True),
    Column("is_off", Boolean, nullable=False, default=False),
    Column("failures", Integer, nullable=False, default=0),
    Column("locked_until", BigInteger, nullable=False, default=0),
    Column("made_at", BigInteger, nullable=False),
)
"""Who may sign in: the argon2id hash of the password, the sealed secret of one-time codes (empty: none yet) and the
newest step of which one was used. `is_new`: somebody else chose the password."""

session = Table(
    "session",
    metadata,
    Column("token", String(64), primary_key=True),
    Column("account", String(32), ForeignKey("account.name"), nullable=False),
    Column("stage", String(8), nullable=False),
    Column("otp", String(200), nullable=False, default=""),
    Column("begun_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Index("session_by_account", "account"),
    Index("session_by_time", "begun_at"),
)
"""Browsers that are signed in, by the SHA-256 (hex) of their tokens. `otp`: a secret that waits to be confirmed."""
