"""What is put back from a copy, or is gone: server, terminal, broker. Real programs; at the end the same cents.

What is on the cards is the truth that nobody can put back: the ledger must come to it by itself.
"""

import shutil
import subprocess
import sys

import pytest

from protocol.purse import Technology
from tests.integration.campus import MERCHANT, SITE, Campus, Till, wait_until
from tests.integration.engines import POSTGRESQL, SQLITE, lose_data
from tests.integration.fuse import Card
from tests.integration.programs import ROOT
from tests.integration.test_fleet import rescued

pytestmark = pytest.mark.integration

START, PRICE = 5_000, 100
READERS = 4
"""The card office's and three tills'."""
DATABASES = (SQLITE, POSTGRESQL)


@pytest.fixture(scope="module")
def till(campus: Campus, office: Till) -> Till:
    """The till that is there."""
    return campus.add_till("till-1", 1)


@pytest.fixture(scope="module")
def other(campus: Campus, office: Till) -> Till:
    """The till that things happen to."""
    return campus.add_till("till-2", 2)


@pytest.fixture(scope="module")
def cards(campus: Campus, office: Till) -> dict[int, Card]:
    """One of each technology."""
    return dict(campus.issue(office, technology, START) for technology in (Technology.DESFIRE, Technology.CLASSIC))


def alarms(campus: Campus) -> set[tuple[str, str]]:
    """Kind and subject of those that are open."""
    return {(known["kind"], known["about"]) for known in campus.ask("GET", "/alarms")}


