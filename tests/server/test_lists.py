"""The smaller lists at the desk: stored strictly, published, and no PIN stays anywhere."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from protocol import policy
from protocol.authorise import Listed
from protocol.card_status import CardBase
from protocol.ids import CardNo, Generation, StaffId
from protocol.instants import ClockSource
from protocol.limits import LimitRules
from protocol.policy import CardBook, CardsFile, read_file
from protocol.signing import sha256_of
from protocol.site_files import ConfigFile, PromotionsFile, StaffFile, StaffRole, TextsFile
from tests.server.office import Desk, open_desk
from tests.server.world import SITE

NAMES = {"en": "Tea", "zh-Hans": "茶", "zh-Hant": "茶"}
WANG = {"id": "wang", "name": "Wang", "role": "leader", "pin": "90210"}
FORMS: list[tuple[str, Any, type[Any]]] = [
    ("promotions", {"promotions": [{"id": "ten", "names": NAMES, "percent": 10}]}, PromotionsFile),
    ("staff", {"staff": [WANG]}, StaffFile),
    ("texts", {"texts": {"merchants": [{"merchant": "m1", "names": NAMES, "header": ["Canteen"]}]}}, TextsFile),
    ("config", {"config": {"repeat_ms": 5_000}}, ConfigFile),
]
ANNOUNCED = {"en": "x", "zh-Hans": "x", "zh-Hant": "x"}


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        await desk.put("/terminals/till-1", {"site": SITE})
        yield desk


async def body(desk: Desk, name: str) -> bytes:
    return (await desk.house.policy.body_of(SITE, name)).body


async def test_limits_of_a_class_that_nobody_has_are_refused(desk: Desk) -> None:
    """They would take the place of everybody's."""
    refused = await desk.put(f"/sites/{SITE}/limits", {"rules": {"classes": [{"card_class": 9}]}}, expect=422)
    assert "no class 9; there are 1 student, 2 staff, 3 visitor" in refused["detail"]


@pytest.mark.parametrize(("name", "form", "kind"), FORMS)
async def test_a_list_is_stored_under_a_rising_version_and_published(
    desk: Desk, name: str, form: Any, kind: type[Any]
) -> None:
    first = await desk.put(f"/sites/{SITE}/{name}", form)
    second = await desk.put(f"/sites/{SITE}/{name}", form)
    assert second["version"] > first["version"]
    assert read_file(await body(desk, name), kind) != kind()
    publication = await desk.house.policy.publication(SITE, even_if_same=False)
    assert publication is not None and publication.versions[name] == second["version"]


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("promotions", {"promotions": [{"id": "ten", "names": NAMES}]}),
        ("promotions", {"promotions": [{"id": "ten", "names": NAMES, "percent": 10, "cents": 5}]}),
        ("promotions", {"promotions": [{"id": "ten", "names": NAMES, "percent": 10, "since": 5, "until": 5}]}),
        ("promotions", {"promotions": [{"id": "ten", "names": NAMES, "percent": 101}]}),
        ("promotions", {"promotions": [{"id": "ten", "names": NAMES, "percent": 1}] * 2}),
        ("staff", {"staff": [WANG, WANG]}),
        ("staff", {"staff": [WANG | {"pin": None}]}),
        ("staff", {"staff": [WANG | {"pin": "123"}]}),
        ("staff", {"staff": [WANG | {"role": "king"}]}),
        ("texts", {"texts": {"merchants": [{"merchant": "m1", "names": NAMES, "header": ["x"] * 7}]}}),
        ("texts", {"texts": {"announcements": [ANNOUNCED] * 201}}),
        ("texts", {"texts": {"nonsense": 1}}),
        ("texts", {"texts": {"announcements": [ANNOUNCED | {"en": "e\u0301"}]}}),
        ("config", {"config": {"repeat_ms": 60_001}}),
        ("config", {"config": {"repeat_ms": "1"}}),
    ],
)
async def test_what_no_terminal_would_take_is_not_stored(desk: Desk, name: str, form: Any) -> None:
    await desk.put(f"/sites/{SITE}/{name}", form, expect=422)
    await desk.get(f"/sites/{SITE}/lists/{name}", expect=404)


