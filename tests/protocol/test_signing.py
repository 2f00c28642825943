"""Signatures, MACs and base64url against published vectors and other people's programs."""

import base64
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.signing import (
    SigningKey,
    VerifyKey,
    from_base64url,
    mac8_with,
    same_bytes,
    sha256_of,
    to_base64url,
)
from tests.protocol.samples import KEY, chain_of
from tests.protocol.test_verify_command import pem_of

RFC_8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
]
RFC_4493 = [
    ("", "bb1d6929e95937287fa37d129b756746"),
    ("6bc1bee22e409f96e93d7e117393172a", "070a16b46b4d4144f79bdd9dd04a287c"),
    (
        "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411",
        "dfa66747de9ae63030ca32611497c827",
    ),
]
CMAC_KEY = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")


@pytest.mark.parametrize(("seed", "public", "message", "signature"), RFC_8032)
def test_ed25519_as_in_rfc_8032(seed: str, public: str, message: str, signature: str) -> None:
    key = SigningKey(bytes.fromhex(seed))
    assert key.public.raw.hex() == public
    assert key.sign(bytes.fromhex(message)).hex() == signature
    assert key.public.verifies(bytes.fromhex(signature), bytes.fromhex(message))
    assert not key.public.verifies(bytes.fromhex(signature), bytes.fromhex(message) + b"x")
    assert not key.public.verifies(b"", b"")


@pytest.mark.parametrize(("message", "mac"), RFC_4493)
def test_cmac_as_in_rfc_4493(message: str, mac: str) -> None:
    mac8 = mac8_with(CMAC_KEY)
    assert mac8(bytes.fromhex(message)).hex() == mac[:16]
    assert mac8(bytes.fromhex(message)).hex() == mac[:16], "a prepared key is used many times"


@pytest.mark.parametrize("raw", [b"", bytes(31), bytes(33)])
def test_keys_of_another_length_are_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        SigningKey(raw)
    with pytest.raises(ValueError, match="32 bytes"):
        VerifyKey(raw)


def doubled(y: int) -> int:
    """The y of twice a point of edwards25519, from its y alone (RFC 8032 section 5.1.4)."""
    x_squared = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    return (y * y + x_squared) * pow(1 - D * x_squared * y * y, -1, P) % P


P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P


def test_a_point_of_small_order_is_no_key() -> None:
    """Under the neutral element one signature holds for every message: it is what a backdoor would look like."""
    y8 = int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little")
    small = (0, 1, P - 1, y8, P - y8)
    assert all(doubled(doubled(doubled(y))) == 1 for y in small)
    for y in (*small, P, P + 1, P + 3, 2**255 - 1):
        for sign in (0, 1):
            with pytest.raises(ValueError, match="small order"):
                VerifyKey((y | sign << 255).to_bytes(32, "little"))
    assert doubled(doubled(doubled(int.from_bytes(KEY.public.raw, "little") & (2**255 - 1)))) != 1
    assert VerifyKey((3).to_bytes(32, "little")).verifies(bytes(64), b"x") is False


def test_a_private_key_does_not_show_itself() -> None:
    seed = bytes(range(32))
    shown = repr(SigningKey(seed)) + str(SigningKey(seed))
    assert seed.hex() not in shown and to_base64url(seed) not in shown


def test_public_keys_are_compared_by_their_bytes() -> None:
    assert VerifyKey(KEY.public.raw) == KEY.public != VerifyKey(SigningKey(bytes(32)).public.raw)
    assert len({KEY.public, VerifyKey(KEY.public.raw)}) == 1
    assert KEY.public != KEY.public.raw
    assert same_bytes(b"a", b"a") and not same_bytes(b"a", b"b")


def test_sha256_as_in_fips_180_4() -> None:
    assert sha256_of(b"abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@given(st.binary(max_size=100))
def test_base64url_has_one_spelling(raw: bytes) -> None:
    text = to_base64url(raw)
    assert text.encode() == base64.urlsafe_b64encode(raw).rstrip(b"=")
    assert from_base64url(text) == from_base64url(text.encode()) == raw


@given(st.one_of(st.binary(max_size=12), st.text(max_size=12)))
def test_whatever_is_read_as_base64url_is_written_the_same(text: bytes | str) -> None:
    try:
        raw = from_base64url(text)
    except ValueError:
        return
    assert to_base64url(raw).encode() == (text if isinstance(text, bytes) else text.encode())


@pytest.mark.parametrize("text", ["A", "AB", "AA=", "AA==", "A+/A", "AA\n", "AA A", "ＡＡ", "AAA B", "A\u0100A?"])
def test_other_spellings_of_base64url_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="base64url"):
        from_base64url(text)


@pytest.mark.parametrize("index", range(0, 35, 7))
def test_openssl_verifies_an_entry(index: int, tmp_path: Path) -> None:
    signed, _, signature = chain_of()[index].jws.rpartition(b".")
    (tmp_path / "signed").write_bytes(signed)
    (tmp_path / "signature").write_bytes(base64.urlsafe_b64decode(signature + b"=="))
    (tmp_path / "key.pem").write_text(pem_of(KEY.public))
    options = ["-pubin", "-inkey", "key.pem", "-rawin", "-in", "signed", "-sigfile", "signature"]
    command = ["openssl", "pkeyutl", "-verify", *options]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 0
    (tmp_path / "signed").write_bytes(signed + b"A")
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode != 0
