"""The cryptography of contactless cards: AES blocks, CMAC with a running IV, key diversification, CRC32, DES.

Sources: NIST SP 800-38B (CMAC), NXP AN10922 (symmetric key diversification), and the MIFARE DESFire EV1
secure messaging as publicly known (session key, running IV, ChangeKey cryptogram). DES is here for the one key that
a card comes from the factory with.
"""

from collections.abc import Callable
from zlib import crc32

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB

BLOCK_BYTES = 16
AES128_BYTES = 16
MAC_BYTES = 8
DES_BYTES = 8
"""A DES key, and a DES block."""
DIVERSIFICATION_INPUT_BYTES_MAX = 31
ZERO_BLOCK = bytes(BLOCK_BYTES)

RandomBytes = Callable[[int], bytes]
"""Returns this many unpredictable bytes; a simulation passes its own seeded source."""

_AES128_DIVERSIFICATION = b"\x01"
_BLOCK_MASK = (1 << 128) - 1
_FIELD_POLYNOMIAL = 0x87


class AesKey:
    """An AES-128 key with its block ciphers ready to use. Its bytes never appear in a repr."""

    __slots__ = ("_decrypt", "_encrypt", "_subkeys", "raw")

    def __init__(self, raw: bytes) -> None:
        """Take the 16 bytes of a key. Raises ValueError for any other length."""
        if len(raw) != AES128_BYTES:
            raise ValueError(f"an AES-128 key has {AES128_BYTES} bytes, this one has {len(raw)}")
        # ECB is only the bare block function here: CBC and CMAC with the card's running IV are built on it below.
        cipher = Cipher(AES(raw), ECB())  # noqa: S305
        self.raw = raw
        self._encrypt = cipher.encryptor().update
        self._decrypt = cipher.decryptor().update
        self._subkeys: tuple[int, int] | None = None

    def cmac(self, message: bytes, iv: bytes = ZERO_BLOCK) -> bytes:
        """AES-CMAC, 16 bytes (NIST SP 800-38B section 6.2).

        DESFire EV1 starts the chain from its running IV instead of from zero; the result is the next IV.
        """
        whole_bytes = max(len(message) - 1, 0) // BLOCK_BYTES * BLOCK_BYTES
        last = message[whole_bytes:]
        subkey_1, subkey_2 = self._subkeys or self._derive_subkeys()
        if len(last) == BLOCK_BYTES:
            tail = int.from_bytes(last, "big") ^ subkey_1
        else:
            tail = int.from_bytes(pad_80(last), "big") ^ subkey_2
        return self._chain(message[:whole_bytes], tail, iv)

    def cbc_encrypt(self, message: bytes, iv: bytes = ZERO_BLOCK) -> bytes:
        """AES-CBC without padding (NIST SP 800-38A section 6.2); the last block of the result is the next IV."""
        assert len(message) % BLOCK_BYTES == 0
        blocks: list[bytes] = []
        state = int.from_bytes(iv, "big")
        for start in range(0, len(message), BLOCK_BYTES):
            block = int.from_bytes(message[start : start + BLOCK_BYTES], "big") ^ state
            blocks.append(self._encrypt(block.to_bytes(BLOCK_BYTES, "big")))
            state = int.from_bytes(blocks[-1], "big")
        return b"".join(blocks)

    def cbc_decrypt(self, ciphertext: bytes, iv: bytes = ZERO_BLOCK) -> bytes:
        """The inverse of `cbc_encrypt`."""
        assert len(ciphertext) % BLOCK_BYTES == 0
        return xor(self._decrypt(ciphertext), (iv + ciphertext)[: len(ciphertext)])

    def diversified(self, diversification_input: bytes) -> "AesKey":
        """The key of one card, derived from this master key (AN10922 section 2.2, AES-128).

        The constant 0x01 and the input are padded to *two* blocks even where one would do; that is the
        difference to plain CMAC. Raises ValueError unless the input has 1 to 31 bytes.
        """
        if not 1 <= len(diversification_input) <= DIVERSIFICATION_INPUT_BYTES_MAX:
            raise ValueError(f"a diversification input has 1 to {DIVERSIFICATION_INPUT_BYTES_MAX} bytes")
        message = _AES128_DIVERSIFICATION + diversification_input
        if len(message) == 2 * BLOCK_BYTES:
            return AesKey(self.cmac(message))
        padded = pad_80(message, 2 * BLOCK_BYTES)
        _, subkey_2 = self._subkeys or self._derive_subkeys()
        return AesKey(self._chain(padded[:BLOCK_BYTES], int.from_bytes(padded[BLOCK_BYTES:], "big") ^ subkey_2))

    def _chain(self, whole: bytes, tail: int, iv: bytes = ZERO_BLOCK) -> bytes:
        """CBC-MAC over whole blocks and a last block that has its subkey in it already."""
        state = int.from_bytes(iv, "big")
        for start in range(0, len(whole), BLOCK_BYTES):
            block = int.from_bytes(whole[start : start + BLOCK_BYTES], "big") ^ state
            state = int.from_bytes(self._encrypt(block.to_bytes(BLOCK_BYTES, "big")), "big")
        return self._encrypt((tail ^ state).to_bytes(BLOCK_BYTES, "big"))

    def _derive_subkeys(self) -> tuple[int, int]:
        """K1 and K2 (NIST SP 800-38B section 6.1)."""
        subkey_1 = _doubled(int.from_bytes(self._encrypt(ZERO_BLOCK), "big"))
        self._subkeys = (subkey_1, _doubled(subkey_1))
        return self._subkeys


