"""Decisions of two people at the desk: both mean the very same thing, and a yes counts only for what is done."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace as with_members
from sqlalchemy import select

from protocol.entries import CashSale, Kind, Reason
from protocol.ids import Seq
from protocol.instants import HOUR_MS
from protocol.money import Cents
from protocol.signing import to_base64url
from server import act_tables, tables
from server.auth.rules import PROPOSAL_HOLDS_MS
from server.upkeep.service import Place, Upkeep
from tests.server.desk import rows_of
from tests.server.office import Desk, open_desk
from tests.server.test_cards import enrol, send
from tests.server.world import MERCHANT, SITE, Till, plastic, sale_of

PROPOSALS = select(act_tables.proposal.c.action, act_tables.proposal.c.by)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        yield desk


async def withdraw(desk: Desk, action: str, subject: str, who: str, status: int = 204) -> None:
    headers = {"Authorization": f"Bearer {who}-token"}
    form = {"action": action, "subject": subject}
    answer = await desk.client.post("/api/1/proposals/withdraw", json=form, headers=headers)
    assert answer.status_code == status, answer.text


async def gap(desk: Desk, requests: int) -> Till:
    """A till whose first six entries are missing, asked for so often."""
    till = Till(2)
    await enrol(desk, till)
    for _ in range(9):
        till.append(Kind.DRAWER_OPENED, Reason("x"))
    for _ in range(requests):
        desk.clock.pass_ms(10_000)
        await desk.house.ingest.take_lines(till.tid, till.lines[6:])
    return till


async def test_a_hole_that_changed_is_proposed_anew(desk: Desk) -> None:
    till = await gap(desk, 2)
    url = f"/holes/{till.tno}/1/book"
    await desk.post(url, expect=202)
    desk.clock.pass_ms(10_000)
    await desk.house.ingest.take_lines(till.tid, till.lines[2:4])
    ((last,),) = await rows_of(desk.house.database, select(tables.hole.c.last))
    assert last == 2
    assert (await desk.post(url, who="bob", expect=202))["by"] == "bob"
    assert (await desk.post(url))["last"] == 2
    assert await rows_of(desk.house.database, PROPOSALS) == []


async def test_what_fails_leaves_the_proposal(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    till = await gap(desk, 1)
    refused = await desk.post(f"/holes/{till.tno}/1/book", expect=409)
    assert refused["code"] == "not_offered", "there is nothing to agree on yet"
    for action in ("accept-quarantined", "declare-lost"):
        await desk.post(f"/terminals/{till.tid}/{action}", expect=202)
    proposed = [("accept-quarantined", "ann"), ("declare-lost", "ann")]
    with monkeypatch.context() as broken:
        for step in ("_post_parked", "_give_up"):
            broken.setattr(desk.house.upkeep, step, None)
        for action, _ in proposed:
            answer = await desk.client.post(
                f"/api/1/terminals/{till.tid}/{action}", headers={"Authorization": "Bearer bob-token"}
            )
            assert answer.status_code == 500
    assert sorted(await rows_of(desk.house.database, PROPOSALS)) == proposed
    for action, _ in proposed:
        await desk.post(f"/terminals/{till.tid}/{action}", who="bob")
    assert await rows_of(desk.house.database, PROPOSALS) == []


@pytest.mark.parametrize("right", ["can_load", "can_issue"])
async def test_a_technician_alone_gives_no_terminal_a_right(desk: Desk, right: str) -> None:
    """With a key of his own he would make money for a card of his."""
    path, form = "/terminals/till-01", {"site": SITE, "title": "left"}
    await desk.put(path, form, who="tom")
    wanted = {**form, right: True}
    assert (await desk.put(path, wanted, who="tom", expect=202))["proposed"] == "put-terminal"
    await desk.put(path, wanted, who="tom", expect=202)
    assert not (await desk.get(path))[right]
    changed = {**wanted, "merchant": "elsewhere"}
    assert (await desk.put(path, changed, who="bob", expect=409))["code"] == "other_proposed"
    await withdraw(desk, "put-terminal", "till-01", who="bob")
    await desk.put(path, changed, who="bob", expect=202)
    await desk.put(path, changed, who="tom", expect=403)
    assert not (await desk.get(path))[right], "who confirms it must be one who decides"
    assert (await desk.put(path, changed))[right]
    assert (await desk.put(path, {**changed, "title": "right"}, who="tom"))["title"] == "right"
    await desk.put(path, changed, who="bob", expect=403)
    await desk.put(path, form, who="tom")
    await desk.put(path, wanted, who="tom", expect=202)


async def test_a_right_is_given_to_one_key(desk: Desk) -> None:
    """A technician lets his own key have the terminal while the second person thinks about it."""
    wanted = {"site": SITE, "title": "left", "can_load": True}
    await enrol(desk, Till(1))
    await desk.put("/terminals/till-01", wanted, expect=202)
    await desk.post("/terminals/till-01/epochs", {"journal_key": to_base64url(bytes(31) + b"k")}, who="tom")
    await desk.put("/terminals/till-01", wanted, who="bob", expect=202)
    assert not (await desk.get("/terminals/till-01"))["can_load"]
    assert (await desk.put("/terminals/till-01", wanted))["can_load"]


@pytest.mark.parametrize("action", ["accept-quarantined", "reinstate"])
async def test_both_accept_the_same_entries(desk: Desk, action: str) -> None:
    """A thief waits until somebody has looked at his 40 cents, and then sends the rest."""
    till = Till(1)
    await enrol(desk, till)
    await desk.post(f"/terminals/{till.tid}/revoke")
    till.append(Kind.CASH_SALE, CashSale(MERCHANT, Cents(40)))
    await send(desk, till)
    path = f"/terminals/{till.tid}/{action}"
    await desk.post(path, expect=202)
    till.append(Kind.CASH_SALE, CashSale(MERCHANT, Cents(99_999)))
    await send(desk, till, 1)
    assert (await desk.post(path, who="bob", expect=202))["by"] == "bob"
    assert not (await desk.get("/ledger/trial-balance"))["cents_by_kind"].get("merchant")
    assert (await desk.get(f"/terminals/{till.tid}"))["epochs"][0]["status"] == "revoked"
    assert (await desk.post(path))["count"] == 2


async def test_what_comes_in_during_the_decision_waits_for_the_next(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    till = Till(1)
    await enrol(desk, till)
    await desk.post(f"/terminals/{till.tid}/revoke")
    till.append(Kind.CASH_SALE, CashSale(MERCHANT, Cents(40)))
    await send(desk, till)
    await desk.post(f"/terminals/{till.tid}/accept-quarantined", expect=202)
    release = Upkeep.release

    async def late(upkeep: Upkeep, places: Sequence[Place]) -> int:
        till.append(Kind.CASH_SALE, CashSale(MERCHANT, Cents(99_999)))
        await send(desk, till, 1)
        return await release(upkeep, places)

    monkeypatch.setattr(Upkeep, "release", late)
    assert (await desk.post(f"/terminals/{till.tid}/accept-quarantined", who="bob"))["count"] == 1
    (parked,) = await desk.get(f"/terminals/{till.tid}/parked")
    assert parked["seq"] == 2


async def test_the_trail_says_done_of_nothing_that_failed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    till = Till(1)
    await enrol(desk, till)
    await desk.post(f"/terminals/{till.tid}/revoke")
    await desk.post(f"/terminals/{till.tid}/reinstate", expect=202)
    monkeypatch.setattr(Upkeep, "reinstate", None)
    await desk.client.post(f"/api/1/terminals/{till.tid}/reinstate", headers={"Authorization": "Bearer bob-token"})
    (newest, *_) = await desk.get("/trail", who="uma")
    assert (newest["operator"], newest["outcome"], newest["proposed_by"]) == ("bob", "confirmed", "ann")


async def test_a_lost_terminal_stays_lost_and_its_late_steps_are_given_up(desk: Desk) -> None:
    """A technician alone cannot take back what two people decided; a late prepared sale does not stay open for ever."""
    till = Till(1)
    await enrol(desk, till)
    no = (await desk.post("/cards", {}, expect=201))["numbers"][0]
    body = sale_of(plastic(no), 500)
    till.append(Kind.DRAWER_OPENED, Reason("x"))
    await send(desk, till)
    for who, status in (("ann", 202), ("bob", 200)):
        await desk.post(f"/terminals/{till.tid}/declare-lost", who=who, expect=status)
    assert (await desk.post(f"/terminals/{till.tid}/reinstate", expect=409))["code"] == "not_revoked"
    assert (await desk.get(f"/terminals/{till.tid}"))["epochs"][0]["status"] == "lost"
    settled = till.append(Kind.SALE_PREPARED, body).seq
    await send(desk, till, 1)
    assert (await desk.house.upkeep.run())["steps_given_up"] == 0, "its outcome may be in the next batch"
    till.append(Kind.SALE_VOIDED, with_members(body, prepared=settled))
    till.append(Kind.SALE_PREPARED, body)
    await send(desk, till, 2)
    desk.clock.pass_ms(HOUR_MS)
    assert (await desk.house.upkeep.run())["steps_given_up"] == 1
    assert (await desk.house.upkeep.run())["steps_given_up"] == 0
    lost = select(tables.step.c.stage, tables.step.c.lost).order_by(tables.step.c.seq)
    assert await rows_of(desk.house.database, lost) == [("voided", False), ("prepared", True)]


@pytest.mark.parametrize(("path", "more"), [("loads", {}), ("subsidies", {"period": 3})])
async def test_much_money_for_one_card_takes_two_people(desk: Desk, path: str, more: dict[str, int]) -> None:
    """One clerk and a friend's card would else be any amount of the campus' money."""
    (no,) = (await desk.post("/cards", {"count": 1}, expect=201))["numbers"]
    alone: dict[str, Any] = {"id": "up-to-it", "cents": desk.house.settings.money.load_alone_cents_max, **more}
    above = {**alone, "id": "above-it", "cents": alone["cents"] + 1}
    pending = "pending_subsidy_cents" if more else "pending_cents"
    url = f"/cards/{no}/{path}"
    assert (await desk.post(url, alone, who="cleo"))[pending] == alone["cents"]
    assert (await desk.post(url, above, who="cleo", expect=202))["subject"] == "above-it"
    assert (await desk.post(url, above, who="cleo", expect=202))["by"] == "cleo"
    other = {**above, "cents": above["cents"] + 1}
    (neighbour,) = (await desk.post("/cards", {"count": 1}, expect=201))["numbers"]
    little = {**above, "cents": 1}
    for at, form in (
        (url, other),
        (url, little),
        (f"/cards/{neighbour}/{path}", above),
        (f"/cards/{neighbour}/{path}", little),
    ):
        refused = await desk.post(at, form, who="bob", expect=409)
        assert refused["code"] == "other_proposed", "or what waits could never be confirmed under its id"
    (waits,) = await desk.get("/proposals")
    assert (waits["by"], waits["asked"]["card"], waits["asked"]["cents"]) == ("cleo", no, above["cents"])
    assert waits["found"] == {"person": None}
    await withdraw(desk, waits["action"], waits["subject"], who="cleo")
    await desk.post(url, other, who="bob", expect=202)
    assert (await desk.get(f"/cards/{no}"))[pending] == alone["cents"], "nobody has agreed to the same yet"
    for _ in range(2):
        done = await desk.post(url, other, who="cleo")
        assert done[pending] == alone["cents"] + other["cents"], "once, however often it is sent"
    assert (await desk.post(url, above, who="bob", expect=409))["code"] == "request_id_used"
    assert await rows_of(desk.house.database, PROPOSALS) == []


CORRECTION: dict[str, Any] = {
    "id": "found-0001",
    "legs": [{"kind": "operator_loss", "cents": 50}, {"kind": "vault", "cents": -50}],
    "reason": "under the drawer",
    "evidence": "note by Wang",
}


async def test_who_confirms_sees_what_of_whom_and_why(desk: Desk) -> None:
    await desk.post("/ledger/corrections", CORRECTION, expect=202)
    (waits,) = await desk.get("/proposals", who="eve")
    assert (waits["action"], waits["subject"], waits["by"]) == ("book", "correction:found-0001", "ann")
    assert (waits["at"], waits["ends_at"]) == (desk.clock(), desk.clock() + PROPOSAL_HOLDS_MS)
    legs = [{"kind": "operator_loss", "owner": "", "cents": 50}, {"kind": "vault", "owner": "", "cents": -50}]
    why = {"reason": "under the drawer", "evidence": "note by Wang"}
    assert waits["asked"] == {"name": "correction", "owner": "", "cents": 50, "legs": legs, **why}
    await desk.post("/ledger/corrections", CORRECTION, who="bob")
    undo = {"cause": "correction:found-0001", **why}
    await desk.post("/ledger/reversals", undo, expect=202)
    (waits,) = await desk.get("/proposals")
    assert waits["asked"] == {"name": "reversal", "cents": 50, **why}
    assert [(leg["kind"], leg["cents"]) for leg in waits["found"]["legs"]] == [("operator_loss", -50), ("vault", 50)]


async def test_another_body_never_takes_a_proposal_s_place(desk: Desk) -> None:
    """A second person who confirms from memory would propose anew and think it done; the first one's would be gone."""
    other = {**CORRECTION, "evidence": "none"}
    await desk.post("/ledger/corrections", CORRECTION, expect=202)
    for who in ("bob", "ann"):
        refused = await desk.post("/ledger/corrections", other, who=who, expect=409)
        assert refused["code"] == "other_proposed" and refused["detail"].startswith("ann proposed something else")
    desk.clock.pass_ms(1_000)
    assert (await desk.post("/ledger/corrections", CORRECTION, expect=202))["by"] == "ann"
    (waits,) = await desk.get("/proposals")
    assert waits["at"] == desk.clock() - 1_000, "said again, nothing has changed"
    (repeated, *_) = await desk.get("/trail", who="uma")
    assert repeated["outcome"] == "repeated"
    assert await desk.post("/ledger/corrections", CORRECTION, who="bob") == {"cause": "correction:found-0001"}


