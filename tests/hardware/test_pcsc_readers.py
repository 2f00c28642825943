"""Several PC/SC readers: the right one is used, it may be pulled out and put back, and it shows how a tap ended."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest

from hardware.cards.open_card import open_card
from hardware.ports import CardChannel, CardError, Indicator, ReaderUnplugged, Signal
from hardware.readers.lamps import lamp_commands
from hardware.readers.pcsc import PcscReader, scard
from hardware.readers.picking import pick_reader
from hardware.simulated.pcscd import PrivatePcscd
from hardware.simulated.reader import AnsweringCard
from hardware.simulated.vpcd import VirtualSlot
from terminal.card_thread import CardThread
from tests.hardware.card_bench import KINDS, TILL, Kind, issued, sale
from tests.hardware.test_pcsc_stack import EchoCard

PICC, SAM = (f"ACS ACR1252 1S CL Reader [ACR1252 Dual Reader {slot}]" for slot in ("PICC", "SAM"))
ACR122 = "ACS ACR122U PICC Interface"


@pytest.mark.parametrize(
    ("names", "wanted", "picked"),
    [
        ((f"{SAM} 00 00", f"{PICC} 01 00"), "", f"{PICC} 01 00"),
        ((f"{SAM} 00 00",), "", ""),
        (("Alcor Micro AU9560 00 00", f"{ACR122} 01 00"), "", f"{ACR122} 01 00"),
        (("ACS ACR1281 Dual ICC 00 00", "ACS ACR1281 Dual PICC 00 01"), "", "ACS ACR1281 Dual PICC 00 01"),
        (("Identiv uTrust 3700 F CL Reader 00 00",), "", "Identiv uTrust 3700 F CL Reader 00 00"),
        (("OMNIKEY 5422 Reader 00 00", "OMNIKEY 5422CL Reader 00 01"), "", "OMNIKEY 5422CL Reader 00 01"),
        (("Vendor Contact Reader 00 00", "Vendor Contactless Reader 00 01"), "", "Vendor Contactless Reader 00 01"),
        (("Fanka 0 00 00", "Fanka 1 00 00"), "", "Fanka 0 00 00"),
        (("Fanka 0 00 00", "Fanka 1 00 00"), "Fanka 1 00 00", "Fanka 1 00 00"),
        ((f"{PICC} 00 00", f"{ACR122} 03 00"), ACR122, f"{ACR122} 03 00"),
        ((f"{PICC} 00 00",), ACR122, ""),
        ((f"{SAM} 00 00", f"{PICC} 01 00"), SAM, f"{SAM} 00 00"),
        ((), "", ""),
    ],
)  # fmt: skip
def test_a_reader_is_picked_by_its_name(names: tuple[str, ...], wanted: str, picked: str) -> None:
    assert pick_reader(names, wanted) == picked


def test_lamps_are_told_what_the_manuals_say() -> None:
    """ACR122U: green at the end and one beep of 100 ms. ACR1252U: green, then 100 ms of the buzzer."""
    assert lamp_commands(f"{ACR122} 00 00", Signal.APPROVED) == (bytes.fromhex("ff00400e0401000101"),)
    acr1252 = bytes.fromhex("e00000290102"), bytes.fromhex("e0000028010a")
    assert lamp_commands(f"{PICC} 00 00", Signal.APPROVED) == acr1252
    for reader in (ACR122, PICC):
        assert len({lamp_commands(reader, signal) for signal in Signal}) == len(Signal)
    assert lamp_commands("Fanka 0 00 00", Signal.APPROVED) == ()


@contextmanager
def called(pcscd: PrivatePcscd, *names: str) -> Iterator[None]:
    """The daemon with its readers under other names, or without them."""
    before = list(pcscd.names)
    restart(pcscd, *names)
    try:
        yield
    finally:
        restart(pcscd, *before)


def restart(pcscd: PrivatePcscd, *names: str) -> None:
    pcscd.stop()
    pcscd.names[:] = names
    pcscd.start()


@pytest.mark.integration
def test_the_slot_for_cards_without_contacts_is_used(pcscd: PrivatePcscd) -> None:
    with (
        called(pcscd, SAM, PICC),
        PcscReader() as reader,
        VirtualSlot(pcscd.ports[0]) as chip,
        VirtualSlot(pcscd.ports[1]) as field,
    ):
        chip.insert(EchoCard(b"chip"))
        assert reader.wait_for_card(0.6) is None
        field.insert(EchoCard(b"card"))
        channel = reader.wait_for_card(2)
        assert channel is not None and channel.uid == b"card"


@pytest.mark.integration
def test_a_missing_reader_is_waited_for_without_work_and_said_with_those_there_are(
    pcscd: PrivatePcscd, monkeypatch: pytest.MonkeyPatch
) -> None:
    with called(pcscd, SAM, "Other"), PcscReader(ACR122) as reader:
        looks, look = [0], scard.SCardListReaders

        def counted(*asked: object) -> object:
            looks[0] += 1
            return look(*asked)

        monkeypatch.setattr(scard, "SCardListReaders", counted)
        with pytest.raises(ReaderUnplugged, match=f"no reader {ACR122}; there are: .*Other 00 00"):
            reader.wait_for_card(0.5)
        assert looks[0] <= 3, "once at the start, once at the end, once for the sentence"
        restart(pcscd, SAM, ACR122)
        with VirtualSlot(pcscd.ports[1]) as field:
            field.insert(EchoCard(b"card"))
            channel = reader.wait_for_card(2)
            assert channel is not None and channel.uid == b"card"


class Told:
    """Somebody who is told about cards and the reader."""

    def __init__(self) -> None:
        self.uids: list[bytes] = []
        self.fault = ""
        self.left = 0
        self._told = asyncio.Event()

    async def card_arrived(self, channel: CardChannel) -> None:
        self.uids.append(channel.uid)
        self._told.set()

    async def card_left(self) -> None:
        self.left += 1
        self._told.set()

    async def several_cards(self, *, there: bool) -> None:
        raise AssertionError("this reader cannot see that")

    async def reader_changed(self, fault: str) -> None:
        self.fault = fault
        self._told.set()

    async def until(self, what: Callable[[], bool]) -> None:
        """Wait for it; the test's own patience ends it."""
        async with asyncio.timeout(20):
            while not what():
                self._told.clear()
                await self._told.wait()


