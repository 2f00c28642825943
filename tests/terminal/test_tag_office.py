"""The card office makes tokens of blank tags: by hand and in a list, torn anywhere, and never two of one number."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hardware.cards.keys import CardKeys
from hardware.cards.tokens import read_token
from hardware.simulated.ntag424 import VirtualNtag424, blank_ntag424
from hardware.simulated.reader import SimulatedReader
from hardware.simulated.tearing import Moment, Tear
from hardware.simulated.ultralight_aes import VirtualUltralightAes, blank_ultralight
from protocol.card_bodies import CardBegun, CardIssued
from protocol.entries import Kind
from protocol.purse import Technology
from terminal.config import ConfigWrong, read_config
from terminal.views import Tone
from tests.hardware.card_bench import KEYS, TILL, blank
from tests.hardware.card_bench import Kind as Chip
from tests.hardware.tag_bench import tag, ultralight
from tests.terminal.counter import CounterBench
from tests.terminal.journals import open_store

both = pytest.mark.parametrize("kind", ["ntag424", "ultralight"])
Tag = VirtualNtag424 | VirtualUltralightAes


@pytest.fixture
async def counter(tmp_path: Path) -> AsyncIterator[CounterBench]:
    """A card office."""
    journal = await open_store(tmp_path)
    bench = CounterBench(journal, CardKeys([KEYS]))
    await bench.shell.start()
    yield bench
    await journal.close()


def blank_tag(kind: str, number: int = 1) -> Tag:
    """One of many blanks."""
    uid = bytes((4, 1, 2, 3, 4, 5, number))
    return VirtualNtag424(blank_ntag424(uid)) if kind == "ntag424" else VirtualUltralightAes(blank_ultralight(uid))


def number_on(card: Tag) -> int:
    """Whose it proves to be at a till; 0 nobody's."""
    reader = SimulatedReader()
    reader.place(card)
    channel = reader.wait_for_card(0)
    read = read_token(channel, TILL) if channel else None
    return int(read.identity.card) if read and read.genuine else 0


@both
async def test_a_blank_on_the_reader_becomes_the_ordered_token(counter: CounterBench, kind: str) -> None:
    await counter.types("replace 17 2 student")
    card = blank_tag(kind)
    assert (await counter.taps(card)).phase == "office_done"
    assert number_on(card) == 17
    begun, issued = (counter.entries[-2].entry.body, counter.entries[-1].entry.body)
    assert isinstance(begun, CardBegun) and isinstance(issued, CardIssued)
    assert begun.card == issued.card and issued.card.technology is Technology.TOKEN
    assert (begun.uid, issued.uid, issued.key_set, issued.replaces) == ("04010203040501", "04010203040501", 1, 1)


async def test_a_list_takes_blanks_of_every_kind(counter: CounterBench) -> None:
    await counter.types("batch 21 24 student")
    for card in (blank_tag("ntag424", 1), blank(Chip.EV2, bytes((4, 1, 2, 3, 4, 5, 2))), blank_tag("ultralight", 3)):
        assert (await counter.taps(card)).phase == "batch_next"
        await counter.takes_off()
    for card in (tag(), ultralight()):
        shown = await counter.taps(card)
        assert (shown.phase, shown.tone) == ("batch_skipped", Tone.REFUSED) and "This is card 7" in shown.lines[0]
        await counter.takes_off()
    bodies = (row.entry.body for row in counter.entries)
    made = [(int(body.card.no), body.card.technology) for body in bodies if isinstance(body, CardIssued)]
    assert made == [(21, Technology.TOKEN), (22, Technology.DESFIRE), (23, Technology.TOKEN)]


@both
@pytest.mark.parametrize("moment", [Moment.BEFORE, Moment.AFTER])
async def test_a_tag_torn_anywhere_and_a_power_cut_leave_no_number_on_two(
    tmp_path: Path, kind: str, moment: Moment
) -> None:
    """The office dies with a tag half made; the same list goes on, and in the end each number is on one plastic."""
    for at in range(1, 200):
        directory = tmp_path / f"{at}"
        directory.mkdir()
        torn, other = blank_tag(kind, 1), blank_tag(kind, 2)
        journal = await open_store(directory)
        counter = CounterBench(journal, CardKeys([KEYS]))
        await counter.shell.start()
        await counter.types("batch 21 22 student")
        torn.arm(Tear(at, moment))
        was_torn = (await counter.taps(torn)).phase == "batch_skipped"
        torn.arm(None)
        await journal.close()  # as after a power cut: nothing is left but the journal and the tag
        counter = CounterBench(journal := await open_store(directory), CardKeys([KEYS]))
        await counter.shell.start()
        await counter.types("batch 21 22 student")
        begun = bool(counter.shell.derived.begun)
        await counter.taps(other)
        assert number_on(other) == (22 if begun or not was_torn else 21), at
        await counter.takes_off()
        await counter.taps(torn)
        assert sorted((number_on(torn), number_on(other))) == [21, 22], at
        assert not counter.shell.derived.begun
        await journal.close()
        if not was_torn:
            assert at > 30
            return


@both
async def test_a_tag_that_is_somebody_s_is_left_alone_and_begins_nothing(counter: CounterBench, kind: str) -> None:
    """Of the same number only what can be written more than once becomes the next generation."""
    card = tag() if kind == "ntag424" else ultralight()
    await counter.types("replace 8 1 student")
    shown = await counter.taps(card)
    assert shown.phase == "office_failed" and "whose money is at the server" in shown.lines[1]
    await counter.takes_off()
    await counter.types("cancel", "replace 7 2 student")
    shown = await counter.taps(card)
    if kind == "ntag424":
        assert shown.phase == "office_done" and number_on(card) == 7
    else:
        assert "This tag is card 7" in shown.lines[1] and Kind.CARD_BEGUN not in counter.kinds()


async def test_a_tag_has_no_pin(counter: CounterBench) -> None:
    await counter.types("replace 17 1 student 123456")
    shown = await counter.taps(card := blank_tag("ntag424"))
    assert shown.phase == "office_failed" and "no place for a PIN" in shown.lines[1]
    assert number_on(card) == 0 and Kind.CARD_BEGUN not in counter.kinds()


@pytest.mark.parametrize("link", ["https://card.example.edu/" + "x" * 30, "https://a.example/?b", "https://卡/", ""])
def test_a_link_that_a_tag_cannot_hold_is_said_when_the_office_starts(tmp_path: Path, link: str) -> None:
    path = tmp_path / "terminal.toml"
    path.write_text(f'directory = "data"\nmerchant = "m"\n[office]\nlink = "{link}"\n')
    with pytest.raises(ConfigWrong, match=r"office\.link"):
        read_config(path, with_card_keys=False)
