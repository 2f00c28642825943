"""Proving a key to a DESFire: the port behind which a card's key lives, and the key that lies in this machine's memory.

    CardKey.prove    the card's enciphered random in, what the card is answered out
    Proof.session    the card's own proof in, the session out

A chip that keeps the key stands behind the same port (`sam.py`): it tells a session's keys, and never the key itself.
"""

import enum
from dataclasses import dataclass
from typing import Protocol

from hardware.cards import desfire_ev2 as ev2
from hardware.cards import desfire_messaging as ev1
from hardware.cards.crypto import BLOCK_BYTES, AesKey, RandomBytes
from hardware.cards.desfire_messaging import Messaging


class Scheme(enum.IntEnum):
    """Which authentication; the number is its command code."""

    EV1 = 0xAA
    EV2_FIRST = 0x71
    EV2_NON_FIRST = 0x77


_ALL = frozenset(Scheme)


class Proof(Protocol):
    """One authentication that has begun."""

    @property
    def sent(self) -> bytes:
        """What the card is answered."""
        ...

    def session(self, answer: bytes, running: Messaging | None) -> Messaging:
        """The session, once the card has proved the key too. `running`: what NonFirst goes on with.

        Raises CardNotOurs when it has not.
        """
        ...


class CardKey(Protocol):
    """A key of one card."""

    @property
    def schemes(self) -> frozenset[Scheme]:
        """What it can prove itself by; EV1 is always among them, for every card knows it."""
        ...

    def prove(self, scheme: Scheme, challenge: bytes, random_bytes: RandomBytes) -> Proof:
        """Begin. A chip takes a random of its own."""
        ...


@dataclass(frozen=True, slots=True)
class InMemory:
    """A key whose bytes this machine knows."""

    key: AesKey

    @property
    def schemes(self) -> frozenset[Scheme]:
        """All of them."""
        return _ALL

    def prove(self, scheme: Scheme, challenge: bytes, random_bytes: RandomBytes) -> Proof:
        """Begin with this machine's random."""
        return _Begun(self.key, scheme, challenge, random_bytes(BLOCK_BYTES)[:BLOCK_BYTES])


class _Begun:
    __slots__ = ("_challenge", "_key", "_rnd_a", "_scheme", "sent")

    def __init__(self, key: AesKey, scheme: Scheme, challenge: bytes, rnd_a: bytes) -> None:
        self._key, self._scheme, self._challenge, self._rnd_a = key, scheme, challenge, rnd_a
        prove = ev1.ev1_proof if scheme is Scheme.EV1 else ev2.ev2_proof
        self.sent = prove(key, challenge, rnd_a)

    def session(self, answer: bytes, running: Messaging | None) -> Messaging:
        key, challenge, rnd_a = self._key, self._challenge, self._rnd_a
        match self._scheme:
            case Scheme.EV1:
                return ev1.ev1_messaging(key, challenge, rnd_a, self.sent, answer)
            case Scheme.EV2_FIRST:
                return ev2.ev2_first(key, challenge, rnd_a, answer)
            case Scheme.EV2_NON_FIRST:
                assert isinstance(running, ev2.Ev2Messaging)
                return ev2.ev2_non_first(key, challenge, rnd_a, answer, running.ti, running.commands)
