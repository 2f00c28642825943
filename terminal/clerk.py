"""What a command means at this moment: an event for the sale machine, or the sentence that says why not."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import ceil
from typing import assert_never

from protocol.authorise import Listed
from protocol.basket import Basket, BasketRefusal
from protocol.entries import CASH, Kind, PriceOverridden
from protocol.ids import CardKey, Seq
from protocol.instants import MINUTE_MS, CampusTime, Now
from protocol.money import Cents
from terminal.batch_list import ListWrong, range_of, read_list
from terminal.commands import (
    Cancel,
    Clear,
    CloseShift,
    CollectLoad,
    Command,
    Confirm,
    EnterPin,
    Export,
    GiveBack,
    HandIn,
    Help,
    LookAtCard,
    OpenShift,
    Pay,
    Quit,
    Remove,
    Reprice,
    Ring,
    RingItem,
    ShowCode,
    ShowStatus,
    TakeCash,
    TakeTopUp,
)
from terminal.desk import (
    AwaitingCard,
    BasketChanged,
    Cancelled,
    CashTaken,
    CloseAsked,
    Confirmed,
    Desk,
    Done,
    NotDone,
    Order,
    PaidEarlier,
    PayPressed,
    PinEntered,
    PinEntry,
    RepeatAsked,
    Ringing,
)
from terminal.face import Face
from terminal.hand_in import Close
from terminal.help import OFFICE, help_text
from terminal.load import Load
from terminal.office import CardOffice
from terminal.office_commands import Erase, Issue, IssueList, IssueRange, OfficeCommand, Rekey
from terminal.purchase import Purchase
from terminal.refund import Refund, refund_refusal
from terminal.replace import Issued
from terminal.shell import Shell
from terminal.shift import ShiftRefusal, pin_waits_ms
from terminal.status import Status, status_lines
from terminal.step_draft import HAND_OVER_MS
from terminal.topup import TopUp
from terminal.views import Words, cents_text


@dataclass(frozen=True, slots=True)
class Rights:
    """What may be done here besides selling."""

    load: bool = False
    topup: bool = False
    refund: bool = True
    override: bool = False


@dataclass(frozen=True, slots=True)
class Clerk:
    """Does what people type. Without a card office there is no `office`."""

    office: CardOffice | None
    rights: Rights
    campus: CampusTime
    words: Words
    face: Face
    now: Callable[[], Now]
    status: Callable[[], Status]
    export: Callable[[str, Seq], Awaitable[int]]
    """Write the entries from one on to a file; how many. Raises OSError, ValueError."""
    read_file: Callable[[str], bytes]
    """What a file holds. Raises OSError, ValueError."""

    async def do(self, command: Command, shell: Shell) -> None:
        """Carry out one command. Raises JournalError."""
        match command:
            case Ring() | RingItem() | Remove() | Clear():
                await self._change_basket(command, shell)
            case Pay() | TakeCash():
                await (self._pay(shell) if isinstance(command, Pay) else self._take_cash(shell))
            case Reprice():
                await self._reprice(command, shell)
            case Confirm():
                await self._confirm(shell)
            case Cancel():
                await self._cancel(shell)
            case EnterPin() | ShowCode():
                await self._shown(command, shell)
            case GiveBack() | CollectLoad() | TakeTopUp() | HandIn():
                await self._order(command, shell)
            case OpenShift() | CloseShift():
                await self._shift(command, shell)
            case Issue() | IssueList() | IssueRange() | Rekey() | Erase():
                self._at_office(command, shell)
            case ShowStatus() | Help() | Export():
                await self._tell(command, shell)
            case Quit() | LookAtCard():
                raise AssertionError("the program ends outside of any turn, and the till looks at cards")
            case _:
                assert_never(command)

    async def _change_basket(self, command: Ring | RingItem | Remove | Clear, shell: Shell) -> None:
        basket = None if self.office_at_work else basket_of(shell)
        if basket is None:
            return self._say("said.not_now")
        match command:
            case Ring(cents):
                changed = basket.add_amount(cents)
            case RingItem(product, qty):
                if all(known.id != product for known in basket.prices.on_sale_at(shell.desk.merchant)):
                    return self._say("said.no_product", product=product)
                changed = basket.add(product, qty)
            case Remove(index):
                if index >= len(basket.items):
                    return self._say("said.no_line", line=index + 1)
                changed = basket.remove(index)
            case Clear():
                changed = Basket(shell.lists.prices)
            case _:
                assert_never(command)
        if isinstance(changed, BasketRefusal):
            return self._say(f"basket.{changed}")
        return await shell.handle(BasketChanged(changed))

    async def _pay(self, shell: Shell) -> None:
        match shell.desk.phase:
            case Ringing(basket) if basket.items and not self.office_at_work:
                await shell.handle(PayPressed())
            case NotDone(order):
                await shell.handle(PayPressed(order))
            case Ringing() | Done():
                self._say("said.nothing_rung")
            case AwaitingCard():
                pass
            case _:
                self._say("said.not_now")

    async def _take_cash(self, shell: Shell) -> None:
        basket = None if self.office_at_work else basket_of(shell)
        if basket is None:
            return self._say("said.not_now")
        if not basket.items:
            return self._say("said.nothing_rung")
        if not shell.derived.shift.number:
            return self._say("said.no_drawer")
        return await shell.handle(CashTaken())

    async def _reprice(self, command: Reprice, shell: Shell) -> None:
        """The entry that says who and why stands first, then the price."""
        basket = None if self.office_at_work else basket_of(shell)
        if not self.rights.override:
            return self._say("said.may_not", capability="override")
        rung = [] if basket is None else [item.product for item in basket.items]
        product = basket.prices.product(command.product) if basket else None
        if basket is None or product is None or command.product not in rung:
            return self._say("said.not_rung", product=command.product)
        changed = basket.override_price(rung.index(command.product), command.cents)
        assert isinstance(changed, Basket), "a typed amount is none too large"
        was = product.price_for(None, self.campus.minute_of_day(self.now().utc_ms))
        body = PriceOverridden(command.product, was, command.cents, command.reason)
        await shell.append(Kind.PRICE_OVERRIDDEN, body)
        return await shell.handle(BasketChanged(changed))

    async def _tell(self, command: ShowStatus | Help | Export, shell: Shell) -> None:
        match command:
            case ShowStatus():
                self.face.say("\n".join(status_lines(self.status(), self.campus, self.words)))
            case Help():
                self.face.say(help_text(self.words, self._not_here()))
            case Export():
                await self._export(command, shell)
            case _:
                assert_never(command)

    def _not_here(self) -> set[str]:
        """Commands that this terminal has no right to."""
        may, at_office = self.rights, self.office is not None
        rights = {"load": may.load, "topup": may.topup, "refund": may.refund, "price": may.override}
        return {name for name, has in {**rights, **dict.fromkeys(OFFICE, at_office)}.items() if not has}

    async def _export(self, command: Export, shell: Shell) -> None:
        path, first = command.path, Seq(1 if command.whole else shell.derived.acked + 1)
        try:
            count = await self.export(path, first)
        except FileExistsError:
            return self._say("said.export_taken", path=path)
        except (OSError, ValueError) as error:  # ValueError: what can be typed and is no name of a file
            why = error.strerror if isinstance(error, OSError) else None
            return self._say("said.not_exported", path=path, why=why or str(error))
        if command.whole:
            return self._say("said.exported_all", path=path, count=count)
        key = "said.exported" if count else "said.exported_none"
        return self._say(key, path=path, count=count, first=first, last=first + count - 1)

    async def _confirm(self, shell: Shell) -> None:
        if self.office is not None and self.office.eraser is not None:
            await self.office.eraser.confirm(shell.append, shell.derived)
        elif isinstance(shell.desk.phase, RepeatAsked | CloseAsked | PaidEarlier):
            await shell.handle(Confirmed())
        else:
            self._say("said.not_asked")

    async def _cancel(self, shell: Shell) -> None:
        if self.office is not None and self.office.wants_card:
            self.office.cancel()
        else:
            await shell.handle(Cancelled())

    async def _shown(self, command: EnterPin | ShowCode, shell: Shell) -> None:
        match command:
            case EnterPin(pin) if isinstance(shell.desk.phase, PinEntry):
                await shell.handle(PinEntered(pin))
            case EnterPin():
                self._say("said.no_pin")
            case ShowCode(code):
                if self.office_at_work or not await shell.scanned(code):
                    self._say("said.not_now")

    async def _order(self, command: GiveBack | CollectLoad | TakeTopUp | HandIn, shell: Shell) -> None:
        if self.office is not None and isinstance(self.office.phase, Issued):
            # The card that was just made may collect its money without being taken away.
            self.office.end()
            await shell.card_arrived()
        if self.office_at_work or not is_free(shell.desk):
            return self._say("said.not_now")
        order = self._order_of(command, shell)
        return await shell.handle(PayPressed(order)) if order is not None else None

    def _order_of(self, command: GiveBack | CollectLoad | TakeTopUp | HandIn, shell: Shell) -> Order | None:
        match command:
            case CollectLoad() if self.rights.load:
                return Load(None)
            case TakeTopUp() if self.rights.topup and not shell.derived.shift.number:
                self._say("said.no_drawer")
                return None
            case TakeTopUp(cents) if self.rights.topup:
                return TopUp(cents, CASH)
            case HandIn(owed) if self.office is not None:
                return self._close(shell, owed=owed)
            case GiveBack() if self.rights.refund:
                return self._refund(command, shell)
            case CollectLoad() | TakeTopUp() | GiveBack() | HandIn():
                names = {CollectLoad: "load", TakeTopUp: "topup", GiveBack: "refund", HandIn: "office"}
                self._say("said.may_not", capability=names[type(command)])
                return None
            case _:
                assert_never(command)

    def _close(self, shell: Shell, *, owed: bool) -> Close | None:
        shift = shell.derived.shift
        if not owed and not shift.number:
            self._say("said.no_drawer")
            return None
        return Close(None if owed else Cents(max(0, shift.expected_cents)))

    def _refund(self, command: GiveBack, shell: Shell) -> Refund | None:
        sold, today = shell.derived.sold.get(command.receipt), self.campus.business_day(self.now().utc_ms)
        refused = refund_refusal(sold, command.cents, today)
        if sold is not None and refused is None:
            return Refund(sold, command.cents)
        left = cents_text(sold.left_cents if sold else 0, self.words)
        self._say(f"refund.{refused}", seq=command.receipt, cents=left)
        return None

    async def _shift(self, command: OpenShift | CloseShift, shell: Shell) -> None:
        before = shell.derived.shift
        if isinstance(command, OpenShift):
            refused = await shell.open_shift(command.staff, command.drawer_cents, command.pin)
        else:
            refused = await shell.close_shift(command.counted_cents)
        if isinstance(refused, ShiftRefusal):
            staff = command.staff if isinstance(command, OpenShift) else ""
            waits_ms = pin_waits_ms(shell.derived, self.now().mono_ms)
            minutes = (waits_ms or HAND_OVER_MS) / MINUTE_MS
            return self._say(f"shift.{refused}", minutes=ceil(minutes), staff=staff)
        if isinstance(command, OpenShift):
            number, cents = shell.derived.shift.number, cents_text(command.drawer_cents, self.words)
            return self._say("shift.opened", number=number, staff=command.staff, cents=cents)
        counted, expected = command.counted_cents, before.expected_cents
        sums = {"counted": counted, "expected": expected, "difference": counted - expected}
        texts = {name: cents_text(cents, self.words) for name, cents in sums.items()}
        texts["difference"] = "+" * (counted > expected) + texts["difference"]
        return self._say("shift.closed", number=before.number, unsent=self.status().unsent, **texts)

    def _at_office(self, command: OfficeCommand, shell: Shell) -> None:
        if self.office is None:
            return self._say("said.may_not", capability="office")
        if shell.desk.present is not None:
            return self._say("said.card_here")
        if not is_free(shell.desk):
            return self._say("said.not_now")
        match command:
            case Issue():
                return self._issue(command, self.office, shell)
            case IssueList() | IssueRange():
                return self._batch(command, self.office, shell)
            case Rekey(pin):
                return self.office.begin_rekeying(pin)
            case Erase():
                return self.office.begin_erasing(
                    lambda key: shell.derived.standing(key, shell.lists.book.standing(key))
                )
            case _:
                assert_never(command)

    def _batch(self, command: IssueList | IssueRange, office: CardOffice, shell: Shell) -> None:
        """The cards of a list, without those that were not made here and that the server's list knows better."""
        try:
            match command:
                case IssueRange(first, last, card_class):
                    rows = range_of(first, last, card_class)
                case IssueList(path):
                    try:
                        raw = self.read_file(path)
                    except (OSError, ValueError) as error:
                        why = error.strerror if isinstance(error, OSError) else None
                        return self._say("list.unread", path=path, why=why or str(error))
                    rows = read_list(raw)
        except ListWrong as wrong:
            return self._say(f"list.{wrong.fault}", line=wrong.line)
        free = tuple(row for row in rows if shell.derived.was_here(row.key) or _is_unused(row.key, shell))
        if len(free) < len(rows):
            self._say("list.left_out", count=len(rows) - len(free))
        return office.begin_batch(free, shell.derived)

    def _issue(self, command: Issue, office: CardOffice, shell: Shell) -> None:
        order = command.order
        key = (order.card, order.generation)
        known = shell.derived.standing(key, shell.lists.book.standing(key))
        figures = {"card": order.card, "generation": order.generation}
        if known.listed is not Listed.GOOD:
            return self._say("office.listed", **figures)
        if known.counter_floor or known.load_floor or shell.derived.was_here(key):
            return self._say("office.in_use", **figures)
        if key not in shell.lists.loads:
            self._say("office.not_listed", **figures)
        return office.begin(order, command.pin)

    @property
    def office_at_work(self) -> bool:
        """Whether the card office is in the middle of something."""
        return self.office is not None and self.office.is_at_work

    def _say(self, key: str, **figures: str | int) -> None:
        self.face.say(self.words[key].format(**figures))


def basket_of(shell: Shell) -> Basket | None:
    """What a further item is added to; None where the counter is in the middle of something."""
    match shell.desk.phase:
        case Ringing(basket):
            return basket
        case AwaitingCard(Purchase(basket)) | NotDone(Purchase(basket)):
            return basket
        case Done() | AwaitingCard() | NotDone():
            return Basket(shell.lists.prices)
        case _:
            return None


def _is_unused(card: CardKey, shell: Shell) -> bool:
    """Whether no list says that this card is in use, blocked or closed."""
    known = shell.lists.book.standing(card)
    return known.listed is Listed.GOOD and not known.counter_floor and not known.load_floor


def is_free(desk: Desk) -> bool:
    """Whether another order may begin: nothing is rung that would be lost."""
    return isinstance(desk.phase, Done | NotDone) or (isinstance(desk.phase, Ringing) and not desk.phase.basket.items)
