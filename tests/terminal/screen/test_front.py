"""Fingers and keys become commands: each way of a cashier through the screen, and what is not one."""

from dataclasses import replace

import pytest
from msgspec import structs

from protocol.authorise import Refusal, Refused
from protocol.basket import Basket
from protocol.ids import ProductId, Seq, StaffId
from protocol.money import SALE_CENTS_MAX, Cents
from protocol.price_list import FREE_AMOUNT
from terminal.commands import (
    Cancel,
    CloseShift,
    EnterPin,
    GiveBack,
    OpenShift,
    Pay,
    Ring,
    RingItem,
    ShowCode,
    TakeTopUp,
    Typed,
)
from terminal.desk import AwaitingCard, Done, NotDone, PinEntry, RepeatAsked, Ringing
from terminal.front import Counter, Front, amount_of, found, press, said, shown
from terminal.presses import (
    Answer,
    Area,
    Begin,
    Beside,
    Do,
    Enter,
    Escape,
    FormName,
    Open,
    Page,
    Plus,
    Press,
    Repeat,
    Report,
    Rub,
    Type,
)
from terminal.texts.en import SENTENCES
from tests.protocol.samples import PAY_CODE
from tests.terminal.screen.moments import PRODUCTS, SOLD, counter
from tests.terminal.test_views import CARD, PRICES, READ, purchase, receipt, rung

IDLE = counter(Ringing(Basket(PRICES)), SENTENCES)
RUNG = counter(Ringing(rung(1_250)), SENTENCES)
PAD = Front(area=Area.PAD, home=Area.PAD)


def typed(text: str) -> list[Press]:
    return [Type(sign) for sign in text]


def after(front: Front, at: Counter, *presses: Press) -> tuple[Front, list[Typed]]:
    done = list[Typed]()
    for what in presses:
        front, commands = press(front, at, what)
        done += commands
    return front, done


def commands(front: Front, at: Counter, *presses: Press) -> list[Typed]:
    return after(front, at, *presses)[1]


def test_an_amount_and_enter_asks_for_the_card() -> None:
    front, done = after(PAD, IDLE, *typed("12.5"), Enter())
    assert done == [Ring(Cents(1_250)), Pay()] and not front.typed and front.area is Area.PAD


def test_what_is_typed_is_seen_and_the_dishes_come_back() -> None:
    front = after(Front(), IDLE, Type("1"))[0]
    assert (front.area, front.typed) == (Area.PAD, "1")
    assert after(front, IDLE, Enter())[0].area is after(front, IDLE, Escape())[0].area is Area.DISHES
    assert after(Front(), IDLE, Type("r"))[0].area is Area.SEARCH


def test_the_key_with_two_noughts_types_two() -> None:
    assert commands(PAD, IDLE, Type("5"), Type("00"), Enter()) == [Ring(Cents(50_000)), Pay()]


def test_plus_rings_and_goes_on_and_enter_then_pays() -> None:
    assert commands(PAD, IDLE, *typed("3"), Plus()) == [Ring(Cents(300))]
    assert commands(PAD, RUNG, Enter()) == [Pay()]


def test_the_same_again_is_one_key() -> None:
    last = ((ProductId("rice"), 2, None), (FREE_AMOUNT, 1, Cents(700)))
    at = replace(IDLE, last=last)
    again = [RingItem(ProductId("rice"), 2), Ring(Cents(700)), Pay()]
    assert commands(Front(), at, Enter()) == again == commands(Front(), at, Repeat())
    assert commands(Front(), IDLE, Enter()) == []
    assert commands(Front(), replace(at, basket=RUNG.basket), Repeat()) == [], "never on top of what is rung"


@pytest.mark.parametrize("text", ["", ".", "1.234", "1..2", "0", "0.00", "10000000", "-1", "1e3", "١٢"])
def test_what_is_no_amount_rings_nothing(text: str) -> None:
    done = commands(replace(PAD, typed=text), IDLE, Enter())
    assert done == []


def test_amounts() -> None:
    known = {"1": 100, "0.05": 5, ".5": 50, "12.": 1_200, "999999.99": SALE_CENTS_MAX, "007": 700}
    assert {text: amount_of(text) for text in known} == known
    assert amount_of("1000000") is None


def test_a_bar_code_rings_its_product_wherever_the_screen_is() -> None:
    coded = structs.replace(PRODUCTS[0], barcode="6901234567892")
    at = replace(IDLE, products=(coded, *PRODUCTS[1:]))
    assert commands(Front(), at, *typed("6901234567892"), Enter()) == [RingItem(coded.id, 1)]
    front, done = after(Front(), at, *typed("6901234567893"), Enter())
    assert done == [] and front.said, "an unknown one is said"


def test_a_pay_code_that_a_scanner_types_is_shown_to_the_counter() -> None:
    waiting = counter(AwaitingCard(purchase(1_250)), SENTENCES)
    (shown_code,) = commands(Front(), waiting, *typed(PAY_CODE), Enter())
    assert isinstance(shown_code, ShowCode)


def test_dishes_are_found_by_number_name_and_part_of_it() -> None:
    assert [one.id for one in found(PRODUCTS, "rice")] == ["rice"]
    assert [one.id for one in found(PRODUCTS, "牛肉")] == ["noodles"]
    assert [one.id for one in found(PRODUCTS, "EGG")] == ["egg"], (
        "its number is meant, not the soup with egg in its name"
    )
    assert commands(Front(area=Area.SEARCH), IDLE, *typed("tofu"), Enter()) == [RingItem(ProductId("tofu"), 1)]