def command(campus: Campus, *arguments: str) -> str:
    """Run one of the server's commands; what it says."""
    passphrase = campus.directory / "passphrase"
    passphrase.touch(0o600)
    passphrase.write_text("correct horse battery")
    told = ["--config", str(campus.directory / "server" / "server.toml"), "--passphrase-file", str(passphrase)]
    done = subprocess.run(
        [sys.executable, "-I", "-m", "server", *arguments, *told], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def tried(till: Till, card: Card) -> str:
    """What comes of a sale; the cashier says that it is another one where the card has just paid."""
    view = till.sell(card, PRICE)
    if view["phase"] == "repeat_asked":
        till.program.wait("view", since=till.program.type("confirm"), phase="awaiting_card")
        view = till.tap(card)
    return str(view["title"])


def sell(till: Till, cards: dict[int, Card]) -> None:
    """One sale for each card."""
    assert {tried(till, card) for card in cards.values()} == {"Paid"}


def comes_to_the_cards(campus: Campus, cards: dict[int, Card]) -> None:
    """The ledger has what is on the cards, and everything together is nothing."""
    on_cards = {no: campus.money_on(card) for no, card in cards.items()}
    wait_until(
        lambda: {no: campus.card(no)["main_cents"] for no in cards} == on_cards, f"the cards' {on_cards} in the ledger"
    )
    assert campus.ledger()["total_cents"] == 0


def has_all_of(campus: Campus, till: Till) -> None:
    """The server holds every row that is in a till's journal."""
    newest = max(event["seq"] for event in till.program.events if event["event"] == "entry")
    wait_until(lambda: campus.tip(till) >= newest, f"{newest} entries of {till.tid}")


def test_a_server_put_back_from_yesterday_is_told_everything_again(
    campus: Campus, till: Till, other: Till, cards: dict[int, Card]
) -> None:
    """One terminal stays online all the while, the other one is away and comes back."""
    sell(till, cards)
    for each in (till, other):
        campus.wait_online(each)
    (campus.directory / "backups").mkdir(exist_ok=True)
    backup = command(campus, "backup", "--to", str(campus.directory / "backups"))
    for each in (till, other):
        sell(each, cards)
        campus.wait_online(each)
    assert other.program.stop() == 0
    assert campus.server.stop() == 0
    lose_data(campus)
    assert "restored: server epoch 2" in command(campus, "restore", "--from", backup)
    campus.server.start()
    assert ("server_restored", "server") in alarms(campus)
    has_all_of(campus, till)
    sell(till, cards)
    campus.wait_online(till)
    other.program.start()
    has_all_of(campus, other)
    sell(other, cards)
    campus.wait_online(other)
    comes_to_the_cards(campus, cards)
    assert not {kind for kind, _ in alarms(campus)} & {"chain_break", "refused_batch", "histories"}


def test_a_terminal_enrolled_after_the_backup_is_named_and_put_back(campus: Campus, cards: dict[int, Card]) -> None:
    """It is there all the while, and the server that was made again has never heard of it."""
    (campus.directory / "backups").mkdir(exist_ok=True)
    backup = command(campus, "backup", "--to", str(campus.directory / "backups"))
    late = campus.add_till("till-3", 3)
    sell(late, cards)
    campus.wait_online(late)
    assert campus.server.stop() == 0
    shutil.rmtree(campus.directory / "server" / "lost", ignore_errors=True)
    lose_data(campus)
    assert "restored: server epoch" in command(campus, "restore", "--from", backup)
    campus.server.start()
    wait_until(lambda: ("terminal_unknown", "till-3") in alarms(campus), "the alarm that names it")
    wait_until(lambda: "the server has not answered" in late.program.ask("status"), "the same at the terminal")
    sell(late, cards)
    campus.ask("PUT", "/terminals/till-3", {"site": SITE, "title": "till-3", "merchant": MERCHANT})
    grant = (late.directory / "data" / "grant.jws").read_text().strip()
    assert campus.ask("POST", "/grants", {"grant": grant})["merchant"] == MERCHANT
    has_all_of(campus, late)
    comes_to_the_cards(campus, cards)
    assert campus.ask("GET", "/terminals/till-3/parked") == []
    assert ("no_particulars", "till-3") not in alarms(campus)


def test_a_broker_that_lost_everything_is_filled_again(campus: Campus, till: Till, cards: dict[int, Card]) -> None:
    """Its directory is deleted: retained lists, sessions, certificates. The server makes it anew and says all again."""
    campus.broker.stop()
    shutil.rmtree(campus.broker.settings.directory)
    sell(till, cards)
    wait_until((campus.broker.settings.directory / "access.list").exists, "a new directory", 30)
    wait_until(lambda: "till-1" in (campus.broker.settings.directory / "access.list").read_text(), "who may connect")
    campus.broker.start()
    campus.wait_online(till)
    comes_to_the_cards(campus, cards)
    (blocked, *_), mark = cards, till.program.mark()
    campus.ask("POST", f"/cards/{blocked}/block")
    till.program.wait("lists", since=mark)
    assert tried(till, cards[blocked]) == "Not sold"
    till.program.type("cancel")
    mark = till.program.mark()
    campus.ask("POST", f"/cards/{blocked}/unblock")
    till.program.wait("lists", since=mark)


def test_a_terminal_put_back_from_an_image_has_its_second_sales_paid_as_well(
    campus: Campus, till: Till, other: Till, cards: dict[int, Card]
) -> None:
    """It sold, was put back, and sold again without a network: two histories. It says so and goes on in a new epoch;
    the next tap elsewhere proves what the second history sold."""
    data, image = other.directory / "data", other.directory / "image"
    assert other.program.stop() == 0
    shutil.copytree(data, image)
    other.program.start()
    sell(other, cards)
    campus.wait_online(other)
    assert other.program.stop() == 0
    shutil.rmtree(data)
    image.rename(data)
    campus.broker.stop()
    other.program.start()
    sell(other, cards)
    campus.broker.start()
    wait_until(lambda: ("terminal_says", "till-2") in alarms(campus), "its own word that it needs a new epoch")
    assert other.program.stop() == 0
    data.rename(image)
    assert campus.send_text("/terminals/till-2/journal", rescued(image))["asked_for"] == 0
    assert ("chain_break", "till-2") in alarms(campus)
    campus.enrol("till-2", data)
    other.program.start()
    sell(till, cards)
    campus.wait_online(till)
    comes_to_the_cards(campus, cards)
    sell(other, cards)
    comes_to_the_cards(campus, cards)
    assert len(campus.ask("GET", "/terminals/till-2")["epochs"]) == 2
