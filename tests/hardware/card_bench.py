"""Cards on a reader for tests of the purse drivers: both technologies, a till, a station, the card office."""

import enum
from collections.abc import Callable
from dataclasses import dataclass, replace

from hardware.cards.issue import NewCard, personalise
from hardware.cards.keys import CardKeys, MasterKeys
from hardware.cards.open_card import open_card
from hardware.cards.pin import pin_verifier
from hardware.ports import CardChannel, CardLeftField, PurseCard
from hardware.simulated.classic_card import VirtualClassic, blank_classic, no_weak_bits
from hardware.simulated.desfire_card import VirtualDesfire
from hardware.simulated.desfire_state import Chip, blank_desfire
from hardware.simulated.reader import SimulatedReader
from hardware.simulated.tearing import Moment, Rest, Tear, WeakBits
from protocol.ids import CardNo, Counter, Generation, LoadSeq, Seq, Tno
from protocol.load_record import sign_load
from protocol.money import Cents
from protocol.purse import (
    CardClass,
    CardRead,
    Identity,
    LoadRecord,
    Mark,
    Outcome,
    Purse,
    PurseChange,
    Right,
    SignedLoad,
    Technology,
    what_became_of,
)
from protocol.signing import SigningKey

UID = bytes.fromhex("04a1b2c3d4e5f6")
KEYS = MasterKeys(1, b"debit master key", b"credit masterkey", b"office masterkey")
NEXT_KEYS = MasterKeys(2, b"debit key of '27", b"credit key o '27", b"office key o '27")
TILL, STATION, OFFICE = CardKeys([KEYS.for_a_till()]), CardKeys([KEYS.for_a_station()]), CardKeys([KEYS])
WHO = Identity(CardNo(7), Generation(1), CardClass.STUDENT, b"verifier")
SERVER = SigningKey(bytes(32))
TECHNOLOGIES = [Technology.CLASSIC, Technology.DESFIRE]

Card = VirtualClassic | VirtualDesfire


class Kind(enum.Enum):
    """A technology, and which secure messaging is spoken with it."""

    CLASSIC = "classic"
    EV1 = "ev1"
    EV2 = "ev2"

    @property
    def technology(self) -> Technology:
        """What drivers and entries call it."""
        return Technology.CLASSIC if self is Kind.CLASSIC else Technology.DESFIRE


KINDS = list(Kind)


def blank(kind: Kind | Technology, uid: bytes = UID, weak_bits: WeakBits = no_weak_bits) -> Card:
    """A card as it comes from the factory; a DESFire of no particular kind is an EV1."""
    if kind in (Kind.CLASSIC, Technology.CLASSIC):
        return VirtualClassic(blank_classic(uid), weak_bits)
    return VirtualDesfire(blank_desfire(uid, Chip.EV2 if kind is Kind.EV2 else Chip.EV1))


@dataclass
class Bench:
    """A personalised card and the reader it is put on."""

    card: Card
    reader: SimulatedReader

    def tap(self, keys: CardKeys = TILL) -> PurseCard:
        """Put the card on the reader anew and open it."""
        self.reader.place(self.card)
        return open_card(self.channel(), keys)

    def channel(self) -> CardChannel:
        """The card that is on the reader."""
        channel = self.reader.wait_for_card(0)
        assert channel is not None
        return channel

    def exchanges(self, act: Callable[[], object]) -> int:
        """How many exchanges with the card something takes."""
        before = self.card.field.exchange_count
        act()
        return self.card.field.exchange_count - before


def issued(kind: Kind | Technology, weak_bits: WeakBits = no_weak_bits, uid: bytes = UID) -> Bench:
    """A card of ours with 50.00 in its main purse and 1.00 in its subsidy purse."""
    bench = Bench(blank(kind, uid, weak_bits), SimulatedReader())
    bench.reader.place(bench.card)
    personalise(bench.channel(), OFFICE, NewCard(1, WHO, Purse(Counter(0), Cents(5000), Cents(100))))
    return bench


