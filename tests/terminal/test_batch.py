"""A list of cards, blank after blank: how far it is, what is skipped, and that no number lies on two."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hardware.cards.issue import NewCard, personalise
from hardware.cards.keys import CardKeys
from hardware.cards.open_card import open_card
from hardware.ports import CardChannel, CardError, CardLeftField
from hardware.simulated.reader import SimulatedReader
from hardware.simulated.tearing import Moment, Tear
from protocol.card_bodies import CardBegun, CardIssued
from protocol.entries import Kind
from protocol.ids import CardNo, Counter
from protocol.money import Cents
from protocol.purse import CardClass, Purse
from terminal.batch_list import ROWS_MAX, ListFault, ListWrong, range_of, read_list
from terminal.ports import JournalBroken
from terminal.views import Tone
from tests.hardware.card_bench import KEYS, NEXT_KEYS, OFFICE, WHO, Card, blank, issued
from tests.hardware.card_bench import Kind as Chip
from tests.terminal.counter import CounterBench
from tests.terminal.journals import open_store

both = pytest.mark.parametrize("chip", [Chip.CLASSIC, Chip.EV2])
PEOPLE = "card,person,name,class\n21,s1,张三,student\n22,s2,Li Si,staff\n23,,,visitor\n"


@pytest.fixture
async def counter(tmp_path: Path) -> AsyncIterator[CounterBench]:
    """A card office."""
    journal = await open_store(tmp_path)
    bench = CounterBench(journal, CardKeys([KEYS]))
    await bench.shell.start()
    yield bench
    await journal.close()


def plastic(number: int, chip: Chip = Chip.EV2) -> Card:
    """One of many blanks."""
    return blank(chip, bytes((4, 1, 2, 3, 4, 5, number)))


def laid_on(card: Card) -> CardChannel:
    """A card on a reader of its own."""
    reader = SimulatedReader()
    reader.place(card)
    channel = reader.wait_for_card(0)
    assert channel is not None
    return channel


def number_on(card: Card) -> int:
    """Whose card it is; 0 where it is nobody's."""
    try:
        return int(open_card(laid_on(card), OFFICE).read().identity.card)
    except CardError:
        return 0


def made(counter: CounterBench) -> list[tuple[int, str]]:
    """What the journal says was issued, and on which plastic."""
    bodies = (row.entry.body for row in counter.entries)
    return [(int(body.card.no), body.uid) for body in bodies if isinstance(body, CardIssued)]


async def test_blank_after_blank_becomes_the_next_card_of_the_list(counter: CounterBench, tmp_path: Path) -> None:
    path = tmp_path / "numbers.csv"
    path.write_text(PEOPLE, "utf-8-sig")
    shown = await counter.types(f"batch {path}")
    assert (shown.phase, shown.lines) == ("batch", ("made 0 of 3, half made 0", "next: 21 张三"))
    cards = [plastic(1), plastic(2, Chip.CLASSIC), plastic(3)]
    shown = await counter.taps(cards[0])
    assert (shown.phase, shown.tone) == ("batch_next", Tone.APPROVED)
    assert shown.lines == ("made 1 of 3, half made 0", "last: 21 张三", "next: 22 Li Si")
    for card in cards[1:]:
        await counter.takes_off()
        shown = await counter.taps(card)
    assert (shown.phase, shown.lines) == ("batch_done", ("made 3 of 3, half made 0", "last: 23"))
    await counter.takes_off()
    assert "Every card of the list is made" in (await counter.taps(plastic(4))).lines[0]
    assert [number_on(card) for card in cards] == [21, 22, 23] == [number for number, _ in made(counter)]
    assert (await counter.types("cancel")).phase == "ringing"
    kinds = [kind for kind in counter.kinds() if kind in (Kind.CARD_BEGUN, Kind.CARD_ISSUED)]
    assert kinds == [Kind.CARD_BEGUN, Kind.CARD_ISSUED] * 3


