"""The operator's desk during lunch: blocks a card, changes a price."""

from dataclasses import dataclass

from tests.demo.account import Account
from tests.demo.places import products
from tests.integration.campus import SITE, Campus


@dataclass
class Desk:
    """One operator: the morning's lists by a script of the API, what comes up at lunch on the pages."""

    campus: Campus
    account: Account
    """Under which a person can look on through the pages."""

    def open_menu(self) -> None:
        """Today's prices for every place, and how much a phone may spend where the server cannot be asked."""
        self.campus.ask("PUT", f"/sites/{SITE}/prices", {"products": products()})
        self.campus.ask("PUT", f"/sites/{SITE}/limits", {"rules": {"stand_in": 5_000}})

    def block(self, no: int) -> None:
        """A card was reported lost."""
        page = f"/desk/cards/{no}"
        self.account.browser.submit(page, f"{page}/block")

    def change_price(self, product: str, cents: int) -> None:
        """From now on it costs this much."""
        page = f"/desk/prices/{SITE}/product"
        self.account.browser.submit(f"{page}?product={product}", page, price=f"{cents / 100:.2f}")
