"""Answers what the accounts hold and which postings an entry has."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import RowMapping

from protocol.ids import Seq, Tno
from server.db import Database
from server.ledger import store
from server.ledger.accounts import WE_HAVE, AccountKind

_CAUSES_AT_A_PLACE = ("entry", "park", "unpark", "resolve", "overtaken", "lost", "claim", "disputed", "refund")


@dataclass(frozen=True, slots=True)
class Trial:
    """The sums of all accounts by kind. Their total is zero, or the books are wrong."""

    cents_by_kind: dict[str, int]

    @property
    def total_cents(self) -> int:
        """Always zero."""
        return sum(self.cents_by_kind.values())

    @property
    def owed_cents(self) -> int:
        """What we owe others, less what is not yet funded or is our loss: the left side of the float proof."""
        return sum(cents for kind, cents in self.cents_by_kind.items() if kind not in WE_HAVE)

    @property
    def held_cents(self) -> int:
        """What we hold: bank, drawers, vault, providers, clearing; the right side of the float proof."""
        return -sum(cents for kind, cents in self.cents_by_kind.items() if kind in WE_HAVE)


class Ledger:
    """Reads the accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def trial_balance(self, through_day: int | None = None) -> Trial:
        """The sums by kind of account, up to the end of a day."""
        async with self._database.glancing() as connection:
            return Trial(await store.sums_by_kind(connection, through_day))

    async def accounts(
        self, kind: AccountKind, owner: str | None, limit: int, after: str | None
    ) -> list[tuple[str, int]]:
        """Owner and balance of the accounts of a kind."""
        async with self._database.glancing() as connection:
            return await store.sums_by_account(connection, kind, owner, limit, after)

    async def postings_of_entry(self, tno: Tno, branch: int, seq: Seq) -> Sequence[RowMapping]:
        """Everything posted for one journal entry and for the step that it prepared."""
        place = f"{tno}.{branch}.{seq}"
        causes = [f"{what}:{place}" for what in _CAUSES_AT_A_PLACE]
        async with self._database.reading() as connection:
            reached = await store.card_reached(connection, tno, branch, seq)
            provisional = [f"hole:{reached}", f"found:hole:{reached}"] if reached else []
            return await store.by_causes(connection, [*causes, *provisional])

    async def postings_of_causes(self, causes: Sequence[str]) -> Sequence[RowMapping]:
        """Everything posted for these causes."""
        async with self._database.glancing() as connection:
            return await store.by_causes(connection, causes)

    async def postings_of_account(
        self, kind: AccountKind, owner: str, before_id: int | None, limit: int
    ) -> Sequence[RowMapping]:
        """The newest postings of an account."""
        async with self._database.glancing() as connection:
            return await store.by_account(connection, kind, owner, before_id, limit)
