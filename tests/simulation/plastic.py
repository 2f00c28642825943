"""Physical cards: a virtual chip at command level, what it really holds, and what a forger can do with it."""

import random
import struct
from dataclasses import dataclass
from hashlib import sha256

import msgspec

from hardware.cards.issue import NewCard, personalise
from hardware.cards.keys import CardKeys, MasterKeys, Role
from hardware.cards.pin import pin_verifier
from hardware.simulated.classic_card import ClassicState, VirtualClassic, blank_classic
from hardware.simulated.desfire_card import VirtualDesfire
from hardware.simulated.desfire_state import Chip, DataFile, DesfireState, RecordFile, ValueFile, blank_desfire
from hardware.simulated.reader import SimulatedReader
from hardware.simulated.tearing import Tear
from protocol.ids import CardKey, CardNo, Counter, Generation
from protocol.money import Cents
from protocol.purse import CardClass, Identity, Purse, Technology
from protocol.purse_desfire import APPLICATION_ID, FILE_LIMITS, FILE_LOAD, FILE_LOG, FILE_MAIN, FILE_SUBSIDY

_MASTER = MasterKeys(1, b"debit master key", b"credit masterkey", b"office masterkey")
TILL_KEYS = CardKeys([_MASTER.for_a_till()])
STATION_KEYS = CardKeys([_MASTER.for_a_station()])
OFFICE_KEYS = CardKeys([_MASTER])

STRANGER_TNO = 4_000_000_000
"""A terminal that was never enrolled."""

CHIPS = tuple(Chip)
"""Which generation a DESFire card is of goes by its number."""

Virtual = VirtualClassic | VirtualDesfire
CardState = ClassicState | DesfireState


@dataclass(frozen=True, slots=True)
class Made:
    """One step that the card really made, as its memory shows it: the mark of a prepared entry, and what it moved."""

    counter: int
    tno: int
    seq: int
    cents: int
    balance: int


@dataclass(frozen=True, slots=True)
class Holding:
    """What a card holds, read from its memory without any of the shipping decoders."""

    counter: int
    main: int
    subsidy: int
    loaded: int
    """Everything ever loaded onto it, as the card says; DESFire only (Classic: 0)."""

    @property
    def cents(self) -> int:
        """Both purses."""
        return self.main + self.subsidy


