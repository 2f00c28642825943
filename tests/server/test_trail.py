"""Who did what: each change leaves one row, written with it; a route that forgets it fails here."""

import json
import re
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from protocol.entries import Kind, Reason, ShiftOpened
from protocol.ids import ShiftNo
from protocol.instants import DAY_MS
from protocol.messages import read_signed
from protocol.money import Cents
from protocol.signing import to_base64url
from server import act_tables, note
from server.act_tables import trail
from server.alarms.rules import AlarmKind
from tests.server.desk import rows_of
from tests.server.machines import Machine
from tests.server.office import TOKENS, Desk, open_desk
from tests.server.world import CAMPUS, SITE, Till

WHY = {"reason": "typed in twice", "evidence": "note 17"}
ROOT = Path(__file__).parents[2]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        yield desk


async def told(desk: Desk, query: str = "") -> list[Any]:
    found: list[Any] = await desk.get(f"/trail{query}", who="uma")
    return found


class Walk:
    """Makes requests, each of which must leave exactly one row that says so."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.seen = desk, set[str]()

    async def __call__(
        self,
        action: str,
        method: str,
        path: str,
        body: Any = None,
        *,
        raw: bytes | None = None,
        subject: str = "",
        who: str = "ann",
        outcome: str = "done",
        proposed_by: str = "",
    ) -> Any:
        content = raw if raw is not None else json.dumps(body).encode() if body is not None else b""
        kind = "application/json" if raw is None else "text/plain"
        headers = {"Authorization": f"Bearer {who}-token", "Content-Type": kind}
        before = len(await told(self.desk, "?limit=1000"))
        answer = await self.desk.client.request(method, f"/api/1/{path}", content=content, headers=headers)
        assert answer.is_success, answer.text
        rows = await told(self.desk, "?limit=1000")
        assert len(rows) == before + 1, f"{action} leaves {len(rows) - before} rows"
        assert rows[0] == {
            "number": len(rows),
            "operator": who,
            "roles": TOKENS[who][0],
            "at": self.desk.clock(),
            "action": action,
            "subject": subject or path.partition("?")[0],
            "digest": sha256(content).hexdigest(),
            "outcome": outcome,
            "proposed_by": proposed_by,
        }
        self.seen.add(action)
        return answer.json() if answer.content else None

    async def together(
        self, action: str, path: str, body: Any = None, *, subject: str = "", outcome: str = "done"
    ) -> None:
        """Two people ask for the same."""
        await self(action, "POST", path, body, subject=subject, who="ann", outcome="proposed")
        await self(action, "POST", path, body, subject=subject, who="bob", proposed_by="ann", outcome=outcome)


def changing_routes(desk: Desk) -> set[str]:
    """By the API's own description of itself; machines that enrol are no operators, and leave rows of their own."""
    paths = desk.house.app.openapi()["paths"]
    at_desks = {path: methods for path, methods in paths.items() if path.startswith("/api/1/")}
    names = [told["operationId"] for methods in paths.values() for told in methods.values()]
    assert len(set(names)) == len(names), "an action has one name"
    reading = {"get", "head", "options"}
    return {
        told["operationId"]
        for methods in at_desks.values()
        for method, told in methods.items()
        if method not in reading
    }


async def test_every_route_that_changes_something_leaves_one_row(desk: Desk) -> None:
    walk = Walk(desk)
    await walk_terminals(walk)
    await walk_cards(walk)
    await walk_money(walk)
    assert walk.seen == changing_routes(desk), "give the new route an example"


