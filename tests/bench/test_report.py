"""A run's figures as a page: what is kept, what is missed, and what has no bar."""

from pathlib import Path
from xml.etree import ElementTree

from tests.bench.figures import cost, count, gain
from tests.bench.report import MISSED, write

LINES = [
    cost("entry", 1_234.5, 1_000.0, "us", 1.3),
    gain("ingest_to_copy", 10.0, 0.5, "us", 0.1),
    count("sale_exchanges", 14, "exchanges", 15),
    cost("entry_to_bare_commit", 3.0, 2.0, "us"),
]


def test_a_bar_is_used_in_the_direction_that_it_has() -> None:
    assert [line["ok"] for line in LINES] == [True, False, True, True]
    assert [line["used"] for line in LINES] == [0.9496, 2.0, 0.9333, None]


def test_the_page_shows_every_figure_and_the_picture_those_with_a_bar(tmp_path: Path) -> None:
    page = write(LINES, tmp_path / "bench").read_text()
    assert "| `entry` | 1,234.0 | 1,000.0 | us | 1.234 | 1.3 | 95% |  |" in page
    assert "| `ingest_to_copy` | 10.0 | 0.5 | us | 0.05 | 0.1 | 200% | **missed** |" in page
    assert "| `entry_to_bare_commit` | 3.0 | 2.0 | us | 1.5 |  |  |  |" in page
    drawn = ElementTree.fromstring((tmp_path / "bench" / "bars.svg").read_text())
    texts = [element.text for element in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert "0.05 of 0.1" in texts and "entry_to_bare_commit" not in texts
    assert sum(element.get("fill") == MISSED for element in drawn.iter()) == 1
