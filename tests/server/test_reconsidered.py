"""What time decided for the holder of a card, and a tap proves otherwise afterwards."""

import pytest
from msgspec.structs import replace as with_members

from protocol.entries import Kind
from server.ingest.book import Book, CaseClass
from server.ingest.deciding import resolve
from server.ledger.accounts import AccountKind
from server.ledger.rules import Resolution
from tests.server.test_holes import sell
from tests.server.test_ingest_posting import balance, book_for, send
from tests.server.world import Plastic, Till, load_of, plastic, sale_of, topup_of

KINDS = (AccountKind.PURSE, AccountKind.PENDING, AccountKind.MERCHANT, AccountKind.OPERATOR_LOSS, AccountKind.SUSPENSE)


def story(kind: str, on_card: bool, decided: Resolution) -> Book:
    """A torn step of 300, decided, then two sales of 10 that its card made after it."""
    till, card = Till(1), plastic(7)
    book = book_for(till, cards=(card,))
    body = {"sale": sale_of(card, 300), "topup": topup_of(card, 300), "load": load_of(card, 300, 1)}[kind]
    prepared = till.append(Kind(f"{kind}_prepared"), body).seq
    if on_card:
        card.write(till.tno, body, prepared)
    till.append(Kind(f"{kind}_torn"), with_members(body, prepared=prepared))
    send(book, till)
    resolve(book, book.steps[(till.tno, 0, prepared)], decided, book.campus.business_day(till.now))
    sent = len(till.lines)
    sell(till, card, 10)
    sell(till, card, 10)
    send(book, till, sent)
    assert balance(book, AccountKind.PURSE) == card.main or decided is not Resolution.STUDENT
    return book


@pytest.mark.parametrize(
    ("kind", "on_card", "moved"),
    [
        ("sale", False, [-20, 300, 20, -300, 0]),
        ("sale", True, [-320, 300, 20, 0, 0]),
        ("topup", False, [-20, 300, 20, 0, 0]),
        ("topup", True, [280, 300, 20, -300, 0]),
        ("load", False, [-20, 0, 20, 0, 0]),
        ("load", True, [280, 0, 20, 0, 0]),
    ],
)
def test_the_purse_follows_the_card_and_the_gift_is_our_loss(kind: str, on_card: bool, moved: list[int]) -> None:
    book = story(kind, on_card, Resolution.STUDENT)
    assert [balance(book, account) for account in KINDS] == moved
    is_wrong = on_card is not (kind == "sale")
    cases = [case for case in book.cases if case.cls is CaseClass.TORN]
    assert [case.cents for case in cases] == [300] * is_wrong


@pytest.mark.parametrize(("decided", "on_card"), [(Resolution.ON_CARD, False), (Resolution.NOT_ON_CARD, True)])
def test_proof_against_proof_opens_one_case_and_posts_nothing(decided: Resolution, on_card: bool) -> None:
    book = story("sale", on_card, decided)
    assert len([case for case in book.cases if case.cls is CaseClass.CONTRADICTION]) == 1
    assert not any(cause.startswith("overtaken") for cause in book.posted)


@pytest.mark.parametrize("first_in", ["one", "two"])
def test_a_step_settled_below_others_still_proves_the_one_it_was_built_on(first_in: str) -> None:
    """The card comes by to settle it with another step on top: of the one below, only its prepared entry had seen."""
    one, two, card = Till(1), Till(2), plastic(7)
    book = book_for(one, two, cards=(card,))
    torn = _torn(one, card, 300)
    body = sale_of(card, 20)
    prepared = two.append(Kind.SALE_PREPARED, body).seq
    card.write(two.tno, body, prepared)
    _torn(one, card, 40)
    two.append(Kind.SALE_SETTLED, with_members(body, prepared=prepared, card_last=card.last))
    sell(two, card, 10)
    for till in (one, two) if first_in == "one" else (two, one):
        send(book, till)
    assert book.steps[(one.tno, 0, torn)].resolved is Resolution.ON_CARD
    assert balance(book, AccountKind.PURSE) == card.main


def _torn(till: Till, card: Plastic, amount: int) -> int:
    """A sale that is on the card, and of which its till never knew."""
    body = sale_of(card, amount)
    prepared = till.append(Kind.SALE_PREPARED, body).seq
    card.write(till.tno, body, prepared)
    till.append(Kind.SALE_TORN, with_members(body, prepared=prepared))
    return prepared
