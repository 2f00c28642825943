"""A token through everything that is real: any card with a UID, pcscd, terminal, Mosquitto, server, ledger, ack."""

import secrets
import time
from collections.abc import Iterator

import httpx
import pytest

from hardware.cards.keys import MasterKeys
from hardware.simulated.ntag424 import VirtualNtag424, blank_ntag424
from hardware.simulated.plain_card import VirtualFelica, VirtualPlain, VirtualTypeB
from hardware.simulated.tearing import Moment, Tear
from hardware.simulated.ultralight_aes import VirtualUltralightAes, blank_ultralight
from protocol.entries import Kind, SaleStep
from protocol.ids import CardNo, Generation
from protocol.purse import CardClass, Identity, Technology
from tests.hardware.tag_bench import tag
from tests.integration.campus import PCSCD_LOOKS_S, SITE, Campus, Till, Token, wait_until
from tests.integration.programs import Event

pytestmark = pytest.mark.integration

START, PRICE = 5_000, 1_250
SILENT_WITHIN_S = 8.0
"""A server that is gone is noticed within three seconds; the rest is a slow machine's."""


@pytest.fixture
def till(campus: Campus) -> Iterator[Till]:
    """A till of its own for every test, on the second reader, online."""
    till = campus.add_till(f"till-{len(campus.tills)}", 1)
    campus.wait_online(till)
    yield till
    till.slot.remove()
    till.program.stop()


def new_token(campus: Campus, cents: int, card: VirtualPlain | None = None) -> tuple[int, VirtualPlain]:
    """A number from the desk with money on it, bound to whatever card somebody has."""
    card = card or VirtualPlain(b"\x04" + secrets.token_bytes(6))
    no = int(campus.ask("POST", "/cards", {"technology": "token"})["numbers"][0])
    campus.ask("POST", f"/cards/{no}/loads", {"id": f"desk-load-{no:06d}", "cents": cents})
    campus.ask("PUT", f"/tokens/{card.uid.hex()}", {"no": no})
    return no, card


def agree(campus: Campus, till: Till, no: int, cents: int) -> None:
    """When all is acknowledged, so much is on the token, and the books hold."""
    campus.wait_online(till)
    wait_until(lambda: campus.card(no)["main_cents"] == cents, f"{cents} in the ledger, not {campus.card(no)}")
    ledger = campus.ledger()
    assert ledger["total_cents"] == 0 and ledger["owed_cents"] == ledger["held_cents"]


def test_a_token_pays(campus: Campus, till: Till) -> None:
    """Bound, topped up, tapped, answered, settled, acknowledged: the ledger says what the receipt said."""
    no, card = new_token(campus, START)
    shown = till.sell(card, PRICE)
    assert (shown["title"], shown["amount"], shown["lines"][0]) == ("Paid", PRICE, "balance ¥37.50")
    agree(campus, till, no, START - PRICE)
    time.sleep(PCSCD_LOOKS_S)  # else it was never away
    assert till.sell(card, START)["phase"] == "repeat_asked", "it has just paid"
    till.program.wait("view", since=till.program.type("confirm"), phase="awaiting_card")
    refused = till.tap(card)
    assert refused["phase"] == "not_done" and "only ¥37.50" in refused["lines"][0]
    till.program.type("cancel")
    other_no, other = new_token(campus, START)
    campus.ask("POST", f"/cards/{other_no}/block")
    blocked = till.sell(other, PRICE)
    assert blocked["phase"] == "not_done" and "blocked" in blocked["lines"][0], "at once, whatever lists are there"
    till.program.type("cancel")
    agree(campus, till, no, START - PRICE)
    till.program.stop()
    kinds = [sealed.entry.kind for sealed in till.entries() if isinstance(sealed.entry.body, SaleStep)]
    assert kinds == [Kind.SALE_PREPARED, Kind.SALE_SETTLED, Kind.SALE_PREPARED, Kind.SALE_VOIDED]
    settled = next(sealed.entry.body for sealed in till.entries() if sealed.entry.kind is Kind.SALE_SETTLED)
    assert isinstance(settled, SaleStep) and settled.approval and (settled.main, settled.main_after) == (5_000, 3_750)


