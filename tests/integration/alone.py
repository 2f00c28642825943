"""What a terminal sells while nobody hears of it: the shipping journal and shell, and a clock that is moved."""

import os
from pathlib import Path

from hardware.cards.keys import CardKeys
from protocol.entries import CashSale, Kind
from protocol.ids import MerchantId
from protocol.instants import CampusTime, ClockSource, MonoMs, Now, UtcMs
from protocol.money import Cents
from terminal.card_port import CardPort
from terminal.derived import from_snapshot
from terminal.identity import JOURNAL_FILE, load_identity
from terminal.journal_space import JournalSettings
from terminal.journal_store import JournalStore
from terminal.policy_store import PolicyStore
from terminal.post import Post
from terminal.shell import Shell
from terminal.till import CHECKPOINT_ENTRIES
from tests.integration.campus import MERCHANT
from tests.terminal.counter import inline


async def sell_for_cash(data: Path, count: int, cents: int, since: UtcMs, until: UtcMs) -> None:
    """So many sales, evenly spread over that time, in the journal of a terminal that does not run."""
    identity = load_identity(data)
    journal = await JournalStore.open(JournalSettings(data / JOURNAL_FILE, free_bytes_min=0), identity)
    lists = PolicyStore(data / "lists", identity.grant.site, identity.trust, takes_loads=False).active
    passed_ms = 0

    def now() -> Now:
        return Now(UtcMs(since + passed_ms), MonoMs(passed_ms), ClockSource.SERVER)

    merchant, grant = MerchantId(MERCHANT), identity.grant
    post = Post(grant.tno, merchant, CampusTime(), identity.trust.load, grant.at)
    shell = Shell(post, journal, CardPort(CardKeys([]), inline, os.urandom), lists, now)
    await shell.start(from_snapshot(journal.snapshot.state) if journal.snapshot else None)
    for number in range(1, count + 1):
        passed_ms = (until - since) * number // count
        await shell.append(Kind.CASH_SALE, CashSale(merchant, Cents(cents)))
        if number % CHECKPOINT_ENTRIES == 0:
            await shell.checkpoint()
    await shell.checkpoint(ends=True)
    await journal.close()