async def test_a_proposal_is_withdrawn_by_its_proposer_or_who_decides(desk: Desk) -> None:
    subject = "correction:found-0001"
    for who, status in (("bob", 204), ("ann", 204)):
        await desk.post("/ledger/corrections", CORRECTION, who="bob", expect=202)
        await withdraw(desk, "book", subject, "tom", 403)
        await withdraw(desk, "book", subject, who, status)
        await withdraw(desk, "book", subject, who, 404)
        assert await desk.get("/proposals") == []
    (row, *_) = await desk.get("/trail", who="uma")
    assert (row["action"], row["subject"], row["operator"]) == ("withdraw_proposal", f"book {subject}", "ann")


async def test_what_nobody_has_confirmed_in_time_is_listed_no_more(desk: Desk) -> None:
    await desk.post("/ledger/corrections", CORRECTION, expect=202)
    desk.clock.pass_ms(PROPOSAL_HOLDS_MS + 1)
    assert await desk.get("/proposals") == []
    assert (await desk.post("/ledger/corrections", {**CORRECTION, "evidence": "x"}, who="bob", expect=202))[
        "by"
    ] == "bob"


async def test_a_proposal_of_another_version_gives_way(desk: Desk) -> None:
    """Nobody can be shown what it means, so nobody confirms it either."""
    async with desk.house.database.writing() as connection:
        old = {"action": "book", "subject": "correction:found-0001", "body": '["vault=-50"]', "by": "bob", "at": 1}
        await connection.execute(act_tables.proposal.insert().values({**old, "at": desk.clock()}))
    (waits,) = await desk.get("/proposals")
    assert (waits["asked"], waits["found"]) == ({}, None)
    assert (await desk.post("/ledger/corrections", CORRECTION, expect=202))["by"] == "ann"


