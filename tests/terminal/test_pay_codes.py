"""A phone's pay code at the counter: scanned like a line that is typed, believed by signature and clock, taken once."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from protocol.authorise import Refusal
from protocol.entries import Kind, SaleRefused
from protocol.instants import SECOND_MS, ClockSource, UtcMs
from protocol.limits import LimitRules
from protocol.money import Cents
from protocol.pay_codes import AHEAD_MS, VALID_MS, make_pay_code, read_pay_code
from protocol.purse import CardId
from terminal.commands import Mistake, read_command
from terminal.derived import from_snapshot, snapshot_of
from terminal.desk import Approving
from terminal.texts.en import SENTENCES
from terminal.views import View
from tests.hardware.card_bench import SERVER, TILL
from tests.hardware.tag_bench import tag
from tests.protocol.samples import LOAD_KEY, NOON
from tests.terminal.counter import CounterBench
from tests.terminal.journals import open_store
from tests.terminal.test_token_sale import TOKEN, Asked, body_of, rings

SECOND = SECOND_MS
AGED = VALID_MS + SECOND


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[CounterBench]:
    journal = await open_store(tmp_path)
    bench = CounterBench(journal, TILL)
    await bench.shell.start()
    await stands_in(bench)
    yield bench
    await journal.close()


@pytest.fixture
def server(bench: CounterBench) -> Asked:
    bench.shell.server = server = Asked(bench)
    return server


async def stands_in(bench: CounterBench, cents: int = 9_999) -> None:
    await bench.shell.apply_lists(replace(bench.shell.lists, rules=LimitRules(stand_in=Cents(cents))))


def code_at(bench: CounterBench, age_ms: int = 0, card: CardId = TOKEN) -> str:
    """What the server made so long before the terminal's clock."""
    return make_pay_code(card, UtcMs(NOON + bench.at_ms + bench.ahead_ms - age_ms), SERVER)


async def sells(bench: CounterBench, code: str) -> View:
    await rings(bench)
    return await bench.types(code)


async def goes_on(bench: CounterBench) -> None:
    await bench.types("cancel")
    bench.at_ms += 20_000


async def test_a_code_is_asked_about_and_its_proof_is_in_every_entry(bench: CounterBench, server: Asked) -> None:
    text = code_at(bench)
    shown = read_pay_code(text)
    assert shown is not None
    await sells(bench, text)
    assert isinstance(bench.shell.desk.phase, Approving) and not server.uids
    assert server.proofs == [body_of(bench).proof] == [shown.proof] and bench.handed_over == 0
    await server.answers()
    assert bench.kinds()[-1] is Kind.SALE_SETTLED and bench.handed_over == 1
    assert body_of(bench).proof == shown.proof and body_of(bench).approval
    assert bench.shell.desk.present is None, "nothing lies on the reader"


async def test_without_the_server_a_code_is_sold_to_within_the_limit(bench: CounterBench, server: Asked) -> None:
    server.is_up = False
    await stands_in(bench, 2_500)
    for sold in (1, 2, 2):
        await sells(bench, code_at(bench))
        assert bench.handed_over == sold
        await goes_on(bench)
    assert bench.kinds()[-1] is Kind.SALE_VOIDED and not server.sales


async def test_a_code_is_taken_once_also_after_a_start(bench: CounterBench, server: Asked) -> None:
    server.is_up = False
    code, older = code_at(bench), code_at(bench, SECOND)
    await sells(bench, code)
    assert bench.handed_over == 1
    bench.at_ms += 11_000
    await bench.types("cancel")
    for again in (code, older):
        view = await sells(bench, again)
        assert view.lines == (SENTENCES["refused.replayed"],) and bench.handed_over == 1
        await bench.types("cancel")
    started = CounterBench(bench.journal, TILL)
    started.at_ms = bench.at_ms
    await started.shell.start()
    await stands_in(started)
    await started.types("cancel")
    view = await sells(started, code)
    if view.phase == "paid_earlier":  # it paid just before the start
        await started.types("cancel")
        view = await started.types(code)
    assert view.lines == (SENTENCES["refused.replayed"],) and started.handed_over == 0
    assert Kind.SALE_PREPARED not in started.kinds()
    started.at_ms += 60_000
    await started.till.tick()
    refused = started.entries[-1].entry.body
    assert isinstance(refused, SaleRefused) and (refused.reason, refused.card) == (Refusal.REPLAYED, TOKEN)
    assert from_snapshot(snapshot_of(started.shell.derived)) == started.shell.derived


