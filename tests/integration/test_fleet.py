"""The life of a terminal on real parts: Mosquitto with certificates, PostgreSQL, PC/SC; and each step can be seen."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocol.purse import Technology
from terminal.claim import renew, validity
from terminal.identity import load_identity
from terminal.server_http import ServerAt
from tests.brokers import now
from tests.integration.campus import PCSCD_LOOKS_S, SITE, Campus, Till, wait_until
from tests.server.postgres import new_database, private_postgres

pytestmark = pytest.mark.integration

START, PRICE, PASSWORD = 1_000, 100, "pw-that-nobody-shows"
STAFF_PIN, WRONG_STAFF_PIN, BAD_STAFF_PIN = "00417309", "00529816", "00638427x"
CARD_PIN, WRONG_CARD_PIN = "00750938", "00861047"
PINS = (STAFF_PIN, WRONG_STAFF_PIN, BAD_STAFF_PIN, CARD_PIN, WRONG_CARD_PIN)


@pytest.fixture(scope="module")
def campus() -> Iterator[Campus]:
    """A campus on PostgreSQL, with two readers."""
    with (
        private_postgres() as postgres,
        tempfile.TemporaryDirectory(prefix="fanka-") as directory,
        Campus(Path(directory) / "c", 2, database=with_password(postgres), log_format="json") as campus,
    ):
        try:
            yield campus
        finally:
            for program in (campus.server, *(till.program for till in campus.tills.values())):
                print(f"--- {program.log}\n{program.said()}")


def with_password(postgres: str) -> str:
    """Nobody asks for it here; a log must not show it all the same."""
    return new_database(postgres, "campus").replace("postgres@", f"postgres:{PASSWORD}@")


def epochs(campus: Campus, till: Till) -> list[tuple[int, int, str]]:
    """Of each epoch its number, how many entries the server holds of it, and its status."""
    found = campus.ask("GET", f"/terminals/{till.tid}")["epochs"]
    return [(epoch["epoch"], epoch["tip"], epoch["status"]) for epoch in found]


def rescued(dead: Path) -> bytes:
    """A dead terminal's journal, read by a technician."""
    command = [sys.executable, "-I", "-m", "terminal", "--rescue", str(dead)]
    return subprocess.run(command, capture_output=True, check=True).stdout


def test_enrol_sell_block_reimage_rescue_revoke(campus: Campus, office: Till) -> None:
    # Enrolled with a claim code, it sells, and the ledger knows.
    till = campus.add_till("till-1", 1)
    (first, one), (second, two), (third, three), (fourth, four) = (
        campus.issue(office, technology, START) for technology in (Technology.DESFIRE, Technology.CLASSIC) * 2
    )
    assert till.sell(one, PRICE)["title"] == "Paid"
    campus.wait_online(till)
    wait_until(lambda: campus.card(first)["main_cents"] == START - PRICE, "the sale in the ledger")
    journal = till.directory / "data"
    wait_until(lambda: epochs(campus, till) == [(1, len(rescued(journal).splitlines()), "active")], "all of its rows")

    # A card is blocked and refused there within seconds.
    mark = till.program.mark()
    campus.ask("POST", f"/cards/{fourth}/block")
    till.program.wait("lists", since=mark)
    assert till.sell(four, PRICE)["title"] == "Not sold"
    till.program.type("cancel")
    assert campus.money_on(four) == START

    # Its memory card dies with a sale that nobody has heard of; the machine is made anew and enrolled again.
    campus.broker.stop()
    assert till.sell(two, PRICE)["title"] == "Paid"
    campus.broker.start()
    assert till.program.kill() != 0
    dead = till.directory / "dead"
    (till.directory / "data").rename(dead)
    campus.enrol(till.tid, till.directory / "data")
    till.program.start()
    assert till.sell(three, PRICE)["title"] == "Paid"
    wait_until(lambda: campus.card(third)["main_cents"] == START - PRICE, "the new epoch's sale in the ledger")
    assert [epoch for epoch, *_ in epochs(campus, till)] == [1, 2]
    assert campus.card(second)["main_cents"] == START

    # A technician reads the dead card out, and the lost sale is found.
    taken = campus.send_text(f"/terminals/{till.tid}/journal", rescued(dead))
    assert taken["asked_for"] == 0
    assert epochs(campus, till)[0][1] == len(rescued(dead).splitlines())
    assert [campus.card(no)["main_cents"] for no in (first, second, third)] == [START - PRICE] * 3
    assert [campus.money_on(card) for card in (one, two, three)] == [START - PRICE] * 3

    # Revoked, it is silenced and kept out; what it sold is told by rescue all the same, and kept aside.
    campus.ask("POST", f"/terminals/{till.tid}/revoke")
    wait_until(lambda: "offline" in till.program.ask("status"), "the end of the session")
    wait_until(
        lambda: "the session of till-1 was ended: its certificate was revoked" in campus.server.said(),
        "a word in the log",
    )
    wait_until(lambda: not campus.ask("GET", f"/terminals/{till.tid}/state")["online"], "the register to say so")
    held = epochs(campus, till)[1][1]
    assert till.sell(one, PRICE)["title"] == "Paid", "it cannot know, and a student is not turned away"
    assert till.program.stop() == 0
    campus.send_text(f"/terminals/{till.tid}/journal", rescued(till.directory / "data"))
    assert epochs(campus, till)[1][1] > held and epochs(campus, till)[1][2] == "revoked"
    assert campus.ask("GET", f"/terminals/{till.tid}/parked") and campus.card(first)["main_cents"] == START - PRICE


