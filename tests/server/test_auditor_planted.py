"""What somebody plants among postings that no entry has is told; what the server itself may have done is not."""

import asyncio
import shutil
from pathlib import Path

import pytest

from server.audit_command import OK
from tests.server.audited import TODAY, Site, audit, laid_out
from tests.server.office import open_desk
from tests.server.test_booking import WHY, move, reverse, together


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return laid_out(tmp_path_factory.mktemp("audited") / "data")


@pytest.fixture
def site(template: Site, tmp_path: Path) -> Site:
    shutil.copytree(template.directory, tmp_path / "data")
    (tmp_path / "data" / "server.toml").unlink(missing_ok=True)
    return Site(tmp_path / "data", template.acks)


A_STEP = "number = (SELECT min(number) FROM step WHERE operation = 'sale' AND stage = 'settled')"


def posted(cause: str, *legs: tuple[str, str, int]) -> str:
    """A statement that books legs under a cause, today."""
    rows = (
        f"('{cause}', {line}, {TODAY}, {TODAY}, '{kind}', '{owner}', {cents}, 0)"
        for line, (kind, owner, cents) in enumerate(legs)
    )
    columns = "cause, line, day, period_day, account_kind, owner, cents, at"
    return f"INSERT INTO posting ({columns}) VALUES {', '.join(rows)}"


