"""A spare has no place until it gets one; whose place it takes gets no certificate any more; rights take two people."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from protocol.entries import CashSale, Kind, Reason
from protocol.ids import TerminalId
from protocol.instants import UtcMs
from protocol.money import Cents
from protocol.site_files import ConfigFile, Place
from server.enrolment.admission import admitted, revoked
from server.ingest.waiting import A_SPARE
from tests.server.machines import Machine
from tests.server.office import Desk, open_desk
from tests.server.test_cards import enrol, send
from tests.server.world import MERCHANT, SITE, Till

PLACE = {"instead_of": "till-1"}


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        await desk.put("/terminals/till-1", {"site": SITE, "merchant": MERCHANT, "title": "left"})
        await desk.put("/terminals/spare-1", {"site": SITE, "spare": True})
        yield desk


async def enrolled(desk: Desk, tid: str, number: int) -> Machine:
    machine = Machine(desk, number, tid)
    await machine.begin((await desk.post(f"/terminals/{tid}/claims", expect=201))["code"])
    await machine.prove()
    (waiting,) = await desk.get("/enrolments")
    await desk.post(f"/enrolments/{waiting['number']}/approve", {"words": machine.words})
    return machine


async def places(desk: Desk) -> list[Any]:
    await desk.house.policy.publication(SITE, even_if_same=True)
    config = await desk.get(f"/sites/{SITE}/lists/config/body")
    return [(place["tid"], place["merchant"], place["since"]) for place in config.get("places", [])]


async def test_a_spare_takes_a_place_and_whoever_had_it_is_out(desk: Desk) -> None:
    till, _ = await enrolled(desk, "till-1", 1), await enrolled(desk, "spare-1", 2)
    await desk.put(f"/sites/{SITE}/config", {"config": {"repeat_ms": 5_000}})
    assert await places(desk) == []
    placed = await desk.post("/terminals/spare-1/place", PLACE, who="tom")
    assert (placed["merchant"], placed["title"], placed["spare"]) == (MERCHANT, "left", False)
    assert placed["placed_at"] == desk.clock()
    assert await places(desk) == [("spare-1", MERCHANT, desk.clock())]
    async with desk.house.database.reading() as connection:
        assert set(await admitted(connection)) == {"spare-1"} and len(await revoked(connection, desk.clock())) == 1
    assert (await till.renew(403))["code"] == "not_in_good_standing"
    key = {"journal_key": Till(7).grant.key}
    assert (await desk.post("/terminals/till-1/epochs", key, expect=409))["code"] == "replaced"
    await desk.put(f"/sites/{SITE}/config", {"config": {"repeat_ms": 6_000}})
    assert await places(desk) == [("spare-1", MERCHANT, desk.clock())], "the desk's settings leave places alone"
    await desk.put(f"/sites/{SITE}/config", {"config": {"places": []}}, expect=422)


async def test_a_repaired_till_becomes_the_next_spare(desk: Desk) -> None:
    await enrolled(desk, "till-1", 1)
    await enrolled(desk, "spare-1", 2)
    await desk.post("/terminals/spare-1/place", PLACE)
    await desk.put("/terminals/till-1", {"site": SITE, "spare": True})
    assert (await desk.get("/terminals/till-1"))["replaced_by"] == ""
    await enrolled(desk, "till-1", 3)
    await desk.post("/terminals/till-1/place", {"instead_of": "spare-1", "since": desk.clock() + 5_000})
    assert await places(desk) == [("till-1", MERCHANT, desk.clock() + 5_000)]


async def test_a_place_with_rights_takes_two_people(desk: Desk) -> None:
    await enrolled(desk, "spare-1", 2)
    station = {"site": SITE, "merchant": MERCHANT, "can_load": True}
    await desk.put("/terminals/station", station, who="tom", expect=202)
    await desk.put("/terminals/station", station, who="bob")
    place = {"instead_of": "station"}
    await desk.post("/terminals/spare-1/place", place, who="tom", expect=202)
    assert (await desk.get("/terminals/spare-1"))["spare"] is True
    assert (await desk.post("/terminals/spare-1/place", place, who="bob"))["can_load"] is True


async def test_who_may_and_what_is_no_spare_or_no_place(desk: Desk) -> None:
    await desk.post("/terminals/spare-1/place", PLACE, who="cleo", expect=403)
    told = await desk.post("/terminals/spare-1/place", PLACE, expect=409)
    assert told["code"] == "no_spare", "nobody is enrolled under that name"
    await enrolled(desk, "spare-1", 2)
    await desk.put("/terminals/spare-2", {"site": SITE, "spare": True})
    await desk.put("/terminals/far", {"site": "south-campus", "merchant": MERCHANT})
    for path, instead_of, code in (
        ("till-1", "spare-1", "no_spare"),
        ("spare-1", "spare-2", "no_place"),
        ("spare-1", "spare-1", "no_place"),
        ("spare-1", "far", "other_site"),
    ):
        answer = await desk.post(f"/terminals/{path}/place", {"instead_of": instead_of}, expect=409)
        assert answer["code"] == code
    await desk.post("/terminals/spare-1/place", {"instead_of": "nobody"}, expect=404)
    await desk.post("/terminals/spare-1/place", PLACE, who="bob", expect=403)
    await desk.post("/terminals/spare-1/place", PLACE)
    await desk.put("/terminals/till-2", {"site": SITE, "spare": True})
    await enrolled(desk, "till-2", 3)
    assert (await desk.post("/terminals/till-2/place", PLACE, expect=409))["code"] == "replaced"
    for wrong in ({"merchant": MERCHANT}, {"can_load": True}, {"can_issue": True}):
        answer = await desk.put("/terminals/till-2", {"site": SITE, "spare": True, **wrong}, expect=422)
        assert answer["code"] == "spare_without_place"
    await desk.post("/terminals/till-2/revoke")
    answer = await desk.post("/terminals/till-2/place", {"instead_of": "spare-1"}, expect=409)
    assert answer["code"] == "key_shut_out"


async def test_what_a_spare_tells_of_sales_waits_for_two_people(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till)
    await desk.put(f"/terminals/{till.tid}", {"site": SITE, "spare": True})
    till.append(Kind.DRAWER_OPENED, Reason("change"))
    till.append(Kind.CASH_SALE, CashSale(MERCHANT, Cents(70)))
    await send(desk, till)
    (waiting,) = await desk.get(f"/terminals/{till.tid}/parked")
    assert waiting["why"] == A_SPARE


def test_a_place_holds_from_its_instant_on() -> None:
    tid = TerminalId("spare-1")
    config = ConfigFile(places=(Place(tid, MERCHANT, UtcMs(5)),))
    assert [config.merchant_of(tid, now) for now in (4, 5, 6)] == ["", MERCHANT, MERCHANT]
    assert config.merchant_of(TerminalId("till-1"), 6) == ""
    with pytest.raises(ValueError, match="twice"):
        ConfigFile(places=config.places * 2)
