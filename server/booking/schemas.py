"""Movements, corrections and reversals as the API takes and shows them."""

import re
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from protocol.ids import U32_MAX
from server.booking.rules import MOVEMENTS
from server.fields import AnyMoney, Form, Id, Instant, RequestId, TnoNumber, View, Words
from server.ledger.accounts import AccountKind

_MOVED_CENTS_MAX = 10**12
_SHIFT = r"[a-z0-9-]{3,32}/[0-9]{1,10}/[0-9]{1,10}"
_CARD, _PLASTIC = r"[1-9][0-9]{0,9}", r"[1-9][0-9]{0,9}/[1-9][0-9]{0,4}"
_OWNERS: dict[str, str] = {
    AccountKind.PURSE: _PLASTIC,
    AccountKind.SUBSIDY: _PLASTIC,
    AccountKind.PENDING: _CARD,
    AccountKind.PENDING_SUBSIDY: _CARD,
    AccountKind.DRAWER: _SHIFT,
    AccountKind.OPERATOR_LOSS: f"({_SHIFT})?",
    **dict.fromkeys((AccountKind.VAULT, AccountKind.BANK, AccountKind.FEES, AccountKind.FUNDER), ""),
    **dict.fromkeys((AccountKind.PROMOTION, AccountKind.FRAUD_LOSS), ""),
}
"""How the owner of an account is spelled; a correction makes up no new kind of it."""


class MovementForm(Form):
    """Money that moves by the name of `MOVEMENTS`; the document is a receipt, a statement line, a transfer number."""

    id: RequestId
    name: Annotated[str, Field(description=", ".join(MOVEMENTS))]
    owner: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,32}$", description="merchant, channel or card")] = ""
    cents: Annotated[int, Field(ge=1, le=_MOVED_CENTS_MAX, description="cents")]
    document: Words

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in MOVEMENTS:
            raise ValueError(f"there is no such movement, only {', '.join(MOVEMENTS)}")
        return name


class LegForm(Form):
    """One leg of a correction; credit positive."""

    kind: Annotated[str, Field(description=", ".join(AccountKind))]
    owner: Annotated[str, Field(pattern=r"^[A-Za-z0-9._/-]{0,80}$")] = ""
    cents: Annotated[int, Field(ge=-_MOVED_CENTS_MAX, le=_MOVED_CENTS_MAX, description="cents")]

    @model_validator(mode="after")
    def _one_account(self) -> "LegForm":
        if self.kind not in set(AccountKind) or not re.fullmatch(_OWNERS.get(self.kind, r"[^/]{0,80}"), self.owner):
            raise ValueError(
                f"there is no such account: `kind` is one of {', '.join(AccountKind)}; `owner` is spelled as GET "
                "/ledger/accounts/KIND names it, and empty where that names none"
            )
        if not self.cents:
            raise ValueError("a leg moves something: cents are not 0")
        return self


class CorrectionForm(Form):
    """Legs that sum to zero."""

    id: RequestId
    legs: Annotated[list[LegForm], Field(min_length=2, max_length=20)]
    reason: Words
    evidence: Words


class CountForm(Form):
    """The counted drawer of a shift that its terminal closes no more; shift 0: cash outside of any."""

    id: RequestId
    tid: Id
    tno: TnoNumber
    shift: Annotated[int, Field(ge=0, le=U32_MAX)]
    counted: Annotated[int, Field(ge=0, le=_MOVED_CENTS_MAX, description="cents")]
    reason: Words
    evidence: Words


class ReversalForm(Form):
    """What was posted for a cause, undone."""

    cause: Annotated[str, Field(pattern=r"^[a-z]+:[A-Za-z0-9._/-]{1,60}$")]
    reason: Words
    evidence: Words


class Booked(View):
    """The cause under which the postings stand."""

    cause: str


class ActView(View):
    """Something that people booked."""

    number: int
    cause: str
    name: str
    owner: str
    cents: AnyMoney
    reason: str
    evidence: str
    proposed_by: str
    by: str
    at: Instant
