"""The sale, from the first item to the settled entry; refunds, loads and top-ups take the same road.

    Ringing --PayPressed--> AwaitingCard --CardTapped--> Preparing --EntryStored--> Writing --CardWritten--> Settling
       ^                        |  ^                                                  |                         |
       |                     Refused |                                             CardLost                EntryStored
       |                        |  not written, once more                             v                         v
       +------------------------+  +------------------- Firming <--SameCardTapped-- TapAgain                   Done
                                                           |
                                       written: Settling, then Done or PaidEarlier; unknown: torn, final

`step` is the whole machine. It does no I/O, reads no clock and never blocks: times and the place of an entry arrive
in events. An entry stands in the journal before a card is written (`Preparing`) and again before anybody is told OK
or given anything (`Settling`). A step whose outcome is unknown stays in `Desk.opens`, whatever is sold meanwhile; a
PIN try, which moves no money and has no outcome to write down, in `Desk.pin_tries`.
"""

from typing import assert_never

from msgspec.structs import replace

from protocol.authorise import OTHER_CARD, House, Pin, Refusal, Refused, before_any_card, topup_refusal
from protocol.entries import (
    CardStep,
    CashSale,
    Kind,
    LoadStep,
    Operation,
    PinTried,
    RefundStep,
    Stage,
    TopUpStep,
    kind_of,
)
from protocol.instants import Now
from protocol.purse import CardRead, Mark, Outcome
from terminal import token_sale
from terminal.decide import decide, turned_away
from terminal.desk import (
    AppendEntry,
    AwaitingCard,
    BasketChanged,
    Cancelled,
    CardFirm,
    CardLost,
    CardRemoved,
    CardTapped,
    CardWritten,
    CashTaken,
    CloseAsked,
    ComparePin,
    Confirmed,
    Desk,
    Done,
    EntryStored,
    Event,
    Firming,
    HandOver,
    Identifying,
    MakeFirm,
    NotDone,
    Noting,
    Order,
    PaidEarlier,
    PayPressed,
    Phase,
    PinCompared,
    PinComparing,
    PinEntered,
    PinEntry,
    Preparing,
    ReadCard,
    Receipt,
    RepeatAsked,
    Ringing,
    Settling,
    Stepped,
    TapAgain,
    Ticked,
    TokenAnswered,
    TokenKnown,
    WriteCard,
    Writing,
)
from terminal.hand_in import Close
from terminal.load import Load, NothingToLoad
from terminal.one_tap import answered, back, gone, noted, payer, served_here
from terminal.outcome import settle
from terminal.phases import idle, is_busy, must_be_asked, order_of
from terminal.purchase import Facts, NotPriced, Purchase, decide_cash, decide_purchase, draft_pin_try, is_unchanged
from terminal.refund import Refund, may_go_on_card, to_pending
from terminal.refusal_count import due
from terminal.step_draft import HAND_OVER_MS, Open, StepDraft
from terminal.topup import TopUp

Operated = BasketChanged | PayPressed | CashTaken | PinEntered | Confirmed | Cancelled
_LET_GO = AwaitingCard | Identifying | NotDone | RepeatAsked | CloseAsked | PinEntry | TapAgain | Done
_NOTED = {RefundStep: Kind.REFUND_SETTLED, TopUpStep: Kind.TOPUP_PREPARED, LoadStep: Kind.LOAD_VOIDED}


def step(desk: Desk, event: Event) -> Stepped:
    """The counter after an event, and what to do. Effects are carried out in order, each before the next event."""
    match event:
        case CardTapped():
            return _tapped(desk, event)
        case CardRemoved(now):
            charged = gone(desk.charged, desk.present, now)
            return replace(desk, present=None, charged=charged, phase=token_sale.left(desk.phase, now)), ()
        case TokenKnown():
            return _known(desk, event)
        case TokenAnswered():
            return token_sale.answered(desk, event)
        case EntryStored():
            return _stored(desk, event)
        case CardWritten(read, now):
            return _written(desk, read, now)
        case CardLost():
            return _lost(desk), ()
        case CardFirm():
            return _firm(desk, event)
        case PinCompared():
            return _pin_compared(desk, event)
        case Ticked(now):
            return _ticked(desk, now)
        case BasketChanged() | PayPressed() | CashTaken() | PinEntered() | Confirmed() | Cancelled():
            return _operated(desk, event)
        case _:
            assert_never(event)


# The cashier -----------------------------------------------------------------------------------------------------


