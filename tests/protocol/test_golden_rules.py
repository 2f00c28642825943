"""Another implementation can be held against these: the vectors are what the code says, and say enough."""

import json

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.cmac import CMAC

from protocol.limits import LimitRules
from protocol.messages import decode_batch
from protocol.policy import CardsFile, LoadsFile, loads_by_card, read_file
from protocol.price_list import decode_prices
from tests.protocol import golden_rules
from tests.protocol.golden import golden
from tests.protocol.samples import NOON, RECORD, SIGNED_LOAD


@pytest.mark.parametrize("name", ["keys", "lists", "decisions"])
def test_the_vectors_are_what_the_code_says(name: str) -> None:
    assert json.loads(json.dumps(getattr(golden_rules, name)())) == golden(name)


def test_the_lists_are_read_back() -> None:
    texts = {name: text.encode() for name, text in golden("lists").items()}
    assert read_file(texts["cards"], CardsFile).floors[0].counter == 11
    assert loads_by_card(read_file(texts["loads"], LoadsFile)) == {(RECORD.card, RECORD.generation): SIGNED_LOAD}
    assert read_file(texts["limits"], LimitRules) == golden_rules.RULES
    assert read_file(texts["limits_of_bounds"], LimitRules) == golden_rules.BOUNDS
    assert read_file(texts["limits_of_a_period"], LimitRules) == golden_rules.PERIOD
    assert decode_prices(texts["prices"]) == golden_rules.PRICES
    for name, file in golden_rules.SITE_FILES.items():
        assert read_file(texts[name], type(file)) == file
    later = decode_prices(texts["prices_and_later_ones"])
    assert later.at(NOON + 59_999) is later and later.at(NOON + 60_000).products == golden_rules.PRICES.products[1:]


def test_a_batch_is_unpacked_whoever_compressed_it() -> None:
    stored = golden("batch")
    assert decode_batch(bytes.fromhex(stored["compressed"])) == [line.encode() for line in stored["entries"]]


def test_every_refusal_of_a_limit_has_a_vector() -> None:
    reasons = {row["answer"].get("reason", "approved") for row in golden("decisions")["approvals"]}
    assert reasons == {
        *("approved", "outside_window", "sale_limit", "day_limit", "offline_limit"),
        *("pin_blocked", "pin_needed", "pin_wrong"),
    }


def test_a_meal_s_count_and_a_period_s_end_have_vectors() -> None:
    rows = golden("decisions")["periods"]
    limited = {(row["card_class"], row["meal_count"]) for row in rows if row["answer"].get("reason") == "meal_limit"}
    assert limited == {(1, 1), (1, 2), (1, 3), (2, 3)}
    paid = {(row["when"]["day"], row["answer"]["subsidy_cents"]) for row in rows if "subsidy_cents" in row["answer"]}
    assert len(paid) > 2, "by subsidy as long as it runs, by main from the next day on"


def test_keys_are_diversified_as_the_page_says() -> None:
    """AN10922 section 2.2 with nothing of ours: the padded message through CBC, K2 in its last block."""
    stored = golden("keys")
    tiers = dict.fromkeys(("00", "0f", "12", "34", "35", "36", "37"), "office") | dict.fromkeys(("02", "11"), "credit")
    for technology in ("classic", "desfire"):
        for role, key in stored[technology]["keys"].items():
            master = bytes.fromhex(stored["masters"][tiers.get(role, "debit")])
            uid = "" if role == "30" else stored[technology]["uid"]  # one key opens the UID of all tags
            message = bytes.fromhex("01" + uid + "f0fa4b" + role)
            padded = (message + b"\x80").ljust(32, b"\x00")
            k2 = twice_doubled(encrypted(master, bytes(16)))
            last = bytes(left ^ right for left, right in zip(padded[16:], k2, strict=True))
            assert encrypted(master, padded[:16] + last)[-16:].hex() == key
        pin_key = bytes.fromhex(stored[technology]["keys"]["20"])
        assert (
            cmac(pin_key, b"fanka pin 1\x00" + stored[technology]["pin"].encode())[:8].hex()
            == (stored[technology]["pin_verifier"])
        )