class Plastic:
    """One piece of plastic. A clone is another piece with the same bytes."""

    def __init__(self, identity: Identity, technology: Technology, virtual: Virtual, pin: str = "") -> None:
        self.identity, self.technology, self.virtual, self.pin = identity, technology, virtual, pin
        self.path: list[Made] = []
        """Every step that is on it now, by counter; `observe` keeps it up."""
        self.fresh: list[Made] = []
        """Steps that nobody has looked at yet."""

    @property
    def key(self) -> CardKey:
        """Issue number and generation."""
        return self.identity.key

    @property
    def exchanges(self) -> int:
        """How many exchanges with a reader it has seen."""
        return self.virtual.field.exchange_count

    @property
    def in_field(self) -> bool:
        """Whether it was torn away during an exchange, or lies still where it was put."""
        return self.virtual.field.present

    def arm(self, tear: Tear | None) -> None:
        """Plan to tear it at an exchange from now on."""
        self.virtual.arm(tear)

    def snapshot(self) -> CardState:
        """All its memory."""
        return self.virtual.snapshot()

    def restore(self, state: CardState) -> None:
        """Roll its memory back, as a forger does."""
        self.virtual.restore(state)  # type: ignore[arg-type]

    def fade(self) -> bool:
        """Let the mark of the newest slot decay for good (Classic); False where no other slot is whole."""
        state = self.snapshot()
        slots = _slots(state) if isinstance(state, ClassicState) else []
        if len(slots) < 2 or not isinstance(state, ClassicState):
            return False
        blocks, _ = max(slots, key=lambda slot: slot[1].counter)
        state.blocks[blocks[2]] = bytes(byte ^ 0x5A for byte in state.blocks[blocks[2]])
        self.restore(state)
        self.observe()
        return True

    def fade_all(self) -> None:
        """Let the marks of both slots decay (Classic): the card is unreadable."""
        state = self.snapshot()
        assert isinstance(state, ClassicState)
        for blocks, _ in _slots(state):
            state.blocks[blocks[2]] = bytes(byte ^ 0x5A for byte in state.blocks[blocks[2]])
        self.restore(state)

    def forge(self, cents: int, *, step: bool) -> None:
        """Change the main purse of a DESFire with stolen keys; `step`: counted and marked like a terminal's step."""
        state = self.snapshot()
        assert isinstance(state, DesfireState)
        application = state.application(APPLICATION_ID)
        assert application is not None
        main, limits, log = (application.files[number] for number in (FILE_MAIN, FILE_LIMITS, FILE_LOG))
        assert isinstance(main, ValueFile) and isinstance(limits, DataFile) and isinstance(log, RecordFile)
        application = application.with_file(FILE_MAIN, msgspec.structs.replace(main, value=main.value + cents))
        if step:
            counter = int.from_bytes(limits.content[4:8]) + 1
            content = limits.content[:4] + counter.to_bytes(4) + limits.content[8:]
            record = struct.pack(">IIiI", STRANGER_TNO, counter, cents, counter)
            records = (*log.records, record)[-(log.records_max - 1) :]
            application = application.with_file(FILE_LIMITS, msgspec.structs.replace(limits, content=content))
            application = application.with_file(FILE_LOG, msgspec.structs.replace(log, records=records))
        self.restore(state.with_application(APPLICATION_ID, application))
        self.observe()
        self.fresh.clear()

    def clone(self) -> "Plastic":
        """Another chip with this one's memory."""
        twin = Plastic(self.identity, self.technology, _woken(self.snapshot(), random.Random(0)), self.pin)
        twin.path = list(self.path)
        return twin

    def observe(self) -> list[Made]:
        """Look at its memory; return the steps that are new. Steps that are gone again leave the path."""
        held = self.holding()
        if held is None:
            return []
        marks = {mark[0]: mark for mark in _marks(self.virtual.snapshot())}
        while self.path and not self._is_still_there(self.path[-1], held, marks):
            self.path.pop()
        known = self.path[-1] if self.path else Made(0, 0, 0, 0, 0)
        new: list[Made] = []
        for counter in sorted(counter for counter in marks if known.counter < counter <= held.counter):
            _, tno, seq, moved, balance = marks[counter]
            cents = balance - known.balance if balance is not None else moved
            known = Made(counter, tno, seq, cents, known.balance + cents)
            new.append(known)
        self.path += new
        self.fresh += new
        return new

    @staticmethod
    def _is_still_there(made: Made, held: Holding, marks: "dict[int, _Mark]") -> bool:
        if made.counter > held.counter:
            return False
        mark = marks.get(made.counter)
        return mark is None or mark[1:3] == (made.tno, made.seq)

    def holding(self) -> Holding | None:
        """What the card holds; None where no purse on it is whole."""
        state = self.virtual.snapshot()
        return _desfire_holding(state) if isinstance(state, DesfireState) else _classic_holding(state)

    @property
    def reads_for_certain(self) -> bool:
        """Whether a whole purse is on it that no weak bit can hide."""
        if self.technology is not Technology.CLASSIC:
            return True
        state = self.virtual.snapshot()
        assert isinstance(state, ClassicState)
        return any(not any(any(state.weak.get(block, b"")) for block in blocks) for blocks, _ in _slots(state))

    def digest(self) -> bytes:
        """A hash of its memory."""
        return sha256(msgspec.json.encode(self.virtual.snapshot())).digest()


_personalised: dict[tuple[Technology, int, int, int, str], tuple[Identity, CardState]] = {}


