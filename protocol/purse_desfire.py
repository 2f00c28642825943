"""A purse on MIFARE DESFire: value files, backup files and a log that the card changes in one transaction.

    file 1  value            main purse                 debit key: GetValue, Debit, LimitedCredit; credit key: Credit
    file 2  value            subsidy purse              the same
    file 3  backup data  32  counter, limits            written with the debit or the credit key
    file 4  backup data  24  load                       written with the credit key only
    file 5  cyclic log   16  mark, amount, counter      written with the debit or the credit key
    file 6  standard     24  identity                   written with the application's master key

Big endian inside data files (values travel little endian, as the chip wants them).

    limits    0 version=1 | 1 meal | 2 meal_count | 3 pin_tries | 4..7 counter | 8..9 day | 10..12 day_cents
              13..14 month | 15..17 month_cents | 18 period | 19..31 zero
    load      0 version=1 | 1 period | 2..3 generation | 4..7 card | 8..9 load_seq | 10..11 zero | 12..15 loaded_total
              16..19 subsidy_total | 20..23 zero
    log       0..3 tno | 4..7 seq | 8..11 amount (signed, both purses) | 12..15 counter
    identity  0 version=1 | 1 class | 2..3 generation | 4..7 card | 8..15 PIN verifier | 16..23 zero
"""

import struct
from dataclasses import dataclass

from protocol.ids import CardNo, Counter, Generation, LoadSeq, Seq, Tno
from protocol.instants import BusinessDay, Month
from protocol.money import PURSE_CENTS_MAX, Cents
from protocol.purse import (
    NO_MARK,
    CardClass,
    CardRead,
    Identity,
    LoadRecord,
    Mark,
    Purse,
    PurseChange,
    Right,
    SeenStep,
    Spent,
    Technology,
)

APPLICATION_ID = bytes.fromhex("f0fa4b")
KEY_MASTER, KEY_DEBIT, KEY_CREDIT = 0, 1, 2
KEY_SET_MAX = 127
"""A key's version on the card is the number of its set, and bit 7: the card speaks EV2."""
FILE_MAIN, FILE_SUBSIDY, FILE_LIMITS, FILE_LOAD, FILE_LOG, FILE_IDENTITY = 1, 2, 3, 4, 5, 6
LOG_BYTES, LOG_RECORDS = 16, 8
"""The card keeps one record less than the file has room for: the spare is where the next one is written."""

_SPEAKS_EV2 = 0x80
_LIMITS = struct.Struct(">BBBBI")
_LOAD = struct.Struct(">BBHIHxxII4x")
_LOG = struct.Struct(">IIiI")
_IDENTITY = struct.Struct(">BBHI8s8x")
LIMITS_BYTES, LOAD_BYTES, IDENTITY_BYTES = 32, _LOAD.size, _IDENTITY.size
assert _LOG.size == LOG_BYTES


@dataclass(frozen=True, slots=True)
class DesfireImage:
    """The raw content of one read, newest log record first."""

    uid: bytes
    key_set: int
    identity: bytes
    main_cents: int
    subsidy_cents: int
    limits: bytes
    load: bytes
    log: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ValueChange:
    """Debit (negative), credit or limited credit of one value file."""

    file: int
    amount_cents: Cents
    right: Right


@dataclass(frozen=True, slots=True)
class DataWrite:
    """Replace a backup data file's content from offset 0."""

    file: int
    data: bytes


@dataclass(frozen=True, slots=True)
class LogWrite:
    """Append a record to the cyclic log."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Commit:
    """Make everything since the last commit true at once."""


DesfireStep = ValueChange | DataWrite | LogWrite | Commit


def key_version(key_set: int, *, speaks_ev2: bool) -> int:
    """The version that every key of ours has: which set it is of, and how to authenticate with it."""
    return key_set | (_SPEAKS_EV2 if speaks_ev2 else 0)


def read_key_version(version: int) -> tuple[int, bool]:
    """Key set (0: a key as the factory left it) and whether the card speaks EV2."""
    return version & KEY_SET_MAX, bool(version & _SPEAKS_EV2)


def encode_identity(identity: Identity) -> bytes:
    """The 24 bytes of the identity file."""
    return _IDENTITY.pack(1, identity.card_class, identity.generation, identity.card, identity.pin_verifier)


def decode_identity(raw: bytes) -> Identity | None:
    """Read the identity file; None where it is not exactly what `encode_identity` writes."""
    if len(raw) != IDENTITY_BYTES:
        return None
    version, card_class, generation, card, pin = _IDENTITY.unpack(raw)
    if version != 1 or card_class not in CardClass._value2member_map_ or not card or not generation:
        return None
    found = Identity(CardNo(card), Generation(generation), CardClass(card_class), b"" if pin == bytes(8) else pin)
    return found if encode_identity(found) == raw else None


def encode_limits(purse: Purse) -> bytes:
    """The 32 bytes of the limits file."""
    spent = purse.spent
    head = _LIMITS.pack(1, spent.meal, spent.meal_count, purse.pin_tries, purse.counter)
    body = (
        head
        + spent.day.to_bytes(2)
        + spent.day_cents.to_bytes(3)
        + spent.month.to_bytes(2)
        + spent.month_cents.to_bytes(3)
        + bytes((purse.period,))
    )
    return body.ljust(LIMITS_BYTES, b"\x00")


def encode_load_file(record: LoadRecord) -> bytes:
    """The 24 bytes of the load file: what of the server's record is on this card."""
    return _LOAD.pack(
        1,
        record.period,
        record.generation,
        record.card,
        record.load_seq,
        record.loaded_total_cents,
        record.subsidy_total_cents,
    )