def test_a_session_can_be_followed_by_the_page_alone() -> None:
    """The reader's and the card's halves again, from the exchanges, the key and the two randoms only."""
    stored = golden("keys")
    key = bytes.fromhex(stored["desfire"]["keys"]["01"])
    rnd_a, rnd_b = (bytes.fromhex(stored["session"][name]) for name in ("rnd_a", "rnd_b"))
    said = [(bytes.fromhex(command), bytes.fromhex(answer)) for command, answer in stored["session"]["said"]]
    assert [command[1] for command, _ in said] == [
        *(0x5A, 0x64, 0xAA, 0xAF, 0xBD, 0x6C, 0x6C, 0xBD, 0xBD, 0xBB),
        *(0xDC, 0xDC, 0x3D, 0x3B, 0xC7),
    ]
    assert all(command[0] == 0x90 and command[2:4] == bytes(2) and command[-1] == 0 for command, _ in said)
    (_, challenge), (proof, proven) = said[2:4]
    assert challenge == encrypted(key, rnd_b) + b"\x91\xaf"
    assert proof[5:-1] == encrypted(key, rnd_a + rnd_b[1:] + rnd_b[:1], challenge[:16])
    assert proven == encrypted(key, rnd_a[1:] + rnd_a[:1], proof[-17:-1]) + b"\x91\x00"
    session, iv = rnd_a[:4] + rnd_b[:4] + rnd_a[12:] + rnd_b[12:], bytes(16)
    for command, answer in said[4:]:
        data = command[5:-1] if len(command) > 5 else b""
        is_maced = command[1] in (0xDC, 0x3D, 0x3B)
        iv = cmac(session, command[1:2] + (data[:-8] if is_maced else data), iv)
        assert not is_maced or data[-8:] == iv[:8]
        iv = cmac(session, answer[:-10] + answer[-1:], iv)
        assert answer[-10:] == iv[:8] + b"\x91\x00"


def test_an_ev2_session_can_be_followed_by_the_page_alone() -> None:
    """The same of a card that speaks EV2: both session keys, the identifier, the count, every MAC."""
    stored = golden("keys")
    key = bytes.fromhex(stored["desfire"]["keys"]["01"])
    rnd_a, rnd_b = (bytes.fromhex(stored["session_ev2"][name]) for name in ("rnd_a", "rnd_b"))
    said = [(bytes.fromhex(command), bytes.fromhex(answer)) for command, answer in stored["session_ev2"]["said"]]
    assert [command[1] for command, _ in said] == [
        *(0x5A, 0x64, 0x71, 0xAF, 0xBD, 0x6C, 0x6C, 0xBD, 0xBD, 0xBB),
        *(0xDC, 0xDC, 0x3D, 0x3B, 0xC7),
    ]
    assert said[1][1][0] == golden_rules.MASTERS.key_set | 0x80
    (_, challenge), (proof, proven) = said[2:4]
    assert challenge == encrypted(key, rnd_b) + b"\x91\xaf"
    assert proof[5:-1] == encrypted(key, rnd_a + rnd_b[1:] + rnd_b[:1])
    ti = rnd_b[:4]  # the card's chance says the same again and again
    assert proven == encrypted(key, ti + rnd_a[1:] + rnd_a[:1] + bytes(12)) + b"\x91\x00"
    mixed = bytes(left ^ right for left, right in zip(rnd_a[2:8], rnd_b[:6], strict=True))
    mac_key = cmac(key, bytes.fromhex("5aa500010080") + rnd_a[:2] + mixed + rnd_b[6:] + rnd_a[8:])
    for count, (command, answer) in enumerate(said[4:]):
        counts = [number.to_bytes(2, "little") for number in (count, count + 1)]
        assert command[-9:-1] == cmac(mac_key, command[1:2] + counts[0] + ti + command[5:-9])[1::2]
        assert answer[-10:-2] == cmac(mac_key, answer[-1:] + counts[1] + ti + answer[:-10])[1::2]


def encrypted(key: bytes, plain: bytes, iv: bytes = bytes(16)) -> bytes:
    return Cipher(AES(key), CBC(iv)).encryptor().update(plain)


def cmac(key: bytes, message: bytes, iv: bytes = bytes(16)) -> bytes:
    """CMAC that starts from an IV: the first block is XORed with it; a message of one block or less is padded first."""
    if iv == bytes(16):
        mac = CMAC(AES(key))
        mac.update(message)
        return mac.finalize()
    zero = encrypted(key, bytes(16))
    whole = message if message and len(message) % 16 == 0 else message + b"\x80" + bytes(-(len(message) + 1) % 16)
    subkey = doubled(zero) if whole == message else twice_doubled(zero)
    last = bytes(left ^ right for left, right in zip(whole[-16:], subkey, strict=True))
    return encrypted(key, whole[:-16] + last, iv)[-16:]


def doubled(block: bytes) -> bytes:
    number = int.from_bytes(block) << 1
    return ((number ^ 0x87) & (2**128 - 1) if number >> 128 else number).to_bytes(16)


def twice_doubled(block: bytes) -> bytes:
    return doubled(doubled(block))
