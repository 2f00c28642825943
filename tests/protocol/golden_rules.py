"""Golden vectors of rules: keys and a session of a card, list files, prices, limits, approvals, and a batch."""

from dataclasses import replace
from typing import Any

import msgspec
import zstandard
from msgspec import structs

from hardware.cards.desfire import DesfirePurse
from hardware.cards.issue import NewCard, personalise
from hardware.cards.keys import CardKeys, MasterKeys, Role
from hardware.cards.pin import pin_verifier
from hardware.ports import CardChannel
from hardware.simulated.desfire_card import VirtualDesfire
from hardware.simulated.desfire_state import Chip, blank_desfire
from hardware.simulated.reader import SimulatedReader
from protocol.authorise import House, Listed, Pin, Standing, authorise, topup_refusal
from protocol.basket import Basket
from protocol.card_status import encode_base, encode_delta
from protocol.ids import CardNo, Generation, LoadSeq, MerchantId, ProductId, StaffId
from protocol.instants import DAY_MIN, BusinessDay, ClockSource, UtcMs
from protocol.limits import (
    UNACKED_TOPUPS_CENTS,
    ClassLimits,
    LimitRules,
    Meal,
    OfflineStep,
    When,
    running,
    with_sale,
)
from protocol.messages import encode_batch
from protocol.money import Cents
from protocol.policy import CardRow, CardsFile, FloorRow, LoadsFile, encode_file
from protocol.price_list import LaterPrices, Names, PriceList, PriceRule, Product, encode_prices
from protocol.pricing import Ticket, price_basket
from protocol.purse import CardClass, PurseChange, Spent, Technology
from protocol.site_files import (
    Announcement,
    ConfigFile,
    MerchantTexts,
    Promotion,
    PromotionsFile,
    StaffFile,
    StaffRole,
    TextsFile,
    staff_row,
)
from tests.protocol import samples

MASTERS = MasterKeys(3, bytes(range(16)), bytes(range(16, 32)), bytes(range(32, 48)))
PIN = "90210"
NAMES = Names("Rice", "米饭", "米飯")
PRICES = PriceList(
    (1 << 32) + 7,
    "CNY",
    (
        Product(
            ProductId("rice"),
            NAMES,
            Cents(150),
            rules=(
                PriceRule(Cents(140), from_min=660, to_min=780),
                PriceRule(Cents(130), from_min=1_320, to_min=120),
                PriceRule(Cents(100), CardClass.STUDENT),
                PriceRule(Cents(90), CardClass.STUDENT, 690, 750),
                PriceRule(Cents(80), CardClass.STUDENT, 690, 750),
            ),
        ),
        Product(ProductId("tea"), NAMES, Cents(300), MerchantId("canteen-1"), "drinks", "6901234567892"),
    ),
)
SITE_FILES = {
    "promotions": PromotionsFile(
        (
            Promotion("tuesday", NAMES, samples.NOON, UtcMs(samples.NOON + 1), 1, (ProductId("tea"),), percent=10),
            Promotion("fifty", NAMES, cents=Cents(50)),
        )
    ),
    "staff": StaffFile(
        (
            staff_row(StaffId("w-07"), "Wang", StaffRole.LEADER, PIN, bytes(range(16))),
            staff_row(StaffId("w-08"), "Li", StaffRole.CASHIER, "0000", bytes(16)),
        )
    ),
    "texts": TextsFile(
        (MerchantTexts(MerchantId("canteen-1"), NAMES, ("Canteen 1", "thank you")),),
        (Announcement("Closed on Friday", "周五休息", "週五休息", samples.NOON),),
    ),
    "config": ConfigFile(5_000),
}
LATER = structs.replace(
    PRICES, later=LaterPrices(PRICES.version + 1, UtcMs(samples.NOON + 60_000), PRICES.products[1:])
)
RULES = LimitRules(
    (ClassLimits(CardClass.STUDENT, Cents(3_000), Cents(5_000), Cents(90_000), Cents(1_000)),),
    (Meal(1, 660, 780, 2), Meal(2, 1_320, 120)),
    1,
    (OfflineStep(86_400_000, Cents(2_000)), OfflineStep(259_200_000)),
    6,
)
PERIOD = LimitRules(
    (ClassLimits(CardClass.STUDENT, meal=1), ClassLimits(CardClass.STAFF)),
    (Meal(1, 660, 780, 3), Meal(2, 1_020, 1_140)),
    subsidy_period=6,
    subsidy_until=samples.SPENT.day,
)
BOUNDS = LimitRules(topup=Cents(20_000), stand_in=Cents(3_000), unacked_topups=Cents(50_000))

_COUNTED = Spent(samples.SPENT.day, Cents(2_500), samples.SPENT.month, Cents(2_500), 1, 1)
_PURSE = replace(samples.PURSE, spent=_COUNTED)