def test_a_pin_is_typed_on_its_own_and_forgotten() -> None:
    asking = counter(PinEntry(purchase(1_250), READ), SENTENCES)
    front, done = after(Front(), asking, *typed("123"), Enter())
    assert done == [] and front.typed == "123"
    front, done = after(front, asking, Type("4"), Enter())
    assert done == [EnterPin("1234")] and not front.typed
    assert "1234" not in repr(replace(front, typed="1234")) and "4" not in repr(Type("4"))


def test_what_is_left_of_a_pin_is_neither_shown_nor_rung() -> None:
    """The customer types on where the card was taken away, the sale was called off, or the PIN was wrong."""
    pin = counter(PinEntry(purchase(1_250), READ), SENTENCES).view
    refused = NotDone(purchase(1_250), Refused(Refusal.PIN_WRONG))
    for phase in (Ringing(rung(1_250)), AwaitingCard(purchase(1_250)), refused, Done(receipt())):
        at = counter(phase, SENTENCES)
        for page in Page:
            assert shown(replace(PAD, page=page, typed="12"), at.view, pin).typed == ""
        if not isinstance(phase, Ringing | Done):
            assert commands(PAD, at, *typed("1234"), Enter()) == [] == commands(PAD, at, *typed("1234"), Plus())


def test_behind_a_bar_code_that_nobody_knows_the_next_one_is_read() -> None:
    coded = structs.replace(PRODUCTS[0], barcode="6901234567892")
    at = replace(IDLE, products=(coded, *PRODUCTS[1:]))
    presses = [*typed("6901234567893"), Enter(), *typed(coded.barcode), Enter()]
    assert commands(Front(), at, *presses) == [RingItem(coded.id, 1)]


def test_a_question_is_never_answered_by_enter() -> None:
    """A scanner sends one by itself."""
    asked = counter(RepeatAsked(purchase(1_250), CARD.key), SENTENCES)
    assert commands(Front(), asked, Enter()) == []


def test_a_shift_is_opened_with_three_answers_and_closed_with_one() -> None:
    presses = [Begin(FormName.OPEN_SHIFT), Answer("wang"), *typed("200"), Enter(), *typed("1234"), Enter()]
    front, done = after(Front(page=Page.MENU), IDLE, *presses)
    assert done == [OpenShift(StaffId("wang"), Cents(20_000), "1234")] and front.page is Page.SALE
    nobody = replace(IDLE, staff=())
    presses = [Begin(FormName.OPEN_SHIFT), *typed("7"), Enter(), *typed("0"), Enter()]
    assert commands(Front(), nobody, *presses) == [OpenShift(StaffId("7"), Cents(0))], "no PIN where nobody is listed"
    assert commands(Front(), IDLE, Begin(FormName.CLOSE_SHIFT), *typed("242"), Enter()) == [CloseShift(Cents(24_200))]


def test_a_second_tap_on_a_name_is_no_amount_in_the_drawer() -> None:
    front, done = after(Front(page=Page.MENU), IDLE, Begin(FormName.OPEN_SHIFT), Answer("7"), Answer("7"))
    assert done == [] and front.form is not None and front.form.answers == ("7",)


def test_money_back_begins_with_all_that_is_left() -> None:
    newest = SOLD[0]
    begin = Begin(FormName.REFUND, newest.seq, newest.left_cents)
    assert commands(Front(page=Page.SOLD), IDLE, begin, Enter()) == [GiveBack(newest.seq, newest.left_cents)]
    some = [Rub()] * 5 + [*typed("3"), Enter()]
    assert commands(Front(), IDLE, begin, *some) == [GiveBack(newest.seq, Cents(300))]
    assert commands(Front(), IDLE, Begin(FormName.TOPUP), *typed("0"), Enter()) == [], "nothing is no amount"
    assert commands(Front(), IDLE, Begin(FormName.TOPUP), *typed("50"), Enter()) == [TakeTopUp(Cents(5_000))]


def test_escape_goes_one_step_back() -> None:
    waiting = counter(AwaitingCard(purchase(1_250)), SENTENCES)
    front = Front(page=Page.FORM, typed="12")
    steps = list[tuple[Page, str, int]]()
    for _ in range(3):
        front, done = press(front, waiting, Escape())
        steps.append((front.page, front.typed, len(done)))
    assert steps == [(Page.FORM, "", 0), (Page.SALE, "", 0), (Page.SALE, "", 1)]
    assert commands(Front(), counter(Done(receipt()), SENTENCES), Escape()) == [Cancel()]
    assert commands(Front(), IDLE, Escape()) == []


def test_a_moment_of_a_sale_ends_whatever_was_looked_at() -> None:
    menu = Front(page=Page.MENU, typed="1")
    tap = counter(AwaitingCard(purchase(1_250)), SENTENCES).view
    assert shown(menu, tap, IDLE.view).page is Page.SALE
    assert shown(menu, IDLE.view, IDLE.view) == menu, "the same once more changes nothing"
    pin = counter(PinEntry(purchase(1_250), READ), SENTENCES).view
    assert shown(replace(menu, typed="12"), pin, tap).typed == "", "digits of a scanner are no PIN"


def test_a_short_answer_lies_over_the_page_and_a_long_one_has_its_own() -> None:
    assert said(Front(), "one\ntwo").said == ("one", "two")
    long = said(Front(), "1\n2\n3")
    assert (long.page, long.report, long.told) == (Page.TEXT, Report.SAID, ("1", "2", "3"))
    assert press(said(Front(), "x"), IDLE, Beside(Area.PAD))[0].said == ()
    assert press(Front(), IDLE, Open(Page.SOLD))[0].page is Page.SOLD


def test_undo_takes_the_whole_sale_back() -> None:
    at = replace(counter(Done(receipt()), SENTENCES), undo=Seq(900))
    assert commands(Front(), at, Do(GiveBack(SOLD[0].seq, SOLD[0].left_cents))) == [GiveBack(Seq(900), Cents(1_250))]
