"""A SAM: the exchange that real chips were heard in, sales with its keys, and everything that can go wrong with it."""

from collections.abc import Callable

import pytest

from hardware.cards.crypto import AesKey
from hardware.cards.keys import KeyNotHeld, OnlyInSam, Role
from hardware.cards.sam import HostKey, Sam, exchange_key, host_mac
from hardware.ports import CardLeftField, CardNotOurs, SamFailed
from hardware.simulated.sam import ATR, SamEntry, VirtualSam
from hardware.simulated.tearing import Moment, Tear
from tests.hardware.card_bench import STATION, TILL, Kind, issued, load, sale
from tests.hardware.sam_bench import HOST_KEY, Slot, keys_in, virtual_sam

PART_1, PART_2, DUMP, KILL = "800a11", "800a00", "80d500", "80ca01"
everywhere = pytest.mark.parametrize(
    ("kind", "generation"), [(Kind.EV1, 2), (Kind.EV1, 3), (Kind.EV2, 2), (Kind.EV2, 3)]
)


def heads(sam: VirtualSam) -> list[str]:
    """The commands since the last look, by their first three bytes."""
    asked = [apdu[:3].hex() for apdu in sam.asked]
    sam.asked.clear()
    return asked


def test_a_chips_own_words_are_what_it_is_expected_to_say() -> None:
    # dumacp/smartcard, nxp/mifare/samav2/samAv2.go: a chip with the factory's key, in mode 0
    factory, rnd_1 = AesKey(bytes(16)), bytes.fromhex("A408BEB67688B37328DDBF82")
    assert host_mac(factory, rnd_1 + b"\x00") == bytes.fromhex("17A9822892E3EFAF")
    # springcard-dotnet-libraries, SamAV_authentication.cs: Rnd1, rnd2_ex and KXE_Ex under the key of its remarks
    key, rnd_2 = AesKey(bytes.fromhex("01020304050607080910111213141516")), bytes.fromhex("CC3EE4988E602AC13A500665")
    assert exchange_key(key, bytes(range(12)), rnd_2).raw == bytes.fromhex("055F218DAAA1D85D21DE860709CAFCE8")
    assert b"MIFARE Plus SAM" in ATR


@everywhere
def test_a_sale_and_a_load_with_no_key_but_the_sams(kind: Kind, generation: int) -> None:
    bench, keys = issued(kind), keys_in(Slot(virtual_sam(generation)))
    driver = bench.tap(keys)
    assert driver.write(sale(driver.read(), 1)) == bench.tap(TILL).read()
    station = bench.tap(keys)
    station.write(load(station.read(), 2, 1, 100))
    after = bench.tap(STATION).read()
    assert after.purse is not None and after.purse.main_cents == 5_000 - 20 + 100


def test_an_authentication_takes_three_commands_and_the_chip_is_asked_once_what_it_is() -> None:
    bench, sam = issued(Kind.EV2), virtual_sam(3)
    keys = keys_in(Slot(sam))
    bench.tap(keys).read()
    assert heads(sam) == ["806000", "800a91", PART_2, DUMP]
    bench.tap(keys).read()
    assert heads(sam) == ["800a91", PART_2, DUMP]


def test_a_card_that_leaves_half_way_is_forgotten_by_the_chip() -> None:
    bench, sam = issued(Kind.EV1), virtual_sam()
    slot = Slot(sam)
    keys = keys_in(slot)
    driver = bench.tap(keys)
    bench.card.field.arm(Tear(4, Moment.BEFORE))
    with pytest.raises(CardLeftField):
        driver.read()
    assert heads(sam)[-1] == PART_1
    bench.card.put_back()
    bench.tap(keys).read()
    assert heads(sam) == [KILL, PART_1, PART_2, DUMP]
    assert slot.power_ups == 1


