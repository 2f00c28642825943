"""SPEC.md says what the code does: its tables, codes, examples and layouts are held against it here."""

import re
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from hardware.cards.keys import Role
from protocol import (
    card_key_delivery,
    card_keys,
    entries,
    limits,
    messages,
    policy,
    price_list,
    purse,
    purse_classic,
    purse_desfire,
    sealed_rows,
    site_files,
    state,
)
from protocol.authorise import Refusal
from protocol.entries import BODIES, Kind
from protocol.money import SALE_CENTS_MAX
from protocol.tampering import Tampering
from protocol.tokens import ANSWER_WITHIN_MS
from server.reconcile.facts import Difference
from server.tokens.rules import QUESTIONS_MAX
from tests.protocol.golden import golden
from tests.protocol.samples import IDENTITY, PURSE, RECORD
from tests.protocol.spec_tables import members_of, tables_in

ROOT = Path(__file__).resolve().parents[2]
SPEC = (ROOT / "protocol" / "SPEC.md").read_text("utf-8")
SITE_FILES = (site_files.PromotionsFile, site_files.StaffFile, site_files.TextsFile, site_files.ConfigFile)
FILES = (policy.CardsFile, policy.LoadsFile, limits.LimitRules, price_list.PriceList, *SITE_FILES)
DELIVERED = (card_key_delivery.CardKeyRequest, card_key_delivery.CardKeyDelivery, card_key_delivery.RequestFile)
SAID = (*get_args(messages.Signed), messages.Hello, state.State, messages.Who, messages.Ask)
SEALED = get_args(sealed_rows.SealedRow)
WIRE = (entries.Head, entries.CardStep, *BODIES.values(), *SAID, *FILES, *SEALED, *DELIVERED, card_keys.KeySetsFile)


def inner_structs(wire_type: Any) -> set[type[msgspec.Struct]]:
    """A struct and all that its members are made of."""
    found = {wire_type}
    pending = [field.type for field in msgspec.structs.fields(wire_type)]
    while pending:
        seen = pending.pop()
        pending += get_args(seen)
        if isinstance(seen, type) and issubclass(seen, msgspec.Struct) and seen not in found:
            found |= inner_structs(seen)
    return found


STRUCTS = {struct.__name__: struct for wire in WIRE for struct in inner_structs(wire)}
TABLES = tables_in(SPEC)


def codes_under(heading: str) -> list[str]:
    """The first column of the first table behind a heading or a line."""
    rows: list[str] = []
    for line in SPEC.partition(heading)[2].splitlines():
        if line.startswith("| `"):
            rows.append(line.split("`")[1])
        elif rows and not line.startswith("|"):
            break
    return rows


def test_every_struct_on_the_wire_has_its_table() -> None:
    assert set(TABLES) == set(STRUCTS)


@pytest.mark.parametrize("name", sorted(STRUCTS))
def test_a_table_of_members_is_the_struct(name: str) -> None:
    assert TABLES[name] == members_of(STRUCTS[name])


def test_the_kinds_and_their_bodies() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| [^|]+ \|$", SPEC.partition("### Kinds")[2], re.MULTILINE)
    assert rows == [(kind.value, BODIES[kind].__name__) for kind in Kind]


def test_the_codes() -> None:
    assert codes_under("### Approval") == [reason.value for reason in Refusal]
    assert codes_under("### Truncation") == [name.value for name in Tampering]
    assert sorted(codes_under("## Reconciliation")) == sorted(difference.value for difference in Difference)
    assert codes_under("## Card keys") == [f"{role:02x}" for role in Role]


@pytest.mark.parametrize(
    "block", re.findall(r"```(hex|text) (\S+)\n(.*?)```", SPEC, re.DOTALL), ids=lambda block: block[1]
)
def test_an_example_is_the_golden_one(block: tuple[str, str, str]) -> None:
    form, path, shown = block
    name, *parts = path.split(".")
    node = golden(name)
    for part in parts:
        node = node[int(part)] if isinstance(node, list) else node[part]
    assert ("".join(shown.split()) if form == "hex" else shown.strip()) == node


def test_every_card_image_is_shown() -> None:
    shown = set(re.findall(r"```hex (\S+)", SPEC))
    assert {f"cards.desfire.{name}" for name in golden("cards")["desfire"]} <= shown
    assert {"cards.classic.identity", "cards.classic.slot_0", "cards.load.record"} <= shown


def layout_under(caption: str) -> dict[str, tuple[int, int]]:
    """A byte table: content to first and last byte. The rows must follow each other without a gap."""
    found: dict[str, tuple[int, int]] = {}
    expected = 0
    for line in SPEC.partition(caption)[2].partition("```")[0].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not re.fullmatch(r"\d+(\.\.\d+)?", cells[0]):
            continue
        first, _, last = cells[0].partition("..")
        assert int(first) == expected, line
        expected = int(last or first) + 1
        found[re.split(r"[;,:]", cells[-1])[0]] = (int(first), expected)
    return found


def read_by(layout: dict[str, tuple[int, int]], raw: bytes) -> dict[str, int]:
    assert max(last for _, last in layout.values()) == len(raw)
    return {
        name.replace("`", ""): int.from_bytes(raw[first:last], signed="purse" in name)
        for name, (first, last) in layout.items()
        if name not in ("MAC", "zero")
    }


