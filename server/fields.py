"""Types of request members: what is allowed at all, so that nothing else reaches a service or the database."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from protocol.ids import U16_MAX, U32_MAX
from protocol.money import SALE_CENTS_MAX

_BIG = INSTANT_MAX = 2**53 - 1

CardNumber = Annotated[int, Field(ge=1, le=U32_MAX)]
GenerationNumber = Annotated[int, Field(ge=1, le=U16_MAX)]
TnoNumber = Annotated[int, Field(ge=1, le=U32_MAX)]
EpochNumber = Annotated[int, Field(ge=1, le=U32_MAX)]
SeqNumber = Annotated[int, Field(ge=1, le=U32_MAX)]
RowNumber = Annotated[int, Field(ge=1, le=_BIG)]
Branch = Annotated[int, Field(ge=0, le=U32_MAX)]
Day = Annotated[int, Field(ge=0, le=U16_MAX, description="days since 1970-01-01 on the campus' own clock")]
Money = Annotated[int, Field(ge=1, le=SALE_CENTS_MAX, description="cents")]
MoneyOrNone = Annotated[int, Field(ge=0, le=SALE_CENTS_MAX, description="cents")]
Balance = Annotated[int, Field(ge=-_BIG, le=_BIG, description="cents")]
AnyMoney = Annotated[int, Field(description="cents")]
"""Only ever shown: a view must not fail, whatever the books hold."""
Instant = Annotated[int, Field(ge=0, le=_BIG, description="UTC milliseconds")]
CardClassNumber = Annotated[int, Field(ge=1, le=3, description="1 student, 2 staff, 3 visitor")]
Id = Annotated[str, Field(pattern=r"^[a-z0-9-]{3,32}$")]
Label = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,32}$")]
RequestId = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9._-]{8,40}$", description="chosen by the caller; the same id is never done twice")
]
Words = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,120}$")]
WordsOrNone = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{0,80}$")]
PublicKey = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$", description="Ed25519 public key, base64url")]
Tier = Annotated[int, Field(ge=0, le=2, description="where the journal key is kept: 0 file, 1 sealed, 2 SAM")]
Limit = Annotated[int, Field(ge=1, le=1_000)]


class Form(BaseModel):
    """What a caller sends: no unknown members, and numbers are numbers."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class View(BaseModel):
    """What a caller gets."""

    model_config = ConfigDict(frozen=True)


class Problem(View):
    """Why a request was not granted (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str


class Proposed(View):
    """A decision waits for a second person, who sends the very same request; said again by the first, it waits on."""

    proposed: str
    subject: str
    by: str


TWO_PEOPLE: dict[int | str, dict[str, Any]] = {202: {"model": Proposed}}
"""What a route answers besides, where it may take a second person."""
