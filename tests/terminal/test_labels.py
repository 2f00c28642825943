"""Labels for cards, judged by programs of others: what a reader of PDF reads, and what a scanner types."""

import stat
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
import zxingcpp

from protocol.entries import CardBegun, CardIssued, Kind
from protocol.ids import CardNo, Generation
from protocol.purse import CardClass, CardId, Technology
from terminal.identity import JOURNAL_FILE
from terminal.label_sheet import LABELS_PER_SHEET, NO_GLYPH, Label, draw_labels, fitted
from terminal.labels_command import _font, main
from tests.terminal.journals import draft, open_store

LONG_LATIN = "Anna Maria Franziska Josepha Caroline Wilhelmine Augusta Friederike Charlotte Emilie Luise Henriette"
LONG_CHINESE = "阿卜杜热西提·麦麦提图尔荪·阿不都克里木·买买提依明·艾合买提江·吐尔逊江·库尔班江·热合曼"
PEOPLE = (
    "old,card,person,name,class,generation\n10000123,1001,s1,张三,student,1\n,4294967295,s2,Li Si,staff,2\n"
    f",9,s3,陳大文,student,1\n,1004,s4,{LONG_CHINESE},student,1\n,1005,s5,{LONG_LATIN},student,1\n,1006,,,visitor,1\n"
)


@pytest.fixture
def font() -> Path:
    """The font that the command finds."""
    found = _font()
    assert found is not None, "scripts/setup installs fonts-wqy-microhei"
    return found


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """A list as `import-cards` writes it."""
    path = tmp_path / "numbers.csv"
    path.write_text(PEOPLE, "utf-8-sig")
    return path


def labels(path: Path, *more: str) -> tuple[int, str, str]:
    """The command: its code, what it says, what it warns of."""
    said, warned = list[str](), list[str]()
    code = main([str(path), "--output", str(path.with_suffix(".pdf")), *more], said.append, warned.append)
    return code, "\n".join(said), "\n".join(warned)


def pages(pdf: Path | bytes) -> list[Any]:
    return list(pypdfium2.PdfDocument(pdf))


def texts_on(page: Any) -> list[Any]:
    """Each piece of text that was drawn."""
    return list(page.get_objects(filter=[pypdfium2.raw.FPDF_PAGEOBJ_TEXT]))


def scanned(page: Any) -> list[str]:
    """What a scanner reads at 200 dpi, in the order of the sheet."""
    codes = zxingcpp.read_barcodes(page.render(scale=200 / 72).to_pil())
    assert {code.format for code in codes} <= {zxingcpp.BarcodeFormat.Code128}
    placed = sorted(codes, key=lambda code: (round(code.position.top_left.y, -2), code.position.top_left.x))
    return [code.text for code in placed]


def test_each_card_has_its_number_name_class_and_a_code_that_types_the_number(people: Path, font: Path) -> None:
    assert labels(people, "--language", "zh-Hans")[0] == 0
    (page,) = pages(people.with_suffix(".pdf"))
    text = page.get_textpage().get_text_bounded()
    for words in ("1001", "张三", "学生", "4294967295", "Li Si", "教职工 / 2", "9", "陳大文", "访客"):
        assert words in text
    assert scanned(page) == ["1001", "4294967295", "9", "1004", "1005", "1006"]


def test_every_letter_is_of_a_font_that_lies_in_the_file(people: Path, font: Path) -> None:
    """A printer's own font, or none, would show boxes for Chinese."""
    labels(people, "--outline")
    (page,) = pages(people.with_suffix(".pdf"))
    fonts = [item.get_font() for item in texts_on(page)]
    assert fonts and all(found.is_embedded for found in fonts)


@pytest.mark.parametrize(
    ("count", "skip", "sheets"), [(1, 0, 1), (21, 0, 1), (22, 0, 2), (1, 20, 1), (2, 20, 2), (43, 0, 3)]
)
def test_sheets_are_filled_one_after_the_other(font: Path, count: int, skip: int, sheets: int) -> None:
    drawn = draw_labels([Label(1000 + number, "", "student") for number in range(count)], str(font), skip=skip)
    found = [scanned(page) for page in pages(drawn.pdf)]
    assert (len(found), drawn.pages) == (sheets, sheets)
    assert [number for page in found for number in page] == [str(1000 + number) for number in range(count)]
    assert len(found[0]) == min(count, LABELS_PER_SHEET - skip)