@pytest.mark.parametrize(
    ("age_ms", "clock", "refused"),
    [
        (VALID_MS, ClockSource.SERVER, ""),
        (AGED, ClockSource.SERVER, "code_expired"),
        (AGED, ClockSource.RTC, "code_expired"),
        (-AHEAD_MS, ClockSource.NTP, ""),
        (-AHEAD_MS - SECOND, ClockSource.NTP, "clock_unsure"),
        (0, ClockSource.NONE, "clock_unsure"),
    ],
)
async def test_a_code_is_taken_for_a_minute_by_a_clock_that_can_be_believed(
    bench: CounterBench, server: Asked, age_ms: int, clock: ClockSource, refused: str
) -> None:
    bench.clock = clock
    view = await sells(bench, code_at(bench, age_ms))
    assert isinstance(bench.shell.desk.phase, Approving) == (not refused)
    if refused:
        assert (view.lines, view.advice) == ((SENTENCES[f"refused.{refused}"],), SENTENCES[f"advice.{refused}"])
        assert not server.sales and bench.kinds() == [Kind.BOOTED]


async def test_a_clock_that_was_set_back_makes_no_code_new(bench: CounterBench, server: Asked) -> None:
    """Time has passed by the server's own word; the code was young when it was made."""
    code = code_at(bench)
    bench.at_ms += AGED
    bench.ahead_ms, bench.clock = -AGED, ClockSource.RTC
    view = await sells(bench, code)
    assert view.lines == (SENTENCES["refused.clock_unsure"],) and not server.sales
    bench.ahead_ms = -AHEAD_MS
    await bench.types("cancel")
    view = await sells(bench, code)
    assert view.lines == (SENTENCES["refused.code_expired"],)


async def test_a_code_that_the_server_did_not_sign_is_refused_and_nobody_is_asked(
    bench: CounterBench, server: Asked
) -> None:
    view = await sells(bench, make_pay_code(TOKEN, NOON, LOAD_KEY))
    assert view.lines == (SENTENCES["refused.not_genuine"],) and not server.sales and not server.uids
    view = await bench.types(code_at(bench))
    assert isinstance(bench.shell.desk.phase, Approving), "the phone's own code still pays"


async def test_a_scan_at_another_moment_changes_nothing(bench: CounterBench, server: Asked) -> None:
    assert await bench.answer(code_at(bench)) == SENTENCES["said.not_now"]
    await rings(bench)
    await bench.taps(tag())
    asked, lies_there = bench.shell.desk.phase, bench.shell.desk.present
    assert isinstance(asked, Approving) and lies_there is not None
    assert await bench.answer(code_at(bench)) == SENTENCES["said.not_now"]
    assert (bench.shell.desk.phase, bench.shell.desk.present) == (asked, lies_there)


async def test_a_second_code_of_the_same_phone_is_charged_again_only_if_the_cashier_says_so(
    bench: CounterBench, server: Asked
) -> None:
    await sells(bench, code_at(bench))
    await server.answers()
    await bench.types("cancel")
    bench.at_ms += 2_000
    view = await sells(bench, code_at(bench))
    assert view.phase == "repeat_asked"
    await bench.types("confirm", code_at(bench))
    assert isinstance(bench.shell.desk.phase, Approving)


def test_what_is_scanned_badly_is_said_so() -> None:
    code = make_pay_code(TOKEN, NOON, SERVER)
    assert read_command(code.lower()) == read_command(f"  {code} ") == read_command(code)
    for bad in (code[:-1], code[:60] + " " + code[60:], code.title(), "fanka", "FANKA 1"):
        assert read_command(bad) == Mistake("mistake.code", {})
