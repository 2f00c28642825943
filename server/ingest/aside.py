"""Where money waits that an entry moved which cannot be posted yet; pure.

No card's holder gets it. The merchant of a card's sale is paid, but not on the word of a second history, and nobody
pays or is paid where that is in question; cash lies in the drawer whoever tells of it. A load moves only what is owed,
and that stays owed; a shift only what is ours.
"""

from dataclasses import replace

from protocol.entries import Body, CardStep, CashSale, CloseStep, Entry, RefundStep, SaleStep, TopUpStep, stage_of
from protocol.ids import TerminalId
from server.ingest.book import StepId
from server.ledger.accounts import AccountKind, Postings, balanced, drawer, suspense
from server.ledger.rules import Situation, Use, postings_of_step

_OWED = (AccountKind.PENDING, AccountKind.PENDING_SUBSIDY)


def postings_aside(entry: Entry, tid: TerminalId, place: StepId, *, is_merchant_sure: bool) -> Postings:
    """What is set aside for an entry at this place. `is_merchant_sure`: that its merchant is paid is no question."""
    body, staged, aside = entry.body, stage_of(entry.kind), suspense(*place)
    cash = drawer(tid, place[0], entry.shift)
    if isinstance(body, CashSale):
        return balanced((cash, -body.amount), (aside, body.amount))
    if not (staged and isinstance(body, CardStep) and _may_wait(body, place[1], is_merchant_sure=is_merchant_sure)):
        return ()
    legs = postings_of_step(staged[1], body, Situation(cash, aside, Use.UNKNOWN_CARD))
    return tuple(replace(leg, account=aside) if leg.account.kind in _OWED else leg for leg in legs)


def _may_wait(body: Body, branch: int, *, is_merchant_sure: bool) -> bool:
    match body:
        case TopUpStep() | CloseStep():
            return True
        case RefundStep():
            return is_merchant_sure
        case _:
            return isinstance(body, SaleStep) and is_merchant_sure and not branch
