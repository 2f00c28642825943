"""A virtual MIFARE SAM AV2 or AV3 in a contact slot, as far as `hardware/cards/sam.py` (its sources are named there).

    idle --AuthenticateHost--> challenged --> proven --> idle, the host is known
    idle --AuthenticatePICC--> half way --AuthenticatePICC, right--> idle, a session's keys are there

Written from what published programs expect of a chip, so it can be wrong where they do not look. Where they leave
something open it is played the strict way: half way nothing is taken but the next part and KillAuthentication, and
every refusal ends what was under way. Not played: locking, changing key entries, key usage counters, protected modes.
"""

import os
from dataclasses import dataclass, field

from hardware.cards.crypto import BLOCK_BYTES, AesKey, RandomBytes, rotated_left, session_key
from hardware.cards.desfire_auth import Scheme
from hardware.cards.desfire_ev2 import TI_BYTES, ev2_proof, session_keys
from hardware.cards.desfire_messaging import ev1_proof
from hardware.cards.sam import (
    DIVERSIFIED,
    EV2_FIRST,
    HOST_RANDOM_BYTES,
    PLAIN_MODE,
    exchange_key,
    host_mac,
    turned_twice,
)

ATR = bytes.fromhex("3bdf18ff81f1fe43003f03834d494641524520506c75732053414d3b")
"""A SAM AV2's, from LibLogicalAccess (atrparser.cpp); what an AV3 says no source tells."""
_OK, _MORE, _WRONG = 0x9000, 0x90AF, 0x901E
_LENGTH, _OUT_OF_TURN, _NOT_ALLOWED, _PARAMETERS = 0x6700, 0x6883, 0x6985, 0x6A86
_NO_ENTRY, _NO_VERSION, _UNKNOWN = 0x6502, 0x6A82, 0x6D00


class _Refused(Exception):
    def __init__(self, status_word: int) -> None:
        super().__init__()
        self.status_word = status_word


@dataclass(frozen=True, slots=True)
class SamEntry:
    """A key entry, as the chip's owner set it: its key in each version."""

    versions: dict[int, AesKey] = field(repr=False)
    dumps_session_keys: bool = True
    wants_host: bool = False


@dataclass(frozen=True, slots=True)
class _HostChallenged:
    key: AesKey
    rnd_2: bytes


@dataclass(frozen=True, slots=True)
class _HostProven:
    exchange: AesKey
    rnd_b: bytes


@dataclass(frozen=True, slots=True)
class _HalfWay:
    scheme: Scheme
    entry: SamEntry
    key: AesKey
    challenge: bytes
    rnd_a: bytes
    sent: bytes


_Phase = _HostChallenged | _HostProven | _HalfWay | None