def keys() -> dict[str, Any]:
    """What the master keys become on two cards, and what is said to a DESFire card to read it and to debit it."""
    held = CardKeys([MASTERS])
    uids = {Technology.CLASSIC: samples.CLASSIC_UID, Technology.DESFIRE: samples.DESFIRE_UID}
    found: dict[str, Any] = {
        "masters": {"debit": MASTERS.debit.hex(), "credit": bytes(MASTERS.credit or b"").hex()}
        | {"office": bytes(MASTERS.office or b"").hex()}
    }
    for technology, uid in uids.items():
        of_card = held.of_card(uid, MASTERS.key_set)
        assert of_card is not None
        found[technology] = {
            "uid": uid.hex(),
            "keys": {f"{role:02x}": of_card.aes(role).raw.hex() for role in Role},
            "pin": PIN,
            "pin_verifier": pin_verifier(held, uid, MASTERS.key_set, PIN).hex(),
        }
    return found | {"session": session(Chip.EV1), "session_ev2": session(Chip.EV2)}


class Listening:
    """A channel that writes down what is said."""

    def __init__(self, channel: CardChannel) -> None:
        self.uid, self.technology, self.said = channel.uid, channel.technology, list[tuple[str, str]]()
        self._channel = channel

    def transmit(self, apdu: bytes) -> bytes:
        """Pass an exchange on."""
        answer = self._channel.transmit(apdu)
        self.said.append((apdu.hex(), answer.hex()))
        return answer


def session(chip: Chip) -> dict[str, Any]:
    """Every exchange of a tap: select, authenticate, read, and a sale of 12.00 with its commit."""
    rnd_a, rnd_b = bytes(range(0xA0, 0xB0)), bytes(range(0xB0, 0xC0))
    card, reader = VirtualDesfire(blank_desfire(samples.DESFIRE_UID, chip), lambda _: rnd_b), SimulatedReader()
    reader.place(card)
    channel = reader.wait_for_card(0)
    assert channel is not None
    purse = replace(samples.PURSE, load_seq=LoadSeq(0), load_copy=0)
    personalise(channel, CardKeys([MASTERS]), NewCard(MASTERS.key_set, samples.IDENTITY, purse), lambda _: rnd_a)
    listening = Listening(channel)
    driver = DesfirePurse(listening, CardKeys([MASTERS]), lambda _: rnd_a)
    read = driver.read()
    assert read.purse is not None
    stepped = read.purse.stepped(samples.PURSE.mark, main_cents=-900, subsidy_cents=-300)
    driver.write(PurseChange(read, stepped))
    return {"rnd_a": rnd_a.hex(), "rnd_b": rnd_b.hex(), "said": [list(pair) for pair in listening.said]}


def lists() -> dict[str, Any]:
    """The list files as text."""
    card, generation = samples.RECORD.card, samples.RECORD.generation
    cards = CardsFile(
        (
            CardRow(card, generation, Listed.EXCHANGE),
            CardRow(samples.DESFIRE.no, samples.DESFIRE.generation, Listed.BLOCKED),
        ),
        (card,),
        (FloorRow(card, generation, samples.PURSE.counter, samples.PURSE.load_seq),),
    )
    return {
        "cards": encode_file(cards).decode(),
        "loads": encode_file(LoadsFile((samples.LOAD_TEXT,))).decode(),
        "limits": encode_file(RULES).decode(),
        "limits_of_bounds": encode_file(BOUNDS).decode(),
        "limits_of_a_period": encode_file(PERIOD).decode(),
        "prices": encode_prices(PRICES).decode(),
        **{name: encode_file(file).decode() for name, file in SITE_FILES.items()},
        "prices_and_later_ones": encode_prices(LATER).decode(),
    }


def decisions() -> dict[str, Any]:
    """What is asked of the lists above, and the answer."""
    record = {name: value for name, value in _plain(samples.RECORD).items() if name not in ("card", "generation")}
    card = {"identity": _plain(samples.IDENTITY), "purse": _plain(_PURSE), "load_record": record}
    told = {"prices": _prices(), "spent": _spent(), "card": card, "approvals": _approvals(), "topups": _topups()}
    return told | {"periods": _periods()}


def _prices() -> list[dict[str, Any]]:
    basket = Basket(PRICES)
    for product, qty in ((ProductId("rice"), 3), (ProductId("tea"), 1)):
        added = basket.add(product, qty)
        assert isinstance(added, Basket)
        basket = added
    told: list[dict[str, Any]] = []
    for card_class in (None, CardClass.STUDENT, CardClass.STAFF):
        for minute in (0, 119, 120, 659, 660, 689, 690, 749, 750, 779, 780, 1_319, 1_320, DAY_MIN - 1):
            ticket = price_basket(basket, card_class, minute)
            assert isinstance(ticket, Ticket)
            told.append({"card_class": card_class, "minute": minute, "total": ticket.total_cents}
                        | {"lines": msgspec.to_builtins(ticket.lines)})  # fmt: skip
    return told


