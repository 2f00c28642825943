"""The API: who may, what is asked, what is answered; nothing anybody sends makes the server fail."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from protocol.entries import CashSale, Kind, Reason
from protocol.limits import LimitRules
from protocol.messages import Grant, Manifest, verified
from protocol.money import Cents
from protocol.policy import CardsFile, LoadsFile, read_file
from protocol.price_list import PriceList, decode_prices
from protocol.signing import sha256_of, to_base64url
from server.numbers import leap
from server.policy.rules import parts_of
from tests.server.office import Desk, open_desk
from tests.server.test_cards import enrol, send
from tests.server.test_holes import sell
from tests.server.world import MERCHANT, SITE, Till, plastic


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        yield desk


async def test_without_a_token_nobody_sees_anything(desk: Desk) -> None:
    answer = await desk.client.get("/api/1/cards")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    await desk.get("/cards", who="stranger", expect=401)


@pytest.mark.parametrize(
    ("who", "method", "path"),
    [
        ("eve", "POST", "/cards"),
        ("tom", "POST", "/cards/1/loads"),
        ("cleo", "PUT", "/terminals/till-01"),
        ("tom", "POST", "/terminals/till-01/declare-lost"),
        ("bob", "PUT", "/sites/north/prices"),
    ],
)
async def test_a_role_may_only_what_it_is_for(desk: Desk, who: str, method: str, path: str) -> None:
    assert (await desk.call(method, path, {}, who=who, expect=403))["code"] == "not_allowed"


async def test_liveness_and_readiness_need_no_token(desk: Desk) -> None:
    assert (await desk.client.get("/health")).json() == {"status": "ok"}
    assert (await desk.client.get("/ready")).json() == {
        "database": True,
        "writable": True,
        "broker": True,
        "server_epoch": 1,
    }


async def test_people_are_registered_and_get_cards(desk: Desk) -> None:
    await desk.put("/people/s-1", {"name": "王丽", "card_class": 1})
    assert (await desk.put("/people/s-1", {"name": "王 丽", "card_class": 2}))["name"] == "王 丽"
    no = (await desk.post("/cards", {"person": "s-1"}, expect=201))["numbers"][0]
    assert [card["no"] for card in await desk.get("/cards?person=s-1")] == [no]
    await desk.put(f"/cards/{no}/holder", {"person": None})
    assert await desk.get("/cards?person=s-1") == []
    assert (await desk.put(f"/cards/{no}/holder", {"person": "nobody"}, expect=404))["code"] == "no_such_person"
    assert [person["id"] for person in await desk.get("/people")] == ["s-1"]


async def test_epochs_are_granted_and_continue_one_another(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till)
    again = await desk.post(f"/terminals/{till.tid}/epochs", {"journal_key": to_base64url(till.key.public.raw)})
    assert again["grant"].encode() == till.grant_jws
    till.append(Kind.DRAWER_OPENED, Reason("change"))
    await send(desk, till)
    second = await desk.post(f"/terminals/{till.tid}/epochs", {"journal_key": to_base64url(Till(1, 2).key.public.raw)})
    grant = verified(second["grant"].encode(), Grant, desk.house.keys.grant.public)
    assert (grant.epoch, grant.tno, grant.prev_epoch, grant.prev_seq) == (2, till.tno + 1, 1, 1)
    assert grant.prev_hash == to_base64url(till.chain[-1].hash)
    old = {"journal_key": to_base64url(till.key.public.raw)}
    assert (await desk.post(f"/terminals/{till.tid}/epochs", old, expect=409))["code"] == "old_key"
    till.append(Kind.DRAWER_OPENED, Reason("a rescued card"))
    await send(desk, till)
    view = await desk.get(f"/terminals/{till.tid}")
    assert [(epoch["epoch"], epoch["tip"]) for epoch in view["epochs"]] == [(1, 2), (2, 0)]
    assert view["epochs"][0]["received_at"] == desk.clock()


async def test_a_forgotten_grant_is_adopted_by_its_signature(desk: Desk, tmp_path: Path) -> None:
    till = Till(1)
    await enrol(desk, till)
    (tmp_path / "other" / "keys").mkdir(parents=True)
    for key in (tmp_path / "keys").glob("*.key"):
        (tmp_path / "other" / "keys" / key.name).write_bytes(key.read_bytes())
        (tmp_path / "other" / "keys" / key.name).chmod(0o600)
    async with open_desk(tmp_path / "other") as other:
        view = await other.post("/grants", {"grant": till.grant_jws.decode()})
        assert view["epochs"][0]["tno"] == till.tno and view["merchant"] == ""
        told = {one["kind"]: one["text"] for one in await other.get("/alarms?still_open=true")}
        assert told.keys() == {"grant_adopted", "no_particulars"}
        assert f"PUT /terminals/{till.tid}" in told["no_particulars"]
        till.append(Kind.DRAWER_OPENED, Reason("change"))
        await send(other, till)
        till.append(Kind.CASH_SALE, CashSale(MERCHANT, Cents(40)))
        await send(other, till, 1)
        (owed,) = await other.get("/ledger/accounts/merchant")
        assert (owed["owner"], owed["cents"]) == (MERCHANT, 40), "whom the entry names is paid, never nobody"
        number = (await other.get("/alarms?kind=no_particulars"))[0]["number"]
        headers = {"Authorization": "Bearer tom-token"}
        url = f"/api/1/alarms/{number}/acknowledge"
        await other.client.post(url, json={"answer": "I look it up"}, headers=headers)
        assert len(await other.get("/alarms?kind=no_particulars")) == 1, "until it is done"
        await other.put(f"/terminals/{till.tid}", {"site": SITE, "merchant": "elsewhere"})
        assert await other.get("/alarms?kind=no_particulars") == []
        till.append(Kind.CASH_SALE, CashSale(MERCHANT, Cents(60)))
        await send(other, till, 2)
        (parked,) = await other.get(f"/terminals/{till.tid}/parked")
        assert parked["why"].startswith("the register gives this terminal to another merchant")
        forged = Till(2).grant_jws.decode()
        assert (await other.post("/grants", {"grant": forged}, expect=422))["code"] == "not_our_grant"


async def test_two_different_people_declare_a_terminal_lost(desk: Desk) -> None:
    await enrol(desk, Till(1))
    path = "/terminals/till-01/declare-lost"
    assert (await desk.post(path, expect=202))["by"] == "ann"
    assert (await desk.post(path, expect=202))["by"] == "ann", "said twice by one is not said by two"
    assert [one["action"] for one in await desk.get("/proposals")] == ["declare-lost"]
    done = await desk.post(path, who="bob")
    assert done["count"] == 0 and done["says"].startswith("till-01 is lost: no step was open to decide.")
    assert (await desk.get("/terminals/till-01"))["epochs"][0]["status"] == "lost"
    assert await desk.get("/proposals") == []
    assert (await desk.post("/terminals/till-77/declare-lost", expect=404))["code"] == "no_such_terminal"


async def test_a_hole_is_booked_by_two_people(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till)
    for _ in range(5):
        till.append(Kind.DRAWER_OPENED, Reason("change"))
    await desk.house.ingest.take_lines(till.tid, till.lines[:2])
    for _ in range(2):
        desk.clock.pass_ms(10_000)
        await desk.house.ingest.take_lines(till.tid, till.lines[3:])
    (hole,) = await desk.get("/holes")
    assert (hole["first"], hole["last"], hole["status"]) == (3, 3, "offered")
    path = f"/holes/{hole['tno']}/3/book"
    await desk.post(path, expect=202)
    assert (await desk.post(path, who="bob"))["status"] == "booked"
    assert (await desk.post(f"/holes/{hole['tno']}/9/book", expect=404))["code"] == "no_such_hole"


async def test_a_revoked_terminal_is_reinstated_by_two_people(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till)
    assert (await desk.post("/terminals/till-01/revoke"))["epochs"][0]["status"] == "revoked"
    till.append(Kind.DRAWER_OPENED, Reason("change"))
    await send(desk, till)
    (parked,) = await desk.get("/terminals/till-01/parked")
    assert parked["why"].startswith("quarantined")
    await desk.post("/terminals/till-01/reinstate", expect=202)
    done = await desk.post("/terminals/till-01/reinstate", who="bob")
    assert done == {"count": 1, "says": "reinstated: epoch 1; 1 of its entries that were kept aside are posted"}
    assert await desk.get("/terminals/till-01/parked") == []


async def test_an_exported_journal_is_imported(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till)
    sell(till, plastic(7), 100)
    headers = {"Authorization": "Bearer ann-token", "Content-Type": "text/plain"}
    url = f"/api/1/terminals/{till.tid}/journal"
    answer = await desk.client.post(url, content=b"\n".join(till.lines) + b"\n", headers=headers)
    told = answer.json()
    assert (told["asked_for"], told["entries"], told["upto"], told["fault"]) == (0, told["upto"], len(till.chain), "")
    assert (await desk.client.post(url, content=b"nonsense", headers=headers)).status_code == 422
    assert (await desk.client.post(url, content=b"", headers=headers)).status_code == 422


async def test_postings_of_an_entry_and_balances_are_shown(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till)
    no = (await desk.post("/cards", {}, expect=201))["numbers"][0]
    sell(till, plastic(no), 100)
    await send(desk, till)
    postings = await desk.get(f"/ledger/entries/{till.tno}/0/2/postings")
    assert [(one["account_kind"], one["owner"], one["cents"]) for one in postings] == [
        ("purse", f"{no}/1", -100),
        ("merchant", "canteen-1", 100),
    ]
    assert await desk.get("/ledger/accounts/merchant") == [{"kind": "merchant", "owner": "canteen-1", "cents": 100}]
    assert len(await desk.get("/ledger/accounts/merchant/postings?owner=canteen-1")) == 1
    assert (await desk.get("/ledger/trial-balance"))["total_cents"] == 0
    (step,) = await desk.get(f"/cards/{no}/steps")
    assert (step["operation"], step["stage"], step["amount"], step["use"]) == ("sale", "settled", 100, "first")


async def test_cases_are_listed_and_closed_once(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till)
    till.append(Kind.DRAWER_OPENED, Reason("change"))
    image = till.restored(0)
    image.append(Kind.DRAWER_OPENED, Reason("another history"))
    await send(desk, till)
    await send(desk, image)
    (case,) = await desk.get("/cases?cls=chain_break")
    path = f"/cases/{case['id']}/close"
    headers = {"Authorization": "Bearer bob-token"}
    assert (await desk.client.post(f"/api/1{path}", json={"outcome": "old image"}, headers=headers)).status_code == 204
    assert (await desk.post(path, {"outcome": "again"}, expect=409))["code"] == "closed_before"
    assert await desk.get("/cases") == []
    assert [one["closed_by"] for one in await desk.get("/cases?still_open=false")] == ["bob"]
    await desk.post("/cases/99/close", {"outcome": "x"}, expect=404)


PRODUCT = {"id": "rice", "names": {"en": "Rice", "zh-Hans": "米饭", "zh-Hant": "米飯"}, "price": 150}


async def test_lists_are_versioned_signed_and_cut_into_parts(desk: Desk) -> None:
    await enrol(desk, Till(1))
    products = [{**PRODUCT, "id": f"p-{number}"} for number in range(4_000)]
    first = await desk.put(f"/sites/{SITE}/prices", {"products": products})
    await desk.put(f"/sites/{SITE}/limits", {"rules": {"classes": [{"card_class": 1, "day": 5_000}]}})
    no = (await desk.post("/cards", {"count": 2}, expect=201))["numbers"][0]
    await desk.post(f"/cards/{no}/block")
    await desk.post(f"/cards/{no + 1}/loads", {"id": "request-1", "cents": 700})
    publication = await desk.house.policy.publication(SITE, even_if_same=False)
    assert publication is not None
    manifest = verified(publication.manifest, Manifest, desk.house.keys.list.public)
    assert sorted(manifest.files) == ["cards", "limits", "loads", "prices"]
    assert manifest.files["prices"].version == first["version"]
    assert len(manifest.files["prices"].parts) == 2

    def body(name: str) -> bytes:
        file = manifest.files[name]
        whole = b"".join(publication.parts[part] for part in file.parts)
        assert (sha256_of(whole).hex(), len(whole)) == (file.sha256, file.bytes)
        return whole

    assert decode_prices(body("prices")).version == first["version"]
    cards = read_file(body("cards"), CardsFile)
    assert [(row.no, row.listed.value) for row in cards.rows] == [(no, "blocked")]
    assert cards.waiting == (no + 1,)
    assert len(read_file(body("loads"), LoadsFile).records) == 1
    assert read_file(body("limits"), LimitRules).classes[0].day == 5_000
    assert await desk.house.policy.publication(SITE, even_if_same=False) is None
    assert all(sha256_of(piece).hex() == part for part, piece in parts_of(body("prices")).items())


@pytest.mark.parametrize(
    ("name", "form"), [("prices", {"products": [PRODUCT]}), ("limits", {"rules": {"only_in_meals": 1}})]
)
async def test_a_list_that_was_changed_at_the_desk_is_published_once(desk: Desk, name: str, form: Any) -> None:
    await enrol(desk, Till(1))
    assert await desk.house.policy.publication(SITE, even_if_same=False) is not None
    stored = await desk.put(f"/sites/{SITE}/{name}", form)
    publication = await desk.house.policy.publication(SITE, even_if_same=False)
    assert publication is not None and publication.versions[name] == stored["version"]
    assert await desk.house.policy.publication(SITE, even_if_same=False) is None


async def test_prices_for_later_wait_beside_those_in_force_and_take_their_place(desk: Desk) -> None:
    await desk.put("/terminals/till-01", {"site": SITE})

    async def prices() -> PriceList:
        assert await desk.house.policy.publication(SITE, even_if_same=True) is not None
        return decode_prices((await desk.house.policy.body_of(SITE, "prices")).body)

    at = desk.clock.now + 60_000
    await desk.put(f"/sites/{SITE}/prices", {"products": [PRODUCT]})
    await desk.put(f"/sites/{SITE}/prices", {"products": [PRODUCT | {"price": 200}], "valid_from": at})
    both = await prices()
    assert both.later is not None and (both.products[0].price, both.later.products[0].price) == (150, 200)
    await desk.put(f"/sites/{SITE}/prices", {"products": [PRODUCT | {"price": 160}]})
    changed = await prices()
    assert changed.later is not None and (changed.products[0].price, changed.later.at) == (160, at)
    assert both.later.version < changed.version < changed.later.version
    desk.clock.pass_ms(60_000)
    switched = await prices()
    assert switched == changed.at(at) and switched.version == changed.later.version
    refused = await desk.put(f"/sites/{SITE}/prices", {"products": [PRODUCT], "valid_from": at}, expect=422)
    assert refused["code"] == "not_ahead"


async def test_a_restored_server_s_lists_are_newer_than_all_it_forgot(desk: Desk) -> None:
    await desk.put("/terminals/till-01", {"site": SITE})
    await desk.put(f"/sites/{SITE}/prices", {"products": [PRODUCT]})
    before = await desk.house.policy.publication(SITE, even_if_same=True)
    await desk.house.database.transact(lambda connection: leap(connection, 1))
    after = await desk.house.policy.publication(SITE, even_if_same=False)
    assert before is not None and after is not None
    was = verified(before.manifest, Manifest, desk.house.keys.list.public)
    now = verified(after.manifest, Manifest, desk.house.keys.list.public)
    assert now.version >> 32 == 2 and all(file.version >> 32 == 2 for file in now.files.values())
    assert all(now.files[name].version > was.files[name].version for name in was.files)
    assert decode_prices((await desk.house.policy.body_of(SITE, "prices")).body).products[0].price == 150


async def test_floors_are_listed_once_a_night(desk: Desk) -> None:
    till = Till(1)
    await enrol(desk, till)
    no = (await desk.post("/cards", {}, expect=201))["numbers"][0]
    sell(till, plastic(no), 100)
    await send(desk, till)
    await desk.house.policy.publication(SITE, even_if_same=False)
    assert not read_file((await desk.house.policy.body_of(SITE, "cards")).body, CardsFile).floors
    assert await desk.house.nightly.run_if_due() is not None
    assert await desk.house.nightly.run_if_due() is None
    await desk.house.policy.publication(SITE, even_if_same=False)
    floors = read_file((await desk.house.policy.body_of(SITE, "cards")).body, CardsFile).floors
    assert [(floor.no, floor.counter) for floor in floors] == [(no, 1)]


@pytest.mark.parametrize(
    "products",
    [
        [{}],
        [PRODUCT, PRODUCT],
        [{**PRODUCT, "price": -1}],
        [{**PRODUCT, "id": "free"}],
        [{**PRODUCT, "x": 1}],
        [1],
        "x",
    ],
)
async def test_wrong_prices_are_refused(desk: Desk, products: Any) -> None:
    await desk.put("/terminals/till-01", {"site": SITE})
    await desk.put(f"/sites/{SITE}/prices", {"products": products}, expect=422)


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("prices", {"products": []}),
        ("limits", {"rules": {}}),
        ("promotions", {"promotions": []}),
        ("staff", {"staff": []}),
        ("texts", {"texts": {}}),
        ("config", {"config": {}}),
    ],
)
async def test_a_list_for_a_site_without_terminals_is_refused(desk: Desk, name: str, form: Any) -> None:
    """A mistyped name would make a site of its own, and the one that was meant would miss the list."""
    await desk.put("/terminals/till-01", {"site": SITE})
    refused = await desk.put(f"/sites/nroth/{name}", form, expect=404)
    assert refused["code"] == "no_such_site" and f"Sites with terminals: {SITE}." in refused["detail"]
    assert await desk.house.policy.sites() == [SITE]
    await desk.put(f"/sites/{SITE}/{name}", form)


@pytest.mark.parametrize("ask", ["revoke", "reinstate", "accept-quarantined", "declare-lost"])
async def test_a_terminal_that_never_enrolled_is_not_said_to_be_unknown(desk: Desk, ask: str) -> None:
    await desk.put("/terminals/till-01", {"site": SITE})
    refused = await desk.post(f"/terminals/till-01/{ask}", expect=409)
    assert refused["code"] == "never_enrolled" and "till-01 is registered and was never enrolled" in refused["detail"]
    assert (await desk.post(f"/terminals/till-02/{ask}", expect=404))["code"] == "no_such_terminal"


async def test_prices_of_a_merchant_for_whom_nobody_sells_are_refused(desk: Desk) -> None:
    """A mistyped merchant would leave the till without a price, and nobody would hear of it before lunch."""
    till = {"site": SITE, "merchant": "canteen-1"}
    await desk.put("/terminals/till-01", till)
    await desk.put("/terminals/spare-1", {"site": SITE, "spare": True})
    good, free = {**PRODUCT, "merchant": "canteen-1"}, {**PRODUCT, "id": "tea"}
    wrong = {**PRODUCT, "id": "soup", "merchant": "cantene-1"}
    refused = await desk.put(f"/sites/{SITE}/prices", {"products": [good, free, wrong]}, expect=422)
    assert refused["code"] == "no_such_merchant"
    assert refused["detail"].startswith(f"no terminal of {SITE} sells for cantene-1. Merchants there: canteen-1.")
    await desk.put(f"/sites/{SITE}/prices", {"products": [good, free]})
    await desk.put("/terminals/till-01", {**till, "merchant": "canteen-2"})
    await desk.put(f"/sites/{SITE}/prices", {"products": [good, free]})
    await desk.put("/terminals/till-02", {"site": SITE})
    await desk.put(f"/sites/{SITE}/prices", {"products": [wrong]})


async def test_many_requests_at_once_agree(desk: Desk) -> None:
    """Numbers stay dense and loads add up when desks work at the same time."""
    issued = await asyncio.gather(*(desk.post("/cards", {"count": 2}, expect=201) for _ in range(10)))
    numbers = sorted(number for one in issued for number in one["numbers"])
    assert numbers == list(range(1, 21))
    loads = [desk.post("/cards/1/loads", {"id": f"request-{n % 5}", "cents": 10 + n % 5}) for n in range(20)]
    await asyncio.gather(*loads)
    assert (await desk.get("/cards/1"))["pending_cents"] == 10 + 11 + 12 + 13 + 14


NASTY: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 2**31, 2**63, 2**64, 10**40, 1.5, [], {}, [[]], {"x": 1}),
    *("", "x", "a" * 500, "\x00", "\ud800", "饭卡", "';--", "../..", "till-01", "north", "request-1", "s-1"),
)


def mutated(chance: random.Random, schema: dict[str, Any], document: dict[str, Any]) -> Any:
    """A value that is more or less what the schema asks for."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].split("/")[-1]]
    if chance.random() < 0.15:
        return chance.choice(NASTY)
    match schema.get("type"):
        case "object":
            names = schema.get("properties", {})
            made = {name: mutated(chance, inner, document) for name, inner in names.items() if chance.random() < 0.9}
            return made | ({"extra": 1} if chance.random() < 0.1 else {})
        case "array":
            return [mutated(chance, schema.get("items", {}), document) for _ in range(chance.randint(0, 3))]
        case "integer":
            return chance.choice([1, 2, 3, 50, schema.get("minimum", 0), schema.get("maximum", 9)])
        case "boolean":
            return chance.random() < 0.5
        case _:
            return chance.choice(["s-1", "north", "till-01", "request-1", "A" * 43, *schema.get("enum", [])])


