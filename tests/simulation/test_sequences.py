"""Every money rule as a story with its outcome, to the cent (`sequences/`), on each card technology it is about."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import permutations
from pathlib import Path

import pytest

from protocol.entries import CardStep
from protocol.ids import Tno
from protocol.journal import Sealed
from protocol.messages import BATCH_ENTRIES_MAX
from protocol.purse import Technology
from server.db import Database
from server.ingest.book import Book, CardRow
from server.ingest.rules import Ask, take_batch
from server.ingest.service import Ingest
from server.ledger.accounts import WE_HAVE, Account, AccountKind
from server.reconcile.float_proof import Document, prove_float
from tests.server.desk import Clock, keys_in, postings_in, postings_of, put_book, sqlite_url
from tests.simulation.campus import Campus
from tests.simulation.drawers import cash_of
from tests.simulation.office import CAMPUS_TIME, LOAD_SEED
from tests.simulation.sequences import format as told
from tests.simulation.sequences.catalogue import SEQUENCES
from tests.simulation.sequences.play import plant

CASES = [(sequence, technology) for sequence in SEQUENCES for technology in sorted(sequence.on)]
GIVEN = ("desk:", "subsidy:")
"""Causes that are there before any entry: what the desk took in and what was granted."""
ROWS_AT_ONCE = 300
ENTRIES_ONLY = [
    (sequence, technology)
    for sequence, technology in CASES
    if not any(
        isinstance(
            step,
            told.Nightly
            | told.Copy
            | told.Forget
            | told.SendKept
            | told.LetThrough
            | told.RestoreServer
            | told.DeclareLost
            | told.CountDrawer
            | told.BookHole,
        )
        for step in sequence.steps
    )
]
"""Sequences that entries alone decide: nobody at the server does anything, no card and no word exists twice."""


def of(cases: list[tuple[told.Sequence, Technology]]) -> pytest.MarkDecorator:
    names = [f"{sequence.name} ({technology})" for sequence, technology in cases]
    return pytest.mark.parametrize(("sequence", "technology"), cases, ids=names)


def totals(book: Book) -> dict[Account, int]:
    """What every account comes to."""
    found: Counter[Account] = Counter()
    for posted in book.posted.values():
        for leg in posted.postings:
            found[leg.account] += leg.cents
    return {account: cents for account, cents in found.items() if cents}


@of(CASES)
def test_a_sequence_ends_as_the_specification_says(sequence: told.Sequence, technology: Technology) -> None:
    plant(sequence, Campus(1, tills=3, stations=2), technology)


@of(ENTRIES_ONLY)
def test_it_does_not_matter_who_reports_first(sequence: told.Sequence, technology: Technology) -> None:
    """The same entries, terminal after terminal in every order, come to the same accounts."""
    campus = Campus(1, tills=3, stations=2)
    plant(sequence, campus, technology)
    everybody = sorted({row.entry.tno for row in campus.truth.rows})
    writers = sorted({row.entry.tno for row in campus.truth.rows if isinstance(row.entry.body, CardStep)})
    for order in permutations(writers):
        book = empty_book(campus)
        for tno in (*order, *(tno for tno in everybody if tno not in writers)):
            hand_in(book, campus, tno)
        assert totals(book) == totals(campus.server.book), order


def empty_book(campus: Campus) -> Book:
    """The campus' own books as they were before any entry: terminals, cards, and what the desk took in."""
    book = Book(CAMPUS_TIME, campus.server.book.load_key, campus.server.book.code_key)
    for tno, (grant, jws) in campus.grants.items():
        book.chains[tno] = campus.chain_of(grant, jws)
    for key, row in campus.server.book.cards.items():
        total = row.loaded_total_cents
        book.cards[key] = CardRow(key, row.card_class, row.technology, loaded_total_cents=total, load_seq=row.load_seq)
    for cause, posted in campus.server.book.posted.items():
        if cause.startswith(GIVEN):
            book.posted[cause] = posted
    return book


def hand_in(book: Book, campus: Campus, tno: Tno) -> None:
    """Everything a terminal ever wrote under one grant, its second history included."""
    for _, run in runs_of([row for row in campus.truth.rows if row.entry.tno == tno]):
        assert not isinstance(take_batch(book, tno, run, campus.server.now), Ask)


def in_handfuls(rows: list[Sealed]) -> Iterator[Sealed]:
    """As they were written, but a few hundred at a time sorted by terminal: larger batches."""
    for first in range(0, len(rows), ROWS_AT_ONCE):
        yield from sorted(rows[first : first + ROWS_AT_ONCE], key=lambda row: row.entry.tno)


def runs_of(rows: Iterable[Sealed]) -> list[tuple[Tno, list[bytes]]]:
    """Neighbouring entries of one chain together, as batches are."""
    runs: list[tuple[Tno, list[bytes]]] = []
    last: tuple[int, int] = (0, 0)
    for row in rows:
        here = (row.entry.tno, row.entry.seq)
        if here != (last[0], last[1] + 1) or len(runs[-1][1]) == BATCH_ENTRIES_MAX:
            runs.append((row.entry.tno, []))
        runs[-1][1].append(row.jws)
        last = here
    return runs


@pytest.fixture(scope="module")
def life() -> Campus:
    """One campus that lives through every sequence, one after the other, on cards of both technologies in turn."""
    campus = Campus(1, tills=3, stations=2)
    for number, sequence in enumerate(SEQUENCES):
        plant(sequence, campus, sorted(sequence.on)[number % len(sequence.on)])
    return campus


@pytest.mark.seeds
async def test_the_database_says_the_same(life: Campus, tmp_path: Path) -> None:
    """Every entry of that life through the server's own transactions: posting for posting what memory says."""
    book, clock = empty_book(life), Clock(life.server.now)
    async with Database(sqlite_url(tmp_path)) as database:
        await database.migrate()
        await put_book(database, empty_book(life))
        ingest = Ingest(database, keys_in(tmp_path, LOAD_SEED), CAMPUS_TIME, clock)
        for tno, run in runs_of(in_handfuls(life.truth.rows)):
            taken = await ingest.take_lines(book.chains[tno].tid, run)
            assert taken is not None and taken.reply == take_batch(book, tno, run, clock())
        known = [row for row in postings_of(book) if not row[0].startswith(GIVEN)]
        assert await postings_in(database) == known


def test_the_float_adds_up_after_all_of_them(life: Campus) -> None:
    """What is owed equals what lies in drawers and in the vault, counted; no other account has anything of ours."""
    campus = life
    campus.server.enter_paper()
    campus.sync()
    there = cash_of(campus)
    counted = [Document(account, cents, "counted") for account, cents in there.items()]
    proof = prove_float(CAMPUS_TIME.business_day(campus.server.now), totals(campus.server.book), counted)
    assert proof.holds and proof.owed_cents == sum(there.values())
    assert {line.account.kind for line in proof.lines} == {AccountKind.DRAWER, AccountKind.VAULT} <= WE_HAVE
