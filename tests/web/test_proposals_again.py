"""Every decision of two people: proposed as the API takes it, shown in words, confirmed on the page; none forgotten."""

import ast
import html
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from protocol.entries import CashSale, Kind, Reason, ShiftOpened
from protocol.ids import ShiftNo
from protocol.money import Cents
from protocol.signing import to_base64url
from server.auth.rules import Permission
from server.web.asked import BOOK, KINDS
from server.web.language import SENTENCES
from tests.server.desk import rows_of
from tests.server.machines import Machine
from tests.server.office import Desk, open_desk
from tests.server.test_cards import enrol, send
from tests.server.test_two_people import PROPOSALS, gap
from tests.server.world import MERCHANT, SITE, Till
from tests.web.asking import Asking

SERVER = Path(__file__).resolve().parents[2] / "server"
WHY = {"reason": "it was counted twice", "evidence": "note 7 by Wang"}
Propose = Callable[[Desk], Awaitable[str]]
"""Lets ann propose something; what the page then says of it."""


@pytest.fixture
async def asking(tmp_path: Path) -> AsyncIterator[Asking]:
    async with open_desk(tmp_path) as desk:
        yield Asking(desk)


async def card_of_li(desk: Desk) -> int:
    await desk.put("/people/s-1", {"name": "Li Na", "card_class": 1})
    (no,) = (await desk.post("/cards", {"person": "s-1"}, expect=201))["numbers"]
    return int(no)


async def load(desk: Desk) -> str:
    no = await card_of_li(desk)
    await desk.post(f"/cards/{no}/loads", {"id": "receipt-1", "cents": 200_000}, expect=202)
    return "Li Na (s-1)"


async def subsidy(desk: Desk) -> str:
    no = await card_of_li(desk)
    await desk.post(f"/cards/{no}/subsidies", {"id": "subsidy-1", "cents": 200_000, "period": 3}, expect=202)
    return "¥2000.00"


async def right(desk: Desk) -> str:
    await desk.put("/terminals/till-01", {"site": SITE, "title": "left"})
    await desk.put("/terminals/till-01", {"site": SITE, "title": "left", "can_load": True}, expect=202)
    return "may put money on cards"


async def key(desk: Desk) -> str:
    till = Till(1)
    await enrol(desk, till, can_load=True)
    other = to_base64url(bytes(31) + b"k")
    await desk.post(f"/terminals/{till.tid}/epochs", {"journal_key": other}, expect=202)
    return other


async def spare(desk: Desk) -> str:
    await desk.put("/terminals/spare-1", {"site": SITE, "spare": True})
    await desk.post("/terminals/spare-1/epochs", {"journal_key": to_base64url(bytes(31) + b"s")})
    wanted = {"site": SITE, "title": "station", "merchant": MERCHANT, "can_load": True}
    await desk.put("/terminals/station", wanted, who="bob", expect=202)
    await desk.put("/terminals/station", wanted)
    await desk.post("/terminals/spare-1/place", {"instead_of": "station"}, expect=202)
    return "station"


async def kept_aside(desk: Desk) -> Till:
    till = Till(1)
    await enrol(desk, till)
    await desk.post(f"/terminals/{till.tid}/revoke")
    till.append(Kind.CASH_SALE, CashSale(MERCHANT, Cents(40)))
    await send(desk, till)
    return till


async def reinstate(desk: Desk) -> str:
    till = await kept_aside(desk)
    await desk.post(f"/terminals/{till.tid}/reinstate", expect=202)
    return "0.40"


async def accept(desk: Desk) -> str:
    till = await kept_aside(desk)
    await desk.post(f"/terminals/{till.tid}/accept-quarantined", expect=202)
    return f"{till.tno}.0.1"


async def lost(desk: Desk) -> str:
    till = Till(1)
    await enrol(desk, till)
    await desk.post(f"/terminals/{till.tid}/declare-lost", expect=202)
    return till.tid


async def lost_epoch(desk: Desk) -> str:
    till = Till(1)
    await enrol(desk, till)
    await desk.post(f"/terminals/{till.tid}/epochs/1/declare-lost", expect=202)
    return "Epochs"


async def hole(desk: Desk) -> str:
    till = await gap(desk, 2)
    await desk.post(f"/holes/{till.tno}/1/book", expect=202)
    return "1 – 6 (6)"


