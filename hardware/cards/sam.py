"""Card keys in a SAM: a contact chip, MIFARE SAM AV2 or AV3, that proves a card's key and never tells it.

    GetVersion         80 60 00 00                                 31 bytes: UID at 14, generation at 30
    AuthenticateHost   80 A4 00 00, three times                    only where the chip wants to know who asks
    AuthenticatePICC   80 0A P1 00  entry, version, challenge, diversification input    what the card is answered, 90AF
                       80 0A 00 00  the card's answer              9000, or 901E where the card has another key
    DumpSessionKey     80 D5 00 00                                 EV1: the key; EV2: two keys, TI, counter
    KillAuthentication 80 CA 01 00                                 ends a card's authentication that was left half way

The chip's data sheets are not public. Sources are programs that work with it, and all that is here is in one of them:

- LibLogicalAccess, plugins/logicalaccess/plugins/readers/iso7816/commands: samiso7816commands.hpp (GetVersion,
  DumpSessionKey), samav2iso7816commands.cpp (AuthenticateHost), desfireiso7816commands.cpp `sam_authenticate_p1`, `_p2`
  and desfireev2iso7816commands.cpp (AuthenticatePICC, what DumpSessionKey gives after EV2), samiso7816resultchecker.cpp
- springcard/springcard-dotnet-libraries, pcsc-helpers/src/CardHelpers/SamAV: SamAV_authentication.cs (AuthenticateHost
  in mode 0), SamAV_desfire.cs (AuthenticatePICC, P1), SamAV_info.cs (GetVersion)
- dumacp/smartcard, nxp/mifare/samav2/samAv2.go (AuthenticateHost, with what a chip said once; KillAuthentication)
- NXP AN10922 (the diversification, which the SAM knows by itself)
"""

import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from hardware.cards.crypto import BLOCK_BYTES, AesKey, RandomBytes, xor
from hardware.cards.desfire_auth import Proof, Scheme
from hardware.cards.desfire_ev2 import Ev2Messaging
from hardware.cards.desfire_messaging import Ev1Messaging, Messaging
from hardware.ports import CardNotOurs, SamFailed, SamSlot
from protocol.signing import same_bytes

AUTHENTICATE_HOST, AUTHENTICATE_PICC, GET_VERSION, DUMP_SESSION_KEY, KILL_AUTHENTICATION = 0xA4, 0x0A, 0x60, 0xD5, 0xCA
DIVERSIFIED, EV2_FIRST, ONLY_THE_CARDS = 0x11, 0x80, 0x01
"""P1: diversified as in AN10922; AuthenticateEV2First; kill the card's authentication and not the host's."""
SW_OK, SW_MORE, SW_WRONG = 0x9000, 0x90AF, 0x901E
HOST_RANDOM_BYTES = 12
PLAIN_MODE = 0
"""After AuthenticateHost commands go on as they are, neither MACed nor enciphered."""
_VERSION_BYTES, _UID, _EV2_DUMP_BYTES = 31, slice(14, 21), 38
_SCHEMES = {0xA2: frozenset((Scheme.EV1,)), 0xA3: frozenset((Scheme.EV1, Scheme.EV2_FIRST))}
_REASONS = {
    0x6502: "it has no such key entry",
    0x6883: "it was in the middle of something else",
    0x6982: "integrity error",
    0x6984: "wrong key reference",
    0x6985: "the key entry does not allow it, or the host is not authenticated",
    0x6A82: "the key entry has no such version",
    0x6A84: "host protection error",
    0x6A86: "wrong parameters",
    SW_WRONG: "authentication failed",
}


@dataclass(frozen=True, slots=True)
class HostKey:
    """What the SAM knows this machine by: an AES key, and where the SAM has it."""

    entry: int
    version: int
    key: AesKey = field(repr=False)


@dataclass(frozen=True, slots=True)
class SamVersion:
    """Which chip it is."""

    uid: bytes
    generation: int
    """2 or 3."""
    schemes: frozenset[Scheme]


