"""A till (or a station) that runs the shipping program on simulated ports, told in actions that read like a story."""

import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from hardware.ports import CardChannel, CardLeftField
from hardware.simulated.reader import SimulatedReader
from hardware.simulated.tearing import Tear
from protocol.basket import Basket
from protocol.entries import (
    CardStep,
    CashSale,
    CloseStep,
    CloseTo,
    Kind,
    ListsApplied,
    ShiftClosed,
    ShiftOpened,
    TopUpStep,
)
from protocol.ids import ChannelId, MerchantId, ProductId, Seq, ShiftNo, StaffId
from protocol.journal import Sealed
from protocol.messages import Ack, Answer, Known, Want
from protocol.money import Cents
from protocol.pay_codes import read_pay_code
from protocol.purse import Technology
from protocol.signing import SigningKey, from_base64url, sha256_of, to_base64url
from protocol.trust import KeyRing
from server.booking.acts import Count
from terminal.derived import Derived, from_snapshot
from terminal.desk import (
    BasketChanged,
    Cancelled,
    Confirmed,
    Done,
    Event,
    NotDone,
    PayPressed,
    PinEntered,
    Receipt,
    Ringing,
    Ticked,
)
from terminal.hand_in import Close
from terminal.lists import Lists
from terminal.load import Load
from terminal.ports import JournalBroken, JournalLow
from terminal.post import Post
from terminal.refund import Refund, RefundRefusal, refund_refusal
from terminal.shell import Shell
from terminal.topup import TopUp
from tests.simulation.disk import Disk, SimulatedJournal
from tests.simulation.network import Line
from tests.simulation.office import CAMPUS_TIME, LOAD_KEY, SERVER_KEY
from tests.simulation.plastic import STATION_KEYS, TILL_KEYS, Plastic
from tests.simulation.power import Power, PowerCut
from tests.simulation.sync_link import SyncLink
from tests.simulation.timeline import TillClock
from tests.simulation.tokens import Asks, Phone, TokenPort
from tests.simulation.truth import Goods

if TYPE_CHECKING:
    from tests.simulation.campus import Campus

T = TypeVar("T")
TICK_MS = 5_000
_WRITES = frozenset(kind for kind in Kind if kind.endswith("_prepared") or kind is Kind.PIN_TRIED)
"""After these entries a card is written."""


@dataclass
class Archive:
    """An epoch that is over, with entries the server may still miss."""

    disk: Disk
    acked: Seq


class _PoweredChannel:
    """A card in the field of a reader that can lose its power around every command."""

    def __init__(self, channel: CardChannel, power: Power) -> None:
        self._channel, self._power = channel, power
        self.uid = channel.uid
        self.technology: Technology | None = channel.technology

    def transmit(self, apdu: bytes) -> bytes:
        self._power.point("before apdu")
        try:
            answer = self._channel.transmit(apdu)
        except CardLeftField:
            self._power.point("card lost")
            raise
        self._power.point("after apdu")
        return answer


