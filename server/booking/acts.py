"""What people want booked: legs they name, or what a drawer held when they counted it; pure."""

from dataclasses import dataclass

from protocol.ids import CardKey, CardNo, Generation, ShiftNo, TerminalId, Tno
from protocol.instants import BusinessDay
from protocol.money import Cents
from server.ingest.book import Book
from server.ingest.reach import Reach
from server.ingest.shifts import post_count
from server.ledger.accounts import Account, AccountKind, Postings, drawer

ON_CARDS = (AccountKind.PURSE, AccountKind.SUBSIDY)


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody wants booked under a cause of its own."""

    cause: str
    name: str
    legs: Postings
    reason: str
    evidence: str
    owner: str = ""
    are_found: bool = False
    """Its legs are what the books have, and not what somebody named."""

    @property
    def cents(self) -> int:
        """How much it moves."""
        return sum(leg.cents for leg in self.legs if leg.cents > 0)

    def form(self) -> list[str]:
        """What two people must mean alike."""
        return [f"{leg.account}={leg.cents}" for leg in self.legs] + [self.name, self.reason, self.evidence]

    def asked(self) -> dict[str, object]:
        """What a second person is shown and agrees to."""
        said: dict[str, object] = {
            "name": self.name,
            "cents": self.cents,
            "reason": self.reason,
            "evidence": self.evidence,
        }
        return said if self.are_found else {**said, "owner": self.owner, "legs": self._legs()}

    def found(self) -> object:
        """What the books have of it, which may change meanwhile."""
        return {"legs": self._legs()} if self.are_found else None

    def _legs(self) -> list[dict[str, object]]:
        return [{"kind": leg.account.kind, "owner": leg.account.owner, "cents": leg.cents} for leg in self.legs]

    def tnos(self) -> list[Tno]:
        """The chains it is about."""
        return []

    def reach(self) -> Reach:
        """The cards whose purses it moves."""
        keys = (card_of(leg.account) for leg in self.legs if leg.account.kind in ON_CARDS)
        return Reach(frozenset(keys), frozenset(), frozenset())

    def post(self, book: Book, day: BusinessDay) -> None:
        """Post its legs."""
        book.post(self.cause, day, self.legs)


@dataclass(frozen=True, slots=True)
class Count:
    """The drawer of a shift that nobody closes any more, counted by people."""

    cause: str
    tid: TerminalId
    tno: Tno
    shift: ShiftNo
    cents: Cents
    """What lay in it."""
    reason: str
    evidence: str
    name: str = "count"

    @property
    def drawer(self) -> Account:
        """Whose money it was."""
        return drawer(self.tid, self.tno, self.shift)

    @property
    def owner(self) -> str:
        """The drawer's name in the books."""
        return self.drawer.owner

    def form(self) -> list[str]:
        """What two people must mean alike; not what the books have in it, which may grow meanwhile."""
        return [self.owner, str(self.cents), self.reason, self.evidence]

    def asked(self) -> dict[str, object]:
        """What a second person is shown and agrees to."""
        said = {"name": self.name, "cents": self.cents, "reason": self.reason, "evidence": self.evidence}
        return {**said, "drawer": self.owner}

    def found(self) -> object:
        """Nothing but what was counted."""
        return None

    def tnos(self) -> list[Tno]:
        """The chain that the shift was written in."""
        return [self.tno]

    def reach(self) -> Reach:
        """The drawer and what the books have in it."""
        shifts = frozenset((int(self.shift),))
        return Reach(frozenset(), frozenset(), frozenset(), shifts=shifts, counted=shifts)

    def post(self, book: Book, day: BusinessDay) -> None:
        """As if the terminal had closed the shift: cash that is told of later lay in what was counted."""
        post_count(book, book.chains[self.tno], self.shift, self.cents, self.cause, day)


def card_of(account: Account) -> CardKey:
    """The card that owns a purse account."""
    number, _, generation = account.owner.partition("/")
    return CardNo(int(number)), Generation(int(generation))