def test_a_card_with_another_key_is_not_ours_and_the_next_one_is_served() -> None:
    sam = virtual_sam()
    keys = keys_in(Slot(sam)).require(bytes(7), 1)
    key = keys.card_key(Role.DESFIRE_DEBIT)
    proof = key.prove(next(iter(key.schemes)), bytes(16), bytes)
    with pytest.raises(CardNotOurs):
        proof.session(bytes(16), None)
    driver = issued(Kind.EV1).tap(keys_in(Slot(sam)))
    assert driver.read().purse is not None


def test_the_host_proves_itself_where_an_entry_wants_it() -> None:
    bench, sam = issued(Kind.EV1), virtual_sam(wants_host=True)
    assert bench.tap(keys_in(Slot(sam), HOST_KEY)).read().purse is not None
    heads(sam)
    with pytest.raises(SamFailed, match="6985: the key entry does not allow it, or the host"):
        bench.tap(keys_in(Slot(sam))).read()


@pytest.mark.parametrize(
    ("host", "said"),
    [
        (HostKey(0, 0, AesKey(bytes(16))), "A4 with 901E: authentication failed"),
        (HostKey(9, 0, HOST_KEY.key), "A4 with 6502: it has no such key entry"),
        (HostKey(0, 9, HOST_KEY.key), "A4 with 6A82: the key entry has no such version"),
    ],
)
def test_a_host_that_is_not_known_is_told_why(host: HostKey, said: str) -> None:
    with pytest.raises(SamFailed, match=said):
        Sam(Slot(virtual_sam()), host).version()


def test_a_chip_that_does_not_know_the_host_key_is_not_believed() -> None:
    class Liar(VirtualSam):
        def process(self, apdu: bytes) -> bytes:
            answer = super().process(apdu)
            return bytes(8) + answer[8:] if len(answer) == 26 else answer

    liar = Liar({0: SamEntry({0: HOST_KEY.key})})
    with pytest.raises(SamFailed, match="did not prove"):
        Sam(Slot(liar), HOST_KEY).version()


def test_another_chip_in_the_slot_is_named_as_such() -> None:
    with pytest.raises(SamFailed, match="no SAM AV2 or AV3"):
        Sam(Slot(virtual_sam(1))).version()


@pytest.mark.parametrize(
    ("sam", "said"),
    [
        (lambda: virtual_sam(dumps=False), "D5 with 6985"),
        (lambda: virtual_sam(key_set=5), "0A with 6A82"),
    ],
)
def test_an_entry_that_is_set_up_wrong_is_a_fault_of_the_device_and_not_of_the_card(
    sam: Callable[[], VirtualSam], said: str
) -> None:
    slot = Slot(sam())
    keys = keys_in(slot)
    bench = issued(Kind.EV1)
    for power_ups in (1, 2):
        with pytest.raises(SamFailed, match=said):
            bench.tap(keys).read()
        assert slot.power_ups == power_ups, "a refusal ends the session"


def test_pulled_out_at_any_command_it_is_missing_and_plugged_in_again_it_works() -> None:
    bench, slot = issued(Kind.EV1), Slot(virtual_sam())
    keys = keys_in(slot, HOST_KEY)
    for commands in range(7):
        slot.commands_left = commands
        with pytest.raises(SamFailed, match="pulled out"):
            bench.tap(keys).read()
        slot.commands_left = None
        driver = bench.tap(keys)
        assert driver.read().purse is not None
        keys = keys_in(slot, HOST_KEY)


def test_what_is_no_desfire_has_no_key_in_a_sam() -> None:
    of_card = keys_in(Slot(virtual_sam())).require(bytes(7), 1)
    for role in (Role.CLASSIC_TILL, Role.PIN, Role.ULTRALIGHT):
        with pytest.raises(OnlyInSam):
            of_card.aes(role)
    with pytest.raises(KeyNotHeld):
        of_card.card_key(Role.DESFIRE_MASTER)
    with pytest.raises(CardNotOurs):
        issued(Kind.CLASSIC).tap(keys_in(Slot(virtual_sam()))).read()
