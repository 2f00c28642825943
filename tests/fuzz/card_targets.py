"""What cards and readers answer: images of purses, messages of tags, answers to reset, and whole conversations."""

from collections.abc import Callable, Iterator
from random import Random
from typing import Any, Final

from hardware.cards.keys import CardKeys
from hardware.cards.open_card import open_card
from hardware.cards.sun import SunMessage, ndef_file, proof_in, read_message
from hardware.cards.tokens import read_token
from hardware.ports import CardChannel, CardError, CardNotOurs, DeviceError
from hardware.readers.answers_to_reset import technology_of
from hardware.simulated.reader import SimulatedReader, VirtualCard
from protocol.ids import CardNo, Counter, Generation
from protocol.money import Cents
from protocol.purse import CardRead, Identity, LoadRecord, Purse, Technology
from protocol.purse_classic import (
    SLOT_BYTES,
    ClassicImage,
    decode_identity,
    decode_slot,
    encode_identity,
    encode_slot,
)
from protocol.purse_classic import read_card as read_classic
from protocol.purse_desfire import (
    LOG_RECORDS,
    DesfireImage,
    decode_load_file,
    encode_limits,
    encode_load_file,
    encode_log,
)
from protocol.purse_desfire import decode_identity as decode_desfire_identity
from protocol.purse_desfire import encode_identity as encode_desfire_identity
from protocol.purse_desfire import read_card as read_desfire
from tests.fuzz.target import Broken, Target
from tests.hardware.card_bench import KINDS, TILL, WHO, Kind, issued
from tests.hardware.sam_bench import Slot, keys_in, virtual_sam
from tests.hardware.tag_bench import LINK, tag, ultralight
from tests.protocol.samples import CLASSIC_UID, DESFIRE_UID, IDENTITY, MAC8, PURSE, RECORD

_CLASSIC: Final = ("protocol.purse_classic", "protocol.load_record")
_DESFIRE: Final = ("protocol.purse_desfire",)
_MAC_BYTES: Final = 8
_NO_PIN: Final = Identity(CardNo(7), Generation(1), IDENTITY.card_class)
_PURSES: Final = (PURSE, Purse(Counter(0), Cents(0)), Purse(Counter(2**32 - 1), Cents(-(2**31) + 1), Cents(2**31 - 1)))
_SLOT: Final = 0
_KEY_SET: Final = 3


def _identity_input(body: bytes) -> bytes:
    return CLASSIC_UID.rjust(8, b"\x00") + bytes((4, 5)) + body


def _with_identity_mac(body: bytes) -> bytes:
    """An identity with a MAC that holds, whatever it says."""
    return body + MAC8(_identity_input(body))


def _slot_input(body: bytes) -> bytes:
    return CLASSIC_UID.rjust(8, b"\x00") + bytes((8, 9, 10)) + body


def _with_slot_mac(body: bytes) -> bytes:
    return body + MAC8(_slot_input(body))


def _slot(raw: bytes) -> tuple[Purse, int] | None:
    purse = decode_slot(raw, CLASSIC_UID, _SLOT, MAC8)
    return None if purse is None else (purse, raw[1])


def _slot_again(found: tuple[Purse, int]) -> bytes:
    purse, key_set = found
    return encode_slot(purse, key_set, CLASSIC_UID, _SLOT, MAC8)


def _classic_card(raw: bytes) -> CardRead | None:
    """An image: identity and both slots, their MACs made good."""
    identity, rest = raw[:24], raw[24:]
    slots = (_with_slot_mac(rest[:40]), rest[40:88].ljust(SLOT_BYTES, b"\x00"))
    return read_classic(ClassicImage(CLASSIC_UID, _KEY_SET, _with_identity_mac(identity), slots), MAC8)


def _read_holds(raw: bytes, read: CardRead) -> None:
    """What was read can be told in an entry: the card's name, and what it remembers."""
    purse = read.purse
    if not read.id.no or not read.id.generation or len(read.last) > 16:
        raise Broken("a card without a name")
    if purse is not None and not -(2**31) < purse.main_cents < 2**31:
        raise Broken("a balance that no entry can tell")


