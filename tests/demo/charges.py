"""Who was charged what, read from the terminals' own journals: every sale, every load, every sale that was torn."""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from protocol.entries import CardStep, CashSale, Kind, SaleStep
from protocol.ids import Tno
from protocol.instants import CampusTime, UtcMs
from protocol.journal import Sealed
from protocol.money import format_cents
from terminal.status import time_text
from tests.demo.crowd import KIND_OF, Student
from tests.demo.places import NAME_OF

_WORD_OF = {Kind.SALE_SETTLED: "sale", Kind.LOAD_SETTLED: "load", Kind.SALE_TORN: "torn sale", Kind.CASH_SALE: "cash"}


@dataclass(frozen=True, slots=True)
class Charge:
    """One step of a card, or a sale for cash, as its terminal's journal tells it."""

    at: UtcMs
    place: str
    entry: str
    """TERMINAL-ENTRY, as on the receipt: of a card step the entry that prepared it."""
    what: str
    """sale, load, cash or torn sale: that one is in doubt here, and decided by the server."""
    items: str
    cents: int
    """What was paid; of a load, what was put onto the card."""
    card: int = 0
    """Nobody's where cash was paid."""
    before: int | None = None
    after: int | None = None
    """What the card held; unknown at a till that could not ask what is on a phone."""


def charges_of(journals: Mapping[tuple[Tno, str], Iterable[Sealed]]) -> list[Charge]:
    """From the entries of each terminal, by its number and what its place is called; in the order of time."""
    found = [
        _charge(tno, place, sealed)
        for (tno, place), entries in journals.items()
        for sealed in entries
        if sealed.entry.kind in _WORD_OF
    ]
    return sorted(found, key=lambda one: (one.at, one.entry))


def _charge(tno: Tno, place: str, sealed: Sealed) -> Charge:
    entry, body = sealed.entry, sealed.entry.body
    assert isinstance(body, CardStep | CashSale)
    lines = body.lines if isinstance(body, SaleStep | CashSale) else ()
    items = " + ".join(
        f"{line.qty} x {NAME_OF[line.product]}" if line.qty > 1 else NAME_OF[line.product] for line in lines
    )
    what = _WORD_OF[entry.kind]
    if isinstance(body, CashSale):
        return Charge(entry.at, place, f"{tno}-{entry.seq}", what, items, body.amount)
    is_blind = isinstance(body, SaleStep) and body.card.is_token and not body.approval
    figures = (None, None) if is_blind else (body.main, body.main_after)
    name, cents = f"{tno}-{body.prepared}", abs(body.main_after - body.main)
    return Charge(entry.at, place, name, what, items, cents, body.card.no, *figures)


def write_csv(path: Path, charges: Iterable[Charge], students: Mapping[int, Student]) -> None:
    """All of them, for a spreadsheet; amounts in yuan, times on the campus' clock."""
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        rows = csv.writer(file)
        rows.writerow(
            ["time", "student", "number", "pays with", "where", "what", "items", "amount", "before", "after", "entry"]
        )
        for one in charges:
            who = students.get(one.card)
            name, kind = (who.name, KIND_OF[who.technology]) if who else ("a visitor", "cash")
            money = ["" if cents is None else format_cents(cents) for cents in (one.cents, one.before, one.after)]
            at = time_text(one.at, CampusTime())
            rows.writerow([at, name, one.card or "", kind, one.place, one.what, one.items, *money, one.entry])