@pytest.mark.seeds
@pytest.mark.parametrize("seed", range(4))
async def test_no_request_makes_the_server_fail(desk: Desk, seed: int) -> None:
    """Requests grown from the OpenAPI document and bent: no 5xx, every refusal is problem JSON."""
    chance, document = random.Random(seed), desk.house.app.openapi()
    await enrol(desk, Till(1))
    await desk.put("/people/s-1", {"name": "Wang", "card_class": 1})
    await desk.post("/cards", {"count": 3}, expect=201)
    operations = [(path, method, one) for path, of in document["paths"].items() for method, one in of.items()]
    statuses: set[int] = set()
    for _ in range(500):
        path, method, operation = chance.choice(operations)
        query = {}
        for parameter in operation.get("parameters", []):
            value = str(mutated(chance, parameter["schema"], document)).encode("utf-8", "replace").decode()
            if parameter["in"] == "path":
                path = path.replace(f"{{{parameter['name']}}}", value.replace("/", "%2F").replace("\x00", "%00") or "-")
            elif chance.random() < 0.5:
                query[parameter["name"]] = value
        headers = {"Authorization": f"Bearer {chance.choice(['ann', 'ann', 'bob', 'eve', 'x'])}-token"}
        content = None
        if "requestBody" in operation:
            kinds = operation["requestBody"]["content"]
            body = mutated(chance, next(iter(kinds.values()))["schema"], document)
            content = json.dumps(body).encode() if "application/json" in kinds else str(body).encode("utf-8", "replace")
            headers["Content-Type"] = next(iter(kinds))
        answer = await desk.client.request(method, path, params=query, content=content, headers=headers)
        statuses.add(answer.status_code)
        assert answer.status_code < 500, (method, path, query, content, answer.text)
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json", (method, path, answer.text)
    assert {200, 401, 403, 404, 422} <= statuses


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[" * 50_000, b"\xff\xfe", b'{"count": NaN}', b'{"count": 1e400}', b'"' + b"x" * 9_000_000 + b'"'],
)
async def test_broken_bodies_are_refused(desk: Desk, content: bytes) -> None:
    headers = {"Authorization": "Bearer ann-token", "Content-Type": "application/json"}
    answer = await desk.client.post("/api/1/cards", content=content, headers=headers)
    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"] == "application/problem+json"
