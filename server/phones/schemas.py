"""Phones as the API takes and shows them."""

from typing import Annotated

from pydantic import Field

from server.fields import Form, Instant, View

Secret = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{32}$", description="what the phone was told when it was bound")]


class PhoneView(View):
    """Since when a phone may show codes for a token."""

    no: int
    generation: int
    bound_at: Instant


class BoundView(PhoneView):
    """The same with the phone's secret; it is shown once."""

    secret: str


class CodeForm(Form):
    """A phone wants to show a code."""

    secret: Secret


class CodeView(View):
    """The text of a QR code, and until when a terminal takes it."""

    code: str
    made_at: Instant
    ends_at: Instant
