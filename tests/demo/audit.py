"""The figures of the summary, each counted from the terminals' journals and the server's database, none remembered."""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from protocol.entries import CashSale, Kind, SaleStep, ShiftClosed, ShiftOpened
from protocol.ids import Tno
from protocol.journal import Break, Sealed, verify_chain
from protocol.purse import Technology
from terminal.identity import load_identity
from tests.demo.crowd import PURSE_CENTS, Student
from tests.integration.campus import Campus, Till

Journals = Mapping[Tno, list[Sealed]]
"""Every terminal's, by its number."""


@dataclass(frozen=True, slots=True)
class Books:
    """What the journals say, and whether the server says the same."""

    entries: int
    sales: int
    sold_cents: int
    cash_cents: int
    """Of what was sold, paid in notes and coins."""
    lost: int
    """Entries of a journal that the server has not, or has otherwise."""
    doubled: int
    """Entries the server has more than once, or that stand in no journal; and sales paid to a merchant twice."""


def journals_of(tills: Iterable[Till]) -> Journals:
    """Every chain, each signature verified. The terminals must not run. Raises AssertionError where one breaks."""
    return {Tno(till.tno): _whole_chain(till) for till in tills}


def _whole_chain(till: Till) -> list[Sealed]:
    identity, entries = load_identity(till.directory / "data"), till.entries()
    broken = [
        item
        for item in verify_chain([sealed.jws for sealed in entries], identity.start, identity.key.public)
        if isinstance(item, Break)
    ]
    assert not broken, f"{till.tid}: {broken}"
    return entries


def books_of(journals: Journals, server_db: Path) -> Books:
    """Compare every single entry, byte for byte."""
    in_journals = {(tno, sealed.seq, sealed.jws) for tno, entries in journals.items() for sealed in entries}
    with closing(sqlite3.connect(f"file:{server_db}?mode=ro", uri=True)) as db:
        held = Counter(db.execute("SELECT tno, seq, jws FROM entry").fetchall())
        paid = db.execute("SELECT COUNT(*) FROM posting WHERE account_kind = 'merchant' GROUP BY cause").fetchall()
    by_card = [sealed.entry.body for sealed in _all(journals) if sealed.entry.kind is Kind.SALE_SETTLED]
    card_cents = [body.amount for body in by_card if isinstance(body, SaleStep)]
    cash = [sealed.entry.body.amount for sealed in _all(journals) if isinstance(sealed.entry.body, CashSale)]
    strangers = sum(count for row, count in held.items() if row not in in_journals)
    twice = sum(count - 1 for row, count in held.items() if row in in_journals)
    overpaid = sum(count - 1 for (count,) in paid)
    return Books(
        entries=len(in_journals),
        sales=len(card_cents) + len(cash),
        sold_cents=sum(card_cents) + sum(cash),
        cash_cents=sum(cash),
        lost=len(in_journals - set(held)),
        doubled=strangers + twice + overpaid,
    )


def cash_in_drawers(journals: Journals) -> int:
    """What was counted when shifts were closed, less what they were opened with."""
    bodies = [sealed.entry.body for sealed in _all(journals)]
    counted = sum(body.counted for body in bodies if isinstance(body, ShiftClosed))
    return counted - sum(body.drawer for body in bodies if isinstance(body, ShiftOpened))


def money_differences(campus: Campus, students: Iterable[Student], journals: Journals, books: Books) -> dict[str, int]:
    """Cents that cards and ledger, phones' sales and ledger, or journals and ledger do not agree on."""
    merchants = campus.ledger()["cents_by_kind"].get("merchant", 0)
    in_ledger, spent = _in_ledger(campus), _spent(journals)
    holds = {
        one.no: PURSE_CENTS - spent[one.no] if one.technology is Technology.TOKEN else campus.money_on(one.plastic)
        for one in students
    }
    off = {f"card {no}": cents - in_ledger[no] for no, cents in holds.items() if cents != in_ledger[no]}
    return off | ({"merchants": merchants - books.sold_cents} if merchants != books.sold_cents else {})


def found_classes(proof: dict[str, Any]) -> dict[str, int]:
    """How many differences of each class the night's proof found."""
    return {row["cls"]: row["count"] for row in proof["classes"]}


def _all(journals: Journals) -> Iterable[Sealed]:
    return (sealed for entries in journals.values() for sealed in entries)


def _in_ledger(campus: Campus) -> dict[int, int]:
    """What the books say is on each card."""
    found: dict[int, int] = {}
    while page := campus.ask("GET", f"/cards?after={max(found, default=0)}&limit=100"):
        found |= {row["no"]: row["main_cents"] for row in page}
    return found


def _spent(journals: Journals) -> Counter[int]:
    """What journals say that each card or phone has paid."""
    spent = Counter[int]()
    for sealed in _all(journals):
        body = sealed.entry.body
        if isinstance(body, SaleStep) and sealed.entry.kind is Kind.SALE_SETTLED:
            spent[body.card.no] += body.amount
    return spent
