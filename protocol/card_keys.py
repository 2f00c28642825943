"""Key sets of cards on their way: three master keys, their check values, and the parts that several people keep.

What the keys open is in `hardware/cards/keys.py`; how they are made and kept, in docs/card-keys.md. A part is one XOR
component of each master key, so that all parts together make the keys and one less tells nothing of them.
"""

import enum
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

import msgspec
from msgspec import Meta

from protocol.purse_desfire import KEY_SET_MAX
from protocol.settings import SettingsWrong, decode_settings
from protocol.signing import from_base64url, mac8_with, to_base64url

MASTER_BYTES = 16
PARTS_MIN, PARTS_MAX = 2, 3
_CHECK_BYTES = 5


class Tier(enum.StrEnum):
    """Who holds a master key, the fewest first."""

    OFFICE = "office"
    CREDIT = "credit"
    DEBIT = "debit"


_WORDS = {Tier.OFFICE: "office", Tier.CREDIT: "credit", Tier.DEBIT: "debit "}
_HEAD = re.compile(r"fanka card keys: set (\d{1,3}), part ([123]) of ([23])")
_LINE = re.compile(
    rf"({'|'.join(Tier)})((?: *[0-9a-f]{{4}}){{8}}) *check *([0-9a-f]{{10}}) *of *([0-9a-f]{{10}})", re.ASCII
)

KeySetNumber = Annotated[int, Meta(ge=1, le=KEY_SET_MAX)]


class KeySetTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A `[[card_keys]]` table of a settings file: a key set as far as it is held there, base64url."""

    key_set: KeySetNumber
    debit: str
    credit: str = ""
    office: str = ""

    def __repr__(self) -> str:
        return f"KeySetTable({self.key_set})"


class KeySetsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file with nothing but `[[card_keys]]`, the set that new cards get first."""

    card_keys: tuple[KeySetTable, ...]


class NotKeys(ValueError):
    """These are not keys, or not parts that belong together; the text says what is wrong and shows nothing of them."""


@dataclass(frozen=True, slots=True)
class KeySet:
    """A whole set: a master key of each tier."""

    number: int
    masters: Mapping[Tier, bytes] = field(repr=False)

    def __post_init__(self) -> None:
        assert 1 <= self.number <= KEY_SET_MAX and set(self.masters) == set(Tier)
        assert all(len(key) == MASTER_BYTES for key in self.masters.values())

    @property
    def check_values(self) -> dict[Tier, str]:
        """What people compare to know that they mean the same keys."""
        return {tier: check_value(self.masters[tier]) for tier in Tier}


@dataclass(frozen=True, slots=True)
class Part:
    """What one of several people keeps of a set."""

    key_set: int
    number: int
    count: int
    components: Mapping[Tier, bytes] = field(repr=False)
    whole: Mapping[Tier, str]
    """The check values of the keys that all parts make."""


def check_value(key: bytes) -> str:
    """The key check value of an AES key (ANSI X9.24-1:2017, Annex A), hexadecimal.

    The leftmost 5 bytes, the most that the standard allows, of AES-CMAC over a block of zeros.
    """
    return mac8_with(key)(bytes(MASTER_BYTES))[:_CHECK_BYTES].hex()


def split(keys: KeySet, count: int, chance: bytes) -> tuple[Part, ...]:
    """Parts for two or three people. `chance`: 48 unpredictable bytes for each of them but one."""
    assert PARTS_MIN <= count <= PARTS_MAX and len(chance) == (count - 1) * len(Tier) * MASTER_BYTES
    left = dict(keys.masters)
    found: list[dict[Tier, bytes]] = []
    for _ in range(count - 1):
        components = {tier: chance[place * MASTER_BYTES :][:MASTER_BYTES] for place, tier in enumerate(Tier)}
        chance = chance[len(Tier) * MASTER_BYTES :]
        left = {tier: _xor(left[tier], components[tier]) for tier in Tier}
        found.append(components)
    whole = keys.check_values
    return tuple(Part(keys.number, place, count, mine, whole) for place, mine in enumerate([*found, left], start=1))


