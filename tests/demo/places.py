"""Where students buy, and what: two canteen tills, a shop and a vending machine, each an ordinary terminal."""

from dataclasses import dataclass
from typing import Any

CANTEEN, SHOP, VENDING = "canteen-1", "shop", "vending"

_GOODS = (
    ("rice", "Rice", "米饭", "米飯", 100, CANTEEN),
    ("mapo-tofu", "Mapo tofu", "麻婆豆腐", "麻婆豆腐", 600, CANTEEN),
    ("noodles", "Beef noodles", "牛肉面", "牛肉麵", 1_200, CANTEEN),
    ("greens", "Greens", "青菜", "青菜", 300, CANTEEN),
    ("dumplings", "Dumplings", "水饺", "水餃", 900, CANTEEN),
    ("bun", "Pork bun", "肉包", "肉包", 250, SHOP),
    ("notebook", "Notebook", "笔记本", "筆記本", 480, SHOP),
    ("pen", "Pen", "圆珠笔", "原子筆", 220, SHOP),
    ("peanuts", "Peanuts", "花生", "花生", 400, VENDING),
    ("water", "Water", "矿泉水", "礦泉水", 200, VENDING),
    ("soy-milk", "Soy milk", "豆浆", "豆漿", 250, ""),
)
EVERYWHERE = "soy-milk"
"""The one thing that every place sells: its price changes during lunch."""
NAME_OF = {name: english for name, english, *_ in _GOODS} | {"free": "typed amount"}
PRICE_OF = {name: price for name, *_, price, _ in _GOODS}


@dataclass(frozen=True, slots=True)
class Place:
    """A terminal that sells, and who works there."""

    tid: str
    title: str
    merchant: str
    staff: str = ""
    """The cashier; nobody at a machine that sells by itself: one press is one product."""
    items_max: int = 3
    behind_the_switch: bool = False
    """Whether its network is cut during lunch."""
    clock_chip: bool = True

    @property
    def goods(self) -> list[str]:
        """What is sold here."""
        return [name for name, *_, merchant in _GOODS if merchant in ("", self.merchant)]

    def __str__(self) -> str:
        """As a sentence names it."""
        return self.title if self.title[-1].isupper() else f"the {self.title[0].lower()}{self.title[1:]}"


TILL_A = Place("canteen-1a", "Canteen 1 till A", CANTEEN, "zhao.min")
TILL_B = Place("canteen-1b", "Canteen 1 till B", CANTEEN, "qian.hong", behind_the_switch=True)
THE_SHOP = Place("shop", "Shop", SHOP, "sun.jie")
MACHINE = Place("vending-1", "Vending machine", VENDING, items_max=1, behind_the_switch=True, clock_chip=False)
PLACES = (TILL_A, TILL_B, THE_SHOP, MACHINE)
OFFICE = "Card office"


def products() -> list[dict[str, Any]]:
    """Everything on sale on this campus as the server takes it."""
    return [
        {
            "id": name,
            "names": {"en": english, "zh-Hans": simple, "zh-Hant": full},
            "price": price,
        }
        | ({"merchant": merchant} if merchant else {})
        for name, english, simple, full, price, merchant in _GOODS
    ]
