"""Two cards in the field at once: where the reader can see them it is said, and nothing is written on either.

Till, card thread and nfcpy are the real ones; the PN532 and the cards are virtual.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from hardware.ports import Signal
from hardware.readers.pn532 import Pn532Reader
from hardware.simulated.plain_card import VirtualFelica
from hardware.simulated.pn532 import FakePn532
from hardware.simulated.tearing import Moment, Tear
from protocol.entries import Kind
from protocol.signing import to_base64url
from terminal.card_thread import CardThread
from terminal.cards_command import NO_CARD, main
from terminal.texts.en import SENTENCES
from terminal.views import View
from tests.hardware import card_bench
from tests.hardware.card_bench import KEYS, KINDS, TILL, issued, loaded
from tests.terminal.counter import CounterBench
from tests.terminal.journals import open_store

SEVERAL, ADVICE = SENTENCES["title.several_cards"], SENTENCES["advice.several_cards"]
FELICA = VirtualFelica(bytes.fromhex("012e4cd4544d451a"))


@dataclass
class AtCounter:
    """A till with a reader behind nfcpy."""

    bench: CounterBench
    fake: FakePn532

    async def shows(self, what: Callable[[View], bool]) -> View:
        """Wait for it; the test's own patience ends it."""
        async with asyncio.timeout(20):
            while not (views := self.bench.face.views) or not what(views[-1]):  # noqa: ASYNC110  the test only looks
                await asyncio.sleep(0.01)
        return self.bench.face.views[-1]


def sales(bench: CounterBench) -> list[Kind]:
    """What the journal says of sales; a busy machine's PN532 may have been mute for a second besides."""
    return [kind for kind in bench.kinds() if kind.startswith("sale_")]


@pytest.fixture
async def counter(tmp_path: Path) -> AsyncIterator[AtCounter]:
    journal = await open_store(tmp_path)
    with FakePn532(tmp_path / "pn532") as fake, Pn532Reader(str(fake.path)) as reader:
        thread = CardThread(reader)
        bench = CounterBench(journal, TILL, run=thread.run)
        await bench.shell.start()
        watching = asyncio.create_task(thread.watch(bench.till))
        yield AtCounter(bench, fake)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        thread.close()
    await journal.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_of_two_cards_none_pays_until_one_is_shown_alone(counter: AtCounter, kind: card_bench.Kind) -> None:
    bench, card, other = counter.bench, loaded(kind, 5_000).card, issued(kind, uid=b"\x04other.").card
    untouched = card.snapshot(), other.snapshot()
    await bench.types("ring 12.50", "pay")
    counter.fake.insert(card, other)
    view = await counter.shows(lambda view: view.title == SEVERAL)
    assert (view.advice, view.amount_cents, view.phase) == (ADVICE, 1_250, "awaiting_card")
    assert bench.indicator.signals[-1] is Signal.TAP_AGAIN
    await bench.types("cancel", "ring 1.00", "pay")
    await asyncio.sleep(0.7)  # more than one look
    assert bench.face.views[-1].title == SEVERAL, "as long as both are there"
    assert (card.snapshot(), other.snapshot()) == untouched and sales(bench) == [Kind.SALE_REFUSED]
    counter.fake.insert(card)
    await counter.shows(lambda view: view.title == "Paid")
    assert other.snapshot() == untouched[1]


async def test_a_card_of_ours_beside_a_transit_card_does_not_pay_either(counter: AtCounter) -> None:
    await counter.bench.types("ring 12.50", "pay")
    counter.fake.insert(issued(card_bench.Kind.EV2).card, FELICA)
    await counter.shows(lambda view: view.title == SEVERAL)
    counter.fake.remove()
    view = await counter.shows(lambda view: view.title == SENTENCES["title.tap"])
    assert sales(counter.bench) == [Kind.SALE_REFUSED] and not view.lines


async def test_whoever_has_paid_may_lay_a_second_card_down(counter: AtCounter) -> None:
    """What is shown stays, with a line; the next customer is told before anything is asked of a card."""
    card = issued(card_bench.Kind.EV1).card
    await counter.bench.types("ring 12.50", "pay")
    counter.fake.insert(card)
    await counter.shows(lambda view: view.title == "Paid")
    counter.fake.insert(card, FELICA)
    view = await counter.shows(lambda view: view.lines[-1:] == (f"{SEVERAL}: {ADVICE}",))
    assert view.title == "Paid"


async def test_a_torn_sale_waits_until_its_card_is_alone(counter: AtCounter) -> None:
    bench, card = counter.bench, issued(card_bench.Kind.EV1).card
    await bench.types("ring 12.50", "pay")
    card.arm(Tear(12, Moment.AFTER))
    counter.fake.insert(card)
    await counter.shows(lambda view: view.phase == "tap_again")
    card.put_back()
    before = card.snapshot()
    counter.fake.insert(card, issued(card_bench.Kind.EV1, uid=b"\x04other.").card)
    view = await counter.shows(lambda view: view.title == SEVERAL)
    assert view.phase == "tap_again" and card.snapshot() == before
    counter.fake.insert(card)
    await counter.shows(lambda view: view.title == "Paid")


def test_a_desk_that_looks_at_a_card_is_told_so(tmp_path: Path) -> None:
    config = tmp_path / "terminal.toml"
    keys = f'[[card_keys]]\nkey_set = 1\ndebit = "{to_base64url(KEYS.debit)}"\n'
    config.write_text(f'directory = "data"\nmerchant = "m1"\nlanguage = "en"\n{keys}')
    config.chmod(0o600)
    said: list[str] = []
    with FakePn532(tmp_path / "pn532") as fake, Pn532Reader(str(fake.path)) as reader:
        fake.insert(issued(card_bench.Kind.EV1).card, FELICA)
        asked = ["read", "--config", str(config), "--json"]
        assert main(asked, said.append, said.append, reader) == NO_CARD
    assert said == [ADVICE]