SPENT = {
    "business day": PURSE.spent.day,
    "spent on that day": PURSE.spent.day_cents,
    "month": PURSE.spent.month,
    "spent in that month": PURSE.spent.month_cents,
    "meal": PURSE.spent.meal,
    "purchases in that meal": PURSE.spent.meal_count,
    "PIN tries": PURSE.pin_tries,
    "subsidy period": PURSE.period,
}


def test_a_slot_can_be_read_by_its_table_alone() -> None:
    raw = bytes.fromhex(golden("cards")["classic"]["slot_0"])
    assert read_by(layout_under("**Slot**"), raw) == {
        "version 1": 1,
        "key set": 3,
        "counter": PURSE.counter,
        "main purse": PURSE.main_cents,
        "subsidy purse": PURSE.subsidy_cents,
        "0 or 1": PURSE.load_copy,
        **SPENT,
        "load_seq": PURSE.load_seq,
        "tno": PURSE.mark.tno,
        "seq of the prepared entry": PURSE.mark.seq,
    }
    assert len(raw) == purse_classic.SLOT_BYTES


def test_the_files_can_be_read_by_their_tables_alone() -> None:
    files = {name: bytes.fromhex(text) for name, text in golden("cards")["desfire"].items()}
    assert read_by(layout_under("**Limits** (file 3)"), files["limits"]) == {
        "version 1": 1,
        "counter": PURSE.counter,
        **SPENT,
    }
    assert read_by(layout_under("**Load** (file 4)"), files["load"]) == {
        "version 1": 1,
        "subsidy period": RECORD.period,
        "generation": RECORD.generation,
        "issue number": RECORD.card,
        "load_seq": RECORD.load_seq,
        "loaded_total": RECORD.loaded_total_cents,
        "subsidy_total": RECORD.subsidy_total_cents,
    }
    assert read_by(layout_under("**Identity** (32 bytes"), bytes.fromhex(golden("cards")["classic"]["identity"])) == {
        "version 1": 1,
        "class": IDENTITY.card_class,
        "generation": IDENTITY.generation,
        "issue number": IDENTITY.card,
        "PIN verifier": int.from_bytes(IDENTITY.pin_verifier),
    }
    assert set(layout_under("**Log** (file 5)")) == {
        *("`tno`", "`seq` of the prepared entry", "what the step moved over both purses", "counter it reached")
    }


def test_the_blocks_and_files_are_where_the_page_says() -> None:
    for blocks in (*purse_classic.SLOT_BLOCKS, *purse_classic.LOAD_BLOCKS, purse_classic.IDENTITY_BLOCKS):
        assert f"| {', '.join(map(str, blocks))} |" in SPEC
    assert f"| {purse_classic.KEY_SET_BLOCK} | byte 0: key set" in SPEC
    assert f"`{purse_desfire.APPLICATION_ID.hex()}`" in SPEC
    for file, size in (
        (purse_desfire.FILE_LIMITS, f"backup data, {purse_desfire.LIMITS_BYTES} bytes"),
        (purse_desfire.FILE_LOAD, f"backup data, {purse_desfire.LOAD_BYTES} bytes"),
        (purse_desfire.FILE_LOG, f"cyclic record, {purse_desfire.LOG_RECORDS} × {purse_desfire.LOG_BYTES} bytes"),
        (purse_desfire.FILE_IDENTITY, f"standard data, {purse_desfire.IDENTITY_BYTES} bytes"),
    ):
        assert f"| {file} | {size} |" in SPEC


@pytest.mark.parametrize(
    ("sentence", "value"),
    [
        ("at most {:,} bytes. ", entries.ENTRY_BYTES_MAX),
        ("at most {} lines", entries.LINES_MAX),
        ("moves at most {:,}", SALE_CENTS_MAX),
        ("1 to {} entries", messages.BATCH_ENTRIES_MAX),
        ("at most {:,} bytes unpacked", messages.BATCH_BYTES_MAX),
        ("At most {} batches are in flight", messages.BATCHES_IN_FLIGHT_MAX),
        ("A part has at most {:,} bytes", messages.PART_BYTES_MAX),
        ("At most {:,} bytes.", messages.MESSAGE_BYTES_MAX),
        ("at most {:,} bytes; the answers", messages.QUESTION_BYTES_MAX),
        ("At most {} questions of a terminal are answered in 10 seconds", QUESTIONS_MAX),
        ("Without an answer within {} seconds", ANSWER_WITHIN_MS // 1_000),
    ],
)
def test_the_limits(sentence: str, value: int) -> None:
    flat = " ".join(SPEC.split()) + " "
    assert sentence.format(value) in flat
    assert purse.PIN_TRIES_MAX == 3 and "Three wrong tries" in flat


def test_the_sources_name_headings_that_exist() -> None:
    headings = [line.lstrip("# ") for line in SPEC.splitlines() if line.startswith("#")]
    assert len(headings) == len(set(headings))
    for package in ("protocol", "hardware", "terminal", "server"):
        for path in (ROOT / package).rglob("*.py"):
            for name in re.findall(r'SPEC,\s+"([^"]+)"', path.read_text("utf-8")):
                assert any(heading.startswith(name) for heading in headings), f"{path.name}: {name}"


def test_the_page_refers_to_its_own_headings() -> None:
    headings = {line.lstrip("# ") for line in SPEC.splitlines() if line.startswith("#")}
    assert set(re.findall(r'see "([^"]+)"', SPEC)) <= headings
