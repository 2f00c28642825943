"""Master keys and what they become on a card."""

from dataclasses import replace

import pytest

from hardware.cards.crypto import AesKey
from hardware.cards.keys import CardKeys, KeyNotHeld, Role
from protocol.purse_desfire import APPLICATION_ID
from tests.hardware.card_bench import KEYS, NEXT_KEYS, TILL, UID


def test_the_keys_on_cards_never_change() -> None:
    """Cards in the field carry them: UID, application id and role byte, diversified by AN10922."""
    keys = CardKeys([KEYS]).of_card(UID, 1)
    assert keys is not None
    for role, number, master in (
        (Role.DESFIRE_MASTER, 0x00, KEYS.office),
        (Role.DESFIRE_DEBIT, 0x01, KEYS.debit),
        (Role.DESFIRE_CREDIT, 0x02, KEYS.credit),
        (Role.DESFIRE_CARD, 0x0F, KEYS.office),
        (Role.CLASSIC_TILL, 0x10, KEYS.debit),
        (Role.CLASSIC_LOAD, 0x11, KEYS.credit),
        (Role.CLASSIC_OFFICE, 0x12, KEYS.office),
        (Role.CLASSIC_MAC, 0x13, KEYS.debit),
        (Role.PIN, 0x20, KEYS.debit),
    ):
        assert master is not None
        assert keys.aes(role).raw == AesKey(master).diversified(UID + APPLICATION_ID + bytes((number,))).raw
        assert keys.classic(role) == keys.aes(role).raw[:6]
    assert keys.aes(Role.DESFIRE_DEBIT).raw.hex() == "fdfeb1d4ec361cf3b538f1283f2a4b09"
    assert keys.mac8(Role.PIN)(b"1234") == keys.aes(Role.PIN).cmac(b"1234")[:8]


def test_a_till_holds_no_key_that_gives() -> None:
    keys = TILL.of_card(UID, 1)
    assert keys is not None
    for role in (Role.DESFIRE_CREDIT, Role.CLASSIC_LOAD, Role.DESFIRE_MASTER, Role.DESFIRE_CARD, Role.CLASSIC_OFFICE):
        with pytest.raises(KeyNotHeld):
            keys.aes(role)


def test_sets_are_found_by_their_number() -> None:
    keys = CardKeys([KEYS, NEXT_KEYS])
    assert keys.key_sets == (1, 2)
    assert keys.of_card(UID, 3) is None
    assert keys.of_card(UID, 2) is keys.of_card(UID, 2), "derived once a card"


def test_master_keys_are_checked_and_never_shown() -> None:
    for wrong in (0, 128):
        with pytest.raises(ValueError, match="1 to 127"):
            replace(KEYS, key_set=wrong)
    with pytest.raises(ValueError, match="16 bytes"):
        replace(KEYS, debit=b"short")
    for secret in (KEYS.debit, KEYS.credit, KEYS.office):
        assert repr(secret) not in repr(KEYS)