def join(parts: Sequence[Part]) -> KeySet:
    """The set that these parts make. Raises NotKeys unless they are all of one set, each once."""
    if not parts:
        raise NotKeys("there are no parts")
    first = parts[0]
    if any((part.key_set, part.count, part.whole) != (first.key_set, first.count, first.whole) for part in parts):
        raise NotKeys("these parts are of different sets, or of different splits of one")
    if sorted(part.number for part in parts) != list(range(1, first.count + 1)):
        have = ", ".join(str(part.number) for part in parts)
        raise NotKeys(f"set {first.key_set} has {first.count} parts, each is needed once; these are: {have}")
    masters = {tier: bytes(MASTER_BYTES) for tier in Tier}
    for part in parts:
        masters = {tier: _xor(masters[tier], part.components[tier]) for tier in Tier}
    keys = KeySet(first.key_set, masters)
    if keys.check_values != first.whole:
        raise NotKeys("together these parts are not the keys that were split: they are of different splits of this set")
    return keys


def write_part(part: Part) -> str:
    """A part as it is printed: each line can be checked by itself when it is typed again."""
    lines = [f"Fanka card keys: set {part.key_set}, part {part.number} of {part.count}"]
    for tier in Tier:
        groups = part.components[tier].hex(" ", 2)
        check, whole = check_value(part.components[tier]), part.whole[tier]
        lines.append(f"{_WORDS[tier]}  {groups}  check {check} of {whole}")
    return "\n".join(lines) + "\n"


def read_part(text: str) -> Part:
    """A part as it was printed, or typed in any case. Raises NotKeys, naming the line."""
    head, *lines = [line.strip().lower() for line in text.splitlines() if line.strip()] or [""]
    said = _HEAD.fullmatch(head)
    if said is None:
        raise NotKeys('line 1: a part begins with "Fanka card keys: set 1, part 1 of 2"')
    key_set, number, count = map(int, said.groups())
    if not 1 <= key_set <= KEY_SET_MAX or number > count:
        raise NotKeys(f"line 1: there is no set {key_set}, part {number} of {count}")
    components: dict[Tier, bytes] = {}
    whole: dict[Tier, str] = {}
    for place, line in enumerate(lines, start=2):
        found = _LINE.fullmatch(line)
        if found is None:
            raise NotKeys(f"line {place}: a tier, eight groups of four digits, check, ten digits, of, ten digits")
        tier, component = Tier(found[1]), bytes.fromhex(found[2])
        if check_value(component) != found[3]:
            raise NotKeys(f"line {place}: its check value does not hold; look at every digit of this line")
        components[tier], whole[tier] = component, found[4]
    if len(lines) != len(Tier) or set(components) != set(Tier):
        raise NotKeys(f"a part has one line for each of {', '.join(Tier)}")
    return Part(key_set, number, count, components, whole)


def write_tables(sets: Sequence[tuple[int, Mapping[Tier, bytes]]]) -> bytes:
    """Key sets, or what is held of them, as `[[card_keys]]` tables."""
    tables = (
        f"[[card_keys]]\nkey_set = {number}\n"
        + "".join(f'{tier} = "{to_base64url(masters[tier])}"\n' for tier in Tier if tier in masters)
        for number, masters in sets
    )
    return "\n".join(tables).encode()


def read_tables(raw: bytes) -> tuple[KeySet, ...]:
    """Whole sets from `[[card_keys]]` tables. Raises NotKeys."""
    try:
        tables = decode_settings(raw, KeySetsFile).card_keys
    except SettingsWrong as error:
        raise NotKeys(str(error)) from error
    return tuple(_whole(table) for table in tables)


def _whole(table: KeySetTable) -> KeySet:
    try:
        masters = {tier: from_base64url(getattr(table, tier)) for tier in Tier}
    except ValueError:
        masters = {}
    if any(len(masters.get(tier, b"")) != MASTER_BYTES for tier in Tier):
        # A cause would show the keys.
        raise NotKeys(f"card_keys of set {table.key_set}: all three keys, each 16 bytes in base64url")
    return KeySet(table.key_set, masters)


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))