def _spent() -> list[dict[str, Any]]:
    today = samples.SPENT.day
    told: list[dict[str, Any]] = []
    for day in (-40, -1, 0, 1, 2, 40):
        for clock, ahead in ((ClockSource.SERVER, 1), (ClockSource.RTC, -2), (ClockSource.NONE, 1)):
            for meal in (0, 1, 2):
                spent = replace(samples.SPENT, day=BusinessDay(today + day))
                when = When(today, BusinessDay(today + ahead), 720, clock)
                before = running(spent, when, meal)
                after = with_sale(before, Cents(100), in_meal=meal > 0)
                told.append({"card": _plain(spent), "when": _plain(when), "meal": meal}
                            | {"running": _plain(before), "after_100": _plain(after)})  # fmt: skip
    return told


def _approvals() -> list[dict[str, Any]]:
    today = samples.SPENT.day
    told: list[dict[str, Any]] = []
    for amount in (200, 1_000, 1_001, 2_001, 3_000, 3_001):
        for minute, age, tries, pin in (
            (700, 0, 0, Pin.NOT_ASKED),
            (700, 0, 1, Pin.WRONG),
            (700, 0, 3, Pin.WRONG),
            (700, 0, 0, Pin.RIGHT),
            (1_400, 86_400_000, 0, Pin.RIGHT),
            (60, 259_200_000, 0, Pin.RIGHT),
            (800, 0, 0, Pin.RIGHT),
        ):
            read = replace(samples.CLASSIC_READ, purse=replace(_PURSE, pin_tries=tries))
            when = When(today, BusinessDay(today + 1), minute, ClockSource.SERVER)
            house = House(RULES, age)
            answer = authorise(read, Cents(amount), standing=Standing(), house=house, when=when, pin=pin)
            told.append({"amount": amount, "minute": minute, "list_age_ms": age, "pin_tries": tries, "pin": pin.value}
                        | {"answer": _plain(answer)})  # fmt: skip
    return told


def _periods() -> list[dict[str, Any]]:
    """By the limits of a period: purchases counted by class, and a subsidy that ends."""
    today, told = samples.SPENT.day, list[dict[str, Any]]()
    for card_class in (CardClass.STUDENT, CardClass.STAFF):
        for count in (0, 1, 2, 3):
            for minute, day in ((700, today), (1_080, today), (900, today), (900, today + 1)):
                for ahead, clock in ((1, ClockSource.SERVER), (2, ClockSource.NONE)):
                    spent = replace(_COUNTED, meal_count=count)
                    identity = replace(samples.IDENTITY, card_class=card_class)
                    read = replace(samples.CLASSIC_READ, identity=identity, purse=replace(_PURSE, spent=spent))
                    when = When(BusinessDay(day), BusinessDay(today + ahead), minute, clock)
                    answer = authorise(read, Cents(100), standing=Standing(), house=House(PERIOD, 0), when=when)
                    told.append({"card_class": card_class, "meal_count": count, "when": _plain(when), "amount": 100}
                                | {"answer": _plain(answer)})  # fmt: skip
    return told


def _topups() -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = []
    for most in (Cents(0), BOUNDS.unacked_topups, UNACKED_TOPUPS_CENTS):
        for unacked in (0, 49_999, 50_000, 60_000):
            house = House(LimitRules(unacked_topups=most), 0, unacked_topups_cents=Cents(unacked))
            told += [
                {"unacked_topups": most, "unacked": unacked, "amount": amount}
                | {"answer": _plain(topup_refusal(Cents(amount), house))}
                for amount in (1, 2)
            ]
    return told


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value)


def batch() -> dict[str, Any]:
    """A batch of three entries as one compressor writes it: others may, as long as it unpacks to the same."""
    lines = [sealed.jws for sealed in samples.chain_of()[:3]]
    return {"entries": [line.decode() for line in lines], "compressed": encode_batch(lines).hex()}


def card_status() -> dict[str, Any]:
    """Cards of two generations and one far away from the others, as a base and as a delta tell them."""
    rows = [(7, 1, "blocked"), (8, 1, "closed"), (12, 1, "exchange"), (9_000, 1, "closed"), (8, 2, "blocked")]
    listed = {(CardNo(no), Generation(generation)): Listed(name) for no, generation, name in rows}
    base = encode_base(listed)
    unpacked = zstandard.ZstdDecompressor().decompress(base)
    return {"rows": rows, "base": base.hex(), "unpacked": unpacked.hex(), "delta": encode_delta(listed).hex()}