async def walk_terminals(walk: Walk) -> None:
    desk, till = walk.desk, Till(1)
    await walk("put_terminal", "PUT", "terminals/till-01", {"site": SITE})
    form = {"journal_key": to_base64url(till.key.public.raw)}
    granted = await walk("grant_epoch", "POST", "terminals/till-01/epochs", form)
    await walk("adopt_grant", "POST", "grants", {"grant": granted["grant"]})
    till.grant_jws = granted["grant"].encode()
    till.grant = read_signed(till.grant_jws)  # type: ignore[assignment]
    till.tno = till.grant.tno
    for _ in range(9):
        till.append(Kind.DRAWER_OPENED, Reason("change"))
    till.append(Kind.SHIFT_OPENED, ShiftOpened(ShiftNo(1), Cents(0)))
    for _ in range(2):
        desk.clock.pass_ms(10_000)
        await desk.house.ingest.take_lines(till.tid, till.lines[6:])
    await walk.together("book_hole", f"holes/{till.tno}/1/book")
    await walk("import_journal", "POST", "terminals/till-01/journal", raw=b"\n".join(till.lines))
    (case,) = await desk.get("/cases")
    await walk("close_case", "POST", f"cases/{case['id']}/close", {"outcome": "found in a drawer"})
    await desk.house.alarms.happened(AlarmKind.CLOCK_OFF, "server", "it jumped")
    for number, words in ((1, True), (2, False)):
        code = (await walk("claim_terminal", "POST", "terminals/till-01/claims"))["code"]
        machine = Machine(desk, number, "till-01")
        await machine.begin(code)
        await machine.prove()
        subject = f"terminals/till-01/enrolments/{number}"
        if words:
            form = {"words": machine.words}
            await walk("approve_machine", "POST", f"enrolments/{number}/approve", form, subject=subject)
        else:
            await walk("refuse_machine", "POST", f"enrolments/{number}/refuse", subject=subject)
    await walk("revoke", "POST", "terminals/till-01/revoke")
    for action in ("reinstate", "accept_quarantined"):
        await walk.together(action, f"terminals/till-01/{action.replace('_', '-')}", outcome="confirmed")
    (*_, alarm) = await desk.get("/alarms")
    subject = f"alarms/{alarm['number']}/{alarm['kind']}/{alarm['about']}"
    path = f"alarms/{alarm['number']}/acknowledge"
    await walk("acknowledge_alarm", "POST", path, {"answer": "I look after it"}, subject=subject)
    await desk.put("/terminals/till-02", {"site": SITE, "merchant": "canteen-1"})
    await desk.put("/terminals/till-03", {"site": SITE, "spare": True})
    await desk.post("/terminals/till-03/epochs", {"journal_key": to_base64url(Till(3).key.public.raw)})
    await walk("place_spare", "POST", "terminals/till-03/place", {"instead_of": "till-02"})
    await walk.together("declare_lost", "terminals/till-01/declare-lost")
    await walk.together("declare_epoch_lost", "terminals/till-01/epochs/1/declare-lost")
    count: dict[str, Any] = {"id": "count-001", "tid": till.tid, "tno": till.tno, "shift": 1, "counted": 300, **WHY}
    await walk.together("book_count", "ledger/counts", count, subject="count:count-001")


async def walk_cards(walk: Walk) -> None:
    await walk("issue_cards", "POST", "cards", {"count": 2})
    await walk("put_person", "PUT", "people/s-1", {"name": "王丽", "card_class": 1})
    await walk("bind_card", "PUT", "cards/1/holder", {"person": "s-1"})
    await walk("load_card", "POST", "cards/1/loads", {"id": "load-0001", "cents": 500})
    await walk("load_card", "POST", "cards/1/loads", {"id": "load-0001", "cents": 500}, outcome="repeated")
    await walk("subsidise_card", "POST", "cards/1/subsidies", {"id": "aid-00001", "cents": 100, "period": 1})
    for action in ("block", "unblock", "replace"):
        await walk(f"{action}_card", "POST", f"cards/1/{action}")
    await walk("issue_cards", "POST", "cards", {"technology": "token"})
    await walk("bind_token", "PUT", "tokens/04a1b2c3", {"no": 3})
    await walk("unbind_token", "DELETE", "tokens/04a1b2c3")
    await walk("bind_phone", "PUT", "phones/3")
    await walk("unbind_phone", "DELETE", "phones/3")
    await walk("close_card", "POST", "cards/2/close", {"card_cents": 0})
    await walk("put_promotions", "PUT", f"sites/{SITE}/promotions", {"promotions": []})
    await walk("put_staff", "PUT", f"sites/{SITE}/staff", {"staff": []})
    await walk("put_texts", "PUT", f"sites/{SITE}/texts", {"texts": {}})
    await walk("put_config", "PUT", f"sites/{SITE}/config", {"config": {}})
    await walk("put_prices", "PUT", f"sites/{SITE}/prices", {"products": []})
    await walk("put_limits", "PUT", f"sites/{SITE}/limits", {"rules": {}})


async def walk_money(walk: Walk) -> None:
    legs = [{"kind": "fees", "cents": -300}, {"kind": "pending", "owner": "2", "cents": 300}]
    form: dict[str, Any] = {"id": "request-1", "legs": legs, **WHY}
    await walk.together("book_correction", "ledger/corrections", form, subject="correction:request-1")
    await walk("pay_out", "POST", "cards/2/payouts", {"id": "payout-01", "cents": 300})
    form = {"id": "request-2", "name": "bank_to_vault", "cents": 600, "document": "bag 12"}
    await walk("book_movement", "POST", "ledger/movements", form, subject="movement:request-2")
    form = {"cause": "movement:request-2", **WHY}
    await walk.together("book_reversal", "ledger/reversals", form, subject="reversal:movement:request-2")
    not_wanted = {**form, "cause": "payout:payout-01"}
    await walk.desk.post("/ledger/reversals", not_wanted, who="bob", expect=202)
    waits = {"action": "book", "subject": "reversal:payout:payout-01"}
    await walk("withdraw_proposal", "POST", "proposals/withdraw", waits, subject="book reversal:payout:payout-01")
    day = CAMPUS.business_day(walk.desk.clock())
    url, form = f"days/{day}/documents/bank", {"cents": 0, "document": "statement 8"}
    await walk("put_document", "PUT", url, form)
    await walk("withdraw_document", "DELETE", url)
    walk.desk.clock.pass_ms(DAY_MS)
    await walk("close_day", "POST", f"days/{day}/close")
    walk.desk.clock.pass_ms(-DAY_MS)
    await walk("reopen_day", "POST", f"days/{day}/reopen")
    walk.desk.clock.pass_ms(DAY_MS)
    await walk("prove", "POST", f"days/{day}/proof?dry=false")