MOVED = (("merchant", "canteen-1", -5), ("bank", "", 5))
ASKED = "INSERT INTO request (cause, digest) VALUES ('{}', 'of something else')"
ACT = (
    'INSERT INTO act (number, cause, name, owner, cents, reason, evidence, proposed_by, "by", at) '
    "VALUES (1, '{}', 'merchant_payout', '{}', {}, '', '', 'ann', 'bob', 0)"
)
A_DELIVERY = "cause = (SELECT 'entry:' || tno || '.0.' || seq FROM entry WHERE kind = 'vend_failed')"
CASH_SEQ = "(SELECT seq FROM entry WHERE kind = 'cash_sale')"
SET_ASIDE = posted("park:101.0.0", ("bank", "", 5), ("suspense", "", -5)).replace(
    "'park:101.0.0'", f"'park:101.0.' || {CASH_SEQ}"
)
PLANTED = {
    "cash at no desk": ((posted("desk:x", ("vault", "", -5), ("pending", "1", 5)),), "nobody asked for that"),
    "other cash at a desk than was asked for": (
        (posted("desk:x", ("vault", "", -5), ("pending", "1", 5)), ASKED.format("desk:x")),
        "something else than was asked for",
    ),
    "a desk's money out of a loss": (
        (posted("desk:x", ("operator_loss", "", -5), ("pending", "1", 5)), ASKED.format("desk:x")),
        "not what such a booking moves",
    ),
    "a movement of another owner": (
        (posted("movement:x", *MOVED), ASKED.format("movement:x"), ACT.format("movement:x", "canteen-2", 5)),
        "not what such a booking moves",
    ),
    "a movement of another amount": (
        (posted("movement:x", *MOVED), ASKED.format("movement:x"), ACT.format("movement:x", "canteen-1", 6)),
        "not what such a booking moves",
    ),
    "a movement that nobody asked for": (
        (posted("movement:x", *MOVED), ACT.format("movement:x", "canteen-1", 5)),
        "nobody asked for that",
    ),
    "something found that was never missing": (
        (posted("found:desk:x", ("vault", "", 5), ("pending", "1", -5)),),
        "only what was posted from a hole is ever found",
    ),
    "money taken back that was never set aside": (
        (posted("unpark:101.0.4", ("bank", "", 5), ("suspense", "", -5)),),
        "takes back park:101.0.4, which was never posted",
    ),
    "money set aside of what was posted": ((SET_ASIDE,), "the entry's money is not set aside as the rules say"),
    "a hole's step of a chain without one": (
        (posted("hole:1/1@1", ("purse", "1/1", 5), ("suspense", "101.0.1", -5)),),
        "not what its card shows",
    ),
    "value on a token that is none": (
        (posted("token:1/1@1", ("pending", "1", -5), ("purse", "1/1", 5)),),
        "not what its card shows",
    ),
    "an explanation of nothing": (
        (posted("explained:1/1@5", ("pending", "1", -5), ("clearing", "adopted", 5)),),
        "not what its card shows",
    ),
    "less given back of what was not delivered": (
        (f"UPDATE posting SET cents = cents / 3 WHERE {A_DELIVERY}",),
        "by the posting rules something else",
    ),
    "nothing given back of what was not delivered": (
        (f"DELETE FROM posting WHERE {A_DELIVERY}",),
        "moved nothing by the ledger",
    ),
    "refunds that are not counted": (
        ("UPDATE step SET given_back_cents = 0 WHERE given_back_cents = 100",),
        "its refunds are not counted",
    ),
    "a chain that is gone": (("DELETE FROM chain WHERE tno = 102",), "no row says that there is such a branch"),
    "entries on no chain": (("DELETE FROM chain WHERE tno = 102",), "lie on a chain that could be checked"),
    "postings of entries on no chain": (("DELETE FROM chain WHERE tno = 101",), "were held against entries"),
    "a dispute without a second history": (
        (f"UPDATE step SET use = 'disputed' WHERE {A_STEP}",),
        "it is of no second history",
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_what_was_planted_is_told_for_what_it_is(site: Site, name: str) -> None:
    statements, told = PLANTED[name]
    site.change(*statements)
    assert any(told in found for found in audit(site).found)


def test_how_many_entries_are_missing_under_holes_is_said(site: Site) -> None:
    columns = "tno, first, last, hash, asked, asked_at, status"
    site.change(f"INSERT INTO hole ({columns}) VALUES (101, 3, 4, zeroblob(32), 2, 0, 'booked')")
    assert "2 entries are missing in booked holes: till-01 entry/101/0/3 to 4" in audit(site).report["notes"]


def test_a_step_that_an_outcome_told_of_first_has_that_ones_instant(site: Site) -> None:
    """As where what prepared it waited and was posted after that."""
    outcome = "SELECT at FROM entry WHERE tno = step.tno AND branch = 0 AND entry.seq = step.seq + 1"
    site.change(f"UPDATE step SET at = ({outcome}) WHERE {A_STEP}")
    told = audit(site)
    assert told.status == OK, told.found


def test_what_could_not_be_read_when_it_came_waits_for_no_card(site: Site) -> None:
    site.change("UPDATE entry SET kind = '?', at = received_at WHERE parked != ''")
    site.change("UPDATE parked SET card = NULL, generation = NULL")
    assert "parked" not in audit(site).report["by_check"]


def test_what_was_prepared_before_a_second_history_can_be_disputed(site: Site) -> None:
    site.change(
        f"UPDATE step SET use = 'disputed' WHERE {A_STEP}",
        "INSERT INTO branch (tno, branch, tip_seq, tip_hash, parent, forked_after, audited_seq) "
        "VALUES (101, 1, 99, zeroblob(32), 0, 99, 0)",
    )
    assert not any("no second history" in found for found in audit(site).found)


async def test_what_people_do_at_desks_and_in_the_books_is_no_difference(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        one, two, three = (await desk.post("/cards", {"count": 3}, expect=201))["numbers"]
        for place, cents in ((one, 700), (two, 800), (three, 900)):
            await desk.post(f"/cards/{place}/loads", {"id": f"load-it-{place}", "cents": cents})
        channel = {"id": "load-it-4", "cents": 300, "into": "channel", "channel": "wechat", "explains": False}
        await desk.post(f"/cards/{one}/loads", channel)
        for period in (1, 2):
            form = {"id": f"grant-it-{period}", "cents": 100, "period": period}
            await desk.post(f"/cards/{one}/subsidies", form)
        await move(desk, "vault_to_bank", 600)
        await move(desk, "channel_to_provider", 200, "wechat")
        legs = [
            {"kind": "vault", "cents": -20},
            {"kind": "operator_loss", "cents": 20},
        ]
        await together(desk, "/ledger/corrections", {"id": "correct-1", "legs": legs, **WHY})
        await reverse(desk, "correction:correct-1")
        await reverse(desk, f"desk:load-it-{two}")
        await desk.post(f"/cards/{two}/replace")
        await desk.post(f"/cards/{three}/close", {"card_cents": 0})
    told = await asyncio.to_thread(audit, Site(tmp_path, {}))
    assert told.status == OK, told.found
    acts = {step["name"]: step["checked"] for step in told.report["steps"]}
    assert acts["decisions"]["causes"] >= 11