@pytest.mark.parametrize("stack", ["pcsc", "pn532"])
def test_felica_and_type_b_pay_through_either_reader_and_a_changing_pupi_does_not(
    campus: Campus, till: Till, stack: str
) -> None:
    behind_nfcpy = campus.add_till(f"{stack}-{len(campus.tills)}", 1, pn532=True) if stack == "pn532" else till
    campus.wait_online(behind_nfcpy)
    for card in (VirtualFelica(b"\x01\x2e" + secrets.token_bytes(6)), VirtualTypeB(b"\x1a" + secrets.token_bytes(3))):
        no, _ = new_token(campus, START, card)
        assert behind_nfcpy.sell(card, PRICE)["title"] == "Paid"
        agree(campus, behind_nfcpy, no, START - PRICE)
    changing = VirtualTypeB(*(secrets.token_bytes(4) for _ in range(500)))
    refused = behind_nfcpy.sell(changing, PRICE)
    assert refused["phase"] == "not_done" and "no number by which" in refused["lines"][0]
    behind_nfcpy.program.type("cancel")


def test_a_stranger_s_card_is_not_ours(campus: Campus, till: Till) -> None:
    shown = till.sell(VirtualPlain(b"\x04" + secrets.token_bytes(3)), PRICE)
    assert shown["phase"] == "not_done" and "not a card of this campus" in shown["lines"][0]


def test_without_the_server_tokens_are_refused_in_words_and_purses_pay(
    campus: Campus, office: Till, till: Till
) -> None:
    no, token = new_token(campus, START)
    _, purse = campus.issue(office, Technology.DESFIRE, START)
    campus.wait_online(till)
    campus.server.kill()
    try:
        till.ring(PRICE)
        began = time.monotonic()
        shown = till.tap(token)
        assert time.monotonic() - began < SILENT_WITHIN_S
        assert shown["phase"] == "not_done" and "does not answer" in shown["lines"][0] and "cash" in shown["advice"]
        assert till.tap(purse)["title"] == "Paid", "the same basket, with a card that holds its money itself"
    finally:
        campus.server.start()
    assert till.sell(token, PRICE)["title"] == "Paid", "and when it is back, the token too"
    agree(campus, till, no, START - PRICE)


def new_number(campus: Campus, cents: int) -> Identity:
    """A number from the desk with money on it, for something that proves that it is of that number."""
    no = int(campus.ask("POST", "/cards", {"technology": "token"})["numbers"][0])
    campus.ask("POST", f"/cards/{no}/loads", {"id": f"desk-load-{no:06d}", "cents": cents})
    return Identity(CardNo(no), Generation(1), CardClass.STUDENT)


def pay(till: Till, card: Token, cents: int) -> Event:
    """A whole sale; one that follows soon is confirmed."""
    shown = till.sell(card, cents)
    if shown["phase"] != "repeat_asked":
        return shown
    till.program.wait("view", since=till.program.type("confirm"), phase="awaiting_card")
    return till.tap(card)


def test_a_tag_that_proves_who_it_is_pays_without_the_server_within_the_limit(campus: Campus, till: Till) -> None:
    """A recorded message and a tag without the keys do not, and the books agree when the server is back."""
    who, uid = new_number(campus, START), b"\x04" + secrets.token_bytes(6)
    card, clone = tag(who, campus.master_keys, uid), tag(who, MasterKeys(1, bytes(16)), uid)
    mark = till.program.mark()
    campus.ask("PUT", f"/sites/{SITE}/limits", {"rules": {"stand_in": PRICE}})
    till.program.wait_for(lambda event: event["event"] == "lists", since=mark, what="the limits at the till")
    assert pay(till, card, PRICE)["title"] == "Paid", "by the server's word"
    recorded = card.snapshot()
    campus.server.kill()
    try:
        assert pay(till, card, PRICE)["title"] == "Paid", "stood in for"
        for other, words in ((VirtualNtag424(recorded), "shown before"), (clone, "cannot prove")):
            shown = pay(till, other, PRICE)
            assert shown["phase"] == "not_done" and words in shown["lines"][0]
            till.program.type("cancel")
        assert pay(till, card, PRICE)["phase"] == "not_done", "more than the limit of the day"
        till.program.type("cancel")
    finally:
        campus.server.start()
    agree(campus, till, who.card, START - 2 * PRICE)
    assert campus.ask("GET", "/cases") == []