async def movement(desk: Desk) -> str:
    form = {"id": "request-1", "name": "bank_to_vault", "cents": 1_000_001, "document": "bag 12"}
    await desk.post("/ledger/movements", form, expect=202)
    return "bag 12"


async def correction(desk: Desk) -> str:
    await desk.post("/ledger/movements", {"id": "bag-00001", "name": "bank_to_vault", "cents": 500, "document": "bag"})
    legs = [{"kind": "vault", "cents": 30}, {"kind": "bank", "cents": -30}]
    await desk.post("/ledger/corrections", {"id": "request-1", "legs": legs, **WHY}, expect=202)
    return "−0.30</span> less"


async def count(desk: Desk) -> str:
    till = Till(1)
    await enrol(desk, till)
    till.append(Kind.SHIFT_OPENED, ShiftOpened(ShiftNo(1), Cents(0)))
    till.shift = ShiftNo(1)
    till.append(Kind.CASH_SALE, CashSale(MERCHANT, Cents(700)))
    await send(desk, till)
    for who, status in (("ann", 202), ("bob", 200)):
        await desk.post(f"/terminals/{till.tid}/declare-lost", who=who, expect=status)
    form = {"id": "count-001", "tid": till.tid, "tno": till.tno, "shift": 1, "counted": 650, **WHY}
    await desk.post("/ledger/counts", form, expect=202)
    return "¥6.50"


async def reversal(desk: Desk) -> str:
    await desk.post("/ledger/movements", {"id": "bag-00001", "name": "bank_to_vault", "cents": 500, "document": "bag"})
    await desk.post("/ledger/reversals", {"cause": "movement:bag-00001", **WHY}, expect=202)
    return "movement:bag-00001"


async def machine(desk: Desk) -> str:
    wanted = {"site": SITE, "title": "station", "can_load": True}
    await desk.put("/terminals/till-1", wanted, who="bob", expect=202)
    await desk.put("/terminals/till-1", wanted)
    asked = Machine(desk)
    await asked.begin((await desk.post("/terminals/till-1/claims", expect=201))["code"])
    await asked.prove()
    ((number, words),) = [(one["number"], one["words"]) for one in await desk.get("/enrolments")]
    await desk.post(f"/enrolments/{number}/approve", {"words": words}, expect=202)
    desk.client.headers["x-words"] = words  # for the second person, who reads them off the machine
    return "pi-4711"


CASES: dict[str, Propose] = {
    "load": load,
    "subsidise": subsidy,
    "put-terminal": right,
    "grant-epoch": key,
    "approve-machine": machine,
    "place-spare": spare,
    "reinstate": reinstate,
    "accept-quarantined": accept,
    "declare-lost": lost,
    "declare-lost of an epoch": lost_epoch,
    "book-hole": hole,
    "movement": movement,
    "correction": correction,
    "count": count,
    "reversal": reversal,
}


def forms_of(page: str) -> list[dict[str, str]]:
    """The forms that confirm something, as the page holds them."""
    found = re.findall(r'action="/desk/proposals/confirm".*?</form>', page, re.S)
    fields = [dict(re.findall(r'name="(\w+)" value="([^"]*)"', form)) for form in found]
    return [{name: html.unescape(value) for name, value in one.items() if name != "csrf"} for one in fields]


def test_no_action_of_two_people_is_forgotten() -> None:
    kinds = {case.partition(" ")[0] for case in CASES}
    assert kinds == set(KINDS), "each kind is proposed and confirmed below"
    assert {f"proposal.{kind}" for kind in kinds} <= SENTENCES.keys()
    booked = {"movement", "correction", "count", "reversal"}
    assert set(actions_in_sources()) == kinds - booked | {BOOK}


