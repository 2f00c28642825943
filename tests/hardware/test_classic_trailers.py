"""The one block that can spoil a card: access bits against published ones, each trailer proven at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.cards.classic_sectors import TRANSPORT_KEY, ClassicSectors, access_bytes, access_conditions
from hardware.cards.classic_trailers import lock, locked_trailer
from hardware.ports import CardChannel, CardLeftField
from hardware.simulated.access_bits import sector_rules
from hardware.simulated.reader import SimulatedReader
from tests.hardware.card_bench import OFFICE, UID, Bench, Kind, blank

KEYS = OFFICE.require(UID, 1)


@pytest.mark.parametrize(
    ("published", "data", "trailer"),
    [
        ("ff0780", 0b000, 0b001),  # as delivered: NXP MF1S50YYX_V1 section 8.7.2
        ("787788", 0b100, 0b011),  # MAD sector: NXP AN1304
        ("7f0788", 0b000, 0b011),  # NFC sector that is read and written: NXP AN1304
        ("078f0f", 0b010, 0b110),  # sector made read only: NXP AN1304
    ],
)
def test_access_bits_are_the_published_ones(published: str, data: int, trailer: int) -> None:
    assert access_bytes(data, trailer)[:3].hex() == published
    assert access_conditions(bytes.fromhex(published)) == (data, data, data, trailer)


@given(st.binary(min_size=3, max_size=3))
def test_access_bits_whose_copies_disagree_are_known_for_what_they_are(raw: bytes) -> None:
    """The driver and the virtual card each have a decoder of their own."""
    assert (access_conditions(raw) is None) is (sector_rules(raw) is None)


@given(st.integers(0, 7), st.integers(0, 7))
def test_every_condition_is_written_so_that_it_reads_back(data: int, trailer: int) -> None:
    assert access_conditions(access_bytes(data, trailer)) == (data, data, data, trailer)


@pytest.mark.parametrize(
    ("sector", "access"),
    [(0, "787788"), (1, "787788"), (2, "7f0788"), (3, "7f0788"), *((sector, "70ff08") for sector in range(4, 8))],
)
def test_each_sector_of_ours_has_its_conditions(sector: int, access: str) -> None:
    assert locked_trailer(sector, KEYS)[6:10].hex() == access + "69"


class Bent:
    """A channel that changes bytes of a trailer on its way to the card."""

    def __init__(self, channel: CardChannel, at: int) -> None:
        self.uid, self.technology = channel.uid, channel.technology
        self._channel, self._at = channel, at

    def transmit(self, apdu: bytes) -> bytes:
        if apdu[:4] == bytes.fromhex("ffd60007"):
            at = 5 + self._at
            apdu = apdu[:at] + bytes((apdu[at] ^ 1,)) + apdu[at + 1 :]
        return self._channel.transmit(apdu)


@pytest.mark.parametrize("at", [0, 6, 9, 15], ids=["key A", "access bits", "the free byte", "key B"])
def test_a_trailer_that_did_not_arrive_as_it_was_sent_is_noticed_at_once(at: int) -> None:
    bench = Bench(blank(Kind.CLASSIC), SimulatedReader())
    bench.reader.place(bench.card)
    sectors = ClassicSectors(Bent(bench.channel(), at))
    sectors.open(1, TRANSPORT_KEY)
    with pytest.raises(CardLeftField, match="sector 1"):
        lock(sectors, 1, KEYS)
