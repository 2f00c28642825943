"""EV2 secure messaging, the reader's side: two session keys, a transaction identifier, a counter of commands.

A MAC is over command code, counter, identifier and what travels; the answer's is over the status and the counter one
higher. So no frame can be left out, repeated or moved between sessions. Sources: NXP AN12196 and AN12343 (worked
examples), NT4H2421Gx section 9.1 and MF2DLHx0 section 9.1 (the same messaging on smaller chips).
"""

from hardware.cards.crypto import BLOCK_BYTES, MAC_BYTES, AesKey, pad_80, rotated_left, xor
from hardware.cards.desfire_messaging import AnswerForged, CommMode
from hardware.ports import CardNotOurs
from protocol.signing import same_bytes

TI_BYTES = 4
_FIRST_ANSWER_BYTES = 32
_ENC_LABEL, _MAC_LABEL = bytes.fromhex("a55a"), bytes.fromhex("5aa5")
_SESSION_CONTEXT = bytes.fromhex("00010080")
_COMMANDS_MAX = 0xFFFF


class Ev2Messaging:
    """One session after AuthenticateEV2First or NonFirst."""

    def __init__(self, enc: AesKey, mac: AesKey, ti: bytes, commands: int = 0) -> None:
        self._enc, self._mac = enc, mac
        self.ti = ti
        """Names the transaction: the card's choice at AuthenticateEV2First, kept by NonFirst."""
        self.commands = commands
        """How many commands the transaction has had; it goes on counting through NonFirst."""

    def command(self, code: int, header: bytes, data: bytes, mode: CommMode, behind: bytes = b"") -> bytes:
        """Secure a command."""
        assert self.commands < _COMMANDS_MAX, "nobody has that much to say to a card"
        body = header + data + behind
        if mode is CommMode.FULL and data:
            body = header + self._enc.cbc_encrypt(_padded(data + behind), self._iv(_ENC_LABEL))
        mac = b"" if mode is CommMode.PLAIN else self._mac8(code, body)
        self.commands += 1
        return body + mac

    def answer(self, body: bytes, mode: CommMode) -> bytes:
        """Check and decipher an answer."""
        if mode is CommMode.PLAIN:
            return body
        body, mac = body[:-MAC_BYTES], body[-MAC_BYTES:]
        if not same_bytes(mac, self._mac8(0, body)):
            raise AnswerForged
        if mode is not CommMode.FULL or not body:
            return body
        if len(body) % BLOCK_BYTES:
            raise AnswerForged
        plain = self._enc.cbc_decrypt(body, self._iv(_MAC_LABEL))
        data = plain.rstrip(b"\x00")
        if data[-1:] != b"\x80":
            raise AnswerForged
        return data[:-1]

    def _mac8(self, code: int, body: bytes) -> bytes:
        """Every second byte of the CMAC, from the second one."""
        return self._mac.cmac(bytes((code,)) + self._counter + self.ti + body)[1::2]

    def _iv(self, label: bytes) -> bytes:
        return self._enc.cbc_encrypt(label + self.ti + self._counter + bytes(8))

    @property
    def _counter(self) -> bytes:
        return self.commands.to_bytes(2, "little")


def ev2_proof(key: AesKey, challenge: bytes, rnd_a: bytes) -> bytes:
    """The reader's answer to the card's enciphered random: E(RndA, RndB turned left), every IV zero."""
    return key.cbc_encrypt(rnd_a + rotated_left(key.cbc_decrypt(challenge)))


def ev2_first(key: AesKey, challenge: bytes, rnd_a: bytes, answer: bytes) -> Ev2Messaging:
    """The session after AuthenticateEV2First: the card's answer is E(TI, RndA turned left, capabilities).

    Raises CardNotOurs when the card has not proved that it knows the key.
    """
    plain = key.cbc_decrypt(answer) if len(answer) == _FIRST_ANSWER_BYTES else b""
    _require_proof(plain[TI_BYTES : TI_BYTES + BLOCK_BYTES], rnd_a)
    return Ev2Messaging(*session_keys(key, rnd_a, key.cbc_decrypt(challenge)), plain[:TI_BYTES])


def ev2_non_first(key: AesKey, challenge: bytes, rnd_a: bytes, answer: bytes, ti: bytes, commands: int) -> Ev2Messaging:
    """The session after AuthenticateEV2NonFirst: new keys, the transaction goes on. Raises CardNotOurs likewise."""
    _require_proof(key.cbc_decrypt(answer) if len(answer) == BLOCK_BYTES else b"", rnd_a)
    return Ev2Messaging(*session_keys(key, rnd_a, key.cbc_decrypt(challenge)), ti, commands)


def session_keys(key: AesKey, rnd_a: bytes, rnd_b: bytes) -> tuple[AesKey, AesKey]:
    """SesAuthENC and SesAuthMAC: CMACs of the authenticated key over two vectors of both randoms."""
    context = rnd_a[:2] + xor(rnd_a[2:8], rnd_b[:6]) + rnd_b[6:] + rnd_a[8:]
    enc, mac = (AesKey(key.cmac(label + _SESSION_CONTEXT + context)) for label in (_ENC_LABEL, _MAC_LABEL))
    return enc, mac


def _require_proof(turned: bytes, rnd_a: bytes) -> None:
    if not same_bytes(turned, rotated_left(rnd_a)):
        raise CardNotOurs("the card did not prove that it knows the key")


def _padded(data: bytes) -> bytes:
    """Always at least one byte of padding, so it can always be taken off again."""
    return pad_80(data, (len(data) // BLOCK_BYTES + 1) * BLOCK_BYTES)