def test_a_certificate_is_renewed_and_let_in(campus: Campus, office: Till) -> None:
    data = office.directory / "data"
    before = validity(data)
    assert office.program.stop() == 0
    renew(data, ServerAt(campus.server.url), load_identity(data), now())
    assert validity(data) >= before and (data / "tls.pem").stat().st_mode & 0o077 == 0
    office.program.start()
    wait_until(lambda: "offline" not in office.program.ask("status"), "a session with the new certificate")


def put(campus: Campus, till: Till, name: str, body: dict[str, object]) -> None:
    """Store a list, and wait until a till sells by it."""
    version = campus.ask("PUT", f"/sites/{SITE}/{name}", body)["version"]

    def runs() -> bool:
        lists = campus.ask("GET", f"/terminals/{till.tid}/state")["lists"]
        return any(known["name"] == name and known["applied"] >= version for known in lists)

    wait_until(runs, f"{name} at {till.tid}")


def test_a_cashier_and_a_student_type_their_pins(campus: Campus, office: Till) -> None:
    """Right, wrong and malformed, at the desk and at the till; whether any was repeated the next test asks."""
    program = office.program
    person = {"id": "wang", "name": "Wang", "pin": STAFF_PIN}
    with pytest.raises(AssertionError) as refused:
        campus.ask("PUT", f"/sites/{SITE}/staff", {"staff": [person | {"pin": BAD_STAFF_PIN}]})
    put(campus, office, "staff", {"staff": [person]})
    said = [program.ask(f"shift open wang 1 {pin}") for pin in (WRONG_STAFF_PIN, STAFF_PIN)]
    assert "not the PIN of wang" in said[0] and "is open: wang" in said[1]
    no = int(campus.ask("POST", "/cards", {"technology": "desfire"})["numbers"][0])
    campus.ask("POST", f"/cards/{no}/loads", {"id": f"desk-load-{no:06d}", "cents": START})
    card = campus.make(office, no, Technology.DESFIRE, pin=CARD_PIN)
    put(campus, office, "limits", {"rules": {"classes": [{"card_class": 1, "pin_above": PRICE}]}})
    put(campus, office, "config", {"config": {"repeat_ms": 0}})
    time.sleep(PCSCD_LOOKS_S)
    office.ring(2 * PRICE)
    program.wait("view", since=office.put_on(card), phase="pin_entry")
    for pin, phase in ((WRONG_CARD_PIN, "not_done"), (CARD_PIN, "done")):
        if phase == "done":
            office.away()
            program.wait("view", since=office.put_on(card), phase="pin_entry")
        program.wait("view", since=program.type(f"pin {pin}"), phase=phase)
    office.away()
    assert not [pin for pin in PINS if pin in str(refused.value) or pin in json.dumps(program.events)]


def test_nothing_secret_stands_in_a_log(campus: Campus) -> None:
    """Not even where everything is logged; and each line of the server is one object."""
    said = "".join(path.read_text(errors="replace") for path in campus.directory.glob("*/log.txt"))
    assert said and not [secret for secret in (*campus.secrets(), PASSWORD, *PINS) if secret in said]
    lines = [json.loads(line) for line in campus.server.log.read_text().splitlines()]
    assert all({"at", "level", "logger", "text"} <= line.keys() for line in lines)
    assert any("request" in line for line in lines)
