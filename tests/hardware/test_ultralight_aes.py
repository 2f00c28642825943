"""MIFARE Ultralight AES: NXP's published authentications, what the driver believes, what the virtual tag answers."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from hardware.cards.crypto import AesKey
from hardware.cards.keys import CardKeys
from hardware.cards.tokens import read_token
from hardware.cards.ultralight_aes import MAC_PAGE, TEXT_PAGE, authenticates, through
from hardware.cards.ultralight_issue import DATA_KEY_PAGE
from hardware.simulated.reader import SimulatedReader
from hardware.simulated.ultralight_aes import VirtualUltralightAes
from protocol.proofs import Proof, ProofKind
from protocol.purse import CardRead, Technology
from tests.hardware.card_bench import NEXT_KEYS, TILL, UID, WHO
from tests.hardware.tag_bench import ultralight

ZERO = AesKey(bytes(16))


@dataclass
class Script:
    """A tag that answers as a document says, if it is asked so."""

    said: list[tuple[str, str]]
    uid: bytes = UID
    technology: Technology | None = None

    def transmit(self, apdu: bytes) -> bytes:
        """The next line."""
        command, answer = self.said.pop(0)
        assert apdu == through(bytes.fromhex(command))
        return bytes.fromhex("d54300" + answer + "9000")


@pytest.mark.parametrize(
    ("rnd_a", "challenge", "proof", "answer"),
    [
        (
            "f29b0123f5c00df612487bbf42468c7e",
            "d5a847b84862ff3874a7f07b8ddf351b",
            "cdf22c5f7a92f0af0155612b9b236ac7a424bc5238d41ad041b8165b7d99e524",
            "2c743d6b1e128f8076bd197b76012ce8",
        ),
        (
            "42bdf7e08e110f14b6d3323d14f1c2b9",
            "374142dafb0ab97183d846eb7ed379e0",
            "794693b2a31e7f10964a2bd834590ac485f84e9f8b13197ab32433346f60b821",
            "a17673dcc20d27ee80584accfc39e0a3",
        ),
    ],
    ids=["MF0AES(H)20", "AN13452"],
)
def test_the_authentication_is_as_published(rnd_a: str, challenge: str, proof: str, answer: str) -> None:
    script = [("1a00", "af" + challenge), ("af" + proof, "00" + answer)]
    assert authenticates(Script(list(script)), ZERO, lambda _: bytes.fromhex(rnd_a))
    other = answer[:-2] + "e9"
    assert not authenticates(Script([script[0], ("af" + proof, "00" + other)]), ZERO, lambda _: bytes.fromhex(rnd_a))


def read(card: VirtualUltralightAes, keys: CardKeys = TILL) -> CardRead | None:
    reader = SimulatedReader()
    reader.place(card)
    channel = reader.wait_for_card(0)
    assert channel is not None and channel.technology is None
    return read_token(channel, keys)


def test_a_tag_proves_who_it_is() -> None:
    shown = read(ultralight())
    assert shown is not None and shown.genuine and shown.proof == Proof(ProofKind.AES)
    assert (shown.technology, shown.identity, shown.uid) == (Technology.TOKEN, replace(WHO, pin_verifier=b""), UID)


@pytest.mark.parametrize(
    "forged",
    [
        lambda: VirtualUltralightAes(ultralight().snapshot().with_page(DATA_KEY_PAGE, bytes(16))),
        lambda: VirtualUltralightAes(replace(ultralight().snapshot(), uid=UID[:-1] + b"\xf7")),
        lambda: VirtualUltralightAes(ultralight().snapshot().with_page(MAC_PAGE, bytes(8))),
        lambda: ultralight(keys=replace(NEXT_KEYS, key_set=1)),
    ],
    ids=["no key", "another tag's", "another text", "other keys"],
)
def test_what_a_tag_cannot_prove_is_not_genuine(forged: Callable[[], VirtualUltralightAes]) -> None:
    shown = read(forged())
    assert shown is not None and not shown.genuine and shown.proof is None


def test_other_tags_say_nothing_of_ours() -> None:
    assert read(VirtualUltralightAes(ultralight().snapshot().with_page(TEXT_PAGE, bytes(16)))) is None
    assert read(ultralight(), CardKeys([NEXT_KEYS])) is None


def test_the_virtual_tag_forgets_its_challenge() -> None:
    card = ultralight()
    assert card.process(through(b"\x1a\x00"))[:4].hex() == "d54300af"
    assert card.process(through(b"\x30\x04"))[:3].hex() == "d54300"
    assert card.process(through(b"\xaf" + bytes(32))).hex() == "d543019000"
    assert card.process(through(b"\x1a\x07")).hex() == "d543019000"