def _operated(desk: Desk, event: Operated) -> Stepped:
    if not desk.merchant and isinstance(event, BasketChanged | PayPressed | CashTaken):
        return desk, ()  # a spare sells for nobody
    match event, desk.phase:
        case BasketChanged(basket), Ringing() | Done() | NotDone() | AwaitingCard():
            return replace(desk, phase=Ringing(basket)), ()
        case PayPressed(None, house), Ringing(basket) if basket.items:
            return _begin(desk, Purchase(basket, desk.merchant), house)
        case PayPressed(order, house), Ringing() | Done() | NotDone() if order is not None:
            return _begin(desk, order, house)
        case CashTaken(Facts() as facts), Ringing(basket) if basket.items:
            return _take_cash(desk, Purchase(basket, desk.merchant), facts)
        case CashTaken(Facts() as facts), (AwaitingCard(Purchase() as order) | NotDone(Purchase() as order)):
            return _take_cash(desk, order, facts)
        case PinEntered(pin), PinEntry(order, asked):
            return replace(desk, phase=PinEntry(order, asked, pin)), (ReadCard(),)
        case Confirmed(), _:
            return _confirmed(desk)
        case Cancelled(), PaidEarlier():
            return _new_purchase(desk, desk.phase)
        case Cancelled(), phase if isinstance(phase, _LET_GO):
            return replace(desk, phase=idle(desk)), ()
        case _:
            return desk, ()


def _confirmed(desk: Desk) -> Stepped:
    match desk.phase:
        case RepeatAsked(order, card):
            return replace(desk, phase=AwaitingCard(order, card)), (ReadCard(),)
        case CloseAsked(order, draft):
            return replace(desk, phase=AwaitingCard(order, draft.read.identity.key)), (ReadCard(),)
        case PaidEarlier(receipt):
            return replace(answered(desk, receipt), phase=idle(desk)), (HandOver(receipt),)
        case _:
            return desk, ()


def _begin(desk: Desk, order: Order, house: House | None) -> Stepped:
    """Ask for a card, unless none could help, or none is needed. One may lie there that could not be read before."""
    refused = before_any_card(house) if house else None
    if house and isinstance(order, TopUp):
        refused = refused or topup_refusal(order.amount, house)
    if refused is not None:
        return replace(desk, phase=NotDone(order, refused)), ()
    if isinstance(order, Refund) and not may_go_on_card(order):
        return _note(desk, Kind.REFUND_SETTLED, to_pending(order))
    return replace(desk, phase=AwaitingCard(order)), (ReadCard(),)


def _take_cash(desk: Desk, order: Purchase, facts: Facts) -> Stepped:
    if isinstance(answer := decide_cash(order, facts), CashSale):
        return _note(desk, Kind.CASH_SALE, answer)
    return replace(desk, phase=NotDone(order, answer)), ()


def _new_purchase(desk: Desk, earlier: PaidEarlier) -> Stepped:
    """Nothing is handed over for what was paid earlier. What is rung now waits for a new tap."""
    phase = AwaitingCard(earlier.order) if earlier.order else idle(desk)
    return replace(answered(desk, earlier.receipt), phase=phase), ()


# The card --------------------------------------------------------------------------------------------------------


def _tapped(desk: Desk, tap: CardTapped) -> Stepped:
    present = tap.read.identity.key if tap.read else desk.present  # one garbled read takes no card away
    desk = replace(desk, present=present, charged=back(desk.charged, present, tap.now))
    if is_busy(desk.phase) or isinstance(desk.phase, PaidEarlier):
        return desk, ()
    if tap.read is not None:
        waiting = next((found for found in (*desk.opens, *desk.pin_tries) if found.card == present), None)
        if waiting is not None:
            firming = replace(desk, phase=Firming(waiting, desk.phase))
            return firming, (MakeFirm(waiting.mark(desk.tno), waiting.body.counter_after),)
        if desk.unconfirmed is not None and payer(desk.unconfirmed) == desk.present:
            return replace(desk, phase=PaidEarlier(desk.unconfirmed, order_of(desk.phase))), ()
    match desk.phase:
        case AwaitingCard() | NotDone() if tap.read is None and tap.uid is not None:
            return token_sale.identify(desk, tap, desk.phase)
        case AwaitingCard(order, confirmed):
            return _one_tap_one_charge(desk, order, tap) if confirmed != desk.present else _decide(desk, order, tap)
        case NotDone(order):
            return _one_tap_one_charge(desk, order, tap)
        case PinEntry(order, asked, pin) if tap.read is not None and asked.identity.key == desk.present:
            return _try_pin(desk, order, tap, pin) if is_unchanged(asked, tap.read) else _decide(desk, order, tap)
        case TapAgain(order) if tap.read is not None:
            return turned_away(desk, OTHER_CARD, order, tap), ()
        case _:
            return desk, ()


