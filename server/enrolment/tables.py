"""Tables of claims, enrolments and certificates."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from server.tables import RowId, metadata

claim = Table(
    "claim",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("tid", String(32), ForeignKey("terminal.tid"), nullable=False),
    Column("made_by", String(80), nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    Column("tries", Integer, nullable=False, default=0),
    Column("used_at", BigInteger, nullable=False, default=0),
    Index("claim_by_terminal", "tid"),
)
"""Codes that let a terminal ask to be enrolled, by their SHA-256 (hex); the code itself only its reader knows."""

enrolment = Table(
    "enrolment",
    metadata,
    Column("number", RowId, primary_key=True, autoincrement=True),
    Column("ticket", String(64), nullable=False, unique=True),
    Column("claim", String(64), ForeignKey("claim.digest"), nullable=False),
    Column("tid", String(32), ForeignKey("terminal.tid"), nullable=False),
    Column("device", String(64), nullable=False),
    Column("journal_key", LargeBinary(32), nullable=False),
    Column("request", LargeBinary, nullable=False),
    Column("nonce", LargeBinary(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("asked_at", BigInteger, nullable=False),
    Column("decided_by", String(80), nullable=False, default=""),
    Column("decided_at", BigInteger, nullable=False, default=0),
    Column("grant_jws", LargeBinary, nullable=False, default=b""),
    Column("certificate", LargeBinary, nullable=False, default=b""),
    Column("tier", BigInteger, nullable=False, default=0),
    Index("enrolment_by_state", "state"),
)
"""Machines that asked to become a terminal. `ticket`: SHA-256 (hex) of what the machine asks again with."""

certificate = Table(
    "certificate",
    metadata,
    Column("serial", String(40), primary_key=True),
    Column("tid", String(32), ForeignKey("terminal.tid"), nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("pem", Text, nullable=False),
    Column("issued_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger, nullable=False, default=0),
    Index("certificate_by_terminal", "tid"),
    Index("certificate_by_revocation", "revoked_at"),
)
"""Every certificate a terminal got, by its serial number (hex); `epoch`: the one whose key asked for it."""
