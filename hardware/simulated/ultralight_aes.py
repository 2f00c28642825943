"""A virtual MIFARE Ultralight AES behind a PC/SC reader, from the factory on: pages, keys, locks, and what AUTH0 asks.

    idle --1A--> challenged --AF, right--> authenticated until something is refused
       \\<------- anything else, or wrong --------/

Keys lie in their pages the last byte first. Whoever has proven DataProtKey writes from page AUTH0 on (and reads there,
where PROT says so); key pages are never read, and nobody writes what a lock bit holds. Sources: NXP MF0AES(H)20
(sections 8.5 memory, 8.6 authentication and keys, 10 commands, NAK codes), AN13452. Not played: counters, the OTP page,
FAST_READ, COMPATIBILITY_WRITE, signature, secure messaging, random UIDs. What the data sheet leaves open is played the
strict way: settings hold at once, a tag that refuses wants to be selected anew.
"""

import os
from dataclasses import dataclass, replace

from hardware.cards.crypto import AesKey, RandomBytes, rotated_left
from hardware.ports import GET_UID
from hardware.simulated.tearing import CardTorn, Field, Tear

PAGES, PAGE_BYTES = 60, 4
LOCKS, DATA_FIRST, DATA_LAST, CONFIG, ACCESS, KEY_LOCKS, KEYS_FIRST, KEYS_LAST = 2, 4, 39, 0x29, 0x2A, 0x2D, 0x30, 0x37
_ATR = bytes.fromhex("3b8f8001804f0ca0000003060300030000000068")
"""A storage card, MIFARE Ultralight (PC/SC part 3, supplemental document)."""
_VERSION = bytes.fromhex("0004030104000f03")
_THROUGH_HEAD, _THROUGH_DATA = bytes.fromhex("ff000000"), bytes.fromhex("d442")
_WRITE_HEAD = bytes.fromhex("ffd600")
_OK, _FAILED, _NOT_SUPPORTED = b"\x90\x00", b"\x63\x00", b"\x6a\x81"
_ANSWERED, _TIMEOUT, _GARBLED = bytes.fromhex("d54300"), bytes.fromhex("d54301"), bytes.fromhex("d54302")
"""The chip passes answers of whole bytes on; an acknowledgement has four bits and no CRC, so it reads as garbled."""
_RANDOM_BYTES, _KEY_BYTES = 16, 16
_PROT, _CFGLCK, _LOCK_KEY_0, _LOCK_KEY_1, _LOCK_LOCKS = 0x80, 0x40, 0x40, 0x80, 0x20
_AUTH_LIM_MAX = 0x3FF


@dataclass(frozen=True, slots=True)
class UltralightState:
    """What the tag keeps."""

    uid: bytes
    memory: bytes
    """All 60 pages, the keys among them."""
    failed: int = 0
    """How many authentications have failed since one went through."""

    def page(self, number: int) -> bytes:
        """Four bytes, as they are."""
        return self.memory[number * PAGE_BYTES : (number + 1) * PAGE_BYTES]

    def key(self, number: int) -> AesKey:
        """0: DataProtKey; 1: UIDRetrKey."""
        at = KEYS_FIRST * PAGE_BYTES + number * _KEY_BYTES
        return AesKey(self.memory[at : at + _KEY_BYTES][::-1])

    def with_page(self, number: int, content: bytes) -> "UltralightState":
        """The tag with a page, or several from there on, changed."""
        at = number * PAGE_BYTES
        return replace(self, memory=self.memory[:at] + content + self.memory[at + len(content) :])

    @property
    def auth0(self) -> int:
        """From this page on DataProtKey is asked for."""
        return self.page(CONFIG)[3]

    def is_locked(self, page: int) -> bool:
        """Whether nobody may write it any more."""
        access, key_locks = self.page(ACCESS)[0], self.page(KEY_LOCKS)[0]
        if page in (CONFIG, ACCESS):
            return bool(access & _CFGLCK)
        if page == KEY_LOCKS:
            return bool(key_locks & _LOCK_LOCKS)
        if KEYS_FIRST <= page <= KEYS_LAST:
            return bool(key_locks & (_LOCK_KEY_0 if page < KEYS_FIRST + 4 else _LOCK_KEY_1))
        low, high = self.page(LOCKS)[2:]
        return DATA_FIRST <= page < 16 and bool((low | high << 8) >> page & 1)


