"""Tokens as the API takes and shows them."""

from typing import Annotated

from pydantic import Field

from server.fields import AnyMoney, CardNumber, Form, Instant, View

Uid = Annotated[
    str,
    Field(
        pattern=r"^([0-9a-f]{8}|[0-9a-f]{14}|[0-9a-f]{16}|[0-9a-f]{20})$",
        description="4, 7, 8 or 10 bytes, hexadecimal",
    ),
]


class BindForm(Form):
    """Whose a UID is."""

    no: CardNumber


class TokenView(View):
    """A UID and the plastic that it is bound to."""

    uid: str
    no: int
    generation: int
    bound_at: Instant
    proves: bool = Field(description="a tag that a card office made, and that proves itself: its bare UID is nobody's")


class SilentView(View):
    """A terminal that has not reported lately, and the most it can have sold to one token without an answer."""

    tid: str
    reported_at: Instant
    days: int
    a_day_cents: AnyMoney
    cents: AnyMoney


class WorstCaseView(View):
    """What may have been sold without an answer and is not known yet."""

    silent: list[SilentView]
    a_token_cents: AnyMoney
    tokens: int
    cents: AnyMoney