@pytest.mark.parametrize("kind", ["ntag424", "ultralight"])
def test_a_tag_that_the_card_office_has_made_pays_at_a_till(
    campus: Campus, office: Till, till: Till, kind: str
) -> None:
    """A blank on the office's reader, torn once; bound at the server by the entry; sold to with and without a line."""
    who, uid = new_number(campus, START), b"\x04" + secrets.token_bytes(6)
    card = VirtualNtag424(blank_ntag424(uid)) if kind == "ntag424" else VirtualUltralightAes(blank_ultralight(uid))
    office.program.wait("view", since=office.program.type(f"replace {who.card} 1 student"), phase="office")
    card.arm(Tear(16, Moment.AFTER))
    office.program.wait("view", since=office.put_on(card), phase="office_failed")
    card.arm(None)
    office.away()
    time.sleep(PCSCD_LOOKS_S)
    card.put_back()
    office.program.wait("view", since=office.put_on(card), phase="office_done")
    office.away()
    campus.wait_online(office)
    wait_until(lambda: campus.ask("GET", f"/tokens?card={who.card}") != [], "the tag to be bound")
    (bound,) = campus.ask("GET", f"/tokens?card={who.card}")
    assert (bound["uid"], bound["proves"]) == (uid.hex(), True)
    assert till.sell(VirtualPlain(uid), PRICE)["phase"] == "not_done", "its UID alone is nobody's"
    till.program.type("cancel")
    mark = till.program.mark()
    campus.ask("PUT", f"/sites/{SITE}/limits", {"rules": {"stand_in": PRICE + (kind == "ntag424")}})
    till.program.wait_for(lambda event: event["event"] == "lists", since=mark, what="the limits at the till")
    assert pay(till, card, PRICE)["title"] == "Paid", "by the server's word"
    campus.server.kill()
    try:
        assert pay(till, card, PRICE)["title"] == "Paid", "stood in for"
    finally:
        campus.server.start()
    agree(campus, till, who.card, START - 2 * PRICE)
    assert campus.ask("GET", "/cases") == []


def test_a_phone_pays_without_the_server_within_a_minute_and_once(campus: Campus, till: Till) -> None:
    """Its code comes from the server, its line from a scanner; a picture of an earlier code is worth nothing."""
    who = new_number(campus, START)
    secret = campus.ask("PUT", f"/phones/{who.card}")["secret"]
    mark = till.program.mark()
    campus.ask("PUT", f"/sites/{SITE}/limits", {"rules": {"stand_in": PRICE}})
    till.program.wait_for(lambda event: event["event"] == "lists", since=mark, what="the limits at the till")
    first = code_of(campus, secret)
    assert scan(till, first)["title"] == "Paid", "by the server's word"
    time.sleep(1.0)  # a code has the second for its number
    second = code_of(campus, secret)
    campus.server.kill()
    try:
        assert scan(till, second)["title"] == "Paid", "stood in for"
        shown = scan(till, first)
        assert shown["phase"] == "not_done" and "shown before" in shown["lines"][0]
        till.program.type("cancel")
    finally:
        campus.server.start()
    agree(campus, till, who.card, START - 2 * PRICE)
    assert campus.ask("GET", "/cases") == []


def code_of(campus: Campus, secret: str) -> str:
    """What a phone is told to show."""
    answer = httpx.post(f"{campus.server.url}/pay-code", json={"secret": secret})
    assert answer.is_success, answer.text
    return str(answer.json()["code"])


def scan(till: Till, code: str) -> Event:
    """A whole sale with a scanner; one that follows soon is confirmed."""
    till.ring(PRICE)
    time.sleep(PCSCD_LOOKS_S)  # else the phone was never away
    shown = till.program.wait("view", since=till.program.type(code), phase={"done", "not_done", "repeat_asked"})
    if shown["phase"] == "repeat_asked":
        till.program.wait("view", since=till.program.type("confirm"), phase="awaiting_card")
        shown = till.program.wait("view", since=till.program.type(code), phase={"done", "not_done"})
    return shown
