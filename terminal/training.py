"""Training: a counter like the real one, with a journal that is nowhere and cards that do not exist.

    Floor --Pretend(trial)--> Practice --> Till, Shell, sale machine --> PracticeCards    plain values in memory
                                                                    --> PracticeJournal   entries nobody has signed

Nothing in this file holds a journal store, a card's channel or the line to the server, so that nothing of what is
practised can get there; an entry here has no signature, and no card is known by the numbers of these.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace

from msgspec import structs

from hardware.ports import CardChannel, CardLeftField, Indicator
from protocol.authorise import Listed
from protocol.entries import ENTRY_VERSION, Entry
from protocol.ids import CardKey, CardNo, Counter, Epoch, Generation, Seq, SiteId, TerminalId, Tno
from protocol.instants import CampusTime
from protocol.journal import Sealed, Tip
from protocol.money import Cents
from protocol.policy import CardBook, CardRow, CardsFile
from protocol.purse import CardClass, CardRead, Identity, Mark, Purse, PurseChange, SeenStep, SignedLoad, Technology
from protocol.signing import sha256_of
from protocol.site_files import StaffFile
from terminal.clerk import Clerk, is_free
from terminal.commands import Command
from terminal.desk import AwaitingCard, CloseAsked, PinEntry, RepeatAsked, Ringing, TapAgain
from terminal.face import Face
from terminal.floor_commands import Trial
from terminal.gauges import Gauges
from terminal.glance import Glance
from terminal.lists import Lists
from terminal.ports import Draft
from terminal.post import Post
from terminal.refund import Refund
from terminal.shell import Shell
from terminal.status import Status
from terminal.till import Till
from terminal.views import View, Words

PIN = "1234"
"""Of every card in training."""
_FIRST_NO, _BLOCKED_NO = CardNo(1_000), CardNo(999)
_BALANCE_CENTS = Cents(20_000)
_WAITS_FOR_AN_ANSWER = PinEntry | RepeatAsked | CloseAsked


class PracticeJournal:
    """Implements the shell's journal, in memory."""

    low = False

    def __init__(self, tid: TerminalId, tno: Tno) -> None:
        self._tid, self._tno = tid, tno
        self._entries: list[Sealed] = []

    @property
    def tip(self) -> Tip:
        """The newest entry."""
        return Tip(Seq(len(self._entries)), self._entries[-1].hash if self._entries else sha256_of(b""))

    async def append(self, draft: Draft, snapshot: bytes | None = None) -> Sealed:  # noqa: ARG002  nothing is kept
        """One more entry. It has no signature: no server and no terminal would take it for one."""
        tip, now = self.tip, draft.now
        entry = Entry(
            ENTRY_VERSION,
            SiteId("training"),
            self._tid,
            Epoch(1),
            self._tno,
            Seq(tip.seq + 1),
            tip.prev,
            draft.kind,
            now.utc_ms,
            now.mono_ms,
            1,
            now.clock,
            draft.lists,
            draft.staff,
            draft.shift,
            body=draft.body,
        )
        sealed = Sealed(entry, b"", sha256_of(b"%d" % entry.seq))
        self._entries.append(sealed)
        return sealed

    async def rows(self, first: Seq, count: int) -> list[bytes]:  # noqa: ARG002  there are none
        """There are no signed entries here."""
        return []

    async def hash_at(self, seq: Seq) -> bytes | None:
        """Something to tell entries apart by."""
        return self._entries[seq - 1].hash if 0 < seq <= len(self._entries) else None

    async def recover(self) -> None:
        """Memory does not fail."""

    async def entries_after(self, seq: Seq) -> AsyncIterator[Sealed]:
        """Every entry after `seq`, in order."""
        for sealed in self._entries[seq:]:
            yield sealed


class PracticeCards:
    """Implements the shell's cards: purses by number, one of them on a reader that is not there."""

    uid, compares_pins = b"", True

    def __init__(self) -> None:
        self._purses: dict[CardNo, Purse] = {}
        self._seen: dict[CardNo, tuple[SeenStep, ...]] = {}
        self._lies = self._next = _FIRST_NO
        self.is_there = self._tears = False

    def choose(self, trial: Trial, wanted: CardKey | None) -> None:
        """The card that arrives next; `wanted`: this very one, else somebody who has not paid here yet."""
        self._tears = trial is Trial.TORN
        if wanted is not None:
            self._lies = wanted[0]
            return
        self._next = CardNo(self._next + 1)
        self._lies = _BLOCKED_NO if trial is Trial.BLOCKED else self._next
        cents = Cents(0) if trial is Trial.POOR else _BALANCE_CENTS
        self._purses[self._lies] = Purse(Counter(1), cents)

    def arrived(self, channel: CardChannel) -> None:  # noqa: ARG002  nobody speaks to a card
        """It lies there."""
        self.is_there = True

    def left(self) -> None:
        """It does not."""
        self.is_there = False

    async def read(self, load_known: Callable[[bytes], SignedLoad | None]) -> CardRead | None:  # noqa: ARG002
        """What is on it. Raises CardLeftField."""
        return self._read()

    async def write(self, change: PurseChange) -> CardRead:
        """The step is made; whether anybody hears of it depends on the trial. Raises CardLeftField."""
        self._read()
        after = change.after
        self._purses[self._lies] = after
        self._seen[self._lies] = (SeenStep(1, after.mark.tno, after.mark.seq, after.counter),)
        if self._tears:
            self.is_there = self._tears = False
        return self._read()

    async def make_definite(self, mark: Mark, counter_after: Counter) -> CardRead:  # noqa: ARG002  it is definite
        """What is on it now. Raises CardLeftField."""
        return self._read()

    async def pin_is_right(self, read: CardRead, pin: str) -> bool:  # noqa: ARG002  all have the same
        """Whether that is the PIN."""
        return pin == PIN

    def _read(self) -> CardRead:
        if not self.is_there:
            raise CardLeftField("there is no card")
        no = self._lies
        who = Identity(no, Generation(1), CardClass.STUDENT, bytes(8))
        return CardRead(Technology.DESFIRE, no.to_bytes(7, "big"), 1, who, self._purses[no], self._seen.get(no, ()))


