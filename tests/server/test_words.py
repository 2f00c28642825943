"""What is wrong with a request is said in words, and without what was sent; every schema has a name of its own."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from server.ledger.accounts import AccountKind
from server.words import PATTERNS
from tests.server.office import Desk, open_desk
from tests.server.test_cards import enrol
from tests.server.world import SITE, Till

NAMES = {"en": "Rice", "zh-Hans": "米饭", "zh-Hant": "米飯"}
RICE: dict[str, Any] = {"id": "rice", "names": NAMES, "price": 100}
TOO_MUCH = {"id": "request-1", "cents": 10**12}
LEG = {"kind": "bank", "cents": 5}
CORRECTION: dict[str, Any] = {"id": "request-1", "legs": [LEG, LEG | {"cents": 0}], "reason": "x", "evidence": "y"}
RAW = re.compile(r"\^|\\Z|\[\w|Value error|Input should|String should|Extra inputs|`\$|Field required|\(\?")
"""What libraries say, and what nobody but a programmer reads."""


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        await enrol(desk, Till(1))
        yield desk


@pytest.mark.parametrize(
    ("method", "path", "body", "told"),
    [
        ("POST", "/cards/1/loads", {"cents": 5}, "id: is missing"),
        ("POST", "/cards/1/loads", TOO_MUCH, "cents: must be at most 99999999"),
        ("POST", "/cards/1/loads", TOO_MUCH | {"cents": "hush"}, "cents: must be a whole number"),
        ("POST", "/cards/1/loads", TOO_MUCH | {"cents": 1.5}, "cents: must be a whole number"),
        ("POST", "/cards/1/loads", TOO_MUCH | {"cents": 5, "id": "hush"}, "id: must be 8 to 40 of A-Z a-z 0-9 . _ -"),
        ("POST", "/cards/1/loads", TOO_MUCH | {"cents": 5, "x": 1}, "x: there is no such member: leave it out"),
        (
            "POST",
            "/cards/1/loads",
            TOO_MUCH | {"cents": 5, "into": "hush"},
            "into: must be one of 'vault', 'drawer' or 'channel'",
        ),
        (
            "POST",
            "/cards/1/loads",
            TOO_MUCH | {"cents": 5, "into": "drawer"},
            "the body: `drawer` belongs to into=drawer",
        ),
        ("POST", "/cards/1/loads", [], "the body: must be an object with members"),
        ("PUT", "/people/hush hush", {"name": "Li", "card_class": 1}, "person: must be 1 to 32 of A-Z a-z 0-9 . _ -"),
        ("PUT", "/people/2", {"name": "", "card_class": 9}, "name: must be text of 1 to 120 characters in one line; "),
        ("GET", "/cards/hush", None, "no: must be a whole number"),
        ("GET", "/alarms?kind=hush", None, "kind: must be one of 'chain_break', "),
        ("GET", "/cards?limit=0", None, "limit: must be at least 1"),
        ("POST", "/ledger/corrections", CORRECTION, "legs 2: a leg moves something: cents are not 0"),
        (
            "POST",
            "/ledger/corrections",
            CORRECTION | {"legs": [LEG | {"kind": "hush"}, LEG]},
            f"legs 1: there is no such account: `kind` is one of {', '.join(AccountKind)}; `owner` is spelled as GET",
        ),
        ("POST", "/ledger/corrections", CORRECTION | {"legs": [LEG]}, "legs: must have at least 2 items"),
        (
            "POST",
            "/ledger/movements",
            {"id": "request-1", "name": "hush", "cents": 1, "document": "x"},
            "name: there is no such movement, only vault_to_bank, ",
        ),
        (
            "PUT",
            f"/sites/{SITE}/prices",
            {"products": [RICE | {"id": "hush!"}]},
            "1.id: expected text in quotes: 1 to 32 of A-Z a-z 0-9 . _ -",
        ),
        ("PUT", f"/sites/{SITE}/prices", {"products": [RICE | {"id": "free"}]}, "1: the product id 'free' stands for"),
        (
            "PUT",
            f"/sites/{SITE}/prices",
            {"products": [RICE, RICE | {"price": "hush"}]},
            "2.price: expected a whole number from 0 to 99999999, not text",
        ),
        (
            "PUT",
            f"/sites/{SITE}/prices",
            {"products": [RICE | {"names": {"en": "Rice"}}]},
            "1.names: the key 'zh-Hans' is missing: text in quotes: 1 to 60 characters",
        ),
        ("PUT", f"/sites/{SITE}/limits", {"rules": {"x": 1}}, "there is no key 'x' here, only classes, meals, "),
        (
            "PUT",
            f"/sites/{SITE}/limits",
            {"rules": {"offline": 7}},
            "offline: expected a list of a table with age_ms, sale, not a number",
        ),
        ("PUT", f"/sites/{SITE}/staff", {"staff": [{"id": "li", "name": "Li", "pin": "hush"}]}, "staff 1.pin: must be"),
    ],
)
async def test_a_fault_is_said_in_words_and_without_what_was_sent(
    desk: Desk, method: str, path: str, body: Any, told: str
) -> None:
    answer = await desk.call(method, path, body, expect=422)
    assert answer["detail"].startswith(told)
    assert not RAW.search(answer["detail"]) and "hush" not in answer["detail"]


async def test_what_is_no_json_is_said_to_be_none(desk: Desk) -> None:
    headers = {"Authorization": "Bearer ann-token", "Content-Type": "application/json"}
    answer = await desk.client.post("/api/1/cards", content=b"{hush", headers=headers)
    assert (answer.status_code, answer.json()["detail"]) == (422, "the body: is no JSON")


def patterns_in(node: Any) -> Iterator[str]:
    """Every pattern of a document."""
    if isinstance(node, dict):
        if isinstance(node.get("pattern"), str):
            yield node["pattern"]
        for inner in node.values():
            yield from patterns_in(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from patterns_in(inner)


async def test_every_pattern_of_the_api_has_its_words(desk: Desk) -> None:
    document = json.loads(json.dumps(desk.house.app.openapi()))
    assert set(patterns_in(document)) == PATTERNS.keys()


async def test_no_schema_is_named_by_its_file(desk: Desk) -> None:
    """Two classes of one name: FastAPI then names both by their modules."""
    assert [name for name in desk.house.app.openapi()["components"]["schemas"] if not name.isalnum()] == []


@pytest.mark.parametrize("kind", [None, "application/x-www-form-urlencoded", "text/plain"])
async def test_json_that_is_not_called_so_is_told_how_to_be(desk: Desk, kind: str | None) -> None:
    headers = {"Authorization": "Bearer ann-token"} | ({"Content-Type": kind} if kind else {})
    body = b'{"id": "request-1", "cents": 5}'
    answer = await desk.client.post("/api/1/cards/1/loads", content=body, headers=headers)
    told = "the body: send it with the header Content-Type: application/json"
    assert (answer.status_code, answer.json()["detail"]) == (422, told)
