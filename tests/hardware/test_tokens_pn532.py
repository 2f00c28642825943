"""Tokens that prove who they are, through nfcpy's driver of a PN532."""

from pathlib import Path

import pytest

from hardware.cards.keys import CardKeys
from hardware.cards.open_card import open_card
from hardware.cards.tokens import read_token
from hardware.cards.ultralight_aes import through
from hardware.ports import CardChannel, CardNotOurs
from hardware.readers.pn532 import Pn532Reader
from hardware.simulated.pn532 import FakePn532
from hardware.simulated.reader import VirtualCard
from protocol.ids import Counter
from protocol.proofs import Proof, ProofKind
from tests.hardware.card_bench import KEYS, TILL
from tests.hardware.tag_bench import tag, ultralight

SUN, AES = ProofKind.SUN, ProofKind.AES


def waited_for(reader: Pn532Reader) -> CardChannel:
    channel = reader.wait_for_card(5)
    assert channel is not None
    return channel


@pytest.mark.parametrize(
    ("card", "shown"),
    [(tag(), [Proof(SUN, Counter(1)), Proof(SUN, Counter(2))]), (ultralight(), [Proof(AES), Proof(AES)])],
    ids=["NTAG 424 DNA", "Ultralight AES"],
)
def test_a_tag_proves_itself_at_each_tap(card: VirtualCard, shown: list[Proof], tmp_path: Path) -> None:
    with FakePn532(tmp_path / "pn532") as fake, Pn532Reader(str(fake.path)) as reader:
        fake.insert(card)
        for proof in shown:
            channel = waited_for(reader)
            with pytest.raises(CardNotOurs):
                open_card(channel, TILL).read()
            read = read_token(channel, CardKeys([KEYS.for_a_till()]))
            assert read is not None and read.proof == proof
            assert not reader.wait_until_absent(0)


def test_what_a_tag_refuses_is_told_by_the_chip_s_status(tmp_path: Path) -> None:
    with FakePn532(tmp_path / "pn532") as fake, Pn532Reader(str(fake.path)) as reader:
        fake.insert(ultralight())
        channel = waited_for(reader)
        assert channel.transmit(through(b"\x1a\x07")).hex() == "d543019000"
        assert channel.transmit(bytes.fromhex("ffb0000410")).hex() == "6a81", "it is no MIFARE Classic"