@asynccontextmanager
async def watched(reader: PcscReader) -> AsyncIterator[Told]:
    told, thread = Told(), CardThread(reader)
    watching = asyncio.create_task(thread.watch(told))
    try:
        yield told
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        thread.close()


@pytest.mark.integration
async def test_a_terminal_goes_on_by_itself_when_its_reader_is_back(pcscd: PrivatePcscd) -> None:
    """With a card in the field the daemon dies; it comes back without the reader; the reader is plugged in again."""
    with PcscReader("Fanka 0") as reader, called(pcscd, "Fanka 0", SAM):
        async with watched(reader) as told:
            with VirtualSlot(pcscd.ports[0]) as field:
                field.insert(EchoCard(b"one."))
                await told.until(lambda: told.uids == [b"one."])
                await asyncio.to_thread(pcscd.stop)
                await told.until(lambda: bool(told.fault) and told.left == 1)
            pcscd.names[0] = ""
            await asyncio.to_thread(pcscd.start)
            await told.until(lambda: "there are" in told.fault)
            await asyncio.to_thread(restart, pcscd, "Fanka 0", SAM)
            with VirtualSlot(pcscd.ports[0]) as field:
                field.insert(EchoCard(b"two."))
                await told.until(lambda: told.uids == [b"one.", b"two."])
                assert told.fault == ""


class Listening(EchoCard):
    """Keeps what it was sent."""

    def __init__(self) -> None:
        super().__init__(b"card")
        self.heard: list[bytes] = []

    def process(self, apdu: bytes) -> bytes:
        self.heard.append(apdu)
        return super().process(apdu)


@pytest.mark.integration
@pytest.mark.parametrize(("name", "heard"), [(ACR122, 1), (PICC, 0), ("Fanka 0", 0)])
def test_a_signal_reaches_the_reader_where_it_can_and_fails_nowhere(pcscd: PrivatePcscd, name: str, heard: int) -> None:
    """The virtual reader's driver takes no escape; so the ACR122's way through the card's channel is used."""
    with called(pcscd, name, "Fanka 1"), PcscReader(name) as reader, VirtualSlot(pcscd.ports[0]) as field:
        assert isinstance(reader, Indicator)
        reader.signal(Signal.WAITING)
        assert reader.wait_until_absent(2)
        reader.signal(Signal.WAITING)
        card = Listening()
        field.insert(card)
        channel = reader.wait_for_card(2)
        assert channel is not None
        del card.heard[:]
        reader.signal(Signal.APPROVED)
        assert card.heard == list(lamp_commands(name, Signal.APPROVED))[: len(card.heard)] and len(card.heard) == heard
        assert channel.transmit(b"still here") == b"still here\x90\x00"
        pcscd.stop()
        reader.signal(Signal.REFUSED)
        pcscd.start()


@pytest.mark.integration
@pytest.mark.parametrize("kind", KINDS)
def test_a_card_exchanged_between_read_and_write_is_left_alone(pcscd: PrivatePcscd, kind: Kind) -> None:
    """Faster than pcscd looks: the new card is spoken to as if it were the old one, and takes nothing."""
    first, other = issued(kind).card, issued(kind, uid=b"\x04other.").card
    before = other.snapshot()
    with PcscReader(pcscd.reader_names[0]) as reader, VirtualSlot(pcscd.ports[0]) as field:
        assert reader.wait_until_absent(2)
        field.insert(first)
        channel = reader.wait_for_card(2)
        assert channel is not None
        driver = open_card(channel, TILL)
        change = sale(driver.read(), 1)
        field.insert(other)
        with pytest.raises(CardError):
            driver.write(change)
        assert other.snapshot() == before
        channel = reader.wait_for_card(2)
        assert channel is not None and channel.uid == other.uid
        assert open_card(channel, TILL).read().purse == change.purse_before