class Till:
    """One counter with its reader, disk, clock and line."""

    def __init__(self, campus: "Campus", name: str, merchant: MerchantId, *, can_load: bool) -> None:
        self.campus, self.name, self.merchant, self.can_load = campus, name, merchant, can_load
        self.rng = random.Random(campus.rng.random())
        self.power, self.clock = Power(), TillClock(campus.timeline)
        self.reader = SimulatedReader()
        self.line = Line(campus.timeline, self.rng, campus.counts)
        self.archives: list[Archive] = []
        self._server_epoch = 0
        self.wish = 0
        """The customer's present wish; whoever rings something new begins another one."""
        self._card: Plastic | None = None
        self.touched: Plastic | None = None
        """The card that was on the reader last."""
        self._write_tear: Tear | None = None
        self._tick_is_planned = False
        self._shell: Shell | None = None
        self.disk = self._enrolled(campus.server.lists_for(loads=can_load))
        self.boot()

    # Power -------------------------------------------------------------------------------------------------------

    @property
    def is_on(self) -> bool:
        """Whether the program runs."""
        return self._shell is not None

    @property
    def shell(self) -> Shell:
        """The running program."""
        assert self._shell is not None, f"{self.name} is off"
        return self._shell

    def cut_power(self, at: str | int | None = None, times: int = 1) -> None:
        """Cut the power now, or at a later point.

        Points: "before <kind>" and "after <kind>" of an entry, "before apdu", "after apdu", "card lost",
        "before hand over", "after hand over"; a number is the so-manieth point from now.
        """
        if at is not None:
            self.power.plan(at, times)
        elif self.is_on:
            self._lose_power("now")

    def boot(self, *, program_only: bool = False) -> None:
        """Start the program on what the disk says. A power cut during the start leaves the till off.

        `program_only`: the machine was on all the while, and its time since boot goes on.
        """
        assert not self.is_on
        if not program_only:
            self.clock.boot()
        disk = self.disk
        journal = SimulatedJournal(disk, self.power, self._is_durable)
        keys = STATION_KEYS if self.can_load else TILL_KEYS
        self._port = TokenPort(keys, _at_once, self.rng.randbytes)
        self._port.till = self
        self._journal = journal
        self._shell = Shell(
            Post(
                disk.grant.tno,
                self.merchant,
                CAMPUS_TIME,
                LOAD_KEY.public,
                disk.grant.at,
                "sim",
                code_keys=KeyRing(SERVER_KEY.public),
            ),
            journal,
            self._port,
            disk.lists,
            self.clock,
            on_appended=self._appended,
            on_hand_over=self._hand_over,
        )
        self._shell.server = Asks(self)
        self.link = SyncLink(self, disk)
        self._tell(f"starts (boot {disk.boots}, {len(disk.rows)} entries)")
        self._drive(self.shell.start(self._saved_state()))
        self._go_on()

    def _go_on(self) -> None:
        """After a start, as `terminal/app.py` does: the newest ack is known, and who is online says so."""
        if self.is_on and self.disk.ack_jws:
            self.shell.acked(self.link.sender.acked, self.disk.ack_jws.decode())
        if self.is_on and self.line.up:
            self.link.connected()

    def _saved_state(self) -> Derived | None:
        if self.disk.snapshot is None or self.disk.snapshot[0] > len(self.disk.rows):
            return None
        return from_snapshot(self.disk.snapshot[1])

    def restart(self) -> None:
        """Off and on again."""
        self.cut_power()
        self.boot()

    def _stop(self) -> None:
        self._shell = None
        self.power.forget_plan()
        self.reader.take_away()
        if self._card is not None:
            self._card.arm(None)
            self._card.observe()
        self._card = None

    def _lose_power(self, where: str) -> None:
        self._stop()
        self.campus.counts["power cut" if where == "now" else "crash in a sale"] += 1
        self._tell(f"loses power: {where}")

    def end(self) -> None:
        """End the program in order, as for a new version of it."""
        self._work(self.shell.checkpoint(ends=True))
        if self.is_on:
            self._stop()
            self._tell("ends its program")

    def checkpoint(self) -> None:
        """Write down where the next start may begin."""
        self._drive(self.shell.checkpoint())

    # The cashier -------------------------------------------------------------------------------------------------

    @property
    def phase(self) -> object:
        """What the counter shows."""
        return self.shell.desk.phase

    @property
    def shows(self) -> str:
        """What the counter shows, in one word: "Ringing", "Done", "TapAgain" ..., or "off"."""
        return type(self.phase).__name__ if self.is_on else "off"

    @property
    def card(self) -> Plastic | None:
        """What lies on the reader."""
        return self._card

    @property
    def receipt(self) -> Receipt | None:
        """The receipt on the screen, while it is there."""
        return self.phase.receipt if self.is_on and isinstance(self.phase, Done) else None

    @property
    def reason(self) -> str:
        """Why nothing was done, while that is on the screen."""
        if not self.is_on or not isinstance(self.phase, NotDone):
            return ""
        return str(getattr(self.phase.reason, "reason", type(self.phase.reason).__name__))

    def ring(self, cents: int = 0, product: str = "", *, wish: int = 0) -> None:
        """Clear the counter and ring one item for the next customer; `wish`: for one whose wish was rung before."""
        if not isinstance(self.phase, Ringing):
            self.cancel()
        self.wish = wish or self.campus.next_wish()
        empty = Basket(self.shell.lists.prices)
        basket = empty.add(ProductId(product)) if product else empty.add_amount(Cents(cents))
        assert isinstance(basket, Basket)
        self._tell(f"rings {product or cents}")
        self._handle(BasketChanged(basket))

    def pay(self) -> None:
        """Ask for a card."""
        self._tell("asks for a card")
        self._handle(PayPressed())

    def confirm(self) -> None:
        """The cashier says yes."""
        self._tell("confirms")
        self._handle(Confirmed())

    def cancel(self) -> None:
        """The cashier says no, or goes on."""
        self._tell(f"cancels {self.shows}")
        self._handle(Cancelled())

    def pin(self, pin: str) -> None:
        """The customer types a PIN."""
        self._tell("gets a PIN")
        self._handle(PinEntered(pin))

    def load_mode(self) -> None:
        """Collect what the server decided to put on the next card."""
        self.wish = self.campus.next_wish()
        self._handle(PayPressed(Load(None)))

    def clear(self) -> None:
        """Whatever is on the screen, go on to the next customer."""
        for _ in range(2):
            if self.is_on and not isinstance(self.phase, Ringing):
                self.cancel()

    def topup(self, cents: int, channel: str = "cash", *, wish: int = 0) -> None:
        """Put cash onto the next card."""
        self.wish = wish or self.campus.next_wish()
        self._tell(f"is ready for {cents} in cash")
        self._handle(PayPressed(TopUp(Cents(cents), ChannelId(channel))))

    def hand_in(self, *, owed: bool, wish: int = 0) -> None:
        """Take everything off the next card, and pay it out of the drawer or owe it."""
        self.wish = wish or self.campus.next_wish()
        shift = self.shell.derived.shift
        self._tell(f"takes back a card{', owed' if owed else ''}")
        drawer = None if owed or not shift.number else Cents(max(0, shift.expected_cents))
        self._handle(PayPressed(Close(drawer)))

    def refund(self, receipt: Receipt, cents: int, *, wish: int = 0) -> RefundRefusal | None:
        """Give back some of a sale of this till; the answer is why not."""
        today = CAMPUS_TIME.business_day(self.clock().utc_ms)
        sold = self.shell.derived.sold.get(receipt.number.seq) if receipt.number.tno == self.disk.grant.tno else None
        refused = refund_refusal(sold, Cents(cents), today)
        self._tell(f"refunds {cents} of sale {receipt.number.seq}: {refused or 'asks for the card'}")
        if refused is None:
            assert sold is not None
            self.wish = wish or self.campus.next_wish()
            self._handle(PayPressed(Refund(sold, Cents(cents))))
        return refused

    def open_shift(self, drawer_cents: int, staff: str = "w-07") -> None:
        """A cashier takes over."""
        refused = self._work(self.shell.open_shift(StaffId(staff), Cents(drawer_cents)))
        self._tell(f"opens a shift with {drawer_cents}: {refused}")

    def close_shift(self, error_cents: int = 0) -> bool:
        """The cashier sends nobody away, counts, and is wrong by some cents. Whether the shift is closed."""
        self.clear()
        there, before = self.campus.truth.in_drawer[self.name], len(self.disk.rows)
        refused = self._work(self.shell.close_shift(Cents(there + error_cents)))
        self._tell(f"closes a shift, {error_cents} off: {refused}")
        return any(row.entry.kind is Kind.SHIFT_CLOSED for row in self.disk.rows[before:])

    def count_of_the_lost(self, error_cents: int = 0) -> None:
        """Two people count its drawer, and are wrong by some cents: the terminal itself never will."""
        grant, shift = self.disk.grant, self.shell.derived.shift.number
        counted = Cents(self.campus.truth.in_drawer[self.name] + error_cents)
        cause = f"count:{grant.tid}.{grant.tno}.{shift}"
        count = Count(cause, grant.tid, grant.tno, ShiftNo(shift), counted, "lost", "a sheet that two have signed")
        self.campus.server.hand_in(count)
        self.campus.truth.counted[count.drawer] = count.cents

    def _work(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Drive something that is no event of the counter; a failing disk is reopened."""

        async def carefully() -> T | None:
            try:
                return await work
            except JournalLow:
                return None
            except JournalBroken as broken:
                await self.shell.recover(str(broken))
                return None

        return self._drive(carefully())

    def cash_sale(self, cents: int) -> None:
        """Sell for coins."""
        self._work(self.shell.append(Kind.CASH_SALE, CashSale(self.merchant, Cents(cents))))

    # The card ----------------------------------------------------------------------------------------------------

    def tap(self, card: Plastic, tear: Tear | None = None, *, write_tear: Tear | None = None) -> str:
        """Put a card on the reader; with a tear it is taken away at that exchange. Returns what the counter shows.

        `tear` counts exchanges from the first one of the tap, `write_tear` from the first one after a prepared entry.
        """
        assert self._card is None or self._card is card, f"another card lies on {self.name}"
        self.campus.counts["taps"] += 1
        self._card = self.touched = card
        self.reader.place(card.virtual)
        card.arm(tear)
        self._write_tear = write_tear
        self._tell(f"is tapped{_told(tear, '')}{_told(write_tear, ' of the write')}", card)
        channel = self.reader.wait_for_card(0)
        assert channel is not None
        self._port.arrived(_PoweredChannel(channel, self.power))
        self._drive(self.shell.card_arrived())
        return self.shows

    def lift(self) -> None:
        """Take the card away."""
        card, self._card = self._card, None
        self.reader.take_away()
        if self.is_on and card is not None:
            self._port.left()
            self._drive(self.shell.card_left())

    def scan(self, phone: Phone, text: str) -> str:
        """Hold a phone with a code to the scanner. Returns what the counter shows."""
        self.campus.counts["scans"] += 1
        self.touched, code = phone, read_pay_code(text)
        assert code is not None
        self._tell("scans a pay code", phone)
        self._drive(self.shell.scanned(code))
        return self.shows

    def sell(self, card: Plastic, cents: int, tear: Tear | None = None, *, write_tear: Tear | None = None) -> str:
        """One customer from ringing to going away; twenty seconds later the next one comes."""
        self.ring(cents)
        self.pay()
        shown = self.tap(card, tear, write_tear=write_tear)
        self.lift()
        self.campus.pass_time(20_000)
        return shown

    def collect(self, card: Plastic) -> str:
        """One customer who collects what waits for the card."""
        self.load_mode()
        shown = self.tap(card)
        self.lift()
        self.campus.pass_time(20_000)
        return shown

    def _take_stock(self) -> None:
        """Look at the card on the reader. One that was torn away is gone."""
        card = self._card
        if card is None:
            return
        torn = not card.in_field
        card.arm(None)
        card.observe()
        self._write_tear = None
        self._tell(f"shows {self.shows} {self.reason}".rstrip(), card)
        if torn:
            self.campus.counts["torn card"] += 1
            self.lift()

    # Time, network, disk -----------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Time passed."""
        if self.is_on:
            self._handle(Ticked(self.clock()))
        if self.is_on:
            self.link.tick()

    def arm_tick(self) -> None:
        """Let time reach this till as long as something waits for it."""
        if self._tick_is_planned or not self.is_on:
            return
        desk = self.shell.desk
        if desk.opens or desk.refusals or desk.unconfirmed or (self.line.up and self.link.waits):
            self._tick_is_planned = True
            self.campus.timeline.after(TICK_MS, self._planned_tick)

    def _planned_tick(self) -> None:
        self._tick_is_planned = False
        self.tick()
        self.arm_tick()

    def online(self) -> None:
        """The network is there."""
        if not self.line.up:
            self.line.connect()
            self._tell("is online")
            self.campus.server.send_lists(self)
            if self.is_on:
                self.link.connected()

    def offline(self) -> None:
        """The network is gone."""
        if self.line.up:
            self.line.cut()
            self._tell("is offline")
            if self.is_on:
                self.link.disconnected()

    def told(self, message: Known | Answer, jws: bytes) -> None:
        """The server has answered a question; whoever is off does not hear it."""
        if self.is_on:
            self._drive(self.shell.told(message, jws))

    def take_lists(self, lists: Lists) -> None:
        """New lists arrived; older ones than those in force are left alone."""
        if not self.is_on or lists.versions.cards <= self.disk.lists.versions.cards:
            return
        self.disk.lists = lists
        self._drive(self.shell.apply_lists(lists))
        manifest = to_base64url(sha256_of(str(lists.versions.cards).encode()))
        if self.is_on:
            self._work(self.shell.append(Kind.LISTS_APPLIED, ListsApplied(manifest)))

    def image(self) -> Disk:
        """A copy of the disk, as a technician makes one."""
        return self.disk.image()

    def reimage(self, image: Disk) -> None:
        """Put an older image of the disk into the till: its chain goes on differently from there."""
        if self.is_on:
            self._lose_power("to be re-imaged")
        self._tell(f"is re-imaged to {len(image.rows)} entries, it had {len(self.disk.rows)}")
        self.campus.old_media.append((self, self.disk))
        self.disk = image.image()
        self.boot()

    def begin_new_epoch(self) -> None:
        """The server holds another history: archive this one and go on under a new grant."""
        self._tell("has another history than the server: asks for a new epoch")
        acked = self.link.sender.acked
        self.campus.timeline.after(0, lambda: self._new_epoch(acked))

    def _new_epoch(self, acked: Seq) -> None:
        if self._shell is not None:
            self._work(self.shell.end_epoch("the server holds another history"))
            self._shell = None
            self.reader.take_away()
            self._card = None
        self.archives.append(Archive(self.disk, acked))
        self.disk = self._enrolled(self.disk.lists)
        self.boot()

    @property
    def unsent_archives(self) -> list[Archive]:
        """Earlier epochs that the server does not have to the end."""
        return [archive for archive in self.archives if archive.acked < len(archive.disk.rows)]

    def archive_acked(self, ack: Ack) -> None:
        """The server has entries of an earlier epoch."""
        for archive in self.archives:
            rows = archive.disk.rows
            is_its = archive.disk.grant.epoch == ack.epoch and archive.acked < ack.seq <= len(rows)
            if is_its and rows[ack.seq - 1].hash == from_base64url(ack.hash):
                archive.acked = ack.seq

    def archive_wanted(self, want: Want) -> None:
        """The server misses entries of an earlier epoch."""
        for archive in self.archives:
            if archive.disk.grant.epoch == want.epoch and 0 < want.seq <= len(archive.disk.rows):
                archive.acked = Seq(want.seq - 1)

    def server_epoch_is(self, server_epoch: int) -> None:
        """A restored server may have forgotten earlier epochs altogether: they are offered to it once more."""
        if server_epoch > self._server_epoch:
            self._server_epoch = server_epoch
            for archive in self.archives:
                archive.acked = Seq(0)

    def keep_ack(self, seq: Seq, jws: bytes) -> None:
        """The newest signed ack goes to disk with the next entry."""
        self.shell.acked(seq, jws.decode())
        self._journal.keep_ack(jws)

    # Inside ------------------------------------------------------------------------------------------------------

    def _enrolled(self, lists: Lists) -> Disk:
        key = SigningKey(sha256_of(f"{self.name} {len(self.archives)} {self.rng.random()}".encode()))
        grant, jws = self.campus.server.grant(self, key)
        return Disk(grant, jws, key, lists)

    def _handle(self, event: Event) -> None:
        self._drive(self.shell.handle(event))

    def _drive(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Run a coroutine of the shipping code to its end; it never waits here. None where the power went."""
        try:
            work.send(None)
        except StopIteration as finished:
            self._take_stock()
            self.campus.moment_passed(self)
            self.arm_tick()
            result: T = finished.value
            return result
        except JournalBroken as broken:
            self._lose_power(f"and the program ends: {broken}")
            self.campus.moment_passed(self)
            return None
        except PowerCut as cut:
            self._lose_power(str(cut))
            self.campus.moment_passed(self)
            return None
        raise AssertionError("the shipping code waits for something outside its ports")

    def _is_durable(self, sealed: Sealed) -> None:
        body, kind, drawers = sealed.entry.body, sealed.entry.kind, self.campus.truth.in_drawer
        card = body.card.key if isinstance(body, CardStep) else None
        self.campus.truth.row(sealed, self.name, self.wish)
        cents = body.amount if isinstance(body, CardStep) else 0
        self.campus.tell(self.name, f"writes {sealed.entry.seq} {sealed.entry.kind} {cents or ''}".rstrip(), card)
        if kind in _WRITES and self._write_tear is not None and self._card is not None:
            self._card.arm(self._write_tear)
            self._write_tear = None
        if kind is Kind.TOPUP_PREPARED or isinstance(body, CashSale):
            assert isinstance(body, TopUpStep | CashSale)
            self.campus.truth.take_cash(self.name, body.amount)
            drawers[self.name] += body.amount if sealed.entry.shift else 0
        elif kind is Kind.CLOSE_SETTLED:
            assert isinstance(body, CloseStep)
            paid = body.main - body.main_after if body.to is CloseTo.CASH else 0
            self.campus.truth.take_cash(self.name, -paid)
            drawers[self.name] -= paid if sealed.entry.shift else 0
        elif isinstance(body, ShiftOpened):
            drawers[self.name] += body.drawer
        elif isinstance(body, ShiftClosed):
            drawers[self.name] = 0

    def _appended(self, sealed: Sealed) -> None:
        self.link.appended(sealed.seq)

    def _hand_over(self, receipt: Receipt) -> None:
        self.power.point("before hand over")
        body = receipt.body
        assert isinstance(body, CardStep)
        durable = any(
            row.entry.kind is receipt.kind and receipt.number.seq in (row.seq, getattr(row.entry.body, "prepared", 0))
            for row in reversed(self.disk.rows)
        )
        goods = Goods(
            self.name,
            receipt.number.tno,
            receipt.number.seq,
            receipt.kind,
            body.card.key,
            body.amount,
            self.campus.timeline.now_ms,
            self.campus.truth.wish_of(receipt.number.tno, receipt.number.seq, body) or self.wish,
            durable,
        )
        self.campus.truth.goods.append(goods)
        self._tell(f"says OK: {receipt.kind} {body.amount}", body.card.key)
        self.campus.check_goods(goods)
        self.power.point("after hand over")

    def _tell(self, what: str, card: Plastic | Any = None) -> None:
        self.campus.tell(self.name, what, card.key if isinstance(card, Plastic) else card)


def _told(tear: Tear | None, of: str) -> str:
    return f", torn {tear.moment.value} exchange {tear.exchange}{of}" if tear else ""


async def _at_once(work: Callable[[], T]) -> T:
    return work()