class VirtualSam:
    """The chip; `asked` is every command it got."""

    atr = ATR

    def __init__(
        self, entries: dict[int, SamEntry], generation: int = 2, random_bytes: RandomBytes = os.urandom
    ) -> None:
        self._entries, self._generation, self._random_bytes = entries, generation, random_bytes
        self.asked: list[bytes] = []
        self.reset()

    def reset(self) -> None:
        """Power up: nothing is under way, nobody is known."""
        self._phase: _Phase = None
        self._host_known = False
        self._dump: bytes | None = None

    def process(self, apdu: bytes) -> bytes:
        """Answer one command."""
        self.asked.append(apdu)
        try:
            if apdu[0] != 0x80 or len(apdu) < 4:
                raise _Refused(_UNKNOWN)
            answer, status_word = self._answer(apdu[1], apdu[2], _data_of(apdu))
        except _Refused as refused:
            self._phase = self._dump = None
            answer, status_word = b"", refused.status_word
        return answer + status_word.to_bytes(2, "big")

    def _answer(self, code: int, p1: int, data: bytes) -> tuple[bytes, int]:
        match code, self._phase:
            case (0x0A, _HalfWay() as begun):
                return self._part_2(begun, data)
            case (0xA4, _HostChallenged() | _HostProven() as begun):
                return self._host_goes_on(begun, data)
            case (0xCA, _):
                return self._kill(p1)
            case (_, None):
                return self._command(code, p1, data)
            case _:
                raise _Refused(_OUT_OF_TURN)

    def _command(self, code: int, p1: int, data: bytes) -> tuple[bytes, int]:
        match code:
            case 0x60:
                return bytes(14) + bytes.fromhex("04112233445566") + bytes(9) + bytes((0xA0 + self._generation,)), _OK
            case 0xA4:
                return self._host_begins(data)
            case 0x0A:
                return self._part_1(p1, data)
            case 0xD5 if self._dump is not None:
                return self._dump, _OK
            case 0xD5:
                raise _Refused(_NOT_ALLOWED)
            case _:
                raise _Refused(_UNKNOWN)

    def _kill(self, p1: int) -> tuple[bytes, int]:
        self._phase = self._dump = None
        self._host_known = self._host_known and p1 == 1
        return b"", _OK

    def _key(self, number: int, version: int) -> tuple[SamEntry, AesKey]:
        entry = self._entries.get(number)
        if entry is None:
            raise _Refused(_NO_ENTRY)
        if version not in entry.versions:
            raise _Refused(_NO_VERSION)
        return entry, entry.versions[version]

    def _host_begins(self, data: bytes) -> tuple[bytes, int]:
        self._host_known = False
        if len(data) != 3 or data[2] != PLAIN_MODE:
            raise _Refused(_LENGTH)
        _, key = self._key(data[0], data[1])
        self._phase = _HostChallenged(key, self._random_bytes(HOST_RANDOM_BYTES))
        return self._phase.rnd_2, _MORE

    def _host_goes_on(self, begun: _HostChallenged | _HostProven, data: bytes) -> tuple[bytes, int]:
        mode = bytes((PLAIN_MODE,))
        if isinstance(begun, _HostChallenged):
            mac, rnd_1 = data[:-HOST_RANDOM_BYTES], data[-HOST_RANDOM_BYTES:]
            if mac != host_mac(begun.key, begun.rnd_2 + mode):
                raise _Refused(_WRONG)
            self._phase = _HostProven(exchange_key(begun.key, rnd_1, begun.rnd_2), self._random_bytes(BLOCK_BYTES))
            return host_mac(begun.key, rnd_1 + mode) + self._phase.exchange.cbc_encrypt(self._phase.rnd_b), _MORE
        plain = begun.exchange.cbc_decrypt(data) if len(data) == 2 * BLOCK_BYTES else b""
        if plain[BLOCK_BYTES:] != turned_twice(begun.rnd_b):
            raise _Refused(_WRONG)
        self._phase, self._host_known = None, True
        return begun.exchange.cbc_encrypt(turned_twice(plain[:BLOCK_BYTES])), _OK

    def _part_1(self, p1: int, data: bytes) -> tuple[bytes, int]:
        self._dump = None
        is_ev2 = p1 == DIVERSIFIED | EV2_FIRST and self._generation == 3
        if p1 != DIVERSIFIED and not is_ev2:
            raise _Refused(_PARAMETERS)
        head = 3 if is_ev2 else 2
        challenge, diversification = data[head : head + BLOCK_BYTES], data[head + BLOCK_BYTES :]
        if not 1 <= len(diversification) <= 31 or any(data[2:head]):
            raise _Refused(_LENGTH)
        entry, master = self._key(data[0], data[1])
        if entry.wants_host and not self._host_known:
            raise _Refused(_NOT_ALLOWED)
        key, rnd_a = master.diversified(diversification), self._random_bytes(BLOCK_BYTES)
        scheme, prove = (Scheme.EV2_FIRST, ev2_proof) if is_ev2 else (Scheme.EV1, ev1_proof)
        self._phase = _HalfWay(scheme, entry, key, challenge, rnd_a, prove(key, challenge, rnd_a))
        return self._phase.sent, _MORE

    def _part_2(self, begun: _HalfWay, answer: bytes) -> tuple[bytes, int]:
        self._phase = None
        is_ev2, rnd_b = begun.scheme is Scheme.EV2_FIRST, begun.key.cbc_decrypt(begun.challenge)
        if len(answer) != (2 if is_ev2 else 1) * BLOCK_BYTES:
            raise _Refused(_WRONG)
        plain = begun.key.cbc_decrypt(answer, bytes(BLOCK_BYTES) if is_ev2 else begun.sent[-BLOCK_BYTES:])
        ti, turned = (plain[:TI_BYTES], plain[TI_BYTES : TI_BYTES + BLOCK_BYTES]) if is_ev2 else (b"", plain)
        if turned != rotated_left(begun.rnd_a):
            raise _Refused(_WRONG)
        if is_ev2:
            enc, mac = session_keys(begun.key, begun.rnd_a, rnd_b)
            dump = enc.raw + mac.raw + ti + bytes(2)
        else:
            dump = session_key(begun.rnd_a, rnd_b).raw
        self._dump = dump if begun.entry.dumps_session_keys else None
        return b"", _OK


def _data_of(apdu: bytes) -> bytes:
    """What follows the header: nothing, Le, or Lc, data and perhaps Le."""
    if len(apdu) <= 5:
        return b""
    length = apdu[4]
    if len(apdu) - 5 - length not in (0, 1):
        raise _Refused(_LENGTH)
    return apdu[5 : 5 + length]
