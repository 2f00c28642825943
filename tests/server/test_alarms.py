"""Alarms: raised with their cause, once for each thing, acknowledged by somebody, over when it is over."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from protocol.entries import CashSale, Kind, ListVersions, Reason
from protocol.ids import Epoch, Seq, TerminalId
from protocol.instants import DAY_MS, HOUR_MS, MINUTE_MS, ClockSource, UtcMs
from protocol.messages import Hello, encode_batch, encode_hello
from protocol.money import Cents
from protocol.signing import to_base64url
from protocol.state import Days, State, encode_state
from server import tables
from server.alarms.raising import TEXT_MAX
from server.alarms.rules import LASTING, SERVER, AlarmKind
from server.broker.certificates import CRL_DAYS, new_authority
from server.broker.configuration import BrokerSettings
from server.broker.process import free_port
from server.broker.site import BrokerSite
from server.config import AlarmSettings, Settings
from server.enrolment.gate import Gate
from server.ingest.alarming import BACKLOG_ENTRIES_MAX
from server.watch import NIGHT_LATE_MS, Watch
from tests.server.office import Desk, open_desk
from tests.server.test_cards import enrol, send
from tests.server.world import MERCHANT, SITE, Till, plastic, sale_of


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        yield desk


@pytest.fixture
async def till(desk: Desk) -> Till:
    till = Till(1)
    await enrol(desk, till)
    for _ in range(4):
        till.append(Kind.DRAWER_OPENED, Reason("change"))
    await send(desk, till)
    return till


async def alarms(desk: Desk, **query: str) -> list[tuple[str, str, int]]:
    """Kind, subject and count of those that are open, newest first."""
    found = await desk.get("/alarms?" + "&".join(f"{name}={value}" for name, value in query.items()))
    return [(one["kind"], one["about"], one["count"]) for one in found]


async def newest(desk: Desk) -> dict[str, Any]:
    found: dict[str, Any] = (await desk.get("/alarms?still_open=false"))[0]
    return found


async def acknowledge(desk: Desk, **more: Any) -> None:
    headers = {"Authorization": "Bearer tom-token"}
    url = f"/api/1/alarms/{(await newest(desk))['number']}/acknowledge"
    answer = await desk.client.post(url, json={"answer": "I drive there"}, headers=headers)
    assert answer.status_code == 204, answer.text


async def test_an_alarm_that_comes_again_is_the_same_until_somebody_looked(desk: Desk) -> None:
    for text in ("once", "twice"):
        desk.clock.pass_ms(1_000)
        await desk.house.alarms.happened(AlarmKind.CLOCK_OFF, SERVER, text)
    seen = await newest(desk)
    assert (seen["count"], seen["text"], seen["last_at"] - seen["first_at"]) == (2, "twice", 1_000)
    await acknowledge(desk)
    assert await alarms(desk) == []
    seen = await newest(desk)
    assert (seen["acknowledged_by"], seen["answer"]) == ("tom", "I drive there")
    again = await desk.post(f"/alarms/{seen['number']}/acknowledge", {"answer": "me too"}, expect=409)
    assert again["code"] == "acknowledged_before"
    await desk.house.alarms.happened(AlarmKind.CLOCK_OFF, SERVER, "a third time")
    assert await alarms(desk) == [("clock_off", SERVER, 1)] and len(await desk.get("/alarms?still_open=false")) == 2


async def test_who_may_look_and_who_may_acknowledge(desk: Desk) -> None:
    await desk.house.alarms.happened(AlarmKind.CLOCK_OFF, SERVER, "it jumped")
    assert len(await desk.get("/alarms", who="eve")) == 1
    for who in ("eve", "bob", "cleo", "uma"):
        await desk.post("/alarms/1/acknowledge", {"answer": "fine"}, who=who, expect=403)
    await desk.post("/alarms/9/acknowledge", {"answer": "fine"}, expect=404)
    await acknowledge(desk)
    told = (await desk.get("/trail", who="uma"))[0]
    assert (told["operator"], told["action"]) == ("tom", "acknowledge_alarm")
    assert told["subject"] == "alarms/1/clock_off/server"


async def test_one_that_lasts_stays_listed_until_it_is_over_and_somebody_looked(desk: Desk) -> None:
    wrong = {"till-1": "silent", "till-2": "silent"}
    for _ in range(3):
        await desk.house.alarms.see(AlarmKind.TERMINAL_SILENT, wrong)
    assert await alarms(desk) == [("terminal_silent", "till-2", 1), ("terminal_silent", "till-1", 1)]
    await acknowledge(desk)
    assert len(await alarms(desk)) == 2, "still silent"
    await desk.house.alarms.see(AlarmKind.TERMINAL_SILENT, {})
    assert await alarms(desk) == [("terminal_silent", "till-1", 1)], "over, and nobody has looked"
    await desk.house.alarms.see(AlarmKind.TERMINAL_SILENT, {"till-1": "again"})
    assert await alarms(desk) == [("terminal_silent", "till-1", 2)]
    await desk.house.alarms.see(AlarmKind.TERMINAL_SILENT, {})
    one = (await desk.get("/alarms"))[0]
    assert one["ended_at"] == desk.clock() and await desk.house.alarms.counts() == {"terminal_silent": 1}


async def test_alarms_are_found_by_kind(desk: Desk) -> None:
    for kind in sorted(AlarmKind):
        await desk.house.alarms.happened(kind, SERVER, "for once")
    assert await alarms(desk, kind="disk_low") == [("disk_low", SERVER, 1)]
    assert len(await alarms(desk)) == len(AlarmKind) and set(AlarmKind) > LASTING
    await desk.get("/alarms?kind=lunch", expect=422)


async def test_a_second_history_is_an_alarm_about_its_terminal(desk: Desk, till: Till) -> None:
    image = till.restored(2)
    image.append(Kind.DRAWER_OPENED, Reason("again"))
    await send(desk, image, 2)
    assert await alarms(desk) == [("chain_break", till.tid, 1)]
    await send(desk, image, 2)
    assert await alarms(desk) == [("chain_break", till.tid, 1)], "known by now"


async def test_a_hello_with_another_entry_than_the_one_held_is_an_alarm(desk: Desk, till: Till) -> None:
    """The terminal stops by itself then; somebody must come."""
    image = till.restored(3)
    image.append(Kind.DRAWER_OPENED, Reason("again"))
    for shown, expected in ((till, []), (image, [("chain_break", till.tid, 1)])):
        tip = shown.chain[-1]
        hello = Hello(till.epoch, till.tno, tip.seq, to_base64url(tip.hash))
        await desk.house.ingest.hello(till.tid, encode_hello(hello))
        assert await alarms(desk) == expected


async def test_what_a_revoked_terminal_brings_is_an_alarm_in_its_transaction(desk: Desk, till: Till) -> None:
    await desk.post(f"/terminals/{till.tid}/revoke")
    till.append(Kind.SALE_PREPARED, sale_of(plastic(9), 100))
    await send(desk, till, 4)
    assert await alarms(desk) == [("quarantine", till.tid, 1)]
    assert "entries 5 to 5" in (await newest(desk))["text"]


async def test_a_lost_terminal_that_speaks_again_is_an_alarm_and_its_entries_are_posted(desk: Desk, till: Till) -> None:
    """Its journal is welcome whenever it comes; whoever has the machine sells on, and somebody must hear of it."""
    for who, status in (("ann", 202), ("bob", 200)):
        await desk.post(f"/terminals/{till.tid}/declare-lost", who=who, expect=status)
    await send(desk, till)
    assert await alarms(desk) == [], "it has brought nothing that was not here"
    tip = till.chain[-1]
    hello = encode_hello(Hello(till.epoch, till.tno, tip.seq, to_base64url(tip.hash)))
    await desk.house.ingest.hello(till.tid, hello)
    assert await alarms(desk) == [("lost_speaks", till.tid, 1)]
    till.append(Kind.CASH_SALE, CashSale(MERCHANT, Cents(40)))
    await send(desk, till, 4)
    assert await alarms(desk) == [("lost_speaks", till.tid, 2)]
    told = (await newest(desk))["text"]
    assert told.startswith("epoch 1 was declared lost, and entries 5 to 5 of it came; its entries are posted.")
    assert f"revoke it (POST /terminals/{till.tid}/revoke" in told
    assert (await desk.get("/ledger/trial-balance"))["cents_by_kind"]["merchant"] == 40
    await desk.post(f"/terminals/{till.tid}/revoke")
    till.append(Kind.CASH_SALE, CashSale(MERCHANT, Cents(60)))
    await send(desk, till, 5)
    assert "its entries are kept aside" in (await desk.get("/alarms?kind=lost_speaks"))[0]["text"]
    assert (await desk.get("/ledger/trial-balance"))["cents_by_kind"]["merchant"] == 40


@pytest.mark.parametrize("restored", [True, False])
async def test_a_hello_of_an_epoch_that_is_not_here_is_an_alarm_with_the_way_back(
    desk: Desk, till: Till, restored: bool
) -> None:
    """A server made again from a backup that is older than a terminal cannot know it; somebody must hear which one."""
    tip = till.chain[-1]
    raw = await desk.house.ingest.take(till.tid, encode_batch(till.lines))
    assert raw is not None
    if restored:
        async with desk.house.database.writing() as connection:
            await connection.execute(update(tables.chain).values(epoch=7))
        forgotten = Hello(till.epoch, till.tno, tip.seq, to_base64url(tip.hash), raw.decode())
    else:
        forgotten = Hello(Epoch(9), till.tno, tip.seq, to_base64url(tip.hash))
    for _ in range(2):
        assert await desk.house.ingest.hello(till.tid, encode_hello(forgotten)) is None
    assert await alarms(desk) == [("terminal_unknown", till.tid, 2)]
    told = (await newest(desk))["text"]
    assert told.startswith(f"{till.tid} says hello with epoch {forgotten.epoch}, number {till.tno}, 4 entries")
    assert ("our ack for entry 4, so this server was restored" in told) is restored
    assert f"PUT /terminals/{till.tid}" in told and "POST /grants" in told and len(told) < TEXT_MAX


async def test_no_alarm_of_what_was_rolled_back(desk: Desk, till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        raise OSError("the disk is full")

    await desk.post(f"/terminals/{till.tid}/revoke")
    till.append(Kind.SALE_PREPARED, sale_of(plastic(9), 100))
    monkeypatch.setattr("server.ingest.service.server_epoch", fail)
    with pytest.raises(OSError, match="full"):
        await send(desk, till, 4)
    assert await alarms(desk) == []


@pytest.mark.parametrize("raw", [b"nonsense", encode_batch([b"a.b.c"])])
async def test_a_refused_batch_is_an_alarm(desk: Desk, till: Till, raw: bytes) -> None:
    for _ in range(2):
        assert await desk.house.ingest.take(till.tid, raw) is None
    assert await alarms(desk) == [("refused_batch", till.tid, 2)]


async def test_a_batch_that_its_key_did_not_sign_is_an_alarm(desk: Desk, till: Till) -> None:
    """It is asked for again, as the server cannot know who bent it; somebody should."""
    till.append(Kind.DRAWER_OPENED, Reason("change"))
    head, body, _ = till.lines[-1].split(b".")
    forged = b".".join((head, body, to_base64url(bytes(64)).encode()))
    assert await desk.house.ingest.take(till.tid, encode_batch([forged])) is not None
    assert await alarms(desk) == [("refused_batch", till.tid, 1)]
    assert "not signed" in (await newest(desk))["text"]


async def test_entries_of_tomorrow_are_an_alarm_about_a_clock(desk: Desk, till: Till) -> None:
    till.clock = ClockSource.RTC
    till.append(Kind.DRAWER_OPENED, Reason("change"), at=desk.clock() + DAY_MS)
    await send(desk, till, 4)
    assert await alarms(desk) == [("clock_off", till.tid, 1)]


async def test_sales_for_a_merchant_that_the_register_does_not_know_are_an_alarm(desk: Desk, till: Till) -> None:
    """A wrong word in the terminal's own settings: nobody is paid until somebody looks."""
    await desk.put(f"/terminals/{till.tid}", {"site": SITE, "merchant": "canteen-2"})
    till.append(Kind.CASH_SALE, CashSale(MERCHANT, Cents(50)))
    await send(desk, till, 4)
    assert await alarms(desk) == [("entry_waits", till.tid, 1)]
    text = (await newest(desk))["text"]
    assert "another merchant" in text and f"POST /terminals/{till.tid}/accept-quarantined" in text


