"""Lists as the API takes and shows them."""

from typing import Annotated, Any, Literal

from pydantic import Field

from protocol.site_files import STAFF_MAX
from server.fields import Form, Instant, Label, View


class PricesForm(Form):
    """All products of a site, as in the `prices` list (SPEC, "Prices"); the version is given by the server."""

    products: list[dict[str, Any]]
    valid_from: Instant = 0
    """0: at once. Else the instant from which on they hold, also at terminals that have no network then."""


class LimitsForm(Form):
    """The spending rules of a site, as in the `limits` list (SPEC, "Approval")."""

    rules: dict[str, Any]


class PromotionsForm(Form):
    """The promotions of a site, as in the `promotions` list (SPEC, "Lists"). Data only: no terminal applies any."""

    promotions: list[dict[str, Any]]


class StaffMemberForm(Form):
    """Somebody who may open a shift. Without `pin` the present one stays."""

    id: Label
    name: Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,60}$")]
    role: Literal["cashier", "leader"] = "cashier"
    pin: Annotated[str, Field(pattern=r"^[0-9]{4,8}$")] | None = Field(default=None, repr=False)


class StaffForm(Form):
    """Everybody who may open a shift at this site's tills; empty: anybody."""

    staff: Annotated[list[StaffMemberForm], Field(max_length=STAFF_MAX)]


class TextsForm(Form):
    """Names of merchants, headers of receipts, announcements, as in the `texts` list (SPEC, "Lists")."""

    texts: dict[str, Any]


class ConfigForm(Form):
    """How this site's terminals are set up, as in the `config` list (SPEC, "Lists")."""

    config: dict[str, Any]


class ListView(View):
    """A list in force."""

    name: str
    version: int
    sha256: str
    bytes: int
