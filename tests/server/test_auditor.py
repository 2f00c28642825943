"""An audit finds one changed byte in whatever column it stands, and names the row; an untouched database agrees."""

import asyncio
import base64
import json
import re
import shutil
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from server import tables
from server.audit_command import DIFFERS, KEY, NOT_DONE, OK, REPORT, SIGNATURE, main
from server.auditor.progress import Progress
from server.auditor.reading import snapshot
from server.db import Database
from tests.server.audited import TODAY, Site, audit, laid_out, lay_out
from tests.server.postgres import new_database, private_postgres

GUIDE = Path(__file__).parents[2] / "docs" / "audit.md"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return laid_out(tmp_path_factory.mktemp("audited") / "data")


@pytest.fixture
def site(template: Site, tmp_path: Path) -> Site:
    shutil.copytree(template.directory, tmp_path / "data")
    (tmp_path / "data" / "server.toml").unlink(missing_ok=True)
    return Site(tmp_path / "data", template.acks)


def test_an_untouched_database_agrees_and_every_step_says_how_much_and_how_long(site: Site) -> None:
    told = audit(site)
    assert told.status == OK, told.found
    steps = {step["name"]: step for step in told.report["steps"]}
    assert list(steps) == ["grants", "entries", "decisions", "balances", "roots"]
    assert steps["entries"]["checked"]["entries"] == site.ask("SELECT count(*) FROM entry")[0][0]
    assert steps["balances"]["checked"]["postings"] == site.ask("SELECT count(*) FROM posting")[0][0]
    assert steps["roots"]["checked"]["leaves"] == site.ask("SELECT count(*) FROM tree_leaf")[0][0]
    assert all(step["seconds"] >= 0 and not step["differences"] for step in steps.values())
    assert [(one["number"], one["day"], one["agrees"]) for one in told.report["roots"]] == [(1, TODAY, True)]


SETTLED = "(SELECT tno, branch, seq FROM entry WHERE kind = 'sale_settled' ORDER BY tno, seq LIMIT 1)"
A_SALE = f"(tno, branch, seq) IN {SETTLED}"
NEWEST = "(SELECT max(id) FROM posting)"
"""A row that no night has sealed yet."""
OF_NEWEST = f"cause = (SELECT cause FROM posting WHERE id = {NEWEST})"
A_STEP = "number = (SELECT min(number) FROM step WHERE operation = 'sale' AND stage = 'settled')"
LINE = "CAST(jws AS TEXT)"
OTHER_BYTE = f"CAST(replace({LINE}, substr({LINE}, 90, 6), 'AAAAAA') AS BLOB)"
OTHER_SIGNATURE = f"CAST(substr({LINE}, 1, length(jws) - 40) || 'AAAAAA' || substr({LINE}, length(jws) - 33) AS BLOB)"


def copied(table: str, row: str, **changed: str) -> str:
    """A statement that puts a row in once more, but for some columns."""
    names = [column.name for column in tables.metadata.tables[table].columns if column.name not in ("id", "number")]
    values = ", ".join(changed.get(name, name) for name in names)
    return f"INSERT INTO {table} ({', '.join(names)}) SELECT {values} FROM {table} WHERE {row}"