def decode_load_file(raw: bytes) -> LoadRecord | None:
    """Read the load file; None where it is malformed. `spent_known` is not on a DESFire card and reads as 0."""
    if len(raw) != LOAD_BYTES:
        return None
    version, period, generation, card, load_seq, total, subsidy_total = _LOAD.unpack(raw)
    record = LoadRecord(
        CardNo(card), Generation(generation), LoadSeq(load_seq), Cents(total), Cents(0), period, Cents(subsidy_total)
    )
    return record if version == 1 and encode_load_file(record) == raw else None


def encode_log(mark: Mark, amount_cents: int, counter: Counter) -> bytes:
    """One log record."""
    return _LOG.pack(mark.tno, mark.seq, amount_cents, counter)


def read_card(image: DesfireImage) -> CardRead | None:
    """Make sense of the files; None where the identity is not ours. A malformed purse reads as `purse=None`."""
    identity = decode_identity(image.identity)
    if identity is None:
        return None
    loaded = decode_load_file(image.load)
    log = image.log if all(_is_log(record) for record in image.log) else None
    whole = loaded is not None and log is not None and (loaded.card, loaded.generation) == identity.key
    return CardRead(
        Technology.DESFIRE,
        image.uid,
        image.key_set,
        identity,
        _decode_purse(image, loaded) if loaded is not None and whole else None,
        tuple(_seen(record) for record in log or ()),
        loaded if loaded and loaded.load_seq else None,
    )


def step_plan(change: PurseChange) -> tuple[DesfireStep, ...]:
    """The commands of one step; nothing is true on the card before the commit."""
    before, after = change.purse_before, change.after
    moves = (
        (FILE_MAIN, Cents(after.main_cents - before.main_cents)),
        (FILE_SUBSIDY, Cents(after.subsidy_cents - before.subsidy_cents)),
    )
    steps: list[DesfireStep] = [ValueChange(file, amount, change.right) for file, amount in moves if amount]
    steps.append(DataWrite(FILE_LIMITS, encode_limits(after)))
    if change.load is not None:
        steps.append(DataWrite(FILE_LOAD, encode_load_file(change.load.record)))
    steps.append(LogWrite(encode_log(after.mark, change.amount_cents, after.counter)))
    return (*steps, Commit())


def _decode_purse(image: DesfireImage, loaded: LoadRecord) -> Purse | None:
    raw = image.limits
    if len(raw) != LIMITS_BYTES or any(raw[19:]):
        return None
    version, meal, meal_count, pin_tries, counter = _LIMITS.unpack(raw[:8])
    if version != 1 or min(image.main_cents, image.subsidy_cents) < -PURSE_CENTS_MAX:
        return None
    spent = Spent(
        BusinessDay(int.from_bytes(raw[8:10])),
        Cents(int.from_bytes(raw[10:13])),
        Month(int.from_bytes(raw[13:15])),
        Cents(int.from_bytes(raw[15:18])),
        meal,
        meal_count,
    )
    mark = NO_MARK
    if image.log:
        tno, seq, _, _ = _LOG.unpack(image.log[0])
        mark = Mark(Tno(tno), Seq(seq))
    return Purse(
        Counter(counter),
        Cents(image.main_cents),
        Cents(image.subsidy_cents),
        spent,
        pin_tries,
        raw[18],
        loaded.load_seq,
        0,
        mark,
    )


def _is_log(record: bytes) -> bool:
    """Whether an entry can tell what this record says."""
    return len(record) == LOG_BYTES and _LOG.unpack(record)[2] >= -PURSE_CENTS_MAX


def _seen(record: bytes) -> SeenStep:
    tno, seq, amount, counter = _LOG.unpack(record)
    return SeenStep(1, tno, seq, Counter(counter), amount=Cents(amount))
