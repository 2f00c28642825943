"""Carries out what the sale machine asks for: one event at a time, one effect after the other.

The shell holds the ports (journal, card, clock) and no rule. Whatever fails in a way the machine knows becomes an
event; a journal that fails is reopened, and the counter wakes up from what is on disk. The simulation drives this
same class with ports of its own.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Protocol, assert_never

from msgspec import structs

from hardware.ports import CardError, CardLeftField
from protocol.authorise import House, Listed, Refusal, Refused, Standing
from protocol.basket import Basket
from protocol.entries import Body, Booted, Checkpoint, EpochEnded, Fault, Kind, Stage, kind_of
from protocol.ids import Counter, MerchantId, Seq, ShiftNo, StaffId
from protocol.instants import MINUTE_MS, BusinessDay, Now, UtcMs
from protocol.journal import Sealed
from protocol.limits import When
from protocol.load_record import load_is_genuine
from protocol.messages import Answer, Known
from protocol.money import Cents
from protocol.pay_codes import PayCode
from protocol.purse import CardClass, CardRead, Mark, PurseChange, SignedLoad, what_became_of
from protocol.signing import from_base64url, sha256_of, to_base64url
from protocol.texts import text_of
from protocol.tokens import read_of, uid_text
from terminal.code_scan import aged, read_of_code
from terminal.derived import Derived, snapshot_of
from terminal.desk import (
    AppendEntry,
    AskServer,
    AskWho,
    AwaitingCard,
    CardFirm,
    CardLost,
    CardRemoved,
    CardTapped,
    CardWritten,
    CashTaken,
    ComparePin,
    Desk,
    Effect,
    EntryStored,
    Event,
    HandOver,
    MakeFirm,
    NotDone,
    Noting,
    PayPressed,
    PinCompared,
    Preparing,
    ReadCard,
    Receipt,
    Ringing,
    TokenAnswered,
    TokenKnown,
    WriteCard,
)
from terminal.lists import Lists
from terminal.load import Load
from terminal.ports import Cards, Draft, Journal, JournalBroken, JournalLow, Server
from terminal.post import Post
from terminal.purchase import Facts
from terminal.sale import step
from terminal.shift import ShiftEntry, ShiftRefusal, close_shift, open_shift, wrong_pin
from terminal.wake import interrupted, wake

FAULT_AGAIN_MS = 10 * MINUTE_MS
"""What comes and goes again and again (a loose plug, a dying disk) is one story in the journal."""


class ShellJournal(Journal, Protocol):
    """A journal that can also be reopened and folded."""

    @property
    def low(self) -> bool:
        """Whether the disk reserve is reached."""
        ...

    async def recover(self) -> None:
        """Reopen after JournalBroken; the tip then tells whether the failed entry is on disk."""
        ...

    def entries_after(self, seq: Seq) -> AsyncIterator[Sealed]:
        """Every entry after `seq`, in order."""
        ...


class Shell:
    """One counter at work. Every public coroutine runs to its end before the next is called."""

    def __init__(
        self,
        post: Post,
        journal: ShellJournal,
        cards: Cards,
        lists: Lists,
        now: Callable[[], Now],
        *,
        on_appended: Callable[[Sealed], None] = lambda _: None,
        on_hand_over: Callable[[Receipt], None] = lambda _: None,
    ) -> None:
        self._post, self._journal, self._cards, self._now = post, journal, cards, now
        self._on_appended, self._on_hand_over = on_appended, on_hand_over
        self._fault_noted_ms: int | None = None
        self._loads_verified: dict[bytes, SignedLoad] = {}
        self.lists = lists
        self.derived = Derived()
        self.desk = Desk(
            post.tno, self._merchant, lists.prices, Ringing(Basket(lists.prices)), repeat_ms=lists.config.repeat_ms
        )
        self.staff, self.revoked, self.ack_jws, self.interrupted = StaffId(""), False, "", ""
        """`interrupted`: which sentence about the newest failure of the disk nobody has said yet; empty: none."""
        self.server: Server | None = None
        """None: nobody can be asked about a stranger's card."""
        self._asked = ("", "")
        """The newest question whose token a UID is: its nonce and the UID."""

    async def start(self, derived: Derived | None = None) -> None:
        """Fold the journal from a snapshot's state (or from entry 1), note the start, and wake the counter."""
        await self._fold(derived or Derived())
        found = self.derived.unfinished()
        self.staff = self.derived.shift.staff
        await self.append(Kind.BOOTED, Booted(self._post.build, self._journal.tip.seq, len(found.opens)))
        self.desk, effects = wake(self.desk, found, self._now())
        await self._carry_out(effects)

    async def handle(self, event: Event) -> None:
        """Let the machine take an event, and do what it asks."""
        if self.desk.merchant != self._merchant:
            self.desk = structs.replace(self.desk, merchant=self._merchant)
        if isinstance(event, PayPressed):
            event = replace(event, house=self._house(self._now()))
        elif isinstance(event, CashTaken):
            event = replace(event, facts=self._facts(None, self._now()))
        try:
            await self._handle(event)
        except JournalLow:
            self._say_journal_low()
        except JournalBroken as error:
            await self.recover(str(error))

    async def card_arrived(self) -> None:
        """A card came into the field."""
        tapped = await self._read_again()
        if tapped is not None:
            await self.handle(tapped)

    async def card_left(self) -> None:
        """The field is empty."""
        await self.handle(CardRemoved(self._now()))

    async def scanned(self, code: PayCode) -> bool:
        """A phone showed a pay code: a token's tap that is over at once. Whether it was the moment for one."""
        if not isinstance(self.desk.phase, AwaitingCard | NotDone):
            return False
        read, now = read_of_code(code, self._post.code_keys), self._now()
        await self.handle(CardTapped(read, self._facts(read, now), now))
        await self.card_left()
        return True

    async def told(self, message: Known | Answer, jws: bytes) -> None:
        """The server has answered a question; its signature is checked already."""
        if isinstance(message, Known):
            nonce, uid = self._asked
            if message.nonce == nonce:
                await self.handle(self._known(uid, message))
        elif await self._journal.hash_at(message.seq) == from_base64url(message.hash):
            await self.handle(TokenAnswered(message, to_base64url(sha256_of(jws)), self._now()))

    async def apply_lists(self, lists: Lists) -> None:
        """Use new lists from the next customer on."""
        self.lists = lists
        phase = self.desk.phase
        empty = isinstance(phase, Ringing) and not phase.basket.items
        self.desk = structs.replace(
            self.desk,
            prices=lists.prices,
            phase=Ringing(Basket(lists.prices)) if empty else phase,
            repeat_ms=lists.config.repeat_ms,
        )

    @property
    def _merchant(self) -> MerchantId:
        """For whom this terminal sells now; empty: for nobody, it is a spare."""
        return self._post.merchant or self.lists.config.merchant_of(self._post.tid, self._now().utc_ms)

    def lists_age_ms(self, now: Now) -> int:
        """How old the lists are, by the clock or by what the server vouches for, whichever is more."""
        return self.lists.age_ms(replace(now, utc_ms=max(now.utc_ms, self._vouched(now))))

    def offline_sale_max(self, now: Now) -> Cents | None:
        """The most that one sale may take because the lists are old; None: they are not."""
        return self.lists.rules.offline_sale_max(self.lists_age_ms(now), now.clock)

    async def append(self, kind: Kind, body: Body) -> Sealed:
        """Write an entry of any kind. Raises JournalLow and JournalBroken."""
        return await self._append(kind, body, None)

    async def open_shift(self, staff: StaffId, drawer_cents: Cents, pin: str = "") -> ShiftRefusal | None:
        """A cashier takes over the drawer; where staff is listed, somebody of it with the PIN."""
        answer = open_shift(self.derived, self.lists.staff, staff, drawer_cents, pin, self._now().mono_ms)
        if answer is ShiftRefusal.WRONG_PIN:
            await self._shift(wrong_pin(staff))
        return await self._shift(answer)

    async def close_shift(self, counted_cents: Cents) -> ShiftRefusal | None:
        """A cashier counted the drawer."""
        return await self._shift(close_shift(self.derived, self.desk.phase, counted_cents))

    async def checkpoint(self, *, ends: bool = False) -> None:
        """Write down where the next start may begin. `ends`: nothing follows, and nobody was interrupted."""
        for count in self.desk.refusals if ends else ():
            await self.append(Kind.SALE_REFUSED, count.body)
            self.desk = structs.replace(self.desk, refusals=self.desk.refusals[1:])
        ended = ends and self.desk.unconfirmed is None
        snapshot = snapshot_of(structs.replace(self.derived, ended=ended))
        body = Checkpoint(self.derived.acked, self.ack_jws, to_base64url(sha256_of(snapshot)))
        await self._append(Kind.CHECKPOINT, body, snapshot)

    async def recover(self, why: str) -> None:
        """The disk failed: reopen the journal, believe only what is on it, wake up, and write down what happened."""
        heard, acked = self.derived.seq, self.derived.acked
        await self._journal.recover()
        await self._fold(Derived(), heard)
        self.interrupted = interrupted(self.desk.phase, is_stored=self.derived.seq > heard)
        self.derived.acked = max(acked, self.derived.acked)
        self.desk, effects = wake(self.desk, self.derived.unfinished(), self._now())
        await self._carry_out(effects)
        now_ms = self._now().mono_ms
        if self._fault_noted_ms is None or now_ms - self._fault_noted_ms > FAULT_AGAIN_MS:
            self._fault_noted_ms = now_ms
            await self.append(Kind.FAULT, Fault("disk", text_of(why)))

    async def end_epoch(self, reason: str) -> None:
        """Give this chain up for a new one: what is open is torn, for good, and nothing follows here."""
        for found in self.desk.opens:
            await self.append(kind_of(found.operation, Stage.TORN), found.outcome())
        await self.append(Kind.EPOCH_ENDED, EpochEnded(reason))
        self.desk = structs.replace(self.desk, opens=(), phase=Ringing(Basket(self.desk.prices)))

    def acked(self, seq: Seq, jws: str) -> None:
        """The server's newest signed ack, already verified."""
        self.derived.acked, self.ack_jws = max(self.derived.acked, seq), jws

    async def _shift(self, entry: ShiftEntry | ShiftRefusal) -> ShiftRefusal | None:
        if isinstance(entry, ShiftRefusal):
            return entry
        self.staff = entry.staff
        await self.append(entry.kind, entry.body)
        self.staff = self.derived.shift.staff
        return None

    async def _handle(self, event: Event) -> None:
        self.desk, effects = step(self.desk, event)
        await self._carry_out(effects)

    async def _carry_out(self, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            followed = await self._perform(effect)
            if followed is not None:
                await self._handle(followed)

    async def _perform(self, effect: Effect) -> Event | None:
        match effect:
            case AppendEntry(kind, body):
                sealed = await self.append(kind, body)
                return EntryStored(kind, sealed.seq, self._now())
            case WriteCard(change):
                return await self._write(change)
            case MakeFirm(mark, counter_after):
                return await self._make_firm(mark, counter_after)
            case ReadCard():
                return await self._read_again()
            case ComparePin(pin):
                return await self._compare(pin)
            case AskWho(uid):
                assert self.server is not None
                self._asked = (self.server.who(uid), uid)
                return None
            case AskServer(seq, card, amount, proof):
                digest = await self._journal.hash_at(seq)
                assert self.server is not None and digest is not None
                self.server.ask(seq, digest, card, amount, proof)
                return None
            case HandOver(receipt):
                self._on_hand_over(receipt)
                return None
            case _:
                assert_never(effect)

    async def _append(self, kind: Kind, body: Body, snapshot: bytes | None) -> Sealed:
        shift = self.derived.shift.number
        draft = Draft(kind, body, self._now(), self.lists.versions, self.staff, ShiftNo(shift))
        sealed = await self._journal.append(draft, snapshot)
        self.derived.apply(sealed, self._post.campus)
        self._on_appended(sealed)
        return sealed

    async def _fold(self, derived: Derived, heard: Seq | None = None) -> None:
        """Build the state up; `heard`: report what stands beyond it, for a commit that failed may be on disk."""
        self.derived = derived
        async for sealed in self._journal.entries_after(derived.seq):
            derived.apply(sealed, self._post.campus)
            if heard is not None and sealed.seq > heard:
                self._on_appended(sealed)

    async def _write(self, change: PurseChange) -> Event:
        try:
            return CardWritten(self._trusted(await self._cards.write(change)), self._now())
        except CardError:
            return CardLost(self._now())

    async def _make_firm(self, mark: Mark, counter_after: Counter) -> Event:
        try:
            read = self._trusted(await self._cards.make_definite(mark, counter_after))
        except CardError:
            return CardLost(self._now())
        return CardFirm(what_became_of(mark, counter_after, read), read, self._now())

    async def _read_again(self) -> Event | None:
        try:
            read = await self._cards.read(self._loads_verified.get)
        except CardLeftField:
            return None
        except CardError:  # nothing genuine said whose card it is
            read = None
        return self._tapped(self._trusted(read) if read is not None else None)

    async def _compare(self, pin: str) -> Event | None:
        phase = self.desk.phase
        read = getattr(phase, "read", None)
        assert isinstance(read, CardRead)
        return PinCompared(await self._cards.pin_is_right(read, pin), self._now())

    def _trusted(self, read: CardRead) -> CardRead:
        """Leave out a load record that the server did not sign: its value is then not covered."""
        load = read.load
        if load is None or self._loads_verified.get(read.uid) == load:
            return read
        if not load_is_genuine(load, self._post.load_key):
            return replace(read, load=None, loaded=None)
        self._loads_verified[read.uid] = load
        return read

    def _tapped(self, read: CardRead | None) -> CardTapped:
        now = self._now()
        load = Load(self.lists.loads.get(read.identity.key)) if read else None
        may_be_token = read is None and self.server is not None
        uid = (uid_text(self._cards.uid) or "") if may_be_token else None
        return CardTapped(read, self._facts(read, now), now, load, uid)

    def _known(self, uid: str, known: Known) -> TokenKnown:
        """What the server and what our list say of a token: the worse holds."""
        card = known.card if known.card and known.card.is_token and known.card.card_class in list(CardClass) else None
        read = read_of(card) if card else None
        facts = self._facts(read, self._now())
        if known.listed is not Listed.GOOD:
            facts = replace(facts, standing=replace(facts.standing, listed=known.listed))
        return TokenKnown(uid, read, facts)

    def _facts(self, read: CardRead | None, now: Now) -> Facts:
        campus, at, vouched = self._post.campus, now.utc_ms, self._vouched(now)
        standing = Standing()
        if read is not None:
            standing = self.derived.standing(read.identity.key, self.lists.book.standing(read.identity.key), read.proof)
            standing = aged(standing, read.proof, now, vouched)
        day_max = BusinessDay(campus.business_day(vouched) + 1)
        when = When(campus.business_day(at), day_max, campus.minute_of_day(at), now.clock)
        online = self.server is not None and self.server.is_up
        stood_in = self.derived.stood_in(read.identity.key, when.day) if read else Cents(0)
        return Facts(standing, self._house(now), when, online, stood_in)

    def _house(self, now: Now) -> House:
        return House(
            self.lists.rules,
            self.lists_age_ms(now),
            self.revoked or self.derived.forked,
            self._journal.low,
            self.derived.unacked_topups_cents,
            self._cards.compares_pins,
        )

    def _vouched(self, now: Now) -> UtcMs:
        """How late it is at the very least, by the server's own words."""
        return max(self.derived.signed.at(now, self._post.granted_at), self.lists.as_of)

    def _say_journal_low(self) -> None:
        """Say why nothing is begun; a refusal that could not be noted changes nothing on the screen."""
        match self.desk.phase:
            case Preparing(order):
                self.desk = structs.replace(self.desk, phase=NotDone(order, Refused(Refusal.JOURNAL_LOW)))
            case Noting():
                self.desk = structs.replace(self.desk, phase=Ringing(Basket(self.desk.prices)))
            case _:
                pass
