"""A key set is split for several people and joined again; a wrong digit, a foreign part or a missing one is found."""

import re
import shutil
import subprocess
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.card_keys import (
    KeySet,
    NotKeys,
    Tier,
    check_value,
    join,
    read_part,
    read_tables,
    split,
    write_part,
    write_tables,
)

KEYS = KeySet(7, {Tier.OFFICE: bytes(range(16)), Tier.CREDIT: bytes(range(16, 32)), Tier.DEBIT: bytes(range(32, 48))})
CHANCE = bytes(range(100, 196))
PARTS = split(KEYS, 3, CHANCE)
PRINTED = write_part(PARTS[1])


@given(keys=st.binary(min_size=48, max_size=48), count=st.integers(2, 3), chance=st.binary(min_size=96, max_size=96))
def test_all_parts_make_the_keys_as_they_were(keys: bytes, count: int, chance: bytes) -> None:
    whole = KeySet(1, {tier: keys[16 * place :][:16] for place, tier in enumerate(Tier)})
    parts = split(whole, count, chance[: 48 * (count - 1)])
    assert join([read_part(write_part(part)) for part in reversed(parts)]) == whole


def test_one_part_less_is_as_good_as_chance() -> None:
    """For any other key there is a last part that fits what the others have."""
    other = KeySet(7, {tier: bytes(16) for tier in Tier})
    assert [part.components for part in split(other, 3, CHANCE)[:2]] == [part.components for part in PARTS[:2]]


@pytest.mark.skipif(not shutil.which("openssl"), reason="the judge")
@pytest.mark.parametrize("tier", Tier)
def test_a_check_value_is_the_cmac_of_zeros_as_openssl_makes_it(tier: Tier) -> None:
    key = KEYS.masters[tier]
    arguments = ["openssl", "mac", "-cipher", "AES-128-CBC", "-macopt", f"hexkey:{key.hex()}", "CMAC"]
    judged = subprocess.run(arguments, input=bytes(16), capture_output=True, check=True).stdout
    assert check_value(key) == judged.decode().strip().lower()[:10]


def test_a_part_is_typed_in_any_case_and_spacing() -> None:
    typed = re.sub(r"(?<=[0-9a-f]{4}) (?=[0-9a-f]{4})", "", PRINTED.upper()).replace("\n", "\n\n")
    assert read_part(typed) == PARTS[1]


def test_each_wrong_digit_is_found_in_its_line() -> None:
    lines = PRINTED.splitlines()
    at = lines[2].index("check") - 3
    wrong = lines[2][:at] + ("0" if lines[2][at] != "0" else "1") + lines[2][at + 1 :]
    with pytest.raises(NotKeys, match="line 3: its check value") as found:
        read_part("\n".join([*lines[:2], wrong, lines[3]]))
    assert wrong.split()[1] not in str(found.value), "a message shows nothing of a part"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "line 1"),
        (PRINTED.replace("part 2", "part 9"), "line 1"),
        (PRINTED.replace("of 3", "of 1", 1), "line 1"),
        (PRINTED.replace("part 2 of 3", "part 3 of 2"), "there is no set 7, part 3 of 2"),
        (PRINTED.replace("set 7", "set 128"), "there is no set 128"),
        (PRINTED.replace("credit", "kredit"), "line 3"),
        (PRINTED + PRINTED.splitlines()[1], "one line for each"),
        (PRINTED.rsplit("debit", 1)[0], "one line for each"),
    ],
)
def test_what_is_no_part_says_why(text: str, sentence: str) -> None:
    with pytest.raises(NotKeys, match=sentence):
        read_part(text)


def test_parts_that_do_not_belong_together_make_no_keys() -> None:
    again = split(KEYS, 3, CHANCE[::-1])
    other = split(KeySet(7, {**KEYS.masters, Tier.DEBIT: bytes(16)}), 3, CHANCE)
    for parts, sentence in (
        ((), "no parts"),
        (PARTS[:2], "these are: 1, 2"),
        ((*PARTS[:2], PARTS[0]), "these are: 1, 2, 1"),
        ((*PARTS[:2], again[2]), "not the keys that were split"),
        ((*PARTS[:2], other[2]), "different splits"),
        ((*PARTS[:2], replace(PARTS[2], key_set=8)), "different sets"),
    ):
        with pytest.raises(NotKeys, match=sentence):
            join(parts)


def test_tables_are_read_whole_or_not_at_all() -> None:
    raw = write_tables([(KEYS.number, KEYS.masters), (6, KEYS.masters)])
    assert [keys.number for keys in read_tables(raw)] == [7, 6]
    with pytest.raises(NotKeys, match="there is no key 'card_key'"):
        read_tables(b"[[card_key]]")
    for wrong in (write_tables([(7, {Tier.DEBIT: bytes(16)})]), raw.replace(b"AAEC", b"AA", 1)):
        with pytest.raises(NotKeys, match="all three keys") as found:
            read_tables(wrong)
        assert "AwQFBgc" not in str(found.value) and found.value.__cause__ is None


def test_no_key_shows_itself() -> None:
    for secret in KEYS.masters.values():
        assert repr(secret) not in repr(KEYS) and secret.hex() not in repr(PARTS)
