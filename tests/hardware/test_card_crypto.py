"""Card cryptography against published vectors; each test names its source."""

import pytest
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from hypothesis import given
from hypothesis import strategies as st

from hardware.cards.crypto import AesKey, desfire_crc32, rotated_left, session_key, xor

_unhex = bytes.fromhex


def aes_cmac(key: bytes, message: bytes) -> bytes:
    """Another program's CMAC."""
    mac = CMAC(AES(key))
    mac.update(message)
    return mac.finalize()


@pytest.mark.parametrize(
    ("length", "mac"),
    [
        (0, "bb1d6929e95937287fa37d129b756746"),
        (16, "070a16b46b4d4144f79bdd9dd04a287c"),
        (40, "dfa66747de9ae63030ca32611497c827"),
        (64, "51f0bebf7e3b9d92fc49741779363cfe"),
    ],
)
def test_cmac_gives_the_values_of_rfc_4493_section_4(length: int, mac: str) -> None:
    message = _unhex(
        "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
        "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
    )
    key = AesKey(_unhex("2b7e151628aed2a6abf7158809cf4f3c"))
    assert key.cmac(message[:length]) == _unhex(mac)


@given(st.binary(min_size=16, max_size=16), st.binary(max_size=100))
def test_cmac_agrees_with_an_independent_implementation(key: bytes, message: bytes) -> None:
    assert AesKey(key).cmac(message) == aes_cmac(key, message)


def test_cmac_runs_on_from_the_last_one() -> None:
    """A key version read in an AES session, as in the public "DESFire EV1 Communication Examples" (Elmü)."""
    session = AesKey(_unhex("90F7A20191036845EC63DECD544B9931"))
    command_mac = session.cmac(_unhex("6400"))
    assert command_mac == _unhex("257FC538618A944A3A20967B6F314348")
    assert session.cmac(_unhex("1000"), command_mac) == _unhex("8A8FA36F55CD210DD8054658AC70D99A")


def test_diversification_gives_the_value_of_an10922_section_2_2_1() -> None:
    master = AesKey(_unhex("00112233445566778899AABBCCDDEEFF"))
    uid, aid, system = _unhex("04782E21801D80"), _unhex("3042F5"), b"NXP Abu"
    assert master.diversified(uid + aid + system).raw == _unhex("A8DD63A3B89D54B37CA802473FDA9175")


def test_a_short_diversification_input_is_not_a_plain_cmac() -> None:
    """Fifteen bytes and fewer are padded to two blocks all the same (AN10922 section 2.2, "padding")."""
    master = AesKey(bytes(range(16)))
    short = bytes(11)
    assert master.diversified(short).raw != aes_cmac(master.raw, b"\x01" + short)
    padded = b"\x01" + short + b"\x80" + bytes(19)
    zero_chained = AesKey(master.raw).cbc_encrypt(padded[:16])
    k2_tail = xor(padded[16:], _subkey_2(master))
    assert master.diversified(short).raw == master.cbc_encrypt(k2_tail, zero_chained)


@pytest.mark.parametrize(
    ("length", "key"),
    [
        (1, "281049D52ECBC8F60961993D34DE3D54"),
        (7, "E8B7F67C78C34AF1446E331EF7E6D3FF"),
        (15, "5A3C7F6F0687F24F82DEE7EDA0970D08"),
        (16, "FEED9FBD36CDB16819A72D30BCF9240B"),
        (31, "21C28CD89BB3147F66C7DBD4851CAB20"),
    ],
)
def test_short_and_long_inputs_agree_with_another_program(length: int, key: str) -> None:
    """AN10922 has no example of a short input. These are a public C++ DESFire library's, made with openssl's AES-CBC
    from the subkeys that AN10922 prints (the next test); inputs 00 01 02 and so on."""
    assert AesKey(_unhex("00112233445566778899AABBCCDDEEFF")).diversified(bytes(range(length))).raw == _unhex(key)


def test_the_subkeys_are_those_that_an10922_prints() -> None:
    """AN10922 section 2.2.1, steps 3 and 4."""
    master = AesKey(_unhex("00112233445566778899AABBCCDDEEFF"))
    assert _subkey_2(master) == _unhex("F793EEB928278083BFDC8A5A7E0E0D25")
    subkey_1 = xor(master.cbc_decrypt(master.cmac(bytes(16))), bytes(16))
    assert subkey_1 == _unhex("FBC9F75C9413C041DFEE452D3F0706D1")


def _subkey_2(key: AesKey) -> bytes:
    doubled = int.from_bytes(key.cbc_encrypt(bytes(16)), "big")
    for _ in range(2):
        doubled = ((doubled << 1) ^ (0x87 if doubled >> 127 else 0)) & ((1 << 128) - 1)
    return doubled.to_bytes(16, "big")


def test_the_longest_diversification_input_needs_no_padding() -> None:
    master = AesKey(bytes(range(16)))
    assert master.diversified(bytes(31)).raw == aes_cmac(master.raw, b"\x01" + bytes(31))
    for wrong in (b"", bytes(32)):
        with pytest.raises(ValueError, match="1 to 31"):
            master.diversified(wrong)


def test_cbc_gives_the_values_of_nist_sp_800_38a_appendix_f_2_1() -> None:
    key, iv = AesKey(_unhex("2b7e151628aed2a6abf7158809cf4f3c")), bytes(range(16))
    plain = _unhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51")
    secret = _unhex("7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2")
    assert key.cbc_encrypt(plain, iv) == secret
    assert key.cbc_decrypt(secret, iv) == plain


def test_an_authentication_gives_the_published_bytes() -> None:
    """Authenticate(key 1, AES) of the public "DESFire EV1 Communication Examples" (Elmü)."""
    key = AesKey(_unhex("10182028303840485058606870788088"))
    challenge = _unhex("B351CB2465D4F33AC627FD6E87A168F2")
    rnd_a, rnd_b = _unhex("40E7D27174CBA675E8EFBAB99C530E3D"), key.cbc_decrypt(challenge)
    assert rnd_b == _unhex("626FFBD45CAF334ACCA45599304F5B17")
    proof = key.cbc_encrypt(rnd_a + rotated_left(rnd_b), challenge)
    assert proof == _unhex("044B6CAC343A0865895149649CA8DDE1F5AC4EC67BD208900AF02F049E05F0B0")
    answer = key.cbc_decrypt(_unhex("A2EE144B1012FBEB7B2F11132D95A454"), proof[-16:])
    assert answer == rotated_left(rnd_a)
    assert session_key(rnd_a, rnd_b).raw == _unhex("40E7D271626FFBD49C530E3D304F5B17")


def test_the_crc_is_the_published_one() -> None:
    """ChangeKey(0) and ChangeKey(1) of the same examples: over command, key number, key and key version."""
    key = _unhex("00102030405060708090A0B0B0A09080")
    assert desfire_crc32(_unhex("C400") + key + b"\x10") == _unhex("D2C6E66B")
    assert desfire_crc32(key) == _unhex("BFE37919")


def test_the_crc_has_the_check_value_of_crc_32_jamcrc() -> None:
    """Catalogue of parametrised CRC algorithms (Greg Cook), CRC-32/JAMCRC: check=0x340bc6d9, over "123456789"."""
    assert desfire_crc32(b"123456789") == (0x340BC6D9).to_bytes(4, "little")


def test_a_key_keeps_itself_to_itself() -> None:
    assert "000102" not in repr(AesKey(bytes(range(16))))
    with pytest.raises(ValueError, match="has 15"):
        AesKey(bytes(15))
