"""What a name or a number on the wire may be."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from protocol import ids


def accepts(wire_type: Any, value: object) -> bool:
    try:
        msgspec.convert(value, wire_type)
    except msgspec.ValidationError:
        return False
    return True


@pytest.mark.parametrize("name", ["till-07", "abc", "a" * 32, "0-0"])
def test_names_of_terminals_and_sites(name: str) -> None:
    assert accepts(ids.TerminalField, name) and accepts(ids.SiteField, name)


@pytest.mark.parametrize(
    "name", ["", "ab", "a" * 33, "Till-07", "till_07", "till 07", "till-07\n", "\ntill-07", "tïll", "a/b", "a+b"]
)
def test_names_that_could_leave_a_topic_or_a_line_are_refused(name: str) -> None:
    """A terminal's name stands in topics, headers and file names."""
    assert not accepts(ids.TerminalField, name)
    assert not accepts(ids.SiteField, name)


def test_labels() -> None:
    for field in (ids.MerchantField, ids.ProductField, ids.ChannelField):
        assert accepts(field, "M.07_a-Z")
        assert not any(accepts(field, bad) for bad in ("", "a" * 33, "a b", "饭", "a\n"))
    assert accepts(ids.StaffField, "") and not accepts(ids.StaffField, "王")


def test_no_pattern_admits_a_line_end() -> None:
    r"""Python's `$` also matches before a line end at the end; only `\Z` is the end."""
    for path in Path(ids.__file__).parent.glob("*.py"):
        assert '$")' not in path.read_text(), path.name


@pytest.mark.parametrize(
    ("field", "low", "high"),
    [
        (ids.U8, 0, 2**8 - 1),
        (ids.U16, 0, 2**16 - 1),
        (ids.U32, 0, 2**32 - 1),
        (ids.U53, 0, 2**53 - 1),
        (ids.TnoField, 1, 2**32 - 1),
        (ids.EpochField, 1, 2**32 - 1),
        (ids.SeqField, 1, 2**32 - 1),
        (ids.EarlierSeqField, 0, 2**32 - 1),
        (ids.ShiftField, 0, 2**32 - 1),
        (ids.CardField, 1, 2**32 - 1),
        (ids.GenerationField, 1, 2**16 - 1),
        (ids.CounterField, 0, 2**32 - 1),
        (ids.LoadSeqField, 0, 2**16 - 1),
    ],
)
def test_numbers_end_where_their_place_on_a_card_ends(field: Any, low: int, high: int) -> None:
    assert accepts(field, low) and accepts(field, high)
    assert not accepts(field, low - 1) and not accepts(field, high + 1)
    assert not accepts(field, float(low)) and not accepts(field, str(high))
