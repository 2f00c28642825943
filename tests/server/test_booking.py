"""Money that people move: every account has a way in and out, large sums take two, and every act can be undone once."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from protocol.entries import CashSale, Kind, ShiftClosed, ShiftOpened, TopUpTo
from protocol.ids import ShiftNo
from protocol.instants import DAY_MS
from protocol.money import Cents
from protocol.signing import to_base64url
from server import tables
from server.booking.rules import MOVEMENTS
from tests.server.desk import assert_balances_are_sums
from tests.server.office import Desk, open_desk
from tests.server.test_cards import collect, enrol, loaded_card, send
from tests.server.world import CAMPUS, MERCHANT, NOON, SITE, Plastic, Till, plastic, topup_of

WHY = {"reason": "typed in twice", "evidence": "note 17"}


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        yield desk
        await assert_balances_are_sums(desk.house.database)


async def kinds(desk: Desk) -> Any:
    return {kind: cents for kind, cents in (await desk.get("/ledger/trial-balance"))["cents_by_kind"].items() if cents}


async def move(desk: Desk, name: str, cents: int, owner: str = "", **more: Any) -> Any:
    form = {"id": f"move-{name}-{cents}", "name": name, "owner": owner, "cents": cents, "document": "statement 7"}
    return await desk.post("/ledger/movements", form, **more)


async def together(desk: Desk, path: str, form: Any) -> Any:
    """Two people ask for the very same thing."""
    await desk.post(path, form, who="ann", expect=202)
    return await desk.post(path, form, who="bob")


async def reverse(desk: Desk, cause: str) -> Any:
    return await together(desk, "/ledger/reversals", {"cause": cause, **WHY})


async def holder_with(desk: Desk, cents: int, request: str = "first-load") -> Plastic:
    (no,) = (await desk.post("/cards", {}, expect=201))["numbers"]
    await desk.post(f"/cards/{no}/loads", {"id": request, "cents": cents})
    return plastic(no)


async def test_the_float_is_proven_over_every_movement(desk: Desk) -> None:
    """A day of a campus: cash and a channel come in, a merchant, a funder and deposits are settled, fees are kept."""
    till = Till(1)
    await enrol(desk, till)
    till.append(Kind.SHIFT_OPENED, ShiftOpened(ShiftNo(1), Cents(0)))
    till.append(Kind.CASH_SALE, CashSale(MERCHANT, Cents(700)))
    till.append(Kind.SHIFT_CLOSED, ShiftClosed(ShiftNo(1), counted=Cents(690)))
    await send(desk, till)
    (no,) = (await desk.post("/cards", {}, expect=201))["numbers"]
    channel = {"id": "channel-1", "cents": 5_000, "into": "channel", "channel": "wechat"}
    await desk.post(f"/cards/{no}/loads", channel)
    await desk.post(f"/cards/{no}/subsidies", {"id": "grant-001", "cents": 400, "period": 1})
    owners = {"merchant_payout": MERCHANT, "merchant_fee": MERCHANT, "promotion_to_merchant": MERCHANT}
    for name, cents in [
        ("vault_to_bank", 600),
        ("bank_to_vault", 100),
        ("channel_to_provider", 3_000),
        ("channel_to_bank", 2_000),
        ("provider_fee", 18),
        ("provider_to_bank", 2_982),
        ("promotion_to_merchant", 60),
        ("promotion_to_bank", 60),
        ("merchant_fee", 35),
        ("merchant_payout", 725),
        ("funder_to_bank", 400),
        ("deposit_taken", 20),
        ("deposit_returned", 5),
        ("fee_taken", 10),
        ("loss_covered", 10),
        ("fraud_covered", 3),
    ]:
        owner = owners.get(name) or ("wechat" if "channel" in name or "provider" in name else "")
        await move(desk, name, cents, owner or (str(no) if name.startswith("deposit") else ""))
    moved = {act["name"] for act in await desk.get("/ledger/acts")}
    assert moved == set(MOVEMENTS), "each line of the table was used"
    day = CAMPUS.business_day(desk.clock())
    booked = {(line["account_kind"], line["owner"]): line["booked_cents"] for line in await lines(desk, day)}
    assert booked == {("bank", ""): 5_230, ("vault", ""): 215}
    for (kind, _), cents in booked.items():
        await desk.put(f"/days/{day}/documents/{kind}", {"cents": cents, "document": "statement 8"})
    proof = await desk.get(f"/days/{day}/float")
    assert proof["holds"] and proof["unexplained_cents"] == 0
    left = {kind: cents for kind, cents in proof["owed_cents_by_kind"].items() if cents}
    assert left == {"pending": 5_000, "pending_subsidy": 400, "deposit": 15, "fees": 27, "fraud_loss": 3}
    assert proof["owed_cents"] == 5_445


async def lines(desk: Desk, day: int) -> Any:
    return [line for line in (await desk.get(f"/days/{day}/float"))["lines"] if line["booked_cents"]]


async def test_no_more_is_paid_than_is_owed_and_each_request_once(desk: Desk) -> None:
    await move(desk, "deposit_taken", 20, "7")
    assert (await move(desk, "deposit_returned", 21, "7", expect=409))["code"] == "more_than_owed"
    for _ in range(2):
        await move(desk, "deposit_returned", 20, "7")
    assert await kinds(desk) == {}
    other = {"id": "move-deposit_returned-20", "name": "fee_taken", "cents": 20, "document": "statement 7"}
    assert (await desk.post("/ledger/movements", other, expect=409))["code"] == "request_id_used"


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"name": "vault_to_bank", "owner": "somebody"}, "wrong_owner"),
        ({"name": "merchant_payout"}, "wrong_owner"),
        ({"name": "bank_to_me"}, "invalid_request"),
        ({"name": "fee_taken", "cents": -1}, "invalid_request"),
    ],
)
async def test_what_is_not_in_the_table_is_refused(desk: Desk, form: Any, code: str) -> None:
    whole = {"id": "request-1", "cents": 5, "document": "note", **form}
    assert (await desk.post("/ledger/movements", whole, expect=422))["code"] == code


@pytest.mark.parametrize(
    ("name", "owner", "status", "code"),
    [
        ("vault_to_bank", "", 409, "more_than_held"),
        ("promotion_to_merchant", "nobody", 404, "no_such_account"),
        ("channel_to_bank", "wechatt", 404, "no_such_account"),
        ("provider_to_bank", "wechatt", 404, "no_such_account"),
    ],
)
async def test_nothing_moves_that_is_not_there(desk: Desk, name: str, owner: str, status: int, code: str) -> None:
    form = {"id": "request-1", "name": name, "owner": owner, "cents": 5, "document": "note"}
    refused = await desk.post("/ledger/movements", form, expect=status)
    assert refused["code"] == code and ("GET /ledger/accounts/" in refused["detail"]) is (code == "no_such_account")
    assert await kinds(desk) == {}


async def test_a_large_sum_takes_two_people_who_say_the_same(desk: Desk) -> None:
    form = {"id": "request-1", "name": "bank_to_vault", "cents": 1_000_001, "document": "bag 12"}
    assert (await desk.post("/ledger/movements", form, expect=202))["by"] == "ann"
    assert (await desk.post("/ledger/movements", form, expect=202))["by"] == "ann"
    other = {**form, "cents": 1_000_002}
    assert (await desk.post("/ledger/movements", other, who="bob", expect=409))["code"] == "other_proposed"
    assert await kinds(desk) == {}
    assert await desk.post("/ledger/movements", form, who="bob") == {"cause": "movement:request-1"}
    (act,) = await desk.get("/ledger/acts")
    assert (act["proposed_by"], act["by"], act["cents"]) == ("ann", "bob", 1_000_001)
    await desk.post("/ledger/movements", form, who="eve", expect=403)


async def test_a_correction_takes_two_people_and_sums_to_zero(desk: Desk) -> None:
    legs = [
        {"kind": "fees", "cents": -300},
        {"kind": "pending", "owner": "1", "cents": 300},
    ]
    await desk.post("/cards", {}, expect=201)
    form = {"id": "request-1", "legs": legs, **WHY}
    await desk.post("/ledger/corrections", form, who="ann", expect=202)
    assert await kinds(desk) == {}
    assert await desk.post("/ledger/corrections", form, who="bob") == {"cause": "correction:request-1"}
    assert await kinds(desk) == {"fees": -300, "pending": 300}
    assert [leg["cents"] for leg in await desk.get("/ledger/causes/correction:request-1/postings")] == [-300, 300]
    await desk.house.cards.run()
    assert (await desk.get("/cards/1"))["plastics"][0]["loaded_total_cents"] == 300, "what is owed is granted"
    uneven = {"id": "request-2", "legs": [legs[0], {**legs[1], "cents": 299}], **WHY}
    assert (await desk.post("/ledger/corrections", uneven, expect=422))["code"] == "not_balanced"
    made_up = {"id": "request-3", "legs": [legs[0], {"kind": "vault", "owner": "mine", "cents": 300}], **WHY}
    await desk.post("/ledger/corrections", made_up, expect=422)
    huge = {**form, "legs": [{**leg, "cents": cents} for leg, cents in zip(legs, (-(2**53), 2**53), strict=True)]}
    await desk.post("/ledger/corrections", huge, expect=422)


@pytest.mark.parametrize(
    ("kind", "owner", "there_are"),
    [
        ("pending", "99", "1"),
        ("pending_subsidy", "99", "none"),
        ("purse", "1/2", "none"),
        ("merchant", "canteen-9", "canteen-1"),
        ("suspense", "101.0.5", "none"),
        ("drawer", "till-01/1/2", "none"),
        ("drawer", "till-09/1/1", "none"),
        ("operator_loss", "till-01/1/2", "none"),
        ("clearing", "wechatt", "wechat"),
        ("provider", "wechat", "none"),
        ("deposit", "1", "none"),
    ],
)
async def test_a_correction_of_an_account_that_there_is_not(desk: Desk, kind: str, owner: str, there_are: str) -> None:
    """A typing mistake would hide money where nobody looks; the answer names the accounts that could be meant."""
    till = Till(1)
    await enrol(desk, till)
    till.append(Kind.SHIFT_OPENED, ShiftOpened(ShiftNo(1), Cents(0)))
    till.append(Kind.CASH_SALE, CashSale(MERCHANT, Cents(700)))
    till.append(Kind.SHIFT_CLOSED, ShiftClosed(ShiftNo(1), counted=Cents(700)))
    await send(desk, till)
    (no,) = (await desk.post("/cards", {}, expect=201))["numbers"]
    await desk.post(f"/cards/{no}/loads", {"id": "load-0001", "cents": 100, "into": "channel", "channel": "wechat"})
    legs = [{"kind": kind, "owner": owner, "cents": -30}, {"kind": "fees", "cents": 30}]
    refused = await desk.post("/ledger/corrections", {"id": "request-1", "legs": legs, **WHY}, expect=404)
    assert refused["code"] == "no_such_account"
    assert refused["detail"].endswith(f"that hold something: {there_are}")
    assert await desk.get("/proposals") == []


@pytest.mark.parametrize(
    ("kind", "owner"),
    [
        ("pending", "1"),
        ("subsidy", "1/1"),
        ("merchant", "canteen-2"),
        ("drawer", "till-01/1/1"),
        ("drawer", "till-01/1/0"),
    ],
)
async def test_a_correction_of_an_account_that_nothing_was_posted_to_yet(desk: Desk, kind: str, owner: str) -> None:
    """The merchant that a sale was meant for has sold nothing yet; cash was taken outside of every shift."""
    till = Till(1)
    await enrol(desk, till)
    await desk.put(f"/terminals/{till.tid}", {"site": SITE, "merchant": "canteen-2"})
    till.append(Kind.SHIFT_OPENED, ShiftOpened(ShiftNo(1), Cents(0)))
    await send(desk, till)
    till.shift = ShiftNo(0)
    till.append(Kind.CASH_SALE, CashSale(MERCHANT, Cents(700)))
    await send(desk, till, 1)
    await desk.post("/cards", {}, expect=201)
    legs = [{"kind": kind, "owner": owner, "cents": 30}, {"kind": "fees", "cents": -30}]
    await together(desk, "/ledger/corrections", {"id": "request-1", "legs": legs, **WHY})


async def test_a_counted_drawer_gets_no_correction_but_what_empties_it(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till)
    till.append(Kind.SHIFT_OPENED, ShiftOpened(ShiftNo(1), Cents(0)))
    await send(desk, till)
    drawer = {"kind": "drawer", "owner": "till-01/1/1"}
    form = {"id": "request-1", "legs": [{**drawer, "cents": -30}, {"kind": "fees", "cents": 30}], **WHY}
    await desk.post("/ledger/corrections", form, expect=202)
    till.append(Kind.SHIFT_CLOSED, ShiftClosed(ShiftNo(1), counted=Cents(0)))
    await send(desk, till, 1)
    refused = await desk.post("/ledger/corrections", form, who="bob", expect=409)
    assert refused["code"] == "drawer_counted"
    assert refused["detail"].endswith("what lay in it is in vault, what was missing in operator_loss:till-01/1/1")
    async with desk.house.database.writing() as connection:
        values = {"cause": "old", "line": 0, "day": 1, "period_day": 1, "cents": -30, "at": 1, "account_kind": "drawer"}
        rest = {"line": 1, "cents": 30, "account_kind": "fees", "owner": ""}
        for leg in ({**values, "owner": "till-01/1/1"}, {**values, **rest}):
            await connection.execute(tables.posting.insert().values(leg))
    emptied = [{**drawer, "cents": 30}, {"kind": "vault", "cents": -30}]
    await together(desk, "/ledger/corrections", {"id": "request-2", "legs": emptied, **WHY})
    assert await kinds(desk) == {"vault": -30, "fees": 30}


async def test_two_people_count_the_drawer_of_a_terminal_that_is_gone(desk: Desk) -> None:
    """What it tells later lay in what was counted; its own count is one too many; and nobody counts twice."""
    till = Till(1)
    await enrol(desk, till)
    till.append(Kind.SHIFT_OPENED, ShiftOpened(ShiftNo(1), Cents(0)))
    till.shift = ShiftNo(1)
    till.append(Kind.CASH_SALE, CashSale(MERCHANT, Cents(700)))
    await send(desk, till)
    form = {"id": "count-001", "tid": till.tid, "tno": till.tno, "shift": 1, "counted": 650, **WHY}
    assert (await desk.post("/ledger/counts", form, expect=409))["code"] == "shift_goes_on"
    await together(desk, f"/terminals/{till.tid}/declare-lost", None)
    assert (await desk.post("/ledger/counts", {**form, "shift": 2}, expect=404))["code"] == "no_such_account"
    await desk.post("/ledger/counts", form, expect=202)
    other = {**form, "counted": 600}
    assert (await desk.post("/ledger/counts", other, who="bob", expect=409))["code"] == "other_proposed"
    form = {**other, "id": "count-003"}
    assert (await desk.post("/ledger/counts", form, who="bob", expect=202))["by"] == "bob"
    assert (await desk.post("/ledger/counts", form))["cause"] == "count:count-003"
    assert await kinds(desk) == {"merchant": 700, "vault": -600, "operator_loss": -100}
    till.append(Kind.CASH_SALE, CashSale(MERCHANT, Cents(100)))
    till.append(Kind.SHIFT_CLOSED, ShiftClosed(ShiftNo(1), counted=Cents(999)))
    await send(desk, till, 2)
    assert await kinds(desk) == {"merchant": 800, "vault": -600, "operator_loss": -200}
    await together(desk, f"/terminals/{till.tid}/declare-lost", None)
    refused = await desk.post("/ledger/counts", {**form, "id": "count-002"}, expect=409)
    assert refused["code"] == "drawer_counted"


@pytest.mark.parametrize("gone", ["enrolled anew", "revoked", "replaced"])
async def test_a_shift_that_nobody_closes_any_more_is_counted_by_two(desk: Desk, gone: str) -> None:
    till, anew = Till(1), Till(2)
    await enrol(desk, till)
    await desk.put(f"/terminals/{till.tid}", {"site": SITE, "merchant": MERCHANT})
    till.append(Kind.SHIFT_OPENED, ShiftOpened(ShiftNo(1), Cents(0)))
    await send(desk, till)
    form = {"id": "count-001", "tid": till.tid, "tno": till.tno, "shift": 1, "counted": 0, **WHY}
    assert (await desk.post("/ledger/counts", form, expect=409))["code"] == "shift_goes_on"
    key = {"journal_key": to_base64url(anew.key.public.raw)}
    match gone:
        case "enrolled anew":
            await desk.post(f"/terminals/{till.tid}/epochs", key)
        case "revoked":
            await desk.post(f"/terminals/{till.tid}/revoke")
        case _:
            await desk.put("/terminals/spare-1", {"site": SITE, "spare": True})
            await desk.post("/terminals/spare-1/epochs", key)
            await desk.post("/terminals/spare-1/place", {"instead_of": till.tid})
    await together(desk, "/ledger/counts", form)
    assert (await desk.post("/ledger/counts", form))["cause"] == "count:count-001", "asked again it is done"


async def test_a_correction_of_a_purse_moves_the_card_s_balance_too(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till, can_load=True)
    card = await loaded_card(desk, till, 500)
    legs = [
        {"kind": "purse", "owner": f"{card.id.no}/1", "cents": 40},
        {"kind": "operator_loss", "cents": -40},
    ]
    await together(desk, "/ledger/corrections", {"id": "request-1", "legs": legs, **WHY})
    assert (await desk.get(f"/cards/{card.id.no}"))["plastics"][0]["main_cents"] == 540
    unknown = [{**legs[0], "owner": "99/1"}, legs[1]]
    await desk.post("/ledger/corrections", {"id": "request-2", "legs": unknown, **WHY}, expect=404)


async def test_an_act_is_undone_once(desk: Desk) -> None:
    await move(desk, "bank_to_vault", 600)
    cause = "movement:move-bank_to_vault-600"
    assert await reverse(desk, cause) == {"cause": f"reversal:{cause}"}
    assert await kinds(desk) == {}
    form = {"cause": cause, "reason": "once more", "evidence": "none"}
    assert (await desk.post("/ledger/reversals", form, expect=409))["code"] == "request_id_used"
    no_act, no_person = ("no_such_cause", 404), ("not_reversible", 422)
    for unknown, (code, status) in {"movement:x": no_act, "entry:1.0.1": no_person, "subsidy:grant": no_person}.items():
        refused = await desk.post("/ledger/reversals", {**form, "cause": unknown}, expect=status)
        assert refused["code"] == code


async def test_a_wrong_load_that_was_collected_is_set_off_against_the_next_one(desk: Desk) -> None:
    """The total on a card never falls; what it has too much is taken from what comes."""
    till = Till(1)
    await enrol(desk, till, can_load=True)
    card = await holder_with(desk, 500, "wrong-load")
    ((_, record),) = await desk.house.cards.sign_loads()
    collect(till, card, record)
    await send(desk, till)
    await reverse(desk, "desk:wrong-load")
    assert await kinds(desk) == {"purse": 500, "pending": -500}
    view = await desk.post(f"/cards/{card.id.no}/loads", {"id": "next-load", "cents": 800})
    assert (view["pending_cents"], view["plastics"][0]["loaded_total_cents"]) == (300, 800)
    await desk.house.cards.run()
    assert (await desk.get(f"/cards/{card.id.no}"))["plastics"][0]["loaded_total_cents"] == 800


async def test_it_is_set_off_against_a_top_up_at_a_kiosk_alike(desk: Desk) -> None:
    """Cash at a terminal is what the desk takes in, too; and the first 500 are taken off once, not from each of two."""
    till = Till(1)
    await enrol(desk, till, can_load=True)
    card = await holder_with(desk, 500, "wrong-load")
    ((_, record),) = await desk.house.cards.sign_loads()
    collect(till, card, record)
    await send(desk, till)
    await reverse(desk, "desk:wrong-load")
    sent = len(till.lines)
    for cents in (300, 500):
        till.append(Kind.TOPUP_PREPARED, topup_of(card, cents, TopUpTo.LOAD))
    await send(desk, till, sent)
    view = await desk.get(f"/cards/{card.id.no}")
    assert (view["pending_cents"], view["plastics"][0]["loaded_total_cents"]) == (300, 800)
    await desk.house.cards.run()
    assert (await desk.get(f"/cards/{card.id.no}"))["plastics"][0]["loaded_total_cents"] == 800


async def test_closing_sets_off_what_was_loaded_wrongly(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till, can_load=True)
    card = await loaded_card(desk, till, 500)
    await reverse(desk, f"desk:first-load-{card.id.no}")
    assert (await desk.post(f"/cards/{card.id.no}/close", {"card_cents": 500})) == {"cents": 0}
    assert await kinds(desk) == {}


async def test_a_mistaken_close_is_undone_and_its_holder_gets_a_new_plastic(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till, can_load=True)
    card = await loaded_card(desk, till, 500)
    await desk.post(f"/cards/{card.id.no}/close", {"card_cents": 500})
    assert await kinds(desk) == {}
    await reverse(desk, f"close:{card.id.no}/1")
    assert await kinds(desk) == {"vault": -500, "pending": 500}
    desk.clock.pass_ms(8 * DAY_MS)
    await desk.post(f"/cards/{card.id.no}/replace")
    await desk.house.cards.run()
    view = await desk.get(f"/cards/{card.id.no}")
    told = [(one["generation"], one["status"], one["loaded_total_cents"]) for one in view["plastics"]]
    assert told[1] == (2, "active", 500)


@pytest.mark.parametrize("cents", [40, -40])
async def test_a_wrong_correction_of_a_purse_is_undone_on_the_purse(desk: Desk, cents: int) -> None:
    """The card never showed it: its holder owes nothing for it, and is owed nothing."""
    till = Till(1)
    await enrol(desk, till, can_load=True)
    card = await loaded_card(desk, till, 500)
    legs = [
        {"kind": "purse", "owner": f"{card.id.no}/1", "cents": cents},
        {"kind": "operator_loss", "cents": -cents},
    ]
    before = await kinds(desk)
    await together(desk, "/ledger/corrections", {"id": "request-1", "legs": legs, **WHY})
    await reverse(desk, "correction:request-1")
    assert await kinds(desk) == before
    view = await desk.get(f"/cards/{card.id.no}")
    assert (view["plastics"][0]["main_cents"], view["pending_cents"]) == (500, 0)
    view = await desk.post(f"/cards/{card.id.no}/loads", {"id": "next-load", "cents": 100})
    assert view["plastics"][0]["loaded_total_cents"] == 600
    dry = await desk.post(f"/days/{CAMPUS.business_day(NOON)}/proof")
    assert [found for found in dry["findings"] if found["card"]] == []


async def test_a_correction_of_a_card_that_was_never_used_is_found_at_night(desk: Desk) -> None:
    """No step of it looks odd: there is none."""
    (no,) = (await desk.post("/cards", {}, expect=201))["numbers"]
    legs = [{"kind": "purse", "owner": f"{no}/1", "cents": 40}, {"kind": "operator_loss", "cents": -40}]
    await together(desk, "/ledger/corrections", {"id": "request-1", "legs": legs, **WHY})
    dry = await desk.post(f"/days/{CAMPUS.business_day(NOON)}/proof")
    told = [(found["cls"], found["card"], found["cents"], found["causes"]) for found in dry["findings"]]
    assert told == [("gap", no, -40, ["correction:request-1"])]
    assert (dry["difference_cents"], dry["unexplained_cents"]) == (-40, 0)


async def test_a_correction_of_a_purse_that_has_moved_on_is_undone_at_the_number(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till, can_load=True)
    card = await loaded_card(desk, till, 500)
    legs = [
        {"kind": "purse", "owner": f"{card.id.no}/1", "cents": 40},
        {"kind": "operator_loss", "cents": -40},
    ]
    await together(desk, "/ledger/corrections", {"id": "request-1", "legs": legs, **WHY})
    await desk.post(f"/cards/{card.id.no}/replace")
    before = await kinds(desk)
    await reverse(desk, "correction:request-1")
    after = await kinds(desk)
    assert (after["pending"], after["purse"]) == (before.get("pending", 0) - 40, before["purse"])


async def test_cash_that_was_counted_is_corrected_and_not_taken_back(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till)
    till.append(Kind.SHIFT_OPENED, ShiftOpened(ShiftNo(1), Cents(0)))
    await send(desk, till)
    (no,) = (await desk.post("/cards", {}, expect=201))["numbers"]
    form = {"id": "request-1", "cents": 500, "into": "drawer", "drawer": {"tid": till.tid, "tno": till.tno, "shift": 1}}
    await desk.post(f"/cards/{no}/loads", form)
    till.append(Kind.SHIFT_CLOSED, ShiftClosed(ShiftNo(1), counted=Cents(0)))
    await send(desk, till, 1)
    refused = await desk.post("/ledger/reversals", {"cause": "desk:request-1", **WHY}, expect=409)
    assert refused["code"] == "drawer_counted"


async def test_a_clerk_takes_deposits_and_moves_nothing_else(desk: Desk) -> None:
    for name, line in MOVEMENTS.items():
        if not line.only_owed:
            await move(desk, name, 5, "x" if line.has_owner else "", who="cleo", expect=200 if line.at_desk else 403)
    assert await kinds(desk) == {"vault": -10, "deposit": 5, "fees": 5}
