"""What a terminal knows because of its journal: the same from entry 1 and from any snapshot in between."""

import pytest
from msgspec import structs

from protocol.entries import Body, Checkpoint, Kind, Reason, RefundStep, RefundTo, SaleStep
from protocol.ids import CardNo, ChannelId, Counter, Generation, MerchantId, Seq
from protocol.instants import DAY_MS, CampusTime, UtcMs
from protocol.journal import Sealed, seal
from protocol.money import Cents
from protocol.purse import CardId, Technology
from terminal.derived import Derived, from_snapshot, snapshot_of
from tests.protocol.samples import KEY, NOON, STORY, chain_of, topup

CAMPUS = CampusTime()
SALE = SaleStep(
    CardId(CardNo(12), Generation(1), Technology.CLASSIC, 1),
    Cents(300),
    counter=Counter(4),
    counter_after=Counter(5),
    main=Cents(900),
    main_after=Cents(600),
    merchant=MerchantId("m1"),
)


def folded(entries: list[Sealed], start: Derived | None = None) -> Derived:
    derived = start or Derived()
    for sealed in entries:
        derived.apply(sealed, CAMPUS)
    return derived


@pytest.mark.parametrize("cut", range(1, len(STORY)))
def test_a_snapshot_stands_for_all_entries_before_it(cut: int) -> None:
    entries = chain_of()
    kept = from_snapshot(snapshot_of(folded(entries[:cut])))
    assert kept is not None
    assert snapshot_of(folded(entries[cut:], kept)) == snapshot_of(folded(entries))


@pytest.mark.parametrize("apart", [1, 2, 3, 64])
def test_sales_of_earlier_days_are_forgotten(apart: int) -> None:
    """Wherever in the chain the sales stand: no counting of entries decides it."""
    derived = Derived()
    for day in range(5):
        sell(derived, 3, NOON + day * DAY_MS, apart)
    assert sorted({sold.day for sold in derived.sold.values()}) == [
        CAMPUS.business_day(UtcMs(NOON + day * DAY_MS)) for day in (3, 4)
    ]


def test_one_day_s_sales_are_remembered_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("terminal.derived.SOLD_MAX", 7)
    derived = Derived()
    sell(derived, 20, NOON)
    assert list(derived.sold) == list(range(27, 40, 2))


@pytest.mark.parametrize(("channel", "cents"), [("cash", 5_000), ("alipay", 0)])
def test_only_cash_fills_the_drawer(channel: str, cents: int) -> None:
    derived = Derived()
    put(derived, Kind.TOPUP_PREPARED, structs.replace(topup(0), amount=Cents(5_000), channel=ChannelId(channel)), NOON)
    assert derived.shift.expected_cents == cents


def test_topups_are_counted_until_an_ack_covers_them() -> None:
    derived = Derived()
    for cents in (100, 20, 3):
        put(derived, Kind.TOPUP_PREPARED, structs.replace(topup(0), amount=Cents(cents)), NOON)
    assert derived.unacked_topups_cents == 123
    derived.acked = Seq(2)
    assert derived.unacked_topups_cents == 3
    put(derived, Kind.CHECKPOINT, Checkpoint(Seq(2), "", "A" * 43), NOON)
    assert derived.topups == {Seq(3): 3}, "what is acknowledged is forgotten with the next checkpoint"


def test_what_a_mixed_sale_has_left_to_give_back_is_known_by_purse() -> None:
    """The subsidy is what is left: a refund gives the main purse its share first."""
    derived = Derived()
    mixed = structs.replace(SALE, amount=Cents(500), subsidy=Cents(200), subsidy_after=Cents(0))
    put(derived, Kind.SALE_PREPARED, mixed, NOON)
    put(derived, Kind.SALE_SETTLED, structs.replace(mixed, prepared=derived.seq), NOON)
    back = RefundStep(
        SALE.card, Cents(400), counter=Counter(6), counter_after=Counter(6), main=Cents(600), main_after=Cents(600),
        merchant=SALE.merchant, of=next(iter(derived.sold)), to=RefundTo.PENDING,
    )  # fmt: skip
    put(derived, Kind.REFUND_SETTLED, back, NOON)
    (sold,) = derived.sold.values()
    assert (sold.main_cents, sold.subsidy_cents) == (0, 100)


def sell(derived: Derived, count: int, at: int, apart: int = 1) -> None:
    """Sales with some other entries between them."""
    for _ in range(count):
        put(derived, Kind.SALE_PREPARED, SALE, at)
        put(derived, Kind.SALE_SETTLED, structs.replace(SALE, prepared=derived.seq), at)
        for _ in range(apart - 1):
            put(derived, Kind.DRAWER_OPENED, Reason("change"), at)


def put(derived: Derived, kind: Kind, body: Body, at: int) -> None:
    """The next entry of a chain whose links do not matter."""
    head = chain_of()[0].entry
    entry = structs.replace(head, seq=Seq(derived.seq + 1), kind=kind, at=UtcMs(at), body=body)
    derived.apply(seal(entry, KEY), CAMPUS)


def test_bytes_that_are_no_snapshot_are_folded_anew() -> None:
    assert from_snapshot(b"{") is None
    older = b"[2," + snapshot_of(Derived()).partition(b",")[2]
    assert from_snapshot(older) is None
    assert from_snapshot(b'{"seq":5}') is None
