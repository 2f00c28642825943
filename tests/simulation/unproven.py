"""Which entries of second histories wait for two people, worked out from what tills wrote and cards made."""

from typing import TYPE_CHECKING

from protocol.entries import (
    CardBlocked,
    CardIssued,
    CardStep,
    CashSale,
    CloseStep,
    Entry,
    Kind,
    LoadStep,
    RefundStep,
    SaleStep,
    ShiftClosed,
    ShiftOpened,
    TopUpStep,
    Vend,
)
from protocol.ids import CardKey, Seq, Tno
from protocol.journal import Sealed
from server.ingest.book import StepId

if TYPE_CHECKING:
    from tests.simulation.campus import Campus

_NO_CARD_PROVES = (CashSale, ShiftOpened, ShiftClosed, CardIssued, CardBlocked)


class Unproven:
    """Looks at what second histories told and arrived."""

    def __init__(self, campus: "Campus") -> None:
        self._truth, self._cards = campus.truth, campus.cards
        rows = {(row.entry.tno, row.hash): row for row in campus.truth.rows}
        self._branches: dict[tuple[Tno, bytes], set[int]] = {}
        self.told: list[tuple[StepId, Entry]] = []
        """Where the server keeps them, and what they say."""
        for place, held in campus.server.book.entries.items():
            self._branches.setdefault((place[0], held.hash), set()).add(place[1])
            if place[1] and (place[0], held.hash) in rows:
                self.told.append((place, rows[place[0], held.hash].entry))

    def waits(self, place: StepId, entry: Entry) -> bool | None:
        """Whether it must wait; None where that hangs on who else is believed."""
        body, branch = entry.body, place[1]
        if isinstance(body, _NO_CARD_PROVES) or (isinstance(body, SaleStep) and body.card.is_token):
            return True
        if isinstance(body, Vend) and entry.kind is not Kind.VEND_DISPENSED:
            return branch not in self._settled_on(entry.tno, body.prepared)
        if isinstance(body, RefundStep) and not body.touches_card:
            return None if branch in self._settled_on(entry.tno, body.of) else True
        if isinstance(body, RefundStep | TopUpStep | LoadStep | CloseStep):
            return not body.touches_card or self._is_unseen(entry, body)
        return False

    @staticmethod
    def cents_aside(entry: Entry) -> int | None:
        """What of it lies in suspense while it waits; None where outcomes of the same step move that again."""
        body = entry.body
        if isinstance(body, CashSale) or entry.kind is Kind.TOPUP_PREPARED:
            assert isinstance(body, CashSale | TopUpStep)
            return body.amount
        return None if isinstance(body, CardStep) else 0

    def _settled_on(self, tno: Tno, prepared: Seq) -> set[int]:
        """The histories that say that a sale was settled."""
        words = self._truth.outcomes.get((tno, prepared), ())
        settled = [self._branches.get((tno, word.hash), set()) for word in words if word.entry.kind.endswith("settled")]
        return {branch for branches in settled for branch in branches}

    def _is_unseen(self, entry: Entry, body: CardStep) -> bool | None:
        """Whether no other terminal has settled a step on top of it."""
        mark = (body.counter_after, entry.tno, body.prepared or entry.seq)
        for card in self._cards:
            if card.key != body.card.key:
                continue
            marks = [(made.counter, made.tno, made.seq) for made in card.path]
            if mark not in marks:
                return True
            above = card.path[marks.index(mark) + 1 :][:1]
            if not above or above[0].tno == entry.tno:
                return True
            return self._is_silent(Tno(above[0].tno), Seq(above[0].seq), card.key)
        return None

    def _is_silent(self, tno: Tno, seq: Seq, card: CardKey) -> bool | None:
        """Whether a step's outcome did not arrive as settled; None where only a second history said so."""
        words = [word for word in self._truth.outcomes.get((tno, seq), ()) if _settles(word, card)]
        branches = {branch for word in words for branch in self._branches.get((tno, word.hash), set())}
        if not branches:
            return True
        return False if 0 in branches else None


def _settles(word: Sealed, card: CardKey) -> bool:
    body = word.entry.body
    return word.entry.kind.endswith("settled") and isinstance(body, CardStep) and body.card.key == card