def actions_in_sources() -> Iterator[str]:
    """The actions that any source hands to `TwoPeople`, by the second argument of its methods."""
    methods = {"agree_in": 2, "decide": 1, "agreement": 1, "agreement_or_alone": 1, "agreement_to_trust": 1}
    for source in SERVER.rglob("*.py"):
        if source.is_relative_to(SERVER / "web") or source.is_relative_to(SERVER / "auth"):
            continue
        tree = ast.parse(source.read_text())
        constants = {
            target.id: node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in methods:
                if "together" not in ast.unparse(node.func.value):
                    continue
                action = node.args[methods[node.func.attr]]
                yield str(constants[action.id] if isinstance(action, ast.Name) else ast.literal_eval(action))


@pytest.mark.parametrize("case", CASES)
async def test_a_second_person_confirms_it_on_the_page(asking: Asking, case: str) -> None:
    desk = asking.desk
    says = await CASES[case](desk)
    shown = html.unescape(await asking.read("/proposals", "bob"))
    assert says in shown
    (form,) = forms_of(await asking.read("/proposals", "bob"))
    assert forms_of(await asking.read("/proposals", "ann")) == [], "who proposed it does not confirm it"
    assert forms_of(await asking.read("/proposals", "eve")) == []
    if case == "approve-machine":
        form["words"] = desk.client.headers["x-words"]
    refused = await asking.send("/proposals/confirm", form, "ann", 403)
    assert "proposed this yourself" in refused.text
    await asking.send("/proposals/confirm", form, "eve", 403)
    await asking.send("/proposals/confirm", {**form, "seen": "0" * 64}, "bob", 409)
    assert len(await rows_of(desk.house.database, PROPOSALS)) == 1, "nothing has come of any of it"
    await asking.send("/proposals/confirm", form, "bob")
    assert SENTENCES["done.confirmed"][0] in html.unescape(await asking.read("/proposals", "bob"))
    assert await rows_of(desk.house.database, PROPOSALS) == []
    row = (await desk.get("/trail?limit=1"))[0]
    assert (row["operator"], row["action"], row["proposed_by"]) == ("bob", "confirm_from_page", "ann")
    assert form["subject"] in row["subject"]


@pytest.mark.parametrize("case", ["put-terminal", "grant-epoch", "place-spare", "approve-machine"])
async def test_who_may_not_decide_confirms_no_right(asking: Asking, case: str) -> None:
    """A technician proposes rights and keys; the second person is one who decides, on pages as over the API."""
    await CASES[case](asking.desk)
    (form,) = forms_of(await asking.read("/proposals", "bob"))
    assert forms_of(await asking.read("/proposals", "tom")) == []
    refused = await asking.send("/proposals/confirm", form, "tom", 403)
    assert Permission.DECIDE not in refused.text and "Your role does not allow this" in refused.text


async def test_a_clerk_confirms_a_load_and_no_payment_to_a_bank(asking: Asking) -> None:
    await load(asking.desk)
    await movement(asking.desk)
    (form,) = forms_of(await asking.read("/proposals", "cleo"))
    assert form["action"] == "load"
    others = forms_of(await asking.read("/proposals", "bob"))
    (payment,) = [one for one in others if one["action"] == BOOK]
    await asking.send("/proposals/confirm", payment, "cleo", 403)
    await asking.send("/proposals/confirm", form, "cleo")


async def test_what_changed_meanwhile_is_proposed_anew_and_said(asking: Asking) -> None:
    till = await kept_aside(asking.desk)
    await asking.desk.post(f"/terminals/{till.tid}/accept-quarantined", expect=202)
    (form,) = forms_of(await asking.read("/proposals", "bob"))
    till.append(Kind.DRAWER_OPENED, Reason("x"))
    await send(asking.desk, till, 1)
    await asking.send("/proposals/confirm", form, "bob")
    assert "proposed anew, by you" in await asking.read("/proposals", "bob")
    assert await rows_of(asking.desk.house.database, PROPOSALS) == [("accept-quarantined", "bob")]
    await asking.send("/proposals/confirm", form, "bob", 403)
    (anew,) = forms_of(await asking.read("/proposals", "ann"))
    await asking.send("/proposals/confirm", anew, "ann")


async def test_its_proposer_or_who_decides_withdraws_it(asking: Asking) -> None:
    for who, status in (("tom", 403), ("bob", 303)):
        if status == 403:
            await movement(asking.desk)
        await asking.send("/proposals/withdraw", {"action": "book", "subject": "movement:request-1"}, who, status)
    await movement(asking.desk)
    await asking.send("/proposals/withdraw", {"action": "book", "subject": "movement:request-1"}, "ann")
    gone = await asking.send("/proposals/withdraw", {"action": "book", "subject": "movement:request-1"}, "ann", 404)
    assert "does not wait any more" in gone.text
