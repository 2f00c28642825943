"""The reader's side of a DESFire: select, authenticate as EV2 or as EV1, and send commands in that session.

Whatever goes wrong ends the session, here as on the card: a refusal, a forged answer, a card that leaves. Nothing
more is then sent until an application is selected or a key authenticated anew.
"""

import os
from collections.abc import Generator
from contextlib import contextmanager

from hardware.cards import desfire_messaging as ev1
from hardware.cards.crypto import BLOCK_BYTES, DES_BYTES, AesKey, DesKey, RandomBytes, desfire_crc32, xor
from hardware.cards.desfire_auth import CardKey, InMemory, Scheme
from hardware.cards.desfire_ev2 import Ev2Messaging
from hardware.cards.desfire_frames import (
    MORE,
    SW_AUTHENTICATION,
    SW_MORE,
    SW_OK,
    exchange,
    name_of,
    refusal,
    transmit,
)
from hardware.cards.desfire_messaging import AnswerForged, CommMode, Messaging
from hardware.ports import CardChannel, CardNotOurs, PurseUnreadable

_EV2_MAJORS = frozenset((0x12, 0x22, 0x42, 0x33, 0x43))
"""Hardware major versions whose low digit is the generation, 2 or 3, and which speak EV2 (GetVersion, byte 3)."""
_AES_KEY = 0x80