def test_what_is_drawn_stays_within_its_label(font: Path) -> None:
    """The longest name and number: no text over the next label, none over the bars."""
    drawn = draw_labels([Label(2**32 - 1, "林" * 120, "visitor / 65535")] * 21, str(font))
    (page,) = pages(drawn.pdf)
    for item in texts_on(page):
        left, bottom, right, top = (edge / 72 * 25.4 for edge in item.get_bounds())
        across, up = (left - 7.2) % 66.0, (297 - 15.15 - top) % 38.1
        assert across + (right - left) <= 63.5 - 3.5 and across >= 3.5
        assert up >= 2 and up + (top - bottom) <= 38.1 - 14.5


def test_long_names_get_smaller_then_two_lines_then_an_end(font: Path) -> None:
    draw_labels([Label(1, "", "")], str(font))  # the font is known from here on
    width = 157.0
    assert fitted("张三", width) == (13, ("张三",))
    assert fitted("", width) == (13, ("",))
    size, lines = fitted("Maximiliana Theodora von und zu Hohenstein-Waldburg", width)
    assert size >= 8 and lines == ("Maximiliana Theodora von und zu", "Hohenstein-Waldburg")
    size, lines = fitted(LONG_CHINESE, width)
    assert size == 7 and "".join(lines) == LONG_CHINESE
    size, lines = fitted(LONG_LATIN, width)
    assert size == 7 and lines[1].endswith("…") and LONG_LATIN.startswith(" ".join(lines)[:-1])
    assert fitted("x" * 400, width)[1][1].endswith("…")


def test_a_character_that_the_font_lacks_is_marked_and_said(people: Path, font: Path) -> None:
    people.write_text("card,name,class\n7,王𠮷,student\n8,李,student\n")
    code, said, warned = labels(people)
    assert code == 0 and "labels 2, sheets 1" in said and "by hand: 7" in warned
    (page,) = pages(people.with_suffix(".pdf"))
    assert f"王{NO_GLYPH}" in page.get_textpage().get_text_bounded()


async def test_only_cards_that_were_made_here_get_one(people: Path, tmp_path: Path, font: Path) -> None:
    """Begun is not made, and another generation is another card; the terminal has its journal open meanwhile."""
    data = tmp_path / "data"
    data.mkdir()
    store = await open_store(data)
    for kind, body in (
        (Kind.CARD_ISSUED, CardIssued(card_of(9, 1), "04a1b2c3")),
        (Kind.CARD_BEGUN, CardBegun(card_of(1001, 1), "04a1b2c4")),
        (Kind.CARD_ISSUED, CardIssued(card_of(4_294_967_295, 1), "04a1b2c5")),
    ):
        await store.append(draft(kind, body))
    assert (data / JOURNAL_FILE).exists()
    assert labels(people, "--made", str(data))[0] == 0
    (page,) = pages(people.with_suffix(".pdf"))
    assert scanned(page) == ["9"]
    await store.close()


async def test_a_journal_that_knows_none_of_the_list_or_is_none_is_said(people: Path, tmp_path: Path) -> None:
    store = await open_store(tmp_path)
    await store.close()
    code, _, warned = labels(people, "--made", str(tmp_path))
    assert code == 2 and "knows of no card of this list" in warned
    code, _, warned = labels(people, "--made", str(tmp_path / "elsewhere"))
    assert code == 2 and "no data directory" in warned


def test_what_cannot_be_used_is_said_and_nothing_is_written(people: Path, tmp_path: Path, font: Path) -> None:
    no_font = tmp_path / "no.ttf"
    no_font.write_bytes(b"nothing")
    for text, more, words in (
        ("card,class\n", (), "no card in the list"),
        ("card,class\n1,pupil\n", (), "Line 2"),
        (PEOPLE, ("--font", str(no_font)), "Name a TrueType font"),
        (PEOPLE, ("--font", str(tmp_path / "none.ttf")), "Name a TrueType font"),
    ):
        people.write_text(text)
        code, said, warned = labels(people, *more)
        assert (code, said) == (2, "") and words in warned
        assert not people.with_suffix(".pdf").exists()
    people.write_text(PEOPLE)
    code, _, warned = labels(people, "--output", str(tmp_path / "none" / "x.pdf"))
    assert code == 5 and "could not be written" in warned
    assert labels(tmp_path / "none.csv")[0] == 2
    with pytest.raises(SystemExit):
        labels(people, "--skip", "21")


def test_labels_are_their_owner_s_and_the_same_every_time(people: Path, font: Path) -> None:
    pdf = people.with_suffix(".pdf")
    labels(people)
    first = pdf.read_bytes()
    assert stat.S_IMODE(pdf.stat().st_mode) == 0o600
    labels(people)
    assert pdf.read_bytes() == first


def card_of(number: int, generation: int) -> CardId:
    return CardId(CardNo(number), Generation(generation), Technology.DESFIRE, CardClass.STUDENT)
