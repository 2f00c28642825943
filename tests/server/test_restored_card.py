"""A card whose purse cannot be read any more gets its money back: till, server and card office in one story."""

from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from hardware.ports import Signal
from hardware.simulated.classic_card import VirtualClassic, blank_classic
from protocol.ids import TerminalId
from protocol.journal import Sealed
from protocol.messages import Grant, read_signed
from protocol.policy import LoadsFile, load_text, loads_by_card
from protocol.signing import SigningKey, to_base64url
from terminal.identity import Identity
from terminal.texts.en import SENTENCES
from tests.hardware.card_bench import OFFICE, UID
from tests.server.office import Desk, open_desk
from tests.server.world import SITE
from tests.terminal.counter import CounterBench
from tests.terminal.journals import TRUST, begun, settings_in

TID = "office-1"
KEY = SigningKey(bytes(31) + b"\x07")
MARKS = (10, 14)


async def granted(desk: Desk) -> tuple[Grant, bytes]:
    """An office terminal of the server's, with every right."""
    rights = {"site": SITE, "can_load": True, "can_issue": True}
    await desk.put(f"/terminals/{TID}", rights, who="bob", expect=202)
    await desk.put(f"/terminals/{TID}", rights)
    ask = f"/terminals/{TID}/epochs", {"journal_key": to_base64url(KEY.public.raw)}
    await desk.post(*ask, who="bob", expect=202)
    jws = (await desk.post(*ask))["grant"].encode()
    grant = read_signed(jws)
    assert isinstance(grant, Grant)
    return grant, jws


async def reported(desk: Desk, bench: CounterBench, sent: list[Sealed]) -> None:
    """What the terminal has written reaches the server, and the server's loads reach the terminal."""
    bench.at_ms += 60_000
    await bench.till.tick()
    lines = [sealed.jws for sealed in bench.entries[len(sent) :]]
    if lines:
        assert await desk.house.ingest.take_lines(TerminalId(TID), lines) is not None
    sent[:] = bench.entries
    await desk.house.cards.run()
    records = tuple(load_text(raw) for _, raw in await desk.house.cards.sign_loads())
    bench.shell.lists = replace(bench.shell.lists, loads=loads_by_card(LoadsFile(records)))


async def made(bench: CounterBench, card: VirtualClassic, generation: int) -> None:
    """The office makes the plastic the card's, and puts on it what the server says."""
    await bench.types(f"replace 1 {generation} student")
    shown = await bench.taps(card)
    assert shown.phase == "office_done", shown
    assert (await bench.types("load")).phase == "done"
    await bench.takes_off()


def ruined(card: VirtualClassic) -> None:
    """Both slots have lost their marks for good."""
    state = card.snapshot()
    for block in MARKS:
        state.blocks[block] = bytes(16)
    card.restore(state)


@pytest.mark.parametrize("uid", [UID, UID[:4]])
async def test_a_card_without_a_valid_purse_gets_the_ledgers_figure(tmp_path: Path, uid: bytes) -> None:
    """10.00 loaded, 1.50 spent, both slots lost: the very same plastic has 8.50 again, and the books balance."""
    card, sent = VirtualClassic(blank_classic(uid)), list[Sealed]()
    async with AsyncExitStack() as stack:
        desk = await stack.enter_async_context(open_desk(tmp_path / "server"))
        grant, jws = await granted(desk)
        identity = Identity(grant, jws, KEY, TRUST)
        (tmp_path / "terminal").mkdir()
        journal = await begun(settings_in(tmp_path / "terminal"), identity)
        stack.push_async_callback(journal.close)
        bench = CounterBench(journal, OFFICE, grant=grant, load_key=desk.house.keys.load.public)
        await bench.shell.start()

        await desk.post("/cards", {}, expect=201)
        await desk.post("/cards/1/loads", {"id": "first-load", "cents": 1_000})
        await reported(desk, bench, sent)
        await made(bench, card, 1)
        await bench.types("ring 1.50", "pay")
        assert (await bench.taps(card)).phase == "done"
        await bench.takes_off()

        await reported(desk, bench, sent)
        ruined(card)
        await bench.types("ring 1.50", "pay")
        assert SENTENCES["refused.purse_unreadable"] in str(await bench.taps(card))
        assert bench.indicator.signals[-1] is Signal.REFUSED
        await bench.types("cancel")
        await bench.takes_off()
        await reported(desk, bench, sent)
        (case,) = await desk.get("/cases")
        assert (case["cls"], case["card"]) == ("purse_unreadable", 1)

        view = await desk.post("/cards/1/replace")
        assert (view["plastics"][0]["main_cents"], view["plastics"][1]["loaded_total_cents"]) == (850, 0), "not yet"
        bench.at_ms += 7_200_000
        desk.clock.pass_ms(7_200_000)
        await bench.types("ring 1.50", "pay")
        await bench.taps(card)
        await bench.types("cancel")
        await bench.takes_off()
        await reported(desk, bench, sent)
        await reported(desk, bench, sent)
        await made(bench, card, 2)
        await bench.types("ring 1.50", "pay")
        shown = await bench.taps(card)
        assert shown.phase == "done" and "7.00" in str(shown)
        await reported(desk, bench, sent)
        view = await desk.get("/cards/1")
        assert [one["main_cents"] for one in view["plastics"]] == [0, 700]
        assert view["pending_cents"] == 0
