"""The figures of the summary, each counted from the terminals' journals and the server's database, none remembered."""

import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from protocol.entries import Kind, SaleStep, ShiftClosed, ShiftOpened
from protocol.journal import Break, Sealed, verify_chain
from terminal.identity import load_identity
from tests.integration.campus import Campus, Till
from tests.integration.fuse import Card


@dataclass(frozen=True, slots=True)
class Books:
    """What the journals say, and whether the server says the same."""

    entries: int
    sales: int
    sold_cents: int
    lost: int
    """Entries of a journal that the server has not, or has otherwise."""
    doubled: int
    """Entries the server has more than once, or that stand in no journal; and sales paid to a merchant twice."""


def books_of(tills: list[Till], server_db: Path) -> Books:
    """Compare every single entry, byte for byte. The terminals must not run."""
    journals = {(till.tno, sealed.seq): sealed for till in tills for sealed in whole_chain(till)}
    with closing(sqlite3.connect(f"file:{server_db}?mode=ro", uri=True)) as db:
        held = Counter(db.execute("SELECT tno, seq, jws FROM entry").fetchall())
        paid = db.execute(
            "SELECT cause, SUM(cents), COUNT(*) FROM posting WHERE account_kind = 'merchant' GROUP BY cause"
        ).fetchall()
    in_journals = {(tno, seq, sealed.jws) for (tno, seq), sealed in journals.items()}
    settled = [sealed.entry.body for sealed in journals.values() if sealed.entry.kind is Kind.SALE_SETTLED]
    sold_cents = sum(body.amount for body in settled if isinstance(body, SaleStep))
    strangers = sum(count for row, count in held.items() if row not in in_journals)
    twice = sum(count - 1 for row, count in held.items() if row in in_journals)
    overpaid = sum(count - 1 for _, _, count in paid if count > 1)
    return Books(
        entries=len(journals),
        sales=len(settled),
        sold_cents=sold_cents,
        lost=len(in_journals - set(held)),
        doubled=strangers + twice + overpaid,
    )


def whole_chain(till: Till) -> list[Sealed]:
    """The journal of a till, verified with every signature. Raises AssertionError where it breaks."""
    identity, entries = load_identity(till.directory / "data"), till.entries()
    broken = [
        item
        for item in verify_chain([sealed.jws for sealed in entries], identity.start, identity.key.public)
        if isinstance(item, Break)
    ]
    assert not broken, f"{till.tid}: {broken}"
    return entries


def cash_in_drawers(tills: list[Till]) -> int:
    """What was counted when shifts were closed, less what they were opened with."""
    bodies = [sealed.entry.body for till in tills for sealed in whole_chain(till)]
    counted = sum(body.counted for body in bodies if isinstance(body, ShiftClosed))
    return counted - sum(body.drawer for body in bodies if isinstance(body, ShiftOpened))


def money_differences(campus: Campus, cards: dict[int, Card], books: Books) -> dict[str, int]:
    """Cents that cards and ledger, or journals and ledger, do not agree on. `cards` are those that shall agree."""
    merchants = campus.ledger()["cents_by_kind"].get("merchant", 0)
    off = {no: campus.money_on(card) - campus.card(no)["main_cents"] for no, card in cards.items()}
    differences = {f"card {no}": cents for no, cents in off.items() if cents}
    return differences | ({"merchants": merchants - books.sold_cents} if merchants != books.sold_cents else {})


def found_classes(proof: dict[str, Any]) -> dict[str, int]:
    """How many differences of each class the night's proof found."""
    return {row["cls"]: row["count"] for row in proof["classes"]}
