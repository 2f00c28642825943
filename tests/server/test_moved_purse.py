"""Which steps the ledger's purse shows: reconciliation and the uses of a counter must say the same."""

import pytest

from protocol.entries import Operation, SaleStep, Stage
from protocol.ids import CardNo, Counter, Generation, MerchantId, ShiftNo, TerminalId, Tno
from protocol.instants import CampusTime
from protocol.money import Cents
from protocol.purse import CardClass, CardId, Technology
from server.ingest.book import StepRow
from server.ledger.rules import Resolution, Use
from server.reconcile.rows import step_fact
from tests.server.reconcile_facts import DAY, NOON

CARD = CardId(CardNo(7), Generation(1), Technology.CLASSIC, CardClass.STUDENT)
BODY = SaleStep(CARD, Cents(300), Counter(0), Counter(1), Cents(1_000), Cents(700), merchant=MerchantId("canteen-1"))


@pytest.mark.parametrize(
    ("stage", "use", "resolved", "moved"),
    [
        (Stage.PREPARED, None, None, False),
        (Stage.SETTLED, Use.FIRST, None, True),
        (Stage.SETTLED, Use.BRANCH, None, True),
        (Stage.SETTLED, Use.FORK, None, False),
        (Stage.SETTLED, Use.RELEASED, None, False),
        (Stage.TORN, None, Resolution.ON_CARD, True),
        (Stage.TORN, None, Resolution.NOT_ON_CARD, False),
        (Stage.TORN, Use.FORGOTTEN, Resolution.ON_CARD, False),  # a fallback gave it back
        (Stage.SETTLED, Use.FORGOTTEN, None, False),
        (Stage.SETTLED, Use.FIRST, Resolution.NOT_ON_CARD, True),  # its terminal says it was made after all
        (Stage.SETTLED, Use.FIRST, Resolution.STUDENT, True),
    ],
)
def test_what_the_purse_shows(stage: Stage, use: Use | None, resolved: Resolution | None, moved: bool) -> None:
    step = StepRow((Tno(1), 0, 5), Operation.SALE, stage, BODY, TerminalId("till-1"), ShiftNo(1), DAY, NOON)
    step.use, step.resolved = use, resolved
    assert step.moved_purse is moved
    assert step_fact(step, CampusTime()).ledger_cents == (-300 if moved else 0)
