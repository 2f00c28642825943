"""What is known of a shift: what its terminal told of it, and what the books say; pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from protocol.entries import ShiftClosed, ShiftOpened
from protocol.ids import ShiftNo, StaffId, TerminalId, Tno
from protocol.instants import UtcMs
from server.ingest.book import ShiftStatus
from server.ledger.accounts import drawer

Key = tuple[Tno, ShiftNo]
"""A shift by its chain and its number there."""


@dataclass(frozen=True, slots=True)
class Told:
    """An entry that opens or closes a shift."""

    tno: Tno
    branch: int
    seq: int
    at: UtcMs
    staff: StaffId
    waits: str
    """Why it is not posted; empty: it is."""
    body: ShiftOpened | ShiftClosed

    @property
    def key(self) -> Key:
        """The shift it is about."""
        return self.tno, self.body.number


@dataclass(frozen=True, slots=True)
class Counted:
    """A drawer that two people have counted, and not its terminal."""

    cents: int
    at: UtcMs
    proposed_by: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Books:
    """What the books have of shifts: by the name of the drawer, or by the shift."""

    tids: Mapping[Tno, TerminalId]
    titles: Mapping[TerminalId, str]
    statuses: Mapping[Key, ShiftStatus]
    in_drawer: Mapping[str, int]
    """What should lie in the drawer now, in cents."""
    differences: Mapping[str, int]
    """What was too much (positive) or too little when it was counted, in cents."""
    cases: Mapping[str, int]
    """The newest case about a drawer's difference."""
    counts: Mapping[str, Counted]


@dataclass(frozen=True, slots=True)
class Shift:
    """One shift of one terminal."""

    tid: TerminalId
    title: str
    tno: Tno
    number: ShiftNo
    status: ShiftStatus | None
    """None: no entry of it is posted."""
    opened: Told | None
    closed: Told | None
    """The count of its terminal that is booked, or would be first."""
    again: Sequence[Told]
    """Further counts of the same drawer; they stay aside."""
    by_people: Counted | None
    in_drawer_cents: int
    difference_cents: int
    case: int | None

    @property
    def owner(self) -> str:
        """Its drawer's name in the books."""
        return drawer(self.tid, self.tno, self.number).owner

    @property
    def is_open(self) -> bool:
        """Whether its drawer was never counted, as far as is known."""
        return self.status is not ShiftStatus.CLOSED

    @property
    def z(self) -> ShiftClosed | None:
        """The terminal's own totals at the end."""
        return self.closed.body if self.closed is not None and isinstance(self.closed.body, ShiftClosed) else None

    @property
    def counted_cents(self) -> int | None:
        """What lay in the drawer; None: nobody has counted it."""
        if self.is_open:
            return None
        if self.by_people is not None:
            return self.by_people.cents
        return self.z.counted if self.z is not None else None

    @property
    def expected_cents(self) -> int | None:
        """What should have lain in it by the books, or should lie in it now; None: its count is not here."""
        if self.is_open:
            return self.in_drawer_cents
        return None if self.counted_cents is None else self.counted_cents - self.difference_cents

    @property
    def cashier(self) -> StaffId:
        """Who closed it, or opened it."""
        return next((told.staff for told in (self.closed, self.opened) if told is not None), StaffId(""))


def keys_of(entries: Iterable[Told]) -> list[Key]:
    """The shifts that these entries are about, in the order in which they are first told of."""
    return list(dict.fromkeys(told.key for told in entries))


def shift_of(key: Key, entries: Iterable[Told], books: Books) -> Shift:
    """One shift, of what is known of it."""
    tno, number = key
    tid = books.tids[tno]
    told = sorted((one for one in entries if one.key == key), key=lambda one: (one.branch, one.seq))
    opened = next((one for one in told if isinstance(one.body, ShiftOpened)), None)
    closed = [one for one in told if isinstance(one.body, ShiftClosed)]
    closed.sort(key=lambda one: bool(one.waits))
    owner = drawer(tid, tno, number).owner
    return Shift(
        tid,
        books.titles.get(tid, ""),
        tno,
        number,
        books.statuses.get(key),
        opened,
        closed[0] if closed else None,
        closed[1:],
        books.counts.get(owner),
        books.in_drawer.get(owner, 0),
        books.differences.get(owner, 0),
        books.cases.get(owner),
    )


@dataclass(frozen=True, slots=True)
class Sums:
    """The foot of a list of shifts, in cents."""

    sales: int
    sales_cents: int
    refunds_cents: int
    cash_cents: int
    counted_cents: int
    expected_cents: int
    """Of those that were counted."""
    difference_cents: int


def sums_of(shifts: Sequence[Shift]) -> Sums:
    """Every money column added up; expected and difference of those that were counted, so that the foot adds up too."""
    totals = [shift.z for shift in shifts if shift.z is not None]
    counted = [shift for shift in shifts if shift.counted_cents is not None]
    return Sums(
        sum(z.sales for z in totals),
        sum(z.sales_cents for z in totals),
        sum(z.refunds_cents for z in totals),
        sum(z.cash_cents for z in totals),
        sum(shift.counted_cents or 0 for shift in counted),
        sum(shift.expected_cents or 0 for shift in counted),
        sum(shift.difference_cents for shift in counted),
    )


@dataclass(frozen=True, slots=True)
class Moved:
    """What a kind of entries moved in a shift, as far as the journal is here."""

    what: str
    count: int
    cents: int


@dataclass(frozen=True, slots=True)
class DrawerBooks:
    """What the books have of a drawer, in cents: nothing in it is another sum than these."""

    began: int
    """What lay in it at the opening."""
    came: int
    went: int
    counted_out: int
    """What the count took out of it, which is all that it held."""

    @property
    def in_it(self) -> int:
        """What should lie in it."""
        return self.began + self.came - self.went - self.counted_out


def drawer_books(legs: Iterable[tuple[str, int]], opened: str, counted: str) -> DrawerBooks:
    """Sort a drawer's postings (cause, cents; credit positive, so cash that comes is negative)."""
    began = came = went = counted_out = 0
    for cause, cents in legs:
        if cause == opened:
            began -= cents
        elif cause == counted:
            counted_out += cents
        elif cents < 0:
            came -= cents
        else:
            went += cents
    return DrawerBooks(began, came, went, counted_out)