def loaded(kind: Kind, cents: int, *, subsidy: int = 0, period: int = 0, pin: str = "", uid: bytes = UID) -> Bench:
    """A card with all that it holds signed for by the server, so that every till takes it."""
    bench = Bench(blank(kind, uid), SimulatedReader())
    bench.reader.place(bench.card)
    who = replace(WHO, pin_verifier=pin_verifier(OFFICE, uid, 1, pin) if pin else b"")
    personalise(bench.channel(), OFFICE, NewCard(1, who, Purse(Counter(0), Cents(0))))
    station = bench.tap(STATION)
    before = station.read()
    assert before.purse is not None
    record = LoadRecord(*who.key, LoadSeq(1), Cents(cents), Cents(0), period, Cents(subsidy))
    after = replace(
        before.purse.stepped(mark(1), main_cents=cents, subsidy_cents=subsidy),
        load_seq=LoadSeq(1),
        load_copy=1 - before.purse.load_copy if before.technology is Technology.CLASSIC else 0,
        period=period,
    )
    station.write(PurseChange(before, after, Right.CREDIT, sign_load(record, SERVER)))
    return bench


class Garbled:
    """A channel on which the first bit of one answer (from 1) is wrong."""

    def __init__(self, channel: CardChannel, at: int) -> None:
        self.uid, self.technology = channel.uid, channel.technology
        self._channel, self._left = channel, at

    @property
    def done(self) -> bool:
        """Whether it has happened."""
        return self._left <= 0

    def transmit(self, apdu: bytes) -> bytes:
        """Pass an exchange on."""
        answer = self._channel.transmit(apdu)
        self._left -= 1
        return bytes((answer[0] ^ 1,)) + answer[1:] if self._left == 0 else answer


def sale(before: CardRead, seq: int, main: int = -20, subsidy: int = 0) -> PurseChange:
    """A debit step."""
    assert before.purse is not None
    return PurseChange(before, before.purse.stepped(mark(seq), main_cents=main, subsidy_cents=subsidy))


def refund(before: CardRead, seq: int, main: int = 20) -> PurseChange:
    """A step that gives back, with a till's own right; DESFire only."""
    assert before.purse is not None
    return PurseChange(before, before.purse.stepped(mark(seq), main_cents=main), Right.LIMITED_CREDIT)


def mark(seq: int) -> Mark:
    """The mark of an entry of this till."""
    return Mark(Tno(3), Seq(seq))


def load(before: CardRead, seq: int, load_seq: int, cents: int) -> PurseChange:
    """A load step: the server's signed record says that the loaded total rises by so much."""
    assert before.purse is not None
    total = (before.loaded.loaded_total_cents if before.loaded else 5000) + cents
    after = replace(
        before.purse.stepped(mark(seq), main_cents=cents),
        load_seq=LoadSeq(load_seq),
        load_copy=1 - before.purse.load_copy if before.technology is Technology.CLASSIC else 0,
    )
    return PurseChange(before, after, Right.CREDIT, signed_load(load_seq, total, before.identity))


def signed_load(load_seq: int, total: int, who: Identity = WHO) -> SignedLoad:
    """A record of the server for the card on the bench."""
    return sign_load(LoadRecord(who.card, who.generation, LoadSeq(load_seq), Cents(total)), SERVER)


def all_tears(kind: Kind | Technology, exchanges: int) -> list[Tear]:
    """A tear before and after each exchange; on Classic also in the middle of each, in several ways."""
    tears = [Tear(at, moment) for at in range(1, exchanges + 1) for moment in (Moment.BEFORE, Moment.AFTER)]
    if kind in (Kind.CLASSIC, Technology.CLASSIC):
        tears += [
            Tear(at, Moment.DURING, cut, weak, rest)
            for at in range(1, exchanges + 1)
            for cut, weak in ((0, 0xFF), (3, 0x81), (9, 0x10), (15, 0xFF))
            for rest in Rest
        ]
    return tears


def settle(bench: Bench, change: PurseChange, keys: CardKeys = TILL) -> tuple[Outcome, CardRead]:
    """What a terminal does after an unknown outcome: tap again, make definite, say what became of the step."""
    read = bench.tap(keys).make_definite(change.after.mark, change.after.counter, change)
    return what_became_of(change.after.mark, change.after.counter, read), read


def torn(bench: Bench, change: PurseChange, driver: PurseCard, tear: Tear) -> bool:
    """Write a step with a tear planned; whether the card was torn."""
    bench.card.arm(tear)
    try:
        driver.write(change)
    except CardLeftField:
        return True
    finally:
        bench.card.arm(None)
    return False