@contextmanager
def hanging(pcscd: PrivatePcscd) -> Iterator[None]:
    """The daemon neither answers nor ends."""
    pcscd.pause()
    try:
        yield
    finally:
        pcscd.resume()


@pytest.mark.integration
@pytest.mark.parametrize("has_card", [True, False])
async def test_a_daemon_that_hangs_is_said_and_gone_on_with_when_it_answers_again(
    pcscd: PrivatePcscd, *, has_card: bool
) -> None:
    with PcscReader(pcscd.reader_names[0]) as reader, VirtualSlot(pcscd.ports[0]) as field:
        async with watched(reader) as told:
            if has_card:
                field.insert(EchoCard(b"one."))
                await told.until(lambda: told.uids == [b"one."])
            with hanging(pcscd):
                await told.until(lambda: "does not answer" in told.fault and told.left == has_card)
            await asyncio.to_thread(field.insert, EchoCard(b"two."))
            await told.until(lambda: told.uids[-1:] == [b"two."] and not told.fault)


@pytest.mark.integration
async def test_a_daemon_that_hangs_and_is_started_anew(pcscd: PrivatePcscd) -> None:
    with PcscReader(pcscd.reader_names[0]) as reader, called(pcscd, *pcscd.names):
        async with watched(reader) as told:
            pcscd.pause()
            await told.until(lambda: "does not answer" in told.fault)
            await asyncio.to_thread(restart, pcscd, *pcscd.names)
            with VirtualSlot(pcscd.ports[0]) as field:
                field.insert(EchoCard(b"card"))
                await told.until(lambda: told.uids == [b"card"] and not told.fault)


@pytest.mark.integration
def test_a_command_in_flight_when_the_daemon_hangs_comes_before_all_that_is_asked_later(pcscd: PrivatePcscd) -> None:
    """Whether it was carried out is unknown, as with a card that is torn away; it never comes behind a later one."""
    card = Listening()
    with PcscReader(pcscd.reader_names[0]) as reader, VirtualSlot(pcscd.ports[0]) as field:
        field.insert(card)
        channel = reader.wait_for_card(2)
        assert channel is not None
        with hanging(pcscd):
            with pytest.raises(ReaderUnplugged, match="does not answer"):
                channel.transmit(b"debit")
            with pytest.raises(ReaderUnplugged):
                reader.wait_for_card(0)
            reader.signal(Signal.REFUSED)
            assert b"debit" not in card.heard
        again = next(found for found in iter(lambda: _tried(reader), ...) if found is not None)
        assert again.transmit(b"read") == b"read\x90\x00"
        assert [apdu for apdu in card.heard if apdu in (b"debit", b"read")] == [b"debit", b"read"]


def _tried(reader: PcscReader) -> CardChannel | None:
    try:
        return reader.wait_for_card(1)
    except ReaderUnplugged:
        return None


class Freezing:
    """A card; when it has answered for the so-manieth time, the daemon hangs with the answer."""

    def __init__(self, card: AnsweringCard, freeze: Callable[[], None]) -> None:
        self._card, self._freeze = card, freeze
        self.count = 0
        self.freezes_at = 0

    @property
    def atr(self) -> bytes:
        return self._card.atr

    def reset(self) -> None:
        self._card.reset()

    def process(self, apdu: bytes) -> bytes:
        answer = self._card.process(apdu)
        self.count += 1
        if self.count == self.freezes_at:
            self._freeze()
        return answer


@pytest.mark.integration
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("before_last", [0, 1, 2])
def test_a_debit_whose_answer_hangs_in_the_daemon_is_made_definite_afterwards(
    pcscd: PrivatePcscd, kind: Kind, before_last: int
) -> None:
    card = Freezing(issued(kind).card, pcscd.pause)
    with PcscReader(pcscd.reader_names[0]) as reader, VirtualSlot(pcscd.ports[0]) as field:
        field.insert(card)
        channel = reader.wait_for_card(2)
        assert channel is not None
        driver = open_card(channel, TILL)
        first = sale(driver.read(), 1)
        card.count = 0
        driver.write(first)
        exchanges = card.count
        change = sale(driver.read(), 2)
        card.count = 0
        try:
            card.freezes_at = exchanges - before_last
            with pytest.raises((ReaderUnplugged, CardError)):
                driver.write(change)
        finally:
            pcscd.resume()
        card.freezes_at = 0
        again = next(found for found in iter(lambda: _tried(reader), ...) if found is not None)
        shown = open_card(again, TILL).make_definite(change.after.mark, change.after.counter, change)
        assert shown.purse in (change.purse_before, change.after)