def _desfire_card(raw: bytes) -> CardRead | None:
    """An image: 24 identity, 8 values, 32 limits, 24 load, then the log in records of 16."""
    main, subsidy = (int.from_bytes(raw[at : at + 4], "little", signed=True) for at in (24, 28))
    log = tuple(raw[at : at + 16] for at in range(88, min(len(raw), 88 + LOG_RECORDS * 16), 16))
    return read_desfire(DesfireImage(DESFIRE_UID, _KEY_SET, raw[:24], main, subsidy, raw[32:64], raw[64:88], log))


def _desfire_image(purse: Purse, record: LoadRecord) -> bytes:
    values = b"".join(cents.to_bytes(4, "little", signed=True) for cents in (purse.main_cents, purse.subsidy_cents))
    files = encode_desfire_identity(IDENTITY) + values + encode_limits(purse) + encode_load_file(record)
    return files + encode_log(purse.mark, -900, purse.counter)


def _images() -> Iterator[Target]:
    bodies = [encode_identity(who, CLASSIC_UID, MAC8)[:-_MAC_BYTES] for who in (IDENTITY, _NO_PIN)]
    slots = [encode_slot(purse, _KEY_SET, CLASSIC_UID, _SLOT, MAC8)[:-_MAC_BYTES] for purse in _PURSES]
    yield Target(
        "classic-identity",
        bodies,
        lambda raw: decode_identity(raw, CLASSIC_UID, MAC8),
        _CLASSIC,
        (),
        lambda who: encode_identity(who, CLASSIC_UID, MAC8),
        wrap=_with_identity_mac,
    )
    yield Target("classic-slot", slots, _slot, _CLASSIC, (), _slot_again, wrap=_with_slot_mac)
    yield Target(
        "classic-card",
        [bodies[0] + slots[0] + _with_slot_mac(slots[1]), bodies[1] + slots[2] + bytes(SLOT_BYTES)],
        _classic_card,
        _CLASSIC,
        holds=_read_holds,
    )
    yield Target(
        "desfire-identity",
        [encode_desfire_identity(who) for who in (IDENTITY, _NO_PIN)],
        decode_desfire_identity,
        _DESFIRE,
        (),
        encode_desfire_identity,
    )
    yield Target("desfire-load", [encode_load_file(RECORD)], decode_load_file, _DESFIRE, (), encode_load_file)
    images = [_desfire_image(purse, RECORD) for purse in (_PURSES[0], _PURSES[2])]
    yield Target("desfire-card", images, _desfire_card, _DESFIRE, holds=_read_holds)


def _proof_holds(raw: bytes, message: SunMessage) -> None:
    try:
        proof = proof_in(message, TILL, None)
    except CardNotOurs:
        return
    if proof is not None:
        raise Broken("a proof that no tag has made")


def _tags() -> Iterator[Target]:
    file = ndef_file(LINK, 1, WHO).content
    sun = ("hardware.cards.sun", "hardware.cards.keys")
    yield Target("sun-message", [file], read_message, sun, holds=_proof_holds, weight=5)
    atrs = ("3b8f8001804f0ca0000003060300010000000068", "3b8180018080", "3b888001000000003381810000", "3b8f80")
    yield Target(
        "answer-to-reset",
        [bytes.fromhex(atr) for atr in atrs],
        lambda raw: technology_of(raw) or Technology.CLASSIC,
        ("hardware.readers.answers_to_reset",),
        weight=2,
    )


