"""A sale with the card in one slot and its key in another: pyscard, libpcsclite, pcscd and vpcd for real, twice."""

import time
from collections.abc import Iterator

import pytest

from hardware.cards.open_card import open_card
from hardware.ports import SamFailed
from hardware.readers.contact_slot import ContactSlot
from hardware.readers.pcsc import PcscReader
from hardware.simulated.pcscd import PrivatePcscd
from hardware.simulated.sam import VirtualSam
from hardware.simulated.vpcd import VirtualSlot
from tests.hardware.card_bench import TILL, Kind, issued, sale
from tests.hardware.sam_bench import HOST_KEY, keys_in, virtual_sam

pytestmark = pytest.mark.integration


@pytest.fixture
def card_slot(pcscd: PrivatePcscd) -> Iterator[VirtualSlot]:
    with VirtualSlot(pcscd.ports[0]) as slot:
        yield slot


@pytest.fixture
def sam_slot(pcscd: PrivatePcscd) -> Iterator[VirtualSlot]:
    with VirtualSlot(pcscd.ports[1]) as slot:
        wait_until_empty(pcscd)
        yield slot


def wait_until_empty(pcscd: PrivatePcscd) -> None:
    """Until pcscd has seen that the SAM's slot is empty: a chip that is swapped faster than it looks stays unseen."""
    with PcscReader(pcscd.reader_names[1]) as looking:
        assert looking.wait_until_absent(5)


def powered(slot: ContactSlot) -> ContactSlot:
    """The slot, once pcscd has seen what was put into it: it looks every 400 ms."""
    deadline = time.monotonic() + 10
    while True:
        try:
            slot.power_up()
        except SamFailed:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return slot


@pytest.mark.parametrize("kind", [Kind.EV1, Kind.EV2])
def test_a_sale_with_the_debit_key_in_a_sam_in_another_reader(
    pcscd: PrivatePcscd, card_slot: VirtualSlot, sam_slot: VirtualSlot, kind: Kind
) -> None:
    bench, sam = issued(kind), virtual_sam(3, wants_host=True)
    sam_slot.insert(sam)
    card_slot.insert(bench.card)
    with PcscReader(pcscd.reader_names[0]) as reader, powered(ContactSlot()) as chip:
        assert chip.name == pcscd.reader_names[1], "found by its answer to reset"
        channel = reader.wait_for_card(5)
        assert channel is not None
        driver = open_card(channel, keys_in(chip, HOST_KEY))
        sold = driver.write(sale(driver.read(), 1))
    card_slot.remove()
    assert bench.tap(TILL).read() == sold


def test_pulled_out_it_is_missing_and_plugged_in_again_it_works(pcscd: PrivatePcscd, sam_slot: VirtualSlot) -> None:
    bench = issued(Kind.EV1)
    sam_slot.insert(virtual_sam())
    with powered(ContactSlot(pcscd.names[1])) as chip:
        keys = keys_in(chip)
        before = bench.tap(keys).read()
        sam_slot.remove()
        wait_until_empty(pcscd)
        with pytest.raises(SamFailed):
            bench.tap(keys).read()
        with pytest.raises(SamFailed):
            bench.tap(keys).read()
        sam_slot.insert(virtual_sam())
        powered(chip)
        assert bench.tap(keys).read() == before


def test_a_slot_that_nobody_has_is_named_with_those_there_are(pcscd: PrivatePcscd) -> None:
    with ContactSlot("ACME SAM") as chip, pytest.raises(SamFailed, match=pcscd.names[0]):
        chip.power_up()


def test_a_card_without_contacts_is_taken_for_no_sam(pcscd: PrivatePcscd, card_slot: VirtualSlot) -> None:
    wait_until_empty(pcscd)
    card_slot.insert(issued(Kind.EV1).card)
    with PcscReader(pcscd.reader_names[0]) as reader:
        assert reader.wait_for_card(5) is not None
    with ContactSlot() as chip, pytest.raises(SamFailed, match="no SAM"):
        chip.power_up()


def test_the_virtual_chip_is_powered_up_anew_each_time(pcscd: PrivatePcscd, sam_slot: VirtualSlot) -> None:
    resets: list[int] = []

    class Counting(VirtualSam):
        def reset(self) -> None:
            resets.append(1)
            super().reset()

    sam_slot.insert(Counting({}))
    with powered(ContactSlot(pcscd.reader_names[1])) as chip:
        before = len(resets)
        chip.power_up()
        assert len(resets) > before
        assert chip.transmit(bytes.fromhex("8060000000"))[-3:] == b"\xa2\x90\x00"


def test_a_daemon_that_hangs_is_a_sam_that_is_missing(pcscd: PrivatePcscd, sam_slot: VirtualSlot) -> None:
    sam_slot.insert(virtual_sam(3))
    with powered(ContactSlot()) as chip:
        pcscd.pause()
        try:
            with pytest.raises(SamFailed, match="does not answer"):
                chip.transmit(b"\x80\x60\x00\x00\x00")
            with pytest.raises(SamFailed, match="does not answer"):
                chip.power_up()
        finally:
            pcscd.resume()
        assert powered(chip).transmit(b"\x80\x60\x00\x00\x00")[-2:] == b"\x90\x00"