class VirtualUltralightAes:
    """One tag; `process` answers one APDU as its reader does."""

    def __init__(self, state: UltralightState, random_bytes: RandomBytes = os.urandom) -> None:
        self._state, self._random_bytes = state, random_bytes
        self.field = Field()
        self._rnd_b, self._key_no = b"", 0
        self._is_silent = self._is_authenticated = False

    @property
    def uid(self) -> bytes:
        """The tag's UID, 7 bytes."""
        return self._state.uid

    @property
    def atr(self) -> bytes:
        """What a PC/SC reader makes up for it."""
        return _ATR

    def snapshot(self) -> UltralightState:
        """Everything the tag keeps."""
        return self._state

    def restore(self, state: UltralightState) -> None:
        """Make the tag what a snapshot says."""
        self._state = state
        self.reset()

    def reset(self) -> None:
        """Power up anew."""
        self._forget()

    def put_back(self) -> None:
        """Bring the tag into the field (again)."""
        self.reset()
        self.field.put_back()

    def arm(self, tear: Tear | None) -> None:
        """Plan a tear, counted from the next exchange; None calls it off."""
        self.field.arm(tear)

    def process(self, apdu: bytes) -> bytes:
        """Answer one APDU. Raises CardTorn when the tag is, or goes, away."""
        self.field.require_present()
        if apdu == GET_UID:
            return self.uid + _OK
        is_write = apdu[:3] == _WRITE_HEAD and len(apdu) == 5 + PAGE_BYTES and apdu[4] == PAGE_BYTES
        is_through = apdu[:4] == _THROUGH_HEAD and apdu[5:7] == _THROUGH_DATA and len(apdu) == 5 + apdu[4]
        if not is_write and not is_through:
            return _FAILED if apdu[:2] in (b"\xff\x82", b"\xff\x86") else _NOT_SUPPORTED
        tear = self.field.next_exchange()
        command = bytes((0xA2, apdu[3])) + apdu[5:] if is_write else apdu[7:]
        said = None if self._is_silent else self._said(command)
        if said is None:
            self._forget()
            self._is_silent = True
        if tear is not None:
            raise CardTorn("the tag left before its answer")
        if is_write:
            return _FAILED if said is None else _OK
        return (_TIMEOUT if said is None else _ANSWERED + said if said else _GARBLED) + _OK

    def _forget(self) -> None:
        self._rnd_b, self._key_no = b"", 0
        self._is_silent = self._is_authenticated = False

    def _said(self, command: bytes) -> bytes | None:
        """What the tag says: nothing where it acknowledges, None where it refuses."""
        rnd_b, self._rnd_b = self._rnd_b, b""
        match command[:1]:
            case b"\x60" if len(command) == 1:
                return _VERSION
            case b"\x30" if len(command) == 2 and command[1] < PAGES:
                return self._read(command[1])
            case b"\xa2" if len(command) == 2 + PAGE_BYTES:
                return self._write(command[1], command[2:])
            case b"\x1a" if len(command) == 2 and command[1] < 2 and not self._is_shut:
                self._is_authenticated, self._key_no = False, command[1]
                self._rnd_b = self._random_bytes(_RANDOM_BYTES)[:_RANDOM_BYTES]
                return b"\xaf" + self._state.key(self._key_no).cbc_encrypt(self._rnd_b)
            case b"\xaf" if rnd_b and len(command) == 1 + 2 * _RANDOM_BYTES:
                return self._prove(command[1:], rnd_b)
            case _:
                return None

    @property
    def _is_shut(self) -> bool:
        """Whether authentications have failed as often as AUTH_LIM lets them."""
        limit = int.from_bytes(self._state.page(ACCESS)[2:], "little") & _AUTH_LIM_MAX
        return bool(limit) and self._state.failed >= limit

    def _prove(self, proof: bytes, rnd_b: bytes) -> bytes | None:
        key = self._state.key(self._key_no)
        plain = key.cbc_decrypt(proof)
        if plain[_RANDOM_BYTES:] != rotated_left(rnd_b):
            self._state = replace(self._state, failed=min(self._state.failed + 1, _AUTH_LIM_MAX))
            return None
        self._state = replace(self._state, failed=0)
        self._is_authenticated = self._key_no == 0
        return b"\x00" + key.cbc_encrypt(rotated_left(plain[:_RANDOM_BYTES]))

    def _read(self, first: int) -> bytes | None:
        """Four pages from there on, round the end. The keys read as zeros."""
        state = self._state
        if state.page(ACCESS)[0] & _PROT and first >= state.auth0 and not self._is_authenticated:
            return None
        wanted = ((first + page) % PAGES for page in range(4))
        is_key = range(KEYS_FIRST, KEYS_LAST + 1)
        return b"".join(bytes(PAGE_BYTES) if page in is_key else state.page(page) for page in wanted)

    def _write(self, page: int, content: bytes) -> bytes | None:
        state = self._state
        is_known = DATA_FIRST <= page <= DATA_LAST or KEYS_FIRST <= page <= KEYS_LAST
        if not is_known and page not in (LOCKS, CONFIG, ACCESS, KEY_LOCKS):
            return None
        if state.is_locked(page) or (page >= state.auth0 and not self._is_authenticated):
            return None
        if page in (LOCKS, KEY_LOCKS):  # one way only
            content = bytes(old | new for old, new in zip(state.page(page), content, strict=True))
        if page == LOCKS:
            content = state.page(LOCKS)[:2] + content[2:]
        self._state = state.with_page(page, content)
        return b""


def blank_ultralight(uid: bytes) -> UltralightState:
    """A tag as the factory sends it: zero keys, nothing protected or locked."""
    check = 0x88 ^ uid[0] ^ uid[1] ^ uid[2]
    memory = uid[:3] + bytes((check,)) + uid[3:] + bytes((uid[3] ^ uid[4] ^ uid[5] ^ uid[6], 0x48))
    state = UltralightState(uid, memory.ljust(PAGES * PAGE_BYTES, b"\x00"))
    return state.with_page(CONFIG, bytes.fromhex("0000003c")).with_page(ACCESS, bytes.fromhex("8c050000"))
