"""A terminal that has sold for fifty days on a large campus: journal, lists and settings, as a start finds them.

What a till would have written is signed and chained here in one go, without a disk between two entries.
"""

import contextlib
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from msgspec import structs

from protocol.card_status import encode_base
from protocol.entries import Body, Checkpoint, Entry, Kind, turnover_of
from protocol.ids import CardNo, Epoch, ProductId, Seq, ShiftNo, SiteId, StaffId, TerminalId, Tno
from protocol.instants import DAY_MS, CampusTime, ClockSource, MonoMs, UtcMs
from protocol.journal import Tip, seal
from protocol.messages import Grant, sign
from protocol.money import Cents
from protocol.policy import CardsFile, encode_file
from protocol.price_list import Names, PriceList, Product, encode_prices
from protocol.signing import sha256_of, to_base64url
from terminal.derived import Derived, snapshot_of
from terminal.enrol import new_key
from terminal.identity import Identity, save_grant
from terminal.journal_file import connect
from terminal.policy_store import Applied, PolicyStore
from terminal.till import CHECKPOINT_ENTRIES
from tests.bench.bench_lists import spread
from tests.hardware.card_bench import KEYS
from tests.protocol.samples import CLASSIC, LISTS, NOON, SERVER_KEY, sale
from tests.terminal.journals import TRUST
from tests.terminal.site_lists import first_lists

SALES_A_DAY: Final = 1_000
SALE_MS: Final = 15_000
CUSTOMERS: Final = 5_000
"""Different cards that were seen at this till."""


@dataclass(frozen=True, slots=True)
class Much:
    """How much a terminal has behind and beside it."""

    products: int = 20_000
    cards: int = 1_000_000
    """Listed, of twice as many that were issued."""
    entries: int = 100_000

    def scaled(self, scale: float) -> "Much":
        """Less of everything; the figures mean nothing then."""
        return Much(int(self.products * scale), int(self.cards * scale), int(self.entries * scale))


def long_used(directory: Path, much: Much) -> Path:
    """Make it in an empty directory; the settings file."""
    data = directory / "data"
    public = new_key(data)
    grant = Grant(SiteId("north-campus"), TerminalId("till-07"), Epoch(1), Tno(41), to_base64url(public.raw), NOON)
    identity = save_grant(data, sign(grant, SERVER_KEY), TRUST)
    _lists(data, grant, much)
    _journal(data, identity, much.entries)
    path = directory / "terminal.toml"
    path.touch(0o600)
    path.write_text(
        'directory = "data"\nmerchant = "m1"\n[reader]\nname = ""\n[screen]\n'
        f'[[card_keys]]\nkey_set = 1\ndebit = "{to_base64url(KEYS.debit)}"\n'
    )
    return path


def _lists(data: Path, grant: Grant, much: Much) -> None:
    lists = first_lists()
    lists.part_bytes = 200_000
    names = [f"dish-{number}" for number in range(much.products)]
    products = tuple(Product(ProductId(name), Names(name, name, name), Cents(150)) for name in names)
    lists.put("prices", encode_prices(PriceList(12, "CNY", products)), 12)
    base = encode_base(spread(random.Random(1), much.cards, 2 * much.cards))
    lists.put("base", base, 13)
    lists.put("cards", encode_file(CardsFile(base=sha256_of(base).hex())), 14)
    policy = PolicyStore(data / "lists", grant.site, TRUST, takes_loads=False)
    policy.offer_manifest(lists.publish(site=grant.site))
    applied = [policy.offer_part(digest, content) for digest, content in lists.parts.items()]
    assert any(isinstance(one, Applied) for one in applied)


def _journal(data: Path, identity: Identity, entries: int) -> None:
    """Sales, and a checkpoint as often as a till writes one; it ends half way to the next, as at a power cut."""
    writing = _Writing(identity)
    while len(writing.rows) < entries or writing.since < CHECKPOINT_ENTRIES // 2:
        if writing.since >= CHECKPOINT_ENTRIES:
            writing.checkpoint()
        writing.sell()
    assert entries < CHECKPOINT_ENTRIES or len(writing.snapshots) == 2
    with contextlib.closing(connect(data / "journal.db")) as db:
        db.execute("PRAGMA synchronous = OFF")
        db.execute("BEGIN")
        db.executemany("INSERT INTO entry VALUES (?, ?)", writing.rows)
        db.executemany("INSERT INTO snapshot VALUES (?, ?)", writing.snapshots)
        db.execute("COMMIT")


class _Writing:
    def __init__(self, identity: Identity) -> None:
        self._identity, self._tip, self._derived = identity, identity.start, Derived()
        self._sales = 0
        self.since = 0
        """Entries after the newest checkpoint."""
        self.rows: list[tuple[int, bytes]] = []
        self.snapshots: list[tuple[int, bytes]] = []

    def sell(self) -> None:
        """A card pays."""
        self._sales += 1
        card = structs.replace(CLASSIC, no=CardNo(1 + self._sales * 7 % CUSTOMERS))
        body = structs.replace(sale(0), card=card)
        prepared = self._append(Kind.SALE_PREPARED, body)
        self._append(Kind.SALE_SETTLED, structs.replace(body, prepared=prepared))

    def checkpoint(self) -> None:
        """Where the next start may begin."""
        state = snapshot_of(self._derived)
        seq = self._append(Kind.CHECKPOINT, Checkpoint(state=to_base64url(sha256_of(state))))
        self.snapshots, self.since = [*self.snapshots[-1:], (seq, state)], 0

    def _append(self, kind: Kind, body: Body) -> Seq:
        grant, seq = self._identity.grant, Seq(self._tip.seq + 1)
        day, nth = divmod(self._sales, SALES_A_DAY)
        since_ms = day * DAY_MS + nth * SALE_MS
        entry = Entry(
            1, grant.site, grant.tid, grant.epoch, grant.tno, seq, self._tip.prev, kind, UtcMs(NOON + since_ms),
            MonoMs(60_000 + since_ms), 1, ClockSource.SERVER, LISTS, StaffId("w-07"), ShiftNo(3),
            Cents(self._derived.turnover + turnover_of(kind, body)), body=body,
        )  # fmt: skip
        sealed = seal(entry, self._identity.key)
        self._derived.apply(sealed, CampusTime())
        self._tip = Tip(sealed.seq, sealed.hash)
        self.rows.append((seq, sealed.jws))
        self.since += 1
        return seq
