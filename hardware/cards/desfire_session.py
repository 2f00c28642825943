"""The reader's side of DESFire EV1: native commands in ISO wrapping, AES sessions, MACs with a running IV.

Sources: M075031 (commands, frames, status codes) and EV1's AES secure messaging as publicly known:
authentication 0xAA, session key, one IV that every command and answer of the session moves on, eight bytes of it
as MAC, ChangeKey's cryptogram.
"""

import os

from hardware.cards.crypto import (
    BLOCK_BYTES,
    MAC_BYTES,
    ZERO_BLOCK,
    AesKey,
    RandomBytes,
    desfire_crc32,
    rotated_left,
    session_key,
    xor,
)
from hardware.ports import CardChannel, CardNotOurs, CardRefused, PurseUnreadable
from protocol.signing import same_bytes

SW_OK, SW_MORE, SW_NO_APPLICATION, SW_AUTHENTICATION = 0x9100, 0x91AF, 0x91A0, 0x91AE

_MORE = 0xAF
_FRAMES_MAX = 16
"""No answer of a card of ours has more frames; a stranger's card must not talk for ever."""
_NAMES = {
    0x5A: "SelectApplication",
    0xAA: "AuthenticateAES",
    0x64: "GetKeyVersion",
    0x6A: "GetApplicationIDs",
    0xCA: "CreateApplication",
    0xDA: "DeleteApplication",
    0x54: "ChangeKeySettings",
    0xC4: "ChangeKey",
    0xCD: "CreateStdDataFile",
    0xCB: "CreateBackupDataFile",
    0xCC: "CreateValueFile",
    0xC0: "CreateCyclicRecordFile",
    0xBD: "ReadData",
    0xBB: "ReadRecords",
    0x6C: "GetValue",
    0x3D: "WriteData",
    0x3B: "WriteRecord",
    0xDC: "Debit",
    0x0C: "Credit",
    0x1C: "LimitedCredit",
    0xC7: "CommitTransaction",
}


class DesfireSession:
    """Commands to one card in the field; `key_no` is the key that is authenticated, None without a session."""

    def __init__(self, channel: CardChannel, random_bytes: RandomBytes = os.urandom) -> None:
        self._channel = channel
        self._random_bytes = random_bytes
        self._key: AesKey | None = None
        self._iv = ZERO_BLOCK
        self.key_no: int | None = None

    def select(self, aid: bytes) -> None:
        """Select an application (000000: the card itself); a session ends. Raises CardRefused 91A0 if there is none."""
        self._forget()
        self._exchange(0x5A, aid)

    def authenticate(self, key_no: int, key: AesKey) -> None:
        """Prove the key to the card and have it prove that it knows it too. Raises CardNotOurs when either fails."""
        self._forget()
        challenge = self._exchange(0xAA, bytes((key_no,)), may_continue=True)
        if len(challenge) != BLOCK_BYTES:
            raise CardNotOurs("the card's challenge has the wrong length")
        rnd_a, rnd_b = self._random_bytes(BLOCK_BYTES), key.cbc_decrypt(challenge)
        proof = key.cbc_encrypt(rnd_a + rotated_left(rnd_b), challenge)
        try:
            answer = self._exchange(_MORE, proof)
        except CardRefused as refused:
            if refused.status_word == SW_AUTHENTICATION:
                raise CardNotOurs("the card does not have this key") from refused
            raise
        if len(answer) != BLOCK_BYTES or not same_bytes(key.cbc_decrypt(answer, proof[-16:]), rotated_left(rnd_a)):
            raise CardNotOurs("the card did not prove that it knows the key")
        self._key, self._iv, self.key_no = session_key(rnd_a, rnd_b), ZERO_BLOCK, key_no

    def command(self, code: int, data: bytes = b"") -> bytes:
        """Send a command that carries no MAC of its own; return its answer, whose MAC has been checked in a session."""
        if self._key is not None:
            self._iv = self._key.cmac(bytes((code,)) + data, self._iv)
        return self._opened(code, self._exchange(code, data))

    def key_version(self, number: int) -> int:
        """The version of a key, which names its key set. Raises CardNotOurs where the answer is none."""
        answer = self.command(0x64, bytes((number,)))
        if len(answer) != 1:
            raise CardNotOurs("the card's key version is not one byte")
        return answer[0]

    def maced_command(self, code: int, data: bytes) -> bytes:
        """Send a command with its MAC (writing to a file in MACed communication); return its checked answer."""
        assert self._key is not None, "a MACed command needs a session"
        self._iv = self._key.cmac(bytes((code,)) + data, self._iv)
        return self._opened(code, self._exchange(code, data + self._iv[:MAC_BYTES]))

    def change_key(self, number: int, new: AesKey, version: int, *, current: AesKey, card_level: bool = False) -> None:
        """ChangeKey (EV1, AES). Changing the session's own key ends the session."""
        own = number == self.key_no
        sent = new.raw if own else xor(new.raw, current.raw)
        wire_number = bytes((number | (0x80 if card_level else 0),))
        cryptogram = sent + bytes((version,))
        cryptogram += desfire_crc32(b"\xc4" + wire_number + cryptogram)
        if not own:
            cryptogram += desfire_crc32(new.raw)
        answer = self._exchange(0xC4, wire_number + self._enciphered(cryptogram))
        if own:
            self._forget()
        else:
            self._opened(0xC4, answer)

    def change_settings(self, settings: int) -> None:
        """ChangeKeySettings of the selected application or of the card; needs its master key's session."""
        plain = bytes((settings,))
        self._opened(0x54, self._exchange(0x54, self._enciphered(plain + desfire_crc32(b"\x54" + plain))))

    def _enciphered(self, plain: bytes) -> bytes:
        assert self._key is not None, "an enciphered command needs a session"
        padded = plain + bytes(-len(plain) % BLOCK_BYTES)
        ciphertext = self._key.cbc_encrypt(padded, self._iv)
        self._iv = ciphertext[-BLOCK_BYTES:]
        return ciphertext

    def _opened(self, code: int, answer: bytes) -> bytes:
        """An answer without its MAC. Raises PurseUnreadable when the MAC is wrong: nobody knows what the card did."""
        if self._key is None:
            return answer
        body, mac = answer[:-MAC_BYTES], answer[-MAC_BYTES:]
        self._iv = self._key.cmac(body + b"\x00", self._iv)
        if not same_bytes(mac, self._iv[:MAC_BYTES]):
            self._forget()
            raise PurseUnreadable(f"the answer to {_NAMES.get(code, hex(code))} is not the card's")
        return body

    def _exchange(self, code: int, data: bytes, *, may_continue: bool = False) -> bytes:
        """One command and all frames of its answer. Raises CardRefused; a card's refusal ends the session."""
        body, frames = b"", 1
        frame = self._transmit(code, data)
        while frame[-2:] == b"\x91\xaf" and not may_continue and frames < _FRAMES_MAX:
            body, frames = body + frame[:-2], frames + 1
            frame = self._transmit(_MORE, b"")
        status_word = int.from_bytes(frame[-2:], "big")
        if status_word != SW_OK and not (may_continue and status_word == SW_MORE):
            self._forget()
            raise CardRefused(_NAMES.get(code, f"command {code:02X}"), status_word)
        return body + frame[:-2]

    def _transmit(self, code: int, data: bytes) -> bytes:
        if data:
            return self._channel.transmit(bytes((0x90, code, 0, 0, len(data))) + data + b"\x00")
        return self._channel.transmit(bytes((0x90, code, 0, 0, 0)))

    def _forget(self) -> None:
        self._key, self._iv, self.key_no = None, ZERO_BLOCK, None
