"""The data of leaves: one spelling for each row, the same for ever."""

import pytest

from protocol.sealed_rows import NotARow, leaf_of, name_of, read_row, row_text
from tests.protocol.golden import golden, tree
from tests.protocol.samples import SEALED_ROWS


def test_the_bytes_of_rows_never_change() -> None:
    assert tree() == golden("tree")


@pytest.mark.parametrize(
    ("name", "expected"), [("entry", "entry/41/0/3"), ("posting", "posting/7"), ("trail", "trail/3")]
)
def test_a_row_is_read_back_and_has_a_name(name: str, expected: str) -> None:
    row = SEALED_ROWS[name]
    assert read_row(row_text(row)) == row and name_of(row) == expected


def test_no_two_rows_are_the_same_leaf() -> None:
    assert len({leaf_of(row_text(row)) for row in SEALED_ROWS.values()}) == len(SEALED_ROWS)


TRAIL = golden("tree")["rows"]["trail"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        TRAIL.replace(":3,", ": 3,"),
        TRAIL.replace(":3,", ":3.0,"),
        TRAIL.replace("trail", "posting", 1),
        TRAIL.replace('"number":3,', ""),
        TRAIL[:-1] + ',"more":1}',
    ],
)
def test_another_spelling_is_no_row(text: str) -> None:
    assert text != TRAIL
    with pytest.raises(NotARow):
        read_row(text)
