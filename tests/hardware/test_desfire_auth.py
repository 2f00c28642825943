"""A DESFire is sold to through a key that no driver sees: whatever keeps it tells a session's keys and no other."""

from dataclasses import dataclass

import pytest

from hardware.cards.crypto import AesKey, RandomBytes
from hardware.cards.desfire_auth import CardKey, InMemory, Proof, Scheme
from hardware.cards.keys import KeyNotHeld, KeysOfCard, Role
from hardware.ports import CardNotOurs
from tests.hardware.card_bench import STATION, TILL, Kind, issued, load, sale

both = pytest.mark.parametrize("kind", [Kind.EV1, Kind.EV2])


@dataclass
class Chip:
    """Keeps a card's key to itself."""

    asked: list[Scheme]
    _key: CardKey

    @property
    def schemes(self) -> frozenset[Scheme]:
        return self._key.schemes

    def prove(self, scheme: Scheme, challenge: bytes, random_bytes: RandomBytes) -> Proof:
        self.asked.append(scheme)
        return self._key.prove(scheme, challenge, random_bytes)


def in_a_chip(monkeypatch: pytest.MonkeyPatch, *, wrong: bool = False) -> list[Scheme]:
    """From now on keys of cards come from a chip, and nobody gets their bytes; what it is asked for."""
    asked, own = list[Scheme](), KeysOfCard.aes

    def card_key(self: KeysOfCard, role: Role) -> CardKey:
        return Chip(asked, InMemory(AesKey(bytes(16)) if wrong else own(self, role)))

    def aes(self: KeysOfCard, role: Role) -> AesKey:
        raise KeyNotHeld(f"{role} is in a chip")

    monkeypatch.setattr(KeysOfCard, "card_key", card_key)
    monkeypatch.setattr(KeysOfCard, "aes", aes)
    return asked


@both
def test_a_sale_and_a_load_need_no_key_in_memory(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = issued(kind)
    asked = in_a_chip(monkeypatch)
    driver = bench.tap(TILL)
    assert driver.write(sale(driver.read(), 1)) == bench.tap(TILL).read()
    station = bench.tap(STATION)
    station.write(load(station.read(), 2, 1, 100))
    after = bench.tap(TILL).read()
    assert after.purse is not None and after.purse.main_cents == 5_000 - 20 + 100
    first, next_key = (Scheme.EV1, Scheme.EV1) if kind is Kind.EV1 else (Scheme.EV2_FIRST, Scheme.EV2_NON_FIRST)
    assert asked == [first, first, first, next_key, first]


@both
def test_a_chip_with_other_keys_finds_the_card_not_ours(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = issued(kind)
    in_a_chip(monkeypatch, wrong=True)
    with pytest.raises(CardNotOurs):
        bench.tap(TILL).read()
