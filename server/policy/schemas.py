"""Lists as the API takes and shows them."""

from typing import Any

from server.fields import Form, Instant, View


class PricesForm(Form):
    """All products of a site, as in the `prices` list (SPEC, "Prices"); the version is given by the server."""

    products: list[dict[str, Any]]
    valid_from: Instant = 0
    """0: at once. Else the instant from which on they hold, also at terminals that have no network then."""


class LimitsForm(Form):
    """The spending rules of a site, as in the `limits` list (SPEC, "Approval")."""

    rules: dict[str, Any]


class ListView(View):
    """A list in force."""

    name: str
    version: int
    sha256: str
    bytes: int