@both
async def test_what_is_no_blank_is_named_and_skipped(counter: CounterBench, chip: Chip) -> None:
    """A card of ours, a stranger's, and one that another office began: none is written, and no number is lost."""
    half, strange = plastic(8, chip), plastic(9, chip)
    half.arm(Tear(12, Moment.AFTER))
    with pytest.raises(CardLeftField):
        personalise(laid_on(half), OFFICE, NewCard(1, WHO, Purse(Counter(0), Cents(0))))
    half.arm(None)
    personalise(laid_on(strange), CardKeys([NEXT_KEYS]), NewCard(2, WHO, Purse(Counter(0), Cents(0))))
    await counter.types("batch 21 22 student")
    await counter.taps(plastic(1, chip))
    await counter.takes_off()
    for card, words in (
        (issued(chip).card, "This is card 7"),
        (half, "not blank"),
        (strange, "takes no key of this terminal"),
    ):
        before = card.snapshot()
        shown = await counter.taps(card)
        assert (shown.phase, shown.tone) == ("batch_skipped", Tone.REFUSED) and words in shown.lines[0]
        assert shown.lines[1] == "made 1 of 2, half made 0" and card.snapshot() == before
        await counter.takes_off()
    assert (await counter.taps(plastic(3, chip))).phase == "batch_done"
    assert [number for number, _ in made(counter)] == [21, 22]
    assert counter.kinds().count(Kind.CARD_BEGUN) == 2


@both
@pytest.mark.parametrize("moment", [Moment.BEFORE, Moment.AFTER])
async def test_a_card_torn_anywhere_and_a_power_cut_leave_no_number_on_two(
    tmp_path: Path, chip: Chip, moment: Moment
) -> None:
    """The terminal dies with a card half made; the same list goes on, and in the end each number is on one plastic."""
    at = 1
    while True:
        directory = tmp_path / f"{at}"
        directory.mkdir()
        torn, other = plastic(1, chip), plastic(2, chip)
        journal = await open_store(directory)
        counter = CounterBench(journal, CardKeys([KEYS]))
        await counter.shell.start()
        await counter.types("batch 21 22 student")
        torn.arm(Tear(at, moment))
        was_torn = (await counter.taps(torn)).phase == "batch_skipped"
        torn.arm(None)
        await journal.close()  # as after a power cut: nothing is left but the journal and the card
        counter = CounterBench(journal := await open_store(directory), CardKeys([KEYS]))
        await counter.shell.start()
        await counter.types("batch 21 22 student")
        begun = bool(counter.shell.derived.begun)
        await counter.taps(other)
        assert number_on(other) == (22 if begun or not was_torn else 21)
        await counter.takes_off()
        shown = await counter.taps(torn)
        assert shown.phase in ("batch_done", "batch_skipped") and (was_torn or shown.phase == "batch_skipped")
        assert sorted((number_on(torn), number_on(other))) == [21, 22]
        assert not counter.shell.derived.begun
        await journal.close()
        if not was_torn:
            assert at > 10
            return
        at += 1 if at < 12 else 9


async def test_a_disk_that_fails_between_card_and_entry_gives_no_number_twice(counter: CounterBench) -> None:
    await counter.types("batch 21 22 student")
    first, append = plastic(1), counter.shell.append

    async def no_room(kind: Kind, body: object) -> object:
        if kind is Kind.CARD_ISSUED:
            raise JournalBroken("no room")
        return await append(kind, body)  # type: ignore[arg-type]

    counter.shell.append = no_room  # type: ignore[method-assign, assignment]
    await counter.taps(first)
    counter.shell.append = append  # type: ignore[method-assign]
    assert number_on(first) == 21 and made(counter) == []
    await counter.takes_off()
    await counter.taps(plastic(2))
    await counter.takes_off()
    shown = await counter.taps(first)
    assert (shown.phase, shown.lines[0]) == ("batch_done", "made 2 of 2, half made 0")
    assert sorted(number for number, _ in made(counter)) == [21, 22]