def _known(desk: Desk, event: TokenKnown) -> Stepped:
    """Go on as if the token had said itself who it is; a stranger's card is not ours."""
    waiting = token_sale.known(desk, event)
    if waiting is None:
        return desk, ()
    desk, tap, left_at = waiting
    if tap.read is None:
        assert isinstance(desk.phase, AwaitingCard | NotDone)
        return _decide(desk, desk.phase.order, tap)
    desk, effects = _tapped(desk, tap)
    return token_sale.has_left(desk, left_at), effects


def _one_tap_one_charge(desk: Desk, order: Order, tap: CardTapped) -> Stepped:
    charged = next((paid for paid in desk.charged if paid.card == desk.present), None)
    if charged is None or not isinstance(order, Purchase):
        return _decide(desk, order, tap)
    if not charged.was_gone:
        return desk, ()
    if tap.now.mono_ms - charged.at.mono_ms < desk.repeat_ms:
        return replace(desk, phase=RepeatAsked(order, charged.card)), ()
    return _decide(desk, order, tap)


def _decide(desk: Desk, order: Order, tap: CardTapped, pin: Pin = Pin.NOT_ASKED) -> Stepped:
    answer = decide(order, tap, desk.tno, pin)
    match answer:
        case RefundStep() | TopUpStep() | LoadStep():
            return _note(desk, _NOTED[type(answer)], answer)
        case StepDraft() if isinstance(order, Close) and must_be_asked(desk, order):
            return replace(desk, phase=CloseAsked(order, answer)), ()
        case StepDraft():
            kind = kind_of(answer.operation, Stage.PREPARED)
            return replace(desk, phase=Preparing(order, answer, tap.facts)), (AppendEntry(kind, answer.body),)
        case Refused(Refusal.PIN_NEEDED) if isinstance(order, Purchase) and tap.read is not None:
            return replace(desk, phase=PinEntry(order, tap.read)), ()
        case Refused(reason):
            return replace(turned_away(desk, reason, order, tap), phase=NotDone(order, answer)), ()
        case NotPriced() | NothingToLoad():
            return replace(desk, phase=NotDone(order, answer)), ()
        case _:
            assert_never(answer)


def _note(desk: Desk, kind: Kind, body: CardStep | CashSale) -> Stepped:
    return replace(desk, phase=Noting(kind, body)), (AppendEntry(kind, body),)


def _written(desk: Desk, read: CardRead, now: Now) -> Stepped:
    assert isinstance(desk.phase, Writing), "a card was written that nobody asked for"
    order, done = desk.phase.order, desk.phase.open
    if desk.phase.pin:
        assert isinstance(order, Purchase)
        comparing = PinComparing(order, read, desk.phase.facts)
        return replace(_without_try(desk, done), phase=comparing), (ComparePin(desk.phase.pin),)
    return settle(desk, done, Stage.SETTLED, done.outcome(), now, hand_over=True)


def _lost(desk: Desk) -> Desk:
    match desk.phase:
        case Writing(order, _, _, pin) if pin:
            return replace(desk, phase=AwaitingCard(order))
        case Writing(order, lost):
            return replace(desk, phase=TapAgain(order, lost))
        case Firming(_, before):
            return replace(desk, phase=before)
        case _:
            return desk


def _firm(desk: Desk, firm: CardFirm) -> Stepped:
    """An open step's card has spoken. After ten minutes its word no longer decides: the step is torn, for good."""
    assert isinstance(desk.phase, Firming)
    found, before = desk.phase.open, desk.phase.back
    if isinstance(found.body, PinTried):
        return replace(_without_try(desk, found), phase=before), (ReadCard(),)
    same_tap = isinstance(before, TapAgain) and before.open == found
    body = found.outcome(firm.read.last)
    if firm.outcome is Outcome.UNKNOWN or found.over(firm.now):
        return settle(desk, found, Stage.TORN, body, firm.now, then=idle(desk) if same_tap else before)
    if firm.outcome is Outcome.WRITTEN:
        then = None if same_tap or found.operation is not Operation.SALE else order_of(before)
        paid = Receipt(found.mark(desk.tno), kind_of(found.operation, Stage.SETTLED), body, found.prepared_at)
        earlier = None if same_tap or found.operation is not Operation.SALE else PaidEarlier(paid, then)
        return settle(desk, found, Stage.SETTLED, body, firm.now, then=earlier, hand_over=same_tap)
    once_more = same_tap and found.operation in (Operation.SALE, Operation.LOAD, Operation.CLOSE)
    again = AwaitingCard(before.order) if isinstance(before, TapAgain) and once_more else None
    return settle(desk, found, Stage.VOIDED, body, firm.now, then=again or (None if same_tap else before))


