"""A till put together by hand: real journal, real shell, cards on a simulated reader, and a face that remembers."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from hardware.cards.keys import CardKeys
from hardware.ports import CardChannel
from hardware.simulated.indicator import SimulatedIndicator
from hardware.simulated.reader import SimulatedReader
from hardware.simulated.reader import VirtualCard as Card
from protocol.entries import Kind
from protocol.ids import MerchantId, ProductId
from protocol.instants import CampusTime, ClockSource, MonoMs, Now, UtcMs
from protocol.journal import Sealed
from protocol.messages import Grant
from protocol.money import Cents
from protocol.price_list import Names, PriceList, Product
from protocol.signing import Verifier
from protocol.trust import KeyRing
from terminal.card_look import look
from terminal.card_port import CardPort, Run
from terminal.clerk import Clerk, Rights
from terminal.commands import Mistake, read_command
from terminal.console import read_typed_file
from terminal.floor_commands import Pretend, Speak, Train
from terminal.gauges import Gauges
from terminal.journal_store import JournalStore
from terminal.lists import Lists
from terminal.office import CardOffice
from terminal.post import Post
from terminal.shell import Shell
from terminal.texts.en import SENTENCES
from terminal.till import Till
from terminal.views import View
from tests.hardware.card_bench import SERVER
from tests.protocol.samples import GRANT, NOON

T = TypeVar("T")
RICE = Product(ProductId("rice"), Names("Rice", "米饭", "米飯"), Cents(150))
SOUP = Product(ProductId("soup"), Names("Soup", "汤", "湯"), Cents(300), MerchantId("other"))


class Memory:
    """A face without a screen."""

    def __init__(self) -> None:
        self.views: list[View] = []
        self.said: list[str] = []
        self.notes: list[dict[str, str | int]] = []

    def show(self, view: View) -> None:
        """Keep it."""
        self.views.append(view)

    def say(self, text: str) -> None:
        """Keep it."""
        self.said.append(text)

    def note(self, event: str, /, **facts: str | int) -> None:
        """Keep it."""
        self.notes.append({"event": event, **facts})


async def inline(work: Callable[[], T]) -> T:
    """The card thread of a test is the test's own."""
    return work()


class CounterBench:
    """Somebody types, somebody taps."""

    def __init__(
        self,
        journal: JournalStore,
        keys: CardKeys,
        rights: Rights | None = None,
        key_set: int = 1,
        grant: Grant = GRANT,
        load_key: Verifier = SERVER.public,
        run: Run = inline,
    ) -> None:
        self.journal, self.face, self.reader, self.at_ms = journal, Memory(), SimulatedReader(), 0
        self.ahead_ms, self.clock = 0, ClockSource.SERVER
        self.indicator = SimulatedIndicator()
        self.entries: list[Sealed] = []
        self.handed_over = 0
        cards = CardPort(keys, run, lambda count: bytes(range(count)))
        campus = CampusTime()
        post = Post(grant.tno, MerchantId("m1"), campus, load_key, grant.at, "test", grant.tid, KeyRing(SERVER.public))
        lists = Lists(PriceList(1, "CNY", (RICE, SOUP)))
        self.shell = Shell(
            post,
            journal,
            cards,
            lists,
            self.now,
            on_appended=self.entries.append,
            on_hand_over=lambda _: setattr(self, "handed_over", self.handed_over + 1),
        )
        self.gauges = Gauges(grant, journal, self.shell, self.now)
        office = CardOffice(keys, key_set, inline) if rights is None else None
        clerk = Clerk(
            office,
            rights or Rights(load=True, topup=True, override=True),
            campus,
            SENTENCES,
            self.face,
            self.now,
            self.gauges.status,
            journal.export,
            read_typed_file,
        )

        def read_out(channel: CardChannel) -> Awaitable[tuple[str, ...]]:
            return look(channel, run, keys, key_set, load_key, SENTENCES)

        self.till = Till(
            self.shell, cards, clerk, self.gauges, campus, SENTENCES, self.face, self.indicator, self.now, read_out
        )

    def now(self) -> Now:
        """A clock that the test moves."""
        return Now(UtcMs(NOON + self.at_ms + self.ahead_ms), MonoMs(self.at_ms), self.clock)

    async def types(self, *lines: str) -> View:
        """Type commands; what is shown after the last."""
        for line in lines:
            command = read_command(line)
            assert command is not None and not isinstance(command, Mistake | Speak | Train | Pretend), line
            await self.till.do(command)
        return self.face.views[-1]

    async def answer(self, line: str) -> str:
        """Type a command that is answered with a sentence."""
        before = len(self.face.said)
        await self.types(line)
        assert len(self.face.said) == before + 1, f"{line}: {self.face.said[before:]}"
        return self.face.said[-1]

    async def taps(self, card: Card) -> View:
        """Put a card on the reader."""
        self.reader.place(card)
        channel = self.reader.wait_for_card(0)
        assert channel is not None
        await self.till.card_arrived(channel)
        return self.face.views[-1]

    async def takes_off(self) -> None:
        """And away; a second passes."""
        self.reader.take_away()
        await self.till.card_left()
        self.at_ms += 1_000

    def kinds(self) -> list[Kind]:
        """What the journal holds."""
        return [sealed.entry.kind for sealed in self.entries]


def data_directory(tmp_path: Path) -> Path:
    """Where a program keeps its files."""
    directory = tmp_path / "data"
    directory.mkdir()
    return directory