async def test_the_log_says_what_a_restored_database_would_not_know(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "server.note")
    (no,) = (await desk.post("/cards", {}, expect=201))["numbers"]
    await desk.post(f"/cards/{no}/block", who="cleo")
    await desk.post(f"/cards/{no}/block", who="eve", expect=403)
    assert [record.getMessage() for record in caplog.records if record.name == "server.note"] == [
        "ann: issue_cards cards, done",
        f"cleo: block_card cards/{no}/block, done",
        f"eve: block_card cards/{no}/block, refused",
    ]


async def test_who_has_no_right_is_written_down_too(desk: Desk) -> None:
    """Also where the service refuses, and where the trail itself was to be read."""
    form = {"id": "load-0001", "cents": 500}
    await desk.post("/cards/7/loads", form, who="tom", expect=403)
    movement = {"id": "request-1", "name": "vault_to_bank", "cents": 600, "document": "bag 12"}
    await desk.post("/ledger/movements", movement, who="cleo", expect=403)
    await desk.get("/trail", who="eve", expect=403)
    await desk.post("/cards", {}, who="uma", expect=403)
    await desk.post("/terminals/%00\N{SNOWMAN}/revoke", who="cleo", expect=403)
    rows = [(row["operator"], row["action"], row["subject"], row["outcome"]) for row in await told(desk)]
    assert rows == [
        ("cleo", "revoke", "terminals/??/revoke", "refused"),
        ("uma", "issue_cards", "cards", "refused"),
        ("eve", "read_trail", "trail", "refused"),
        ("cleo", "book_movement", "ledger/movements", "refused"),
        ("tom", "load_card", "cards/7/loads", "refused"),
    ]


async def test_what_changes_nothing_leaves_nothing(desk: Desk) -> None:
    await desk.post("/cards/7/block", expect=404)
    await desk.post("/cards", {"count": -1}, expect=422)
    await desk.post("/cards", {}, who="stranger", expect=401)
    await desk.get("/cards")
    await desk.get("/cards/7", expect=404)
    day = CAMPUS.business_day(desk.clock()) - 1
    await desk.post(f"/days/{day}/proof?dry=true")
    assert await told(desk) == []
    await desk.house.upkeep.run()
    await desk.house.cards.run()
    assert await told(desk) == [], "what the server does by itself nobody asked for"


async def test_the_change_and_its_row_are_one(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    await desk.post("/cards", {}, expect=201)

    async def fail(_: object) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr("server.db.leave_note", fail)
        await desk.post("/cards/1/block", expect=500)
    assert (await desk.get("/cards/1"))["plastics"][0]["status"] == "active"
    assert len(await told(desk)) == 1


async def test_an_auditor_looks_by_subject_operator_and_time(desk: Desk) -> None:
    await desk.post("/cards", {"count": 12}, expect=201)
    for no in (1, 12, 1):
        desk.clock.pass_ms(1_000)
        await desk.post(f"/cards/{no}/block", who="cleo")
    now = desk.clock()
    assert [row["subject"] for row in await told(desk, "?subject=cards/1")] == ["cards/1/block"] * 2
    assert [row["number"] for row in await told(desk, "?subject=cards")] == [4, 3, 2, 1]
    assert [row["number"] for row in await told(desk, "?operator=cleo")] == [4, 3, 2]
    assert [row["number"] for row in await told(desk, f"?since={now - 2_000}&until={now}")] == [3, 2]
    first = await told(desk, "?limit=2")
    assert [row["number"] for row in first] == [4, 3]
    assert [row["number"] for row in await told(desk, f"?limit=2&before={first[-1]['number']}")] == [2, 1]
    assert await told(desk, "?subject=cards/1_") == [], "no pattern, a subject"


async def test_nothing_of_a_body_is_kept_but_its_digest(desk: Desk) -> None:
    await desk.put("/people/s-1", {"name": "Wang Li", "card_class": 1})
    ((*row,),) = await rows_of(desk.house.database, select(trail))
    assert not any("Wang" in str(value) or "token" in str(value) for value in row)


def test_no_source_changes_or_removes_a_row() -> None:
    sources = [path.read_text() for path in (ROOT / "server").rglob("*.py")]
    assert not any(
        re.search(r"(update|delete)\((act_tables\.)?trail\)|trail\.(update|delete)\(", text) for text in sources
    )
    assert sum("insert(trail)" in text for text in sources) == 1
    assert set(act_tables.trail.columns.keys()) >= {"operator", "action", "subject", "digest", "proposed_by"}
    assert len(note.Outcome) == 5