# The journal -----------------------------------------------------------------------------------------------------


def _stored(desk: Desk, stored: EntryStored) -> Stepped:
    match desk.phase:
        case Preparing(order, draft, facts, pin):
            mark = Mark(desk.tno, stored.seq)
            opened = Open(stored.seq, draft.operation, draft.body, stored.now)
            if draft.body.card.is_token:
                return token_sale.begin(replace(desk, opens=(*desk.opens, opened)), desk.phase, opened)
            desk = replace(desk, phase=Writing(order, opened, facts, pin))
            if pin:
                desk = replace(desk, pin_tries=(*desk.pin_tries, opened))
            else:
                desk = replace(desk, opens=(*desk.opens, opened))
            return desk, (WriteCard(draft.change(mark)),)
        case Settling(found, stage, then, hand_over) if stored.kind is kind_of(found.operation, stage):
            return _settled(desk, desk.phase, stored.now, found, then, hand_over)
        case Noting(Kind.LOAD_VOIDED) if stored.kind is Kind.LOAD_VOIDED:
            return replace(desk, phase=NotDone(Load(None), NothingToLoad())), ()
        case Noting(kind, body) if stored.kind is kind:
            receipt = Receipt(Mark(desk.tno, stored.seq), kind, body, stored.now)
            return served_here(replace(desk, phase=Done(receipt)), stored.now), (HandOver(receipt),)
        case _:
            return desk, ()


def _settled(desk: Desk, phase: Settling, now: Now, found: Open, then: Phase, hand_over: bool) -> Stepped:
    opens = tuple(known for known in desk.opens if known.seq != found.seq)
    desk = replace(desk, opens=opens, phase=then)
    if phase.stage is Stage.VOIDED and isinstance(then, AwaitingCard) and desk.present == found.card:
        return desk, (ReadCard(),)
    if phase.stage is Stage.SETTLED and found.operation is Operation.SALE:
        charged = noted(desk.charged, found.card, now)
        desk = replace(desk, charged=charged if desk.present == found.card else gone(charged, found.card, now))
    elif desk.present == found.card and not found.body.card.is_token:
        desk = served_here(desk, now)
    return desk, (HandOver(then.receipt),) if hand_over and isinstance(then, Done) else ()


def _ticked(desk: Desk, now: Now) -> Stepped:
    answer_awaited = token_sale.ticked(desk, now)
    if answer_awaited is not None:
        return answer_awaited
    if is_busy(desk.phase):
        return desk, ()
    late = next((found for found in desk.opens if found.over(now)), None)
    if late is not None:
        waited = isinstance(desk.phase, TapAgain) and desk.phase.open == late
        then = idle(desk) if waited else desk.phase
        return settle(desk, late, Stage.TORN, late.outcome(), now, then=then)
    if desk.unconfirmed and now.mono_ms - desk.unconfirmed.at.mono_ms > HAND_OVER_MS:
        desk = replace(desk, unconfirmed=None)
    if isinstance(desk.phase, PaidEarlier) and now.mono_ms - desk.phase.receipt.at.mono_ms > HAND_OVER_MS:
        return _new_purchase(desk, desk.phase)
    ripe = due(desk.refusals, now)
    waiting = tuple(count for count in desk.refusals if count not in ripe)
    return replace(desk, refusals=waiting), tuple(AppendEntry(Kind.SALE_REFUSED, count.body) for count in ripe)


# The PIN ---------------------------------------------------------------------------------------------------------


def _try_pin(desk: Desk, order: Purchase, tap: CardTapped, pin: str) -> Stepped:
    answer = decide_purchase(order, tap.read, tap.facts, Pin.NOT_ASKED)
    if not isinstance(answer, Refused) or answer.reason is not Refusal.PIN_NEEDED:
        return _decide(desk, order, tap)
    if not pin:
        return desk, ()
    assert tap.read is not None
    draft = draft_pin_try(tap.read)
    return replace(desk, phase=Preparing(order, draft, tap.facts, pin)), (AppendEntry(Kind.PIN_TRIED, draft.body),)


def _without_try(desk: Desk, found: Open) -> Desk:
    """The try is on the card or not, for certain; that is all there is to know of it."""
    return replace(desk, pin_tries=tuple(known for known in desk.pin_tries if known.seq != found.seq))


def _pin_compared(desk: Desk, compared: PinCompared) -> Stepped:
    assert isinstance(desk.phase, PinComparing)
    order, read, facts = desk.phase.order, desk.phase.read, desk.phase.facts
    tap = CardTapped(read, facts, compared.now)
    return _decide(desk, order, tap, Pin.RIGHT if compared.right else Pin.WRONG)