class _Answers:
    """Answers that an input changes: it says which, and how. Two bytes of head each, then its data."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self._before, self._at, self._count = b"\x90\x00", 0, 0

    def instead_of(self, answer: bytes) -> bytes:
        """An answer, or another one when its turn has come."""
        before, self._before = self._before, answer
        head = self.raw[self._at : self._at + 2]
        self._count += 1
        if len(head) < 2 or head[0] & 0x1F != self._count & 0x1F:
            return answer
        length = head[1]
        data = self.raw[self._at + 2 : self._at + 2 + length]
        self._at += 2 + length
        match head[0] >> 5:
            case 0:
                return data
            case 1:
                return answer[: max(0, len(answer) - length)]
            case 2:
                return data + answer
            case 3:
                return before
            case 4:
                return answer[:-2] + data + answer[-2:]
            case 5:
                return data + answer[len(data) :]
            case 6:
                return answer[:-2] + data[:2]
            case _:
                at = length % (len(answer) or 1)
                return answer[:at] + bytes(byte ^ 1 for byte in answer[at : at + 1]) + answer[at + 1 :]


class _Garbled:
    """A channel with such answers."""

    def __init__(self, channel: CardChannel, raw: bytes) -> None:
        self.uid, self.technology = channel.uid, channel.technology
        self._channel, self._answers = channel, _Answers(raw)

    def transmit(self, apdu: bytes) -> bytes:
        return self._answers.instead_of(self._channel.transmit(apdu))


_PLANS: Final = (
    b"",
    b"\x03\x02\x90\x00",
    b"\x25\x04abcd",
    b"\x65\x00",
    b"\xe7\x01\x00",
    b"\xc2\x02\x91\xaf",
    b"\xa4\x03abc",
)
_SPOKEN: Final = tuple(
    f"hardware.cards.{name}"
    for name in (
        "classic", "classic_sectors", "desfire", "desfire_auth", "desfire_ev2", "desfire_frames", "desfire_messaging",
        "desfire_session", "ntag424", "open_card", "sam", "sun", "tokens", "ultralight_aes",
    )
)  # fmt: skip


def _seeded() -> Callable[[int], bytes]:
    return Random(0).randbytes


def _spoken(kind: Kind, keys: CardKeys = TILL) -> Callable[[bytes], Any]:
    bench = issued(kind)
    truth = bench.tap().read()

    def read(raw: bytes) -> str:
        bench.reader.place(bench.card)
        channel = _Garbled(bench.channel(), raw)
        said = open_card(channel, keys, _seeded()).read()
        if said.identity != truth.identity or said.purse not in (truth.purse, None):
            raise Broken("a card that is believed to be another one, or to hold something else")
        return "read"

    return read


def _token(card: VirtualCard) -> Callable[[bytes], Any]:
    def read(raw: bytes) -> str:
        reader = SimulatedReader()
        reader.place(card)
        channel = reader.wait_for_card(0)
        assert channel is not None
        said = read_token(_Garbled(channel, raw), TILL, _seeded())
        if said is not None and said.genuine and said.identity.key != WHO.key:
            raise Broken("a token that is believed to be another one")
        return "read"

    return read


def _conversations() -> Iterator[Target]:
    refuses = (CardError, DeviceError)
    for kind in KINDS:
        yield Target(f"answers-{kind.value}", _PLANS[:1], _spoken(kind), _SPOKEN, refuses, weight=1, words=_PLANS)
    yield Target("answers-ntag424", _PLANS[:1], _token(tag()), _SPOKEN, refuses, weight=1, words=_PLANS)
    yield Target("answers-ultralight", _PLANS[:1], _token(ultralight()), _SPOKEN, refuses, weight=1, words=_PLANS)
    yield Target("answers-sam", _PLANS[:1], _by_sam(), _SPOKEN, refuses, weight=1, words=_PLANS)


def _by_sam() -> Callable[[bytes], Any]:
    """An EV1 card whose keys a SAM holds, and the SAM's own answers changed."""
    bench = issued(Kind.EV1)
    truth = bench.tap().read()

    def read(raw: bytes) -> str:
        bench.reader.place(bench.card)
        said = open_card(bench.channel(), keys_in(_GarbledSlot(virtual_sam()).garble(raw)), _seeded()).read()
        if said.identity != truth.identity:
            raise Broken("a card that is believed to be another one")
        return "read"

    return read


class _GarbledSlot(Slot):
    """The same of a SAM."""

    def garble(self, raw: bytes) -> "_GarbledSlot":
        self._answers = _Answers(raw)
        return self

    def transmit(self, apdu: bytes) -> bytes:
        return self._answers.instead_of(super().transmit(apdu))


def targets() -> Iterator[Target]:
    """All of them."""
    for group in (_images, _tags, _conversations):
        yield from group()