async def test_a_large_backlog_is_an_alarm(desk: Desk, till: Till) -> None:
    for behind in (BACKLOG_ENTRIES_MAX - 1, BACKLOG_ENTRIES_MAX):
        await shows(desk, till, 4 + behind)
    assert await alarms(desk) == [("backlog", till.tid, 1)]
    assert "10,000 entries" in (await newest(desk))["text"]


async def shows(desk: Desk, till: Till, seq: int) -> None:
    """Say hello with so many entries."""
    tip = till.chain[seq - 1].hash if seq <= len(till.chain) else bytes(32)
    await desk.house.ingest.hello(till.tid, encode_hello(Hello(till.epoch, till.tno, Seq(seq), to_base64url(tip))))


@pytest.mark.parametrize("end", ["all of it came", "another hello"])
async def test_a_backlog_is_over_when_all_that_was_shown_is_here(
    desk: Desk, till: Till, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """The terminal need not say hello once more; after a start of the server it does, with less left."""
    monkeypatch.setattr("server.ingest.alarming.BACKLOG_ENTRIES_MAX", 3)
    await shows(desk, till, 7)
    await acknowledge(desk)
    await shows(desk, till, 6)
    for seq in (5, 6):
        assert await alarms(desk) == [("backlog", till.tid, 1)], f"entry {seq} is missing"
        till.append(Kind.DRAWER_OPENED, Reason("change"))
        if end == "all of it came" or seq == 5:
            await send(desk, till, seq - 1)
    if end == "another hello":
        await shows(desk, till, 5)
    assert await alarms(desk) == []


async def test_a_terminal_s_own_word_is_an_alarm_until_it_says_otherwise(desk: Desk, till: Till) -> None:
    async def says(alarm: str, online: int = 1) -> list[tuple[str, str, int]]:
        state = State(online, Epoch(1), ListVersions(), alarm=alarm)
        await desk.house.states.take(TerminalId(till.tid), encode_state(state))
        return await alarms(desk)

    assert await says("lists: older") == [("terminal_says", till.tid, 1)]
    assert await says("", online=0) == [("terminal_says", till.tid, 1)], "a last will takes nothing back"
    await acknowledge(desk)
    assert await says("") == []


async def test_a_terminal_that_counts_days_otherwise_is_an_alarm_until_it_does_not(desk: Desk, till: Till) -> None:
    """Nothing else would show it: its sales are in the books by their instants, and its limits end at another hour."""

    async def says(offset_min: int, day_starts_min: int, online: int = 1) -> list[tuple[str, str, int]]:
        state = State(online, Epoch(1), ListVersions(), days=Days(offset_min, day_starts_min))
        await desk.house.states.take(TerminalId(till.tid), encode_state(state))
        return await alarms(desk)

    assert await says(480, 240) == []
    assert await says(480, 0) == [("other_days", till.tid, 1)]
    assert "day_starts_min 0" in (await newest(desk))["text"]
    assert await says(480, 240, online=0) == [("other_days", till.tid, 1)], "a last will takes nothing back"
    await acknowledge(desk)
    assert await says(480, 240) == []


def watch_of(desk: Desk, site: BrokerSite | None = None, **alarm_settings: int) -> Watch:
    house = desk.house
    settings = Settings(house.settings.data, alarms=AlarmSettings(**alarm_settings))
    return Watch(settings, desk.clock, house.alarms, house.states, house.nightly, house.leases, None, site, lambda: 0)


async def test_a_terminal_that_is_not_heard_of(desk: Desk, till: Till) -> None:
    await desk.house.nightly.run_if_due()
    watch = watch_of(desk, silent_h=5, disk_free_percent=0)
    watch.mono_ms = desk.clock
    desk.clock.pass_ms(5 * HOUR_MS)
    await watch.look()
    assert await alarms(desk) == []
    desk.clock.pass_ms(1)
    await watch.look()
    assert await alarms(desk) == [("terminal_silent", till.tid, 1)]
    await desk.house.states.take(till.tid, encode_state(State(1, Epoch(1), ListVersions())))
    await watch.look()
    assert (await newest(desk))["ended_at"] == desk.clock()
    await desk.post(f"/terminals/{till.tid}/revoke")
    desk.clock.pass_ms(DAY_MS)
    assert await desk.house.states.silent(desk.clock()) == {}, "nobody waits for a revoked one"


async def test_a_night_that_was_not_done(desk: Desk) -> None:
    await desk.house.nightly.run_if_due()
    assert await desk.house.nightly.late(0) is None
    watch = watch_of(desk, disk_free_percent=0)
    watch.mono_ms = desk.clock
    desk.clock.pass_ms(17 * HOUR_MS)
    assert await desk.house.nightly.late(0) is not None
    await watch.look()
    assert await alarms(desk) == []
    desk.clock.pass_ms(NIGHT_LATE_MS)
    await watch.look()
    assert await alarms(desk) == [("night_not_done", SERVER, 1)]
    await desk.house.nightly.run_if_due()
    await watch.look()
    assert (await newest(desk))["ended_at"]


async def test_a_full_disk_and_a_clock_that_jumps(desk: Desk) -> None:
    await desk.house.nightly.run_if_due()
    watch = watch_of(desk, disk_free_percent=99)
    await watch.look()
    assert await alarms(desk) == [("disk_low", SERVER, 1)]
    watch.settings = Settings(desk.house.settings.data, alarms=AlarmSettings(disk_free_percent=0))
    desk.clock.pass_ms(MINUTE_MS)
    await watch.look()
    assert (await newest(desk))["ended_at"], "and a second of drift is no jump"
    desk.clock.pass_ms(-2 * MINUTE_MS)
    await watch.look()
    assert (await newest(desk))["text"] == "the server's clock jumped by -120 s"


async def test_revocations_that_near_their_end(desk: Desk, tmp_path: Path) -> None:
    await desk.house.nightly.run_if_due()
    site = BrokerSite(BrokerSettings(directory=tmp_path / "broker", port=free_port()), new_authority("A", desk.clock()))
    site.prepare(UtcMs(desk.clock() - (CRL_DAYS - 30) * DAY_MS - MINUTE_MS))
    watch = watch_of(desk, site, disk_free_percent=0)
    await watch.look()
    assert await alarms(desk) == [("revocations_old", SERVER, 1)]
    with pytest.raises(Exception, match="Start it with"):
        await Gate(desk.house.database, desk.house.states, site, desk.clock).look()
    await watch.look()
    assert (await newest(desk))["ended_at"]


async def test_an_alarm_is_a_line_in_the_log_too(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            await desk.house.alarms.happened(AlarmKind.CLOCK_OFF, SERVER, "it jumped")
    said = [record.getMessage() for record in caplog.records]
    assert said == ["ALARM clock_off about server: it jumped"]