async def test_a_base_is_made_once_for_very_many_cards_and_changes_stand_beside_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "CHANGES_MAX", 3)
    monkeypatch.setattr(policy, "ROWS_MAX", 1)
    await desk.post("/cards", {"count": 12}, expect=201)

    async def published(*blocked: int) -> tuple[CardsFile, bytes | None]:
        for no in blocked:
            await desk.post(f"/cards/{no}/block")
        publication = await desk.house.policy.publication(SITE, even_if_same=True)
        assert publication is not None
        cards = read_file(await body(desk, "cards"), CardsFile)
        base = await body(desk, "base") if "base" in publication.versions else None
        assert base is None or cards.base == sha256_of(base).hex()
        book = CardBook(cards, CardBase(base) if base else None)
        listed = {no for no in range(1, 13) if book.standing((CardNo(no), Generation(1))).listed is Listed.BLOCKED}
        assert listed == blocked_now
        return cards, base

    await desk.put(f"/sites/{SITE}/limits", {"rules": {}})
    blocked_now = {2}
    assert (await published(2))[0].rows
    blocked_now |= {4}
    cards, base = await published(4)
    assert cards.delta and base is None
    blocked_now |= {6, 8}
    cards, first = await published(6, 8)
    assert first is not None and not cards.delta and not cards.rows
    blocked_now |= {10}
    cards, again = await published(10)
    assert again == first and [row.no for row in cards.rows] == [10], "the base stays"
    await desk.post("/cards/2/unblock")
    blocked_now -= {2}
    cards, again = await published()
    assert again == first and cards.delta, "good again is a change, too"
    blocked_now |= {1, 3}
    cards, second = await published(1, 3)
    assert second != first and not cards.delta and not cards.rows


async def test_what_stations_may_take_in_without_an_ack_is_an_amount(desk: Desk) -> None:
    for cents in (-1, 100_000_000):
        await desk.put(f"/sites/{SITE}/limits", {"rules": {"unacked_topups": cents}}, expect=422)
    await desk.put(f"/sites/{SITE}/limits", {"rules": {"unacked_topups": 50_000}})
    assert read_file(await body(desk, "limits"), LimitRules).unacked_topups == 50_000


@pytest.mark.parametrize(
    "steps",
    [
        [{"age_ms": 5}],
        [{"age_ms": 5, "sale": 100}, {"age_ms": 5, "sale": 50}],
        [{"age_ms": 9, "sale": 100}, {"age_ms": 5, "sale": 50}],
        [{"age_ms": 5, "sale": 100}, {"age_ms": 9, "sale": 101}],
    ],
)
async def test_limits_by_age_go_down_step_by_step_and_nothing_is_refused_by_leaving_it_out(
    desk: Desk, steps: list[dict[str, int]]
) -> None:
    refused = await desk.put(f"/sites/{SITE}/limits", {"rules": {"offline": steps}}, expect=422)
    assert refused["code"] == "not_a_ladder"
    ladder = [{"age_ms": 5, "sale": 100}, {"age_ms": 9, "sale": 100}, {"age_ms": 10, "sale": 0}]
    await desk.put(f"/sites/{SITE}/limits", {"rules": {"offline": ladder}})
    rules = read_file(await body(desk, "limits"), LimitRules)
    assert [rules.offline_sale_max(age, ClockSource.SERVER) for age in (4, 5, 9, 10)] == [None, 100, 100, 0]
    assert rules.offline_sale_max(0, ClockSource.NONE) == 0, "the strictest where nobody knows"


async def test_pins_are_hashed_stay_where_no_new_one_is_given_and_are_shown_to_nobody_else(desk: Desk) -> None:
    await desk.put(f"/sites/{SITE}/staff", {"staff": [WANG, WANG | {"id": "li"}]})
    raw = await body(desk, "staff")
    staff = read_file(raw, StaffFile)
    wang, li = staff.staff
    assert b"90210" not in raw and wang.pin != li.pin, "everybody has a salt"
    assert wang.has_pin("90210") and not wang.has_pin("90211") and not wang.has_pin("")
    await desk.put(f"/sites/{SITE}/staff", {"staff": [{"id": "wang", "name": "Wang Wei"}]})
    (changed,) = read_file(await body(desk, "staff"), StaffFile).staff
    assert changed.has_pin("90210") and (changed.name, changed.role) == ("Wang Wei", StaffRole.CASHIER)
    assert staff.person(StaffId("nobody")) is None
    await desk.get(f"/sites/{SITE}/lists/staff/body", who="eve", expect=403)
    await desk.get(f"/sites/{SITE}/lists/staff", who="eve")