def issue(
    technology: Technology, no: int, rng: random.Random, *, generation: int = 1, card_class: int = 1, pin: str = ""
) -> Plastic:
    """A card of ours with an empty purse. Each one is personalised by the shipping code once and copied after."""
    wanted = (technology, no, generation, card_class, pin)
    if wanted not in _personalised:
        _personalised[wanted] = _personalise(*wanted)
    identity, state = _personalised[wanted]
    return Plastic(identity, technology, _woken(state, rng), pin)


def _personalise(
    technology: Technology, no: int, generation: int, card_class: int, pin: str
) -> tuple[Identity, CardState]:
    long_uid = bytes((4, generation)) + no.to_bytes(5)
    if technology is Technology.DESFIRE:
        blank: CardState = blank_desfire(long_uid, CHIPS[no // 2 % len(CHIPS)])
    else:
        blank = blank_classic(long_uid if no % 3 == 0 else bytes((0x10 + generation % 64,)) + no.to_bytes(3))
    verifier = pin_verifier(OFFICE_KEYS, blank.uid, 1, pin) if pin else b""
    identity = Identity(CardNo(no), Generation(generation), CardClass(card_class), verifier)
    virtual, reader = _woken(blank, random.Random(no)), SimulatedReader()
    reader.place(virtual)
    channel = reader.wait_for_card(0)
    assert channel is not None
    personalise(channel, OFFICE_KEYS, NewCard(1, identity, Purse(Counter(0), Cents(0))), random.Random(no).randbytes)
    return identity, virtual.snapshot()


def _woken(state: CardState, rng: random.Random) -> Virtual:
    if isinstance(state, DesfireState):
        return VirtualDesfire(state, rng.randbytes)
    copied = ClassicState(state.uid, list(state.blocks), dict(state.weak))
    return VirtualClassic(copied, lambda: rng.getrandbits(8))


def _desfire_holding(state: DesfireState) -> Holding | None:
    application = state.application(APPLICATION_ID)
    assert application is not None
    main, subsidy = application.files[FILE_MAIN], application.files[FILE_SUBSIDY]
    limits, load = application.files[FILE_LIMITS], application.files[FILE_LOAD]
    assert isinstance(main, ValueFile) and isinstance(subsidy, ValueFile)
    assert isinstance(limits, DataFile) and isinstance(load, DataFile)
    counter = int.from_bytes(limits.content[4:8])
    return Holding(counter, main.value, subsidy.value, int.from_bytes(load.content[12:16]))


_Mark = tuple[int, int, int, int, int | None]
"""Counter, tno, seq, what it moved (DESFire) or the balance after it (Classic)."""


def _marks(state: CardState) -> list[_Mark]:
    if isinstance(state, ClassicState):
        return [
            (held.counter, *struct.unpack(">II", state.blocks[blocks[2]][:8]), 0, held.cents)
            for blocks, held in _slots(state)
        ]
    application = state.application(APPLICATION_ID)
    assert application is not None
    log = application.files[FILE_LOG]
    assert isinstance(log, RecordFile)
    records = (struct.unpack(">IIiI", record) for record in log.records)
    return [(counter, tno, seq, amount, None) for tno, seq, amount, counter in records]


def _classic_holding(state: ClassicState) -> Holding | None:
    return max((held for _, held in _slots(state)), key=lambda held: held.counter, default=None)


def _slots(state: ClassicState) -> list[tuple[tuple[int, int, int], Holding]]:
    """The slots that are whole, with what they hold."""
    keys = OFFICE_KEYS.of_card(state.uid, 1)
    assert keys is not None
    mac8, found = keys.mac8(Role.CLASSIC_MAC), list[tuple[tuple[int, int, int], Holding]]()
    for blocks in ((8, 9, 10), (12, 13, 14)):
        raw = b"".join(state.blocks[block] for block in blocks)
        covered = state.uid.rjust(8, b"\x00") + bytes(blocks) + raw[:40]
        if raw[0] == 1 and mac8(covered) == raw[40:]:
            counter, main, subsidy = struct.unpack(">Iii", raw[2:14])
            found.append((blocks, Holding(counter, main, subsidy, 0)))
    return found