class NoCard:
    """Implements the port `CardChannel`: there is nothing to speak to."""

    uid, technology = b"", None

    def transmit(self, apdu: bytes) -> bytes:  # noqa: ARG002  nobody answers
        """Raises CardLeftField."""
        raise CardLeftField("there is no card")


@dataclass(frozen=True, slots=True)
class Marked:
    """Implements `Face`: whatever is shown and said in training says so, and programs hear nothing of it."""

    face: Face
    words: Words

    def show(self, view: View) -> None:
        """The picture, marked."""
        self.face.show(replace(view, lines=(*view.lines, self.words["screen.training"])))

    def say(self, text: str) -> None:
        """An answer, marked."""
        self.face.say(f"[{self.words['training.mark']}] {text}")

    def note(self, event: str, /, **facts: str | int) -> None:
        """Nothing of it is true."""


@dataclass(slots=True)
class Practice:
    """The counter in training, from its begin to its end."""

    till: Till
    cards: PracticeCards
    glance: Glance
    status: Callable[[], Status]
    _pretends: bool = field(default=False)
    """Whether a card that somebody pretended to hold still lies there."""

    async def do(self, command: Command) -> None:
        """As at the real counter."""
        await self.till.do(command)
        await self._take_away()

    async def pretend(self, trial: Trial) -> None:
        """A card is held to the reader, and taken away once nobody is asked about it."""
        if self.cards.is_there:
            await self.till.card_left()
        await self.arrive(trial)
        self._pretends = True
        await self._take_away()

    async def arrive(self, trial: Trial) -> None:
        """A card comes and stays."""
        self.cards.choose(trial, self._wanted())
        await self.till.card_arrived(NoCard())

    async def _take_away(self) -> None:
        if self._pretends and not isinstance(self.till.shell.desk.phase, _WAITS_FOR_AN_ANSWER):
            self._pretends = False
            await self.till.card_left()

    def _wanted(self) -> CardKey | None:
        match self.till.shell.desk.phase:
            case TapAgain(_, open_step):
                return open_step.card
            case AwaitingCard(Refund(sold)):
                return sold.card.key
            case _:
                return None


def lists_for_training(lists: Lists) -> Lists:
    """Today's dishes and limits. Nobody's PIN is asked for, and no real card is known or blocked."""
    blocked = CardRow(_BLOCKED_NO, Generation(1), Listed.BLOCKED)
    book, rules = CardBook(CardsFile((blocked,))), structs.replace(lists.rules, offline=())
    return replace(lists, book=book, rules=rules, loads={}, staff=StaffFile())


async def begin_practice(
    post: Post, lists: Lists, clerk: Clerk, gauges: Gauges, faces: Face, indicator: Indicator, campus: CampusTime
) -> Practice:
    """A counter of its own beside the real one, which `clerk` and `gauges` belong to."""
    cards, now, words = PracticeCards(), clerk.now, clerk.words
    shell = Shell(post, PracticeJournal(post.tid, post.tno), cards, lists_for_training(lists), now)

    def status() -> Status:
        return replace(gauges.status(), shift=shell.derived.shift)

    async def read_out(_: CardChannel) -> tuple[str, ...]:
        return (words["training.begun"],)

    marked = Marked(faces, words)
    own = replace(clerk, office=None, face=marked, status=status)
    till = Till(shell, cards, own, gauges, campus, words, marked, indicator, now, read_out)
    await shell.start()
    return Practice(till, cards, Glance(shell, clerk.rights, campus, now, training=True), status)


def is_idle(till: Till) -> bool:
    """Whether nothing is rung, asked for or on the reader, so that training may begin or end."""
    desk = till.shell.desk
    is_empty = not (isinstance(desk.phase, Ringing) and desk.phase.basket.items)
    return is_free(desk) and is_empty and desk.present is None and not till.clerk.office_at_work
