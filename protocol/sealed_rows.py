"""Rows of the server's books and of its trail as the leaves of its tree hold them (SPEC, "Sealed rows")."""

from typing import Annotated

import msgspec
from msgspec import Meta

from protocol.canonical import NotCanonical, encode, read
from protocol.entries import ENTRY_BYTES_MAX
from protocol.ids import U32, U53, SeqField, TnoField
from protocol.instants import UtcField
from protocol.merkle import leaf_hash
from protocol.money import AnyCents
from protocol.texts import escaped

_Short = Annotated[str, Meta(max_length=80)]


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type"):
    """Written in full: no member has a default."""


class EntryRow(_Row, frozen=True, tag="entry"):
    """A journal entry as it came in."""

    tno: TnoField
    branch: U32
    seq: SeqField
    received_at: UtcField
    jws: Annotated[str, Meta(max_length=ENTRY_BYTES_MAX)]


class PostingRow(_Row, frozen=True, tag="posting"):
    """One line of the ledger."""

    id: U53
    cause: _Short
    line: U32
    day: U32
    period_day: U32
    account_kind: _Short
    owner: _Short
    cents: AnyCents
    at: UtcField


class TrailRow(_Row, frozen=True, tag="trail"):
    """Who asked for which change."""

    number: U53
    operator: _Short
    roles: _Short
    at: UtcField
    action: _Short
    subject: Annotated[str, Meta(max_length=160)]
    digest: _Short
    outcome: _Short
    proposed_by: _Short


SealedRow = EntryRow | PostingRow | TrailRow

_row: msgspec.json.Decoder[SealedRow] = msgspec.json.Decoder(SealedRow)


class NotARow(ValueError):
    """This is no row as leaves hold them; the text says why."""


def row_text(row: SealedRow) -> str:
    """A row as it is hashed and shown."""
    return encode(row).decode()


def read_row(text: str) -> SealedRow:
    """Read what is shown of a row. Raises NotARow."""
    try:
        return read(text.encode(), _row)
    except NotCanonical as error:
        raise NotARow(escaped(str(error))) from error


def leaf_of(text: str) -> bytes:
    """The hash of the leaf that is this row."""
    return leaf_hash(text.encode())


def name_of(row: SealedRow) -> str:
    """What people call a row: `entry/41/0/7`, `posting/12`, `trail/3`."""
    match row:
        case EntryRow():
            return f"entry/{row.tno}/{row.branch}/{row.seq}"
        case PostingRow():
            return f"posting/{row.id}"
        case TrailRow():
            return f"trail/{row.number}"
