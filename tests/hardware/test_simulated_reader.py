"""The twins of reader, clocks and indicator behave as their ports say."""

import threading

import pytest

from hardware.ports import CardChannel, CardLeftField, CardReader, Clock, Indicator, PurseCard, ReaderUnplugged, Signal
from hardware.simulated.clock import SimulatedClock
from hardware.simulated.indicator import SimulatedIndicator
from hardware.simulated.reader import SimulatedReader
from hardware.simulated.tearing import Moment, Tear
from protocol.purse import Technology
from tests.hardware.card_bench import UID, blank, issued

GET_UID = bytes.fromhex("ffca000000")


def test_the_twins_fit_their_ports() -> None:
    reader: CardReader = SimulatedReader()
    clock: Clock = SimulatedClock()
    indicator: Indicator = SimulatedIndicator()
    purse: PurseCard = issued(Technology.CLASSIC).tap()
    channel: CardChannel = issued(Technology.DESFIRE).channel()
    assert None not in {reader, clock, indicator, purse, channel}


def test_an_empty_field_has_no_card() -> None:
    reader = SimulatedReader()
    assert reader.wait_for_card(0) is None
    assert reader.wait_until_absent(0)


def test_a_card_in_the_field_is_spoken_to() -> None:
    reader = SimulatedReader()
    reader.place(blank(Technology.CLASSIC))
    channel = reader.wait_for_card(0)
    assert channel is not None
    assert (channel.uid, channel.technology) == (UID, Technology.CLASSIC)
    assert channel.transmit(GET_UID) == UID + b"\x90\x00"
    assert not reader.wait_until_absent(0)


def test_a_channel_dies_with_its_card() -> None:
    reader = SimulatedReader()
    card = blank(Technology.DESFIRE)
    reader.place(card)
    old = reader.wait_for_card(0)
    assert old is not None
    reader.take_away()
    assert reader.wait_for_card(0) is None
    with pytest.raises(CardLeftField):
        old.transmit(GET_UID)
    reader.place(card)
    with pytest.raises(CardLeftField):
        old.transmit(GET_UID)
    reader.take_away()
    reader.take_away()


def test_a_torn_card_is_absent_until_it_is_placed_again() -> None:
    reader = SimulatedReader()
    card = blank(Technology.DESFIRE)
    reader.place(card)
    channel = reader.wait_for_card(0)
    assert channel is not None
    card.arm(Tear(1, Moment.AFTER))
    with pytest.raises(CardLeftField):
        channel.transmit(bytes.fromhex("9060000000"))
    assert reader.wait_until_absent(0)
    reader.place(card)
    assert reader.wait_for_card(0) is not None


def test_waiting_ends_when_a_card_comes_and_when_it_goes() -> None:
    reader = SimulatedReader()
    coming = threading.Timer(0.01, reader.place, [blank(Technology.CLASSIC)])
    coming.start()
    assert reader.wait_for_card(10) is not None
    going = threading.Timer(0.01, reader.take_away)
    going.start()
    assert reader.wait_until_absent(10)
    coming.join()
    going.join()


def test_an_unplugged_reader_says_so() -> None:
    reader = SimulatedReader()
    reader.place(blank(Technology.CLASSIC))
    channel = reader.wait_for_card(0)
    assert channel is not None
    reader.unplug()
    for act in (
        lambda: channel.transmit(GET_UID),
        lambda: reader.wait_for_card(0),
        lambda: reader.wait_until_absent(0),
    ):
        with pytest.raises(ReaderUnplugged):
            act()
    reader.plug_in()
    assert channel.transmit(GET_UID).startswith(UID)


def test_time_passes_when_told_to() -> None:
    clock = SimulatedClock(utc_ms=1_000, mono_ms=10)
    clock.pass_time(500)
    assert (clock.utc_ms(), clock.mono_ms()) == (1_500, 510)
    clock.set_utc(7)
    assert (clock.utc_ms(), clock.mono_ms()) == (7, 510)


def test_the_indicator_remembers_the_last_signals() -> None:
    indicator = SimulatedIndicator()
    for _ in range(SimulatedIndicator.REMEMBERED_MAX):
        indicator.signal(Signal.WAITING)
    indicator.signal(Signal.APPROVED)
    assert len(indicator.signals) == SimulatedIndicator.REMEMBERED_MAX
    assert indicator.signals[-1] is Signal.APPROVED
