"""The content of the signed list files: what the server decides and every terminal of a site applies."""

from collections.abc import Mapping
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from protocol.authorise import Listed, Standing
from protocol.canonical import NotCanonical, encode, read
from protocol.card_status import CardBase, changes_since, decode_delta, encode_delta
from protocol.ids import CardField, CardKey, CardNo, Counter, CounterField, GenerationField, LoadSeq, LoadSeqField
from protocol.load_record import decode_load
from protocol.purse import SignedLoad
from protocol.signing import from_base64url, to_base64url

ROWS_MAX, CHANGES_MAX = 100, 20_000
"""So many changed cards stand in a list that people can read, and so many beside a base at all."""

_File = TypeVar("_File", bound=msgspec.Struct)


class NotAList(ValueError):
    """These bytes are not a list file of this kind; the text says where."""


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, array_like=True):
    """A row of a list: an array, because there are many of them."""


class CardRow(_Row, frozen=True):
    """A card that is not simply good."""

    no: CardField
    generation: GenerationField
    listed: Listed


class FloorRow(_Row, frozen=True):
    """The least counter and load_seq this card has been read with."""

    no: CardField
    generation: GenerationField
    counter: CounterField = Counter(0)
    load_seq: LoadSeqField = LoadSeq(0)


class CardsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The `cards` list: who is blocked or closed, whose top-up waits, and the floors.

    Where there are very many listed cards, `base` names the list of that name which holds them, and this one only what
    has changed since: a few cards in `rows`, many in `delta`.
    """

    rows: tuple[CardRow, ...] = ()
    waiting: tuple[CardField, ...] = ()
    floors: tuple[FloorRow, ...] = ()
    base: Annotated[str, Meta(pattern=r"^([0-9a-f]{64})?\Z")] = ""
    delta: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]*\Z")] = ""


class LoadsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The `loads` list: signed records (base64url, 96 bytes) of cards with something uncollected."""

    records: tuple[Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{128}\Z")], ...] = ()


class CardBook:
    """The `cards` list, looked up by card."""

    def __init__(self, file: CardsFile, base: CardBase | None = None) -> None:
        """`base` is the one that the file names. Raises NotAList for a malformed delta."""
        try:
            changes = decode_delta(from_base64url(file.delta))
        except ValueError as error:
            raise NotAList(f"cards: {error}") from error
        self._base = base
        self._listed: dict[CardKey, Listed] = changes | {(row.no, row.generation): row.listed for row in file.rows}
        self._floors: dict[CardKey, FloorRow] = {(row.no, row.generation): row for row in file.floors}
        self._waiting: frozenset[CardNo] = frozenset(file.waiting)

    def standing(self, card: CardKey) -> Standing:
        """What the list knows of a card; a card it does not name is good."""
        floor = self._floors.get(card)
        listed = self._listed.get(card)
        if listed is None:
            listed = self._base.listed(card) if self._base else Listed.GOOD
        return Standing(
            listed,
            floor.counter if floor else Counter(0),
            floor.load_seq if floor else LoadSeq(0),
            card[0] in self._waiting,
        )


def cards_file(
    listed: Mapping[CardKey, Listed],
    base: CardBase | None,
    base_sha256: str,
    waiting: tuple[CardNo, ...],
    floors: tuple[FloorRow, ...],
) -> CardsFile | None:
    """The `cards` list beside the base in force, or beside none; None: too much has changed, a new base is due."""
    changes = changes_since(base, listed) if base else dict(listed)
    if len(changes) > CHANGES_MAX:
        return None
    if len(changes) > ROWS_MAX:
        return CardsFile((), waiting, floors, base_sha256, to_base64url(encode_delta(changes)))
    rows = tuple(CardRow(no, generation, changes[no, generation]) for no, generation in sorted(changes))
    return CardsFile(rows, waiting, floors, base_sha256)


def loads_by_card(file: LoadsFile) -> dict[CardKey, SignedLoad]:
    """The records of a `loads` list by card. Raises NotAList for a malformed one; signatures are not checked here."""
    found: dict[CardKey, SignedLoad] = {}
    for text in file.records:
        load = decode_load(from_base64url(text))
        if load is None:
            raise NotAList("loads: a record is malformed")
        found[(load.record.card, load.record.generation)] = load
    return found


def load_text(raw: bytes) -> str:
    """A signed load as lists and entries spell it."""
    return to_base64url(raw)


def encode_file(file: msgspec.Struct) -> bytes:
    """A list file as it is hashed, signed for and sent."""
    return encode(file)


def read_file(raw: bytes, kind: type[_File]) -> _File:
    """Read a list file strictly. Raises NotAList."""
    try:
        return read(raw, msgspec.json.Decoder(kind))
    except NotCanonical as error:
        raise NotAList(f"{kind.__name__}: {error}") from error