CHANGES = {
    "a byte of a line": (f"UPDATE entry SET jws = {OTHER_BYTE} WHERE {A_SALE}", "signature"),
    "a byte of a signature": (f"UPDATE entry SET jws = {OTHER_SIGNATURE} WHERE {A_SALE}", "signature"),
    "a line that is text": ("UPDATE entry SET jws = 'no line' WHERE tno = 101 AND seq = 4", "line"),
    "a hash": (f"UPDATE entry SET hash = zeroblob(32) WHERE {A_SALE}", "hash"),
    "a kind": (f"UPDATE entry SET kind = 'sale_voided' WHERE {A_SALE}", "kind"),
    "a day": (f"UPDATE entry SET day = day + 1 WHERE {A_SALE}", "day"),
    "an instant": (f"UPDATE entry SET at = at + 1 WHERE {A_SALE}", "at"),
    "when a sealed entry came": (f"UPDATE entry SET received_at = received_at - 1 WHERE {A_SALE}", "sealed"),
    "a reason to wait": (f"UPDATE entry SET parked = 'unknown card' WHERE {A_SALE}", "parked"),
    "no reason to wait": ("UPDATE entry SET parked = '' WHERE parked != ''", "parked"),
    "the card that an entry waits for": ("UPDATE parked SET card = 1", "parked"),
    "an entry that waits for nothing": ("INSERT INTO parked (tno, branch, seq) VALUES (101, 0, 999)", "parked"),
    "an amount": (f"UPDATE posting SET cents = cents + 1 WHERE id = {NEWEST}", "sum"),
    "a sealed amount": ("UPDATE posting SET cents = cents + 1 WHERE id = 1", "sealed"),
    "two amounts that sum to zero": (f"UPDATE posting SET cents = cents * 2 WHERE {OF_NEWEST}", "posting"),
    "an account": (f"UPDATE posting SET owner = 'canteen-2' WHERE id = {NEWEST}", "posting"),
    "a kind of account": (f"UPDATE posting SET account_kind = 'funder' WHERE id = {NEWEST}", "posting"),
    "no kind of account": (f"UPDATE posting SET account_kind = 'gift' WHERE id = {NEWEST}", "posting"),
    "the day of a posting": (f"UPDATE posting SET day = day - 1 WHERE id = {NEWEST}", "posting"),
    "the day a posting counts in": (f"UPDATE posting SET period_day = period_day - 1 WHERE id = {NEWEST}", "posting"),
    "when something was posted": (f"UPDATE posting SET at = at + 1 WHERE id = {NEWEST}", "posting"),
    "the order of postings": (f"UPDATE posting SET line = 7 WHERE id = {NEWEST}", "posting"),
    "the cause of a posting": (f"UPDATE posting SET cause = 'entry:101.0.999' WHERE id = {NEWEST}", "posting"),
    "a cause of no kind": (f"UPDATE posting SET cause = 'gift:1' WHERE id = {NEWEST}", "posting"),
    "a posting that is gone": (f"DELETE FROM posting WHERE {OF_NEWEST}", "posting"),
    "a posting too many": (copied("posting", OF_NEWEST, cause="'entry:101.0.999'"), "posting"),
    "a balance": ("UPDATE card SET main_cents = main_cents + 1 WHERE card = 1", "balance"),
    "a subsidy": ("UPDATE card SET subsidy_cents = 1 WHERE card = 2", "balance"),
    "a card that is gone": ("DELETE FROM card WHERE card = 2", "balance"),
    "a root": ("UPDATE tree_head SET root = zeroblob(32)", "root"),
    "the day of a root": ("UPDATE tree_head SET day = day + 1", "root"),
    "the signature of a root": (f"UPDATE tree_head SET jws = {OTHER_SIGNATURE}", "root"),
    "a leaf": ("UPDATE tree_leaf SET hash = zeroblob(32) WHERE position = 3", "sealed"),
    "a leaf of another row": ("UPDATE tree_leaf SET third = 999 WHERE position = 3", "sealed"),
    "a leaf that is gone": ("DELETE FROM tree_leaf WHERE position = 3", "sealed"),
    "a key": ("UPDATE chain SET key = (SELECT key FROM chain WHERE tno = 102) WHERE tno = 101", "grant"),
    "a grant": ("UPDATE chain SET grant_jws = x'00' WHERE tno = 101", "grant"),
    "the beginning of a chain": ("UPDATE chain SET start_hash = zeroblob(32) WHERE tno = 101", "grant"),
    "an end": ("UPDATE branch SET tip_seq = tip_seq - 1 WHERE tno = 101", "tip"),
    "the hash of an end": ("UPDATE branch SET tip_hash = zeroblob(32) WHERE tno = 101", "tip"),
    "an entry that is gone from the middle": (f"DELETE FROM entry WHERE {A_SALE}", "missing"),
    "a card step too many": (copied("step", A_STEP, seq="999"), "step"),
    "a card step that is gone": (f"DELETE FROM step WHERE {A_STEP}", "step"),
}
STEP_COLUMNS = {
    "operation": "'refund'", "stage": "'torn'", "shape": "'pin'", "body": "replace(body, 'canteen-1', 'canteen-2')",
    "last": "'[{\"ok\":1}]'", "tid": "'till-09'", "shift": "shift + 1", "card": "2", "generation": "2",
    "counter": "counter + 1", "counter_after": "counter_after + 1", "amount": "amount + 1", "main": "main + 1",
    "main_after": "main_after + 1", "subsidy": "1", "subsidy_after": "1", "below_tno": "9", "below_seq": "9",
    "use": "'fork'", "resolved": "'student'", "torn_at": "1", "claimed": "1", "lost": "1", "returned": "1",
    "given_back_cents": "given_back_cents + 1", "day": "day + 1", "at": "at + 1",
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_value_is_found_where_it_stands(site: Site, name: str) -> None:
    statement, check = CHANGES[name]
    site.change(statement)
    told = audit(site)
    assert told.status == DIFFERS
    assert check in told.report["by_check"], told.found


@pytest.mark.parametrize("column", STEP_COLUMNS)
def test_a_changed_column_of_a_card_step_is_found(site: Site, column: str) -> None:
    site.change(f"UPDATE step SET {column} = {STEP_COLUMNS[column]} WHERE {A_STEP}")
    told = audit(site)
    assert told.status == DIFFERS
    assert any(one["seq"] for one in told.report["differences"]), told.found


def test_the_terminal_and_the_entry_of_a_difference_are_named(site: Site) -> None:
    ((tno, branch, seq),) = site.ask(f"SELECT * FROM {SETTLED}")
    site.change(f"UPDATE entry SET hash = zeroblob(32) WHERE {A_SALE}")
    told = audit(site)
    assert [(one["check"], one["row"], one["terminal"], one["seq"]) for one in told.report["differences"]] == [
        ("hash", f"entry/{tno}/{branch}/{seq}", "till-01", seq)
    ]


def test_swapped_entries_are_found(site: Site) -> None:
    site.change(
        "UPDATE entry SET seq = 9999 WHERE tno = 101 AND seq = 5",
        "UPDATE entry SET seq = 5 WHERE tno = 101 AND seq = 6",
        "UPDATE entry SET seq = 6 WHERE tno = 101 AND seq = 9999",
    )
    told = audit(site)
    assert told.names("place", "entry/101/0/5") and told.names("place", "entry/101/0/6")


def test_a_doubled_entry_is_found(site: Site) -> None:
    ((last,),) = site.ask("SELECT max(seq) FROM entry WHERE tno = 101")
    site.change(
        copied("entry", f"tno = 101 AND seq = {last}", seq=str(last + 1)),
        f"UPDATE branch SET tip_seq = {last + 1} WHERE tno = 101",
    )
    told = audit(site)
    assert told.names("place", f"entry/101/0/{last + 1}")


def without_the_last_entries(site: Site) -> int:
    """Take the last sale off a chain with everything that speaks of it; the entry that is the last one then."""
    ((last,),) = site.ask("SELECT max(seq) FROM entry WHERE tno = 101")
    cents, counter = site.ask(f"SELECT amount, counter FROM step WHERE tno = 101 AND seq = {last - 1}")[0]
    site.change(
        f"DELETE FROM posting WHERE cause IN ('entry:101.0.{last}', 'entry:101.0.{last - 1}')",
        f"DELETE FROM step WHERE tno = 101 AND seq = {last - 1}",
        f"DELETE FROM entry WHERE tno = 101 AND seq >= {last - 1}",
        f"UPDATE card SET main_cents = main_cents + {cents} WHERE card = 1",
        f"UPDATE branch SET tip_seq = {last - 2}, tip_hash = "
        f"(SELECT hash FROM entry WHERE tno = 101 AND seq = {last - 2}) WHERE tno = 101",
    )
    assert counter
    return int(last)


def test_an_entry_that_was_taken_off_the_end_is_found_by_the_ack_that_was_sent(site: Site, tmp_path: Path) -> None:
    last = without_the_last_entries(site)
    assert audit(site).status == OK, "nothing in the database itself can tell"
    (tmp_path / "acks").write_bytes(b"\n".join(site.acks.values()) + b"\n")
    told = audit(site, "--ack", str(tmp_path / "acks"))
    assert told.status == DIFFERS
    assert [(one["check"], one["terminal"], one["seq"]) for one in told.report["differences"]] == [
        ("ack", "till-01", last)
    ]


def test_an_ack_that_a_journal_has_kept_is_held_against_its_chain(site: Site) -> None:
    site.change("DELETE FROM entry WHERE tno = 101 AND seq < 13 AND seq > 10")
    told = audit(site)
    assert "ack" in told.report["by_check"] or told.names("missing", "entry/101/0/13"), told.found


def test_a_past_that_was_sealed_anew_is_found_by_a_root_that_was_kept(site: Site, tmp_path: Path) -> None:
    ((jws,),) = site.ask("SELECT jws FROM tree_head")
    (tmp_path / "head.jws").write_bytes(jws + b"\n")
    assert audit(site, "--head", str(tmp_path / "head.jws")).status == OK
    site.change("DELETE FROM tree_head", "DELETE FROM tree_leaf")
    assert audit(site).status == OK, "nothing in the database itself can tell"
    told = audit(site, "--head", str(tmp_path / "head.jws"))
    assert told.names("root", "head/1")


def test_a_part_is_audited_alone(site: Site) -> None:
    site.change("UPDATE entry SET hash = zeroblob(32) WHERE tno = 102 AND seq = 2")
    assert audit(site, "--terminal", "till-01").status == OK
    assert audit(site, "--terminal", "till-02").names("hash", "entry/102/0/2")
    assert audit(site, "--from", str(TODAY + 1)).status == OK
    told = audit(site, "--from", str(date(1970, 1, 1) + timedelta(TODAY)), "--until", str(TODAY))
    assert told.names("hash", "entry/102/0/2") and told.report["last_day"] == TODAY
    assert [step["name"] for step in told.report["steps"]] == ["grants", "entries", "decisions"]


def test_so_many_differences_are_named_as_were_asked_for_and_all_are_counted(site: Site) -> None:
    site.change("UPDATE entry SET at = at + 1")
    told = audit(site, "--show", "3")
    assert len(told.report["differences"]) == 3
    assert told.report["by_check"]["at"] == site.ask("SELECT count(*) FROM entry")[0][0]


@pytest.mark.integration
def test_a_signed_report_is_verified_by_openssl(site: Site, tmp_path: Path) -> None:
    out = tmp_path / "report"
    command = [sys.executable, "-m", "server", "audit", "--config", site.config, "--out", out, "--processes", "2"]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=120)
    assert done.returncode == OK, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith("everything agrees")
    line = done.stderr.rstrip().rpartition(": ")[2]
    assert line.startswith("openssl pkeyutl -verify")
    checked = subprocess.run(["bash", "-c", line], cwd=out, capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0 and "Verified Successfully" in checked.stdout, checked.stderr
    (out / REPORT).write_bytes((out / REPORT).read_bytes().replace(b'"agrees": true', b'"agrees": null', 1))
    again = subprocess.run(["bash", "-c", line], cwd=out, capture_output=True, text=True, timeout=60)
    assert again.returncode != 0
    assert len((out / SIGNATURE).read_bytes()) == 64
    told = json.loads((site.directory / "keys" / "trust.json").read_text())
    payload = told["keys"].split(".")[1]
    document = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    (ack,) = [key["key"] for key in document["keys"] if key["purpose"] == "ack"]
    body = "".join((out / KEY).read_text().splitlines()[1:-1])
    assert base64.b64decode(body)[-32:] == base64.urlsafe_b64decode(ack + "=")


@pytest.mark.integration
async def test_a_postgresql_is_audited_alike_beside_a_writer_and_never_written(tmp_path: Path) -> None:
    with private_postgres() as cluster:
        site = await lay_out(tmp_path, new_database(cluster, "audited"))
        async with Database(site.database) as database, database.writing() as connection:
            await connection.execute(text("UPDATE card SET main_cents = main_cents + 1"))
            told = await asyncio.to_thread(audit, site)  # what is not committed is not there
        assert told.status == OK, told.found
        assert [one["agrees"] for one in told.report["roots"]] == [True]
        told = await asyncio.to_thread(audit, site)
        assert told.status == DIFFERS and told.report["by_check"] == {"balance": 2}
        with snapshot(site.database) as reading, pytest.raises(DBAPIError, match="read-only"):
            reading.execute(text("UPDATE card SET main_cents = 0"))


@pytest.mark.integration
def test_one_entry_is_checked_by_hand_as_the_guide_says(site: Site) -> None:
    (by_hand,) = re.findall(r"^check\(\) \{.*?^\}$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    script = f"set -euo pipefail\npython={sys.executable}\n{by_hand}\ncheck 101 4"
    done = subprocess.run(["bash", "-c", script], cwd=site.directory.parent, capture_output=True, text=True, timeout=60)
    ((hashed,),) = site.ask("SELECT hash FROM entry WHERE tno = 101 AND seq = 4")
    assert done.returncode == 0, done.stderr
    assert "Signature Verified Successfully" in done.stdout and hashed.hex() in done.stdout


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (("--root", "A" * 43), "signed by another root"),
        (("--out", "."), "there is something in it"),
        (("--ack", "/dev/null", "--head", "/dev/null"), "--head /dev/null"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_read(site: Site, more: tuple[str, ...], why: str) -> None:
    told = audit(site, *more)
    assert told.status == NOT_DONE and why in told.said[0]


def test_without_a_database_there_is_no_audit(site: Site) -> None:
    site.file.unlink()
    told = audit(site)
    assert told.status == NOT_DONE and "there is no database" in told.said[0]


def test_a_long_step_says_how_far_it_is_and_when_it_will_be_done() -> None:
    said, now = list[str](), [0.0]
    progress = Progress(said.append, lambda: now[0])
    progress.begin("entries", "entries", 1_000)
    progress.add(10)
    now[0] = 10.0
    progress.add(240)
    assert said == ["entries: 250 of 1,000 entries, 25 a second, about 30 s left"]


def test_people_read_each_difference_and_how_many_there_are(site: Site) -> None:
    site.change("UPDATE card SET main_cents = main_cents + 1 WHERE card = 1")
    said = list[str]()
    assert main(["--config", str(site.config), "--processes", "1"], said.append, said.append) == DIFFERS
    assert re.fullmatch(
        r"DIFFERENCE balance: card/1/1: the column main_cents has \d+, its postings come to \d+", said[-2]
    )
    assert said[-1] == "1 DIFFERENCES: balance 1"


def test_nothing_is_written(site: Site) -> None:
    before = site.file.read_bytes()
    assert audit(site).status == OK
    assert site.file.read_bytes() == before
