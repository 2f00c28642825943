"""What is sealed for one key is opened by it alone; joserfc, written by others, opens it too."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwe
from joserfc.jwk import OKPKey

from protocol.sealing import SEAL_CHANCE_BYTES, NotOpened, public_of, seal, unseal
from protocol.signing import from_base64url, to_base64url

SECRET, CHANCE, WHOM = bytes(range(1, 33)), bytes(range(100, 144)), "till-1/1"
PUBLIC = public_of(SECRET)
SEALED = seal(b"sixteen or so bytes", PUBLIC, WHOM, CHANCE)
JUDGE = OKPKey.import_key({"kty": "OKP", "crv": "X25519", "x": to_base64url(PUBLIC), "d": to_base64url(SECRET)})
ALGORITHMS = ["ECDH-ES", "A256GCM"]


@given(message=st.binary(max_size=99), chance=st.binary(min_size=SEAL_CHANCE_BYTES, max_size=SEAL_CHANCE_BYTES))
def test_what_is_sealed_is_opened(message: bytes, chance: bytes) -> None:
    assert unseal(seal(message, PUBLIC, WHOM, chance), SECRET, WHOM) == message


def test_another_implementation_opens_it() -> None:
    opened = jwe.decrypt_compact(SEALED, JUDGE, algorithms=ALGORITHMS)
    assert opened.plaintext == b"sixteen or so bytes"
    assert from_base64url(opened.headers()["apv"]) == WHOM.encode()


def test_every_changed_character_is_found() -> None:
    for place, letter in enumerate(SEALED):
        other = "A" if letter != "A" else "B"
        with pytest.raises(NotOpened):
            unseal(SEALED[:place] + other + SEALED[place + 1 :], SECRET, WHOM)


def test_no_other_key_and_no_other_name_opens_it() -> None:
    with pytest.raises(NotOpened, match="another key"):
        unseal(SEALED, bytes(range(2, 34)), WHOM)
    with pytest.raises(NotOpened, match="not sealed for till-2/1"):
        unseal(SEALED, SECRET, "till-2/1")


def respelled(**changes: object) -> str:
    """The same with another header."""
    header, _, rest = SEALED.partition(".")
    told = json.loads(from_base64url(header)) | changes
    return to_base64url(json.dumps(told, separators=(",", ":")).encode()) + "." + rest


@pytest.mark.parametrize(
    "sealed",
    [
        "",
        SEALED.rpartition(".")[0],
        SEALED + ".",
        SEALED.replace("..", ".AAAA."),
        SEALED + "A" * 40_000,
        respelled(alg="dir"),
        respelled(enc="A128GCM"),
        respelled(zip="DEF"),
        respelled(epk={"kty": "OKP", "crv": "X25519", "x": to_base64url(bytes(32))}),
        respelled(epk={"kty": "OKP", "crv": "Ed25519", "x": to_base64url(PUBLIC)}),
    ],
)
def test_what_is_no_sealed_message_of_this_form_is_refused(sealed: str) -> None:
    with pytest.raises(NotOpened):
        unseal(sealed, SECRET, WHOM)


def test_nothing_is_sealed_for_a_key_of_small_order() -> None:
    with pytest.raises(ValueError, match="shared key"):
        seal(b"x", bytes(32), WHOM, CHANCE)