class DesKey:
    """A single DES key: the factory's default on a blank card, and what a session with it runs under."""

    __slots__ = ("_algorithm",)

    def __init__(self, raw: bytes) -> None:
        """Take the 8 bytes of a key, parity not looked at. Raises ValueError for any other length."""
        if len(raw) != DES_BYTES:
            raise ValueError(f"a DES key has {DES_BYTES} bytes, this one has {len(raw)}")
        self._algorithm = TripleDES(raw * 3)

    def cbc_encrypt(self, message: bytes, iv: bytes) -> bytes:
        """DES-CBC without padding."""
        return Cipher(self._algorithm, CBC(iv)).encryptor().update(message)

    def cbc_decrypt(self, ciphertext: bytes, iv: bytes) -> bytes:
        """The inverse of `cbc_encrypt`."""
        return Cipher(self._algorithm, CBC(iv)).decryptor().update(ciphertext)


def session_key(rnd_a: bytes, rnd_b: bytes) -> AesKey:
    """The session key of an EV1 AES authentication (command 0xAA): first and last quarters of both randoms."""
    assert len(rnd_a) == len(rnd_b) == BLOCK_BYTES
    return AesKey(rnd_a[:4] + rnd_b[:4] + rnd_a[12:] + rnd_b[12:])


def desfire_crc32(message: bytes) -> bytes:
    """CRC32 as DESFire EV1 has it: IEEE 802.3 without the final inversion ("JAMCRC"), least significant byte first."""
    return (crc32(message) ^ 0xFFFFFFFF).to_bytes(4, "little")


def rotated_left(block: bytes) -> bytes:
    """The bytes moved one place to the left, the first one to the end: how both sides prove a random."""
    return block[1:] + block[:1]


def pad_80(message: bytes, length: int = BLOCK_BYTES) -> bytes:
    """Append 0x80 and zeros up to a length (ISO/IEC 9797-1 padding method 2)."""
    assert len(message) < length
    return message + b"\x80" + bytes(length - len(message) - 1)


def xor(left: bytes, right: bytes) -> bytes:
    """Two strings of equal length, bit by bit."""
    assert len(left) == len(right)
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(len(left), "big")


def _doubled(block: int) -> int:
    """Multiply by x in GF(2^128)."""
    shifted = block << 1
    return shifted & _BLOCK_MASK if shifted >> 128 == 0 else shifted & _BLOCK_MASK ^ _FIELD_POLYNOMIAL
