"""What a screen must know of the counter behind it, gathered between two frames. Nothing is decided here."""

from collections.abc import Callable
from dataclasses import dataclass

from protocol.entries import Kind, SaleStep
from protocol.ids import MerchantId, ProductId, Seq
from protocol.instants import CampusTime, Now
from protocol.money import Cents
from protocol.price_list import FREE_AMOUNT
from terminal.clerk import Rights, basket_of
from terminal.desk import AwaitingCard, Done, NotDone, Phase, Ringing
from terminal.front import Counter
from terminal.purchase import Purchase
from terminal.refund import Sold
from terminal.shell import Shell
from terminal.status import Status
from terminal.views import View

UNDO_MS = 30_000
"""So long after it was paid a sale is taken back with one press; then by its receipt, like every other."""
SOLD_SHOWN = 200

Rung = tuple[tuple[ProductId, int, Cents | None], ...]


@dataclass(slots=True)
class Glance:
    """Remembers what was rung last, for whoever wants the same again."""

    shell: Shell
    rights: Rights
    campus: CampusTime
    now: Callable[[], Now]
    training: bool = False
    _rung: Rung = ()
    _last: Rung = ()
    _last_cents: Cents = Cents(0)
    _last_at: tuple[MerchantId, int] = MerchantId(""), 0
    """For whom that was sold, and under which price list."""

    def counter(self, view: View, status: Status) -> Counter:
        """The counter as it is now."""
        shell, now = self.shell, self.now()
        self.follow()
        phase = shell.desk.phase
        return Counter(
            view=view,
            status=status,
            merchant=shell.desk.merchant,
            basket=basket_of(shell),
            products=shell.desk.prices.on_sale_at(shell.desk.merchant),
            minute=self.campus.minute_of_day(now.utc_ms),
            rights=self.rights,
            staff=shell.lists.staff.staff,
            sold=self._sold(now),
            last=self._last if self._holds() else (),
            last_cents=self._last_cents,
            undo=self._undo(phase, now),
            training=self.training,
        )

    def follow(self) -> None:
        """Called at every picture, for one may be over before a frame shows it."""
        match self.shell.desk.phase:
            case Ringing(basket) | AwaitingCard(Purchase(basket)) | NotDone(Purchase(basket)) if basket.items:
                self._rung = tuple((item.product, item.qty, item.typed_cents) for item in basket.items)
            case Done(receipt) if receipt.kind in (Kind.SALE_SETTLED, Kind.CASH_SALE) and self._rung:
                self._last, self._last_cents, self._rung = self._rung, receipt.amount, ()
                self._last_at = self._at()
            case _:
                pass

    def _at(self) -> tuple[MerchantId, int]:
        return self.shell.desk.merchant, self.shell.desk.prices.version

    def _holds(self) -> bool:
        """Whether the same is still to be had: a price that somebody changed was for one customer."""
        return self._last_at == self._at() and all(
            typed is None or product == FREE_AMOUNT for product, _, typed in self._last
        )

    def _sold(self, now: Now) -> tuple[Sold, ...]:
        today, sold = self.campus.business_day(now.utc_ms), self.shell.derived.sold
        newest = (sold[seq] for seq in sorted(sold, reverse=True))
        return tuple(one for one in newest if one.day == today and one.left_cents > 0)[:SOLD_SHOWN]

    def _undo(self, phase: Phase, now: Now) -> Seq:
        match phase:
            case Done(receipt) if isinstance(receipt.body, SaleStep) and receipt.kind is Kind.SALE_SETTLED:
                is_new = now.mono_ms - receipt.at.mono_ms < UNDO_MS
                return receipt.number.seq if is_new and self.rights.refund else Seq(0)
            case _:
                return Seq(0)