class DesfireSession:
    """Commands to one card in the field; `key_no` is the key that is authenticated, None without a session."""

    def __init__(self, channel: CardChannel, random_bytes: RandomBytes = os.urandom) -> None:
        self._channel = channel
        self._random_bytes = random_bytes
        self._messaging: Messaging | None = None
        self._over = False
        self.key_no: int | None = None
        self.speaks_ev2 = False
        """Which authentication to use. Whoever knows the card sets it; EV1 works on every card."""

    def select(self, aid: bytes) -> None:
        """Select an application (000000: the card itself); a session ends. Raises CardRefused 91A0 if there is none."""
        self._forget()
        with self._ending():
            exchange(self._channel, 0x5A, aid)

    def authenticate(self, key_no: int, key: AesKey | CardKey) -> None:
        """Prove the key to the card and have it prove that it knows it too. Raises CardNotOurs when either fails.

        In an EV2 session the transaction goes on under the other key, where that can (`CardKey.schemes`); what is not
        committed is lost all the same.
        """
        running = self._messaging if self.speaks_ev2 else None
        if isinstance(key, AesKey):
            key = InMemory(key)
        self._forget()
        with self._ending():
            scheme = self._scheme(key, running)
            capabilities = b"\x00" if scheme is Scheme.EV2_FIRST else b""
            challenge = self._challenge(scheme, bytes((key_no,)) + capabilities, BLOCK_BYTES)
            proof = key.prove(scheme, challenge, self._random_bytes)
            self._messaging = proof.session(self._prove(proof.sent), running)
        self.key_no = key_no

    def authenticate_des(self, key_no: int, key: DesKey) -> None:
        """The same with a DES key, for a card fresh from the factory; the session can only change that key."""
        self._forget()
        with self._ending():
            challenge = self._challenge(0x1A, bytes((key_no,)), DES_BYTES)
            rnd_a = self._random_bytes(DES_BYTES)[:DES_BYTES]
            proof = ev1.des_proof(key, challenge, rnd_a)
            self._messaging = ev1.des_messaging(key, challenge, rnd_a, proof, self._prove(proof))
        self.key_no = key_no

    def command(
        self, code: int, header: bytes = b"", data: bytes = b"", mode: CommMode = CommMode.MACED, behind: bytes = b""
    ) -> bytes:
        """Send a command and return its answer, both secured while a session holds; `mode` is the file's.

        Raises CardRefused, and PurseUnreadable for a forged answer: then nobody knows what the card did.
        """
        if self._over:
            raise refusal(code, SW_AUTHENTICATION)
        try:  # as `_ending`, which costs a twentieth of a command
            if self._messaging is None:
                return exchange(self._channel, code, header + data)
            sent = self._messaging.command(code, header, data, mode, behind)
            return self._messaging.answer(exchange(self._channel, code, sent), mode)
        except BaseException as error:
            self._end()
            if isinstance(error, AnswerForged):
                raise PurseUnreadable(f"the answer to {name_of(code)} is not the card's") from error
            raise

    def find_out_generation(self) -> None:
        """Ask the card what it is (GetVersion) and speak EV2 from now on if it can."""
        version = self.command(0x60)
        self.speaks_ev2 = len(version) >= 4 and version[3] in _EV2_MAJORS

    def key_version(self, number: int) -> int:
        """The version of a key. Raises CardNotOurs where the answer is none."""
        answer = self.command(0x64, bytes((number,)))
        if len(answer) != 1:
            raise CardNotOurs("the card's key version is not one byte")
        return answer[0]

    def change_key(
        self, number: int, new: AesKey, version: int, *, current: AesKey | None = None, card_level: bool = False
    ) -> None:
        """ChangeKey to an AES key. The session's own key ends the session; any other needs its `current` value."""
        header = bytes((number | (_AES_KEY if card_level else 0),))
        if number == self.key_no:
            messaging = self._messaging
            assert messaging is not None, "a key is authenticated"
            with self._ending():
                sent = messaging.command(0xC4, header, new.raw + bytes((version,)), CommMode.FULL)
                exchange(self._channel, 0xC4, sent)
            self._forget()
        else:
            assert current is not None, "another key is changed by its difference"
            data = xor(new.raw, current.raw) + bytes((version,))
            self.command(0xC4, header, data, CommMode.FULL, desfire_crc32(new.raw))

    def change_to_des(self) -> None:
        """ChangeKey of the card's own key to the factory's: zeros, for DES, its version (in the key itself) 0.

        In EV1's session only, whose cryptogram for this is published (libfreefare); it ends the session.
        """
        messaging = self._messaging
        assert messaging is not None and self.key_no == 0 and not self.speaks_ev2
        with self._ending():
            exchange(self._channel, 0xC4, messaging.command(0xC4, b"\x00", bytes(2 * DES_BYTES), CommMode.FULL))
        self._forget()

    def change_settings(self, settings: int) -> None:
        """ChangeKeySettings of the selected application or of the card; needs its master key's session."""
        self.command(0x54, data=bytes((settings,)), mode=CommMode.FULL)

    def _scheme(self, key: CardKey, running: Messaging | None) -> Scheme:
        if not self.speaks_ev2:
            return Scheme.EV1
        best = Scheme.EV2_NON_FIRST if isinstance(running, Ev2Messaging) else Scheme.EV2_FIRST
        return next(scheme for scheme in (best, Scheme.EV2_FIRST, Scheme.EV1) if scheme in key.schemes)

    def _challenge(self, code: int, data: bytes, length: int) -> bytes:
        """The card's enciphered random."""
        challenge, status_word = transmit(self._channel, code, data)
        if status_word != SW_MORE:
            raise refusal(code, status_word)
        if len(challenge) != length:
            raise CardNotOurs("the card's challenge has the wrong length")
        return challenge

    def _prove(self, proof: bytes) -> bytes:
        answer, status_word = transmit(self._channel, MORE, proof)
        if status_word == SW_AUTHENTICATION:
            raise CardNotOurs("the card does not have this key")
        if status_word != SW_OK:
            raise refusal(MORE, status_word)
        return answer

    @contextmanager
    def _ending(self) -> Generator[None]:
        """Any error in here ends the session."""
        try:
            yield
        except BaseException:
            self._end()
            raise

    def _end(self) -> None:
        self._forget()
        self._over = True

    def _forget(self) -> None:
        self._messaging, self.key_no, self._over = None, None, False