async def test_only_the_plastic_that_was_begun_becomes_the_card(counter: CounterBench) -> None:
    """By hand too: another blank must not get the number, nor this plastic another number."""
    await counter.types("replace 17 1 student")
    torn = plastic(1)
    torn.arm(Tear(30, Moment.AFTER))
    assert (await counter.taps(torn)).phase == "office_failed"
    torn.arm(None)
    await counter.takes_off()
    assert "was begun on the card with UID 04010203040501" in (await counter.taps(plastic(2))).lines[1]
    await counter.takes_off()
    await counter.types("cancel", "replace 18 1 student")
    assert "card 17 was begun" in (await counter.taps(torn)).lines[1]
    await counter.takes_off()
    await counter.types("cancel", "replace 17 2 student")
    assert (await counter.taps(plastic(3))).phase == "office_done", "the next generation is free"
    await counter.takes_off()
    await counter.types("cancel", "replace 17 1 student")
    assert (await counter.taps(torn)).phase == "office_done"
    assert [body.uid for row in counter.entries if isinstance(body := row.entry.body, CardBegun)] == [
        "04010203040501", "04010203040503", "04010203040501"
    ]  # fmt: skip


async def test_a_list_may_be_in_use_already_and_a_bad_one_makes_no_card(counter: CounterBench, tmp_path: Path) -> None:
    assert "could not be read" in await counter.answer(f"batch {tmp_path}/none.csv")
    (tmp_path / "bad.csv").write_text("card,class\n1,student\n1,staff\n")
    assert "Line 3" in await counter.answer(f"batch {tmp_path}/bad.csv")
    assert counter.face.views == [] or counter.face.views[-1].phase == "ringing"


def test_a_list_is_read_as_import_cards_writes_it() -> None:
    rows = read_list("old,card,person,name,class\r\n1001,１,s1,张三,學生\r\n,2,,,staff\r\n".encode("gb18030"))
    assert [(row.order.card, row.order.generation, row.order.card_class, row.name) for row in rows] == [
        (1, 1, CardClass.STUDENT, "张三"), (2, 1, CardClass.STAFF, "")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "fault", "line"),
    [
        ("", "columns", 1),
        ("card,class\n", "empty", 0),
        ("card,name\n1,a\n", "columns", 1),
        ("card,class,colour\n1,staff,red\n", "columns", 1),
        ("card,class,card\n1,staff,1\n", "columns", 1),
        ("card,class\n1\n", "fields", 2),
        ("card,class\n\n0,staff\n", "number", 3),
        ("card,class\n4294967296,staff\n", "number", 2),
        ("card,class\n1,pupil\n", "class", 2),
        ("card,class,name\n1,staff,a\x07b\n", "name", 2),
        ("card,class\n1,staff\n1,staff\n", "twice", 3),
        ('card,class\n1,"staff\n', "text", 2),
        ("card,class\n" + "".join(f"{number},staff\n" for number in range(1, ROWS_MAX + 2)), "long", ROWS_MAX + 2),
    ],
)
def test_one_bad_line_and_the_list_is_not_taken(text: str, fault: str, line: int) -> None:
    with pytest.raises(ListWrong) as wrong:
        read_list(text.encode())
    assert (wrong.value.fault, wrong.value.line) == (ListFault(fault), line)


def test_a_range_has_both_its_ends_and_a_bound() -> None:
    assert [row.order.card for row in range_of(CardNo(5), CardNo(7), CardClass.STAFF)] == [5, 6, 7]
    for last, fault in ((4, ListFault.EMPTY), (5 + ROWS_MAX, ListFault.LONG)):
        with pytest.raises(ListWrong) as wrong:
            range_of(CardNo(5), CardNo(last), CardClass.STAFF)
        assert wrong.value.fault is fault