async def test_what_is_kept_aside_shows_the_money_that_two_people_let_through(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till)
    await desk.put("/people/s-1", {"name": "王丽", "card_class": 1})
    (no,) = (await desk.post("/cards", {"count": 1, "person": "s-1"}, expect=201))["numbers"]
    await desk.post(f"/terminals/{till.tid}/revoke")
    body = sale_of(plastic(no), 250)
    till.append(Kind.SALE_PREPARED, body)
    till.append(Kind.SALE_SETTLED, with_members(body, prepared=Seq(1)))
    till.append(Kind.CASH_SALE, CashSale(MERCHANT, Cents(40)))
    till.append(Kind.DRAWER_OPENED, Reason("change"))
    await send(desk, till)
    _, sold, cash, opened = await desk.get(f"/terminals/{till.tid}/parked")
    assert (sold["cents"], sold["card"], sold["person"], sold["merchant"]) == (250, no, "s-1", MERCHANT)
    assert (sold["tells"]["card"]["no"], sold["tells"]["amount"]) == (no, 250)
    assert (cash["cents"], cash["card"], cash["person"], cash["merchant"]) == (40, None, None, MERCHANT)
    assert (opened["cents"], opened["tells"], opened["suspended"]) == (None, {"reason": "change"}, [])


async def test_money_in_suspense_is_shown_with_the_entry_that_waits(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till)
    body = sale_of(plastic(9), 250)
    till.append(Kind.SALE_PREPARED, body)
    till.append(Kind.SALE_SETTLED, with_members(body, prepared=Seq(1)))
    await send(desk, till)
    *_, sold = await desk.get(f"/terminals/{till.tid}/parked")
    assert sold["why"] == "unknown card" and sum(leg["cents"] for leg in sold["suspended"]) == 0
    assert {(leg["kind"], leg["cents"]) for leg in sold["suspended"]} == {("suspense", -250), ("merchant", 250)}