class Sam:
    """A SAM in its slot. Whatever goes wrong ends the session: the next use powers the chip up and begins anew."""

    def __init__(self, slot: SamSlot, host: HostKey | None = None, random_bytes: RandomBytes = os.urandom) -> None:
        self._slot, self._host, self._random_bytes = slot, host, random_bytes
        self._version: SamVersion | None = None
        self._half_way = False

    @property
    def reader(self) -> str:
        """Which reader it is in, once it was used."""
        return self._slot.name

    def version(self) -> SamVersion:
        """The chip, ready for use. Raises SamFailed where there is none, or another one than is needed."""
        with self._ending():
            if self._version is None:
                self._slot.power_up()
                self._half_way = False
                version = self._asked_version()
                if self._host is not None:
                    self._authenticate_host(self._host)
                self._version = version
            return self._version

    def close(self) -> None:
        """Let go of the chip; the next use begins anew."""
        self._version = None
        self._slot.close()

    def part_1(self, p1: int, data: bytes) -> bytes:
        """Begin to authenticate a card; what it is answered. Raises SamFailed."""
        self.version()
        with self._ending():
            if self._half_way:
                self._command(KILL_AUTHENTICATION, ONLY_THE_CARDS)
            sent = self._command(AUTHENTICATE_PICC, p1, data, SW_MORE)
            self._half_way = True
            return sent

    def part_2(self, answer: bytes) -> bytes:
        """The session's keys, as the SAM dumps them. Raises CardNotOurs where the card has another key; SamFailed."""
        with self._ending():
            status_word = self._asked(AUTHENTICATE_PICC, 0, answer)[1]
            self._half_way = False
            if status_word == SW_WRONG:
                raise CardNotOurs("the SAM says that the card does not have this key")
            _require(AUTHENTICATE_PICC, status_word, SW_OK)
            return self._command(DUMP_SESSION_KEY)

    def _asked_version(self) -> SamVersion:
        said = self._command(GET_VERSION)
        schemes = _SCHEMES.get(said[-1]) if len(said) == _VERSION_BYTES else None
        if schemes is None:
            raise SamFailed(
                f"this is no SAM AV2 or AV3 that is in its own mode; it says it is {said.hex() or 'nothing'}"
            )
        return SamVersion(said[_UID], said[-1] & 0xF, schemes)

    def _authenticate_host(self, host: HostKey) -> None:
        mode = bytes((PLAIN_MODE,))
        rnd_2 = self._command(AUTHENTICATE_HOST, 0, bytes((host.entry, host.version)) + mode, SW_MORE)
        if len(rnd_2) != HOST_RANDOM_BYTES:
            raise SamFailed("the SAM's random has the wrong length")
        rnd_1 = self._random_bytes(HOST_RANDOM_BYTES)[:HOST_RANDOM_BYTES]
        answer = self._command(AUTHENTICATE_HOST, 0, host_mac(host.key, rnd_2 + mode) + rnd_1, SW_MORE)
        if not same_bytes(answer[:-BLOCK_BYTES], host_mac(host.key, rnd_1 + mode)):
            raise SamFailed("the SAM did not prove that it knows the host key")
        exchange = exchange_key(host.key, rnd_1, rnd_2)
        rnd_a, rnd_b = self._random_bytes(BLOCK_BYTES)[:BLOCK_BYTES], exchange.cbc_decrypt(answer[-BLOCK_BYTES:])
        last = self._command(AUTHENTICATE_HOST, 0, exchange.cbc_encrypt(rnd_a + turned_twice(rnd_b)))
        if not same_bytes(last, exchange.cbc_encrypt(turned_twice(rnd_a))):
            raise SamFailed("the SAM did not prove that it knows the host key")

    def _command(self, code: int, p1: int = 0, data: bytes = b"", wanted: int = SW_OK) -> bytes:
        body, status_word = self._asked(code, p1, data)
        _require(code, status_word, wanted)
        return body

    def _asked(self, code: int, p1: int, data: bytes) -> tuple[bytes, int]:
        has_answer = code != KILL_AUTHENTICATION and not (code == AUTHENTICATE_PICC and self._half_way)
        length = bytes((len(data),)) if data else b""
        answer = self._slot.transmit(bytes((0x80, code, p1, 0)) + length + data + b"\x00" * has_answer)
        return answer[:-2], int.from_bytes(answer[-2:], "big")

    @contextmanager
    def _ending(self) -> Generator[None]:
        try:
            yield
        except CardNotOurs:
            raise
        except BaseException:
            self._version = None
            raise


@dataclass(frozen=True, slots=True)
class KeyInSam:
    """A card's key that is diversified from a master key in a SAM, each time anew and in there."""

    sam: Sam
    entry: int
    version: int
    diversification_input: bytes

    @property
    def schemes(self) -> frozenset[Scheme]:
        """An AV2 knows nothing of EV2. How an AV3 goes on in an EV2 session (NonFirst) no source says for sure."""
        return self.sam.version().schemes

    def prove(self, scheme: Scheme, challenge: bytes, random_bytes: RandomBytes) -> Proof:  # noqa: ARG002
        """Begin, with the SAM's random. Raises SamFailed."""
        is_ev2 = scheme is Scheme.EV2_FIRST
        where = bytes((self.entry, self.version)) + b"\x00" * is_ev2
        p1 = DIVERSIFIED | (EV2_FIRST if is_ev2 else 0)
        return _Begun(self.sam, scheme, self.sam.part_1(p1, where + challenge + self.diversification_input))


@dataclass(frozen=True, slots=True)
class _Begun:
    sam: Sam
    scheme: Scheme
    sent: bytes

    def session(self, answer: bytes, running: Messaging | None) -> Messaging:  # noqa: ARG002 (there is no NonFirst)
        dump = self.sam.part_2(answer)
        if len(dump) != (BLOCK_BYTES if self.scheme is Scheme.EV1 else _EV2_DUMP_BYTES):
            raise SamFailed(f"the SAM dumped {len(dump)} bytes as session keys")
        if self.scheme is Scheme.EV1:
            return Ev1Messaging(AesKey(dump))
        enc, mac, ti, commands = dump[:16], dump[16:32], dump[32:36], dump[36:]
        return Ev2Messaging(AesKey(enc), AesKey(mac), ti, int.from_bytes(commands, "big"))


def host_mac(key: AesKey, message: bytes) -> bytes:
    """Every second byte of a CMAC, from the second one; the message is filled up with zeros to a block."""
    return key.cmac(message.ljust(BLOCK_BYTES, b"\x00"))[1::2]


def exchange_key(key: AesKey, rnd_1: bytes, rnd_2: bytes) -> AesKey:
    """What the last two steps of AuthenticateHost are enciphered with."""
    return AesKey(key.cbc_encrypt(rnd_1[7:12] + rnd_2[7:12] + xor(rnd_1[:5], rnd_2[:5]) + b"\x91"))


def turned_twice(block: bytes) -> bytes:
    """Two bytes to the left."""
    return block[2:] + block[:2]


def _require(code: int, status_word: int, wanted: int) -> None:
    if status_word != wanted:
        reason = _REASONS.get(status_word, "")
        raise SamFailed(f"the SAM answered {code:02X} with {status_word:04X}" + (f": {reason}" if reason else ""))
