"""Cards as the API takes and shows them."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from server.fields import (
    AnyMoney,
    CardClassNumber,
    Form,
    Id,
    Instant,
    Label,
    Money,
    MoneyOrNone,
    RequestId,
    View,
)


class IssueForm(Form):
    """So many new issue numbers."""

    count: Annotated[int, Field(ge=1, le=500)] = 1
    card_class: CardClassNumber = 1
    technology: Literal["", "classic", "desfire", "token"] = ""
    person: Label | None = None


class Issued(View):
    """The numbers that were given out."""

    numbers: list[int]


class HolderForm(Form):
    """Whose card it is; null: nobody's."""

    person: Label | None


class DrawerForm(Form):
    """The cash drawer of one shift at one terminal."""

    tid: Id
    tno: Annotated[int, Field(ge=1, le=2**32 - 1)]
    shift: Annotated[int, Field(ge=1, le=2**32 - 1)]


class LoadForm(Form):
    """Money taken in for a card, and where it went: the vault, a drawer, or a channel whose document is to come."""

    id: RequestId
    cents: Money
    into: Literal["vault", "drawer", "channel"] = "vault"
    drawer: DrawerForm | None = None
    channel: Label | None = None
    explains: bool | None = None
    """Whether the card may have collected this before the server was restored; asked for where it matters."""

    @model_validator(mode="after")
    def _one_place(self) -> "LoadForm":
        if (self.drawer is not None) != (self.into == "drawer") or (self.channel is not None) != (
            self.into == "channel"
        ):
            raise ValueError("`drawer` belongs to into=drawer, `channel` to into=channel")
        return self


class SubsidyForm(Form):
    """A subsidy of a period."""

    id: RequestId
    cents: Money
    period: Annotated[int, Field(ge=1, le=255)]


class CloseForm(Form):
    """A plastic that was handed in, and the balance it showed."""

    card_cents: MoneyOrNone


class PayOutForm(Form):
    """Pending credit paid out in cash."""

    id: RequestId
    cents: Money


class Paid(View):
    """What was paid out."""

    cents: AnyMoney


class PlasticView(View):
    """One plastic of an issue number. Balances are the ledger's, as of all entries that have arrived."""

    generation: int
    technology: str
    card_class: int
    status: str
    main_cents: AnyMoney
    subsidy_cents: AnyMoney
    counter: int
    load_seq: int
    loaded_total_cents: AnyMoney
    collected_cents: AnyMoney
    adopted_cents: AnyMoney
    explained_cents: AnyMoney
    person: str | None
    exchange: bool
    issued_at: Instant
    closed_at: Instant


class CardView(View):
    """An issue number: its plastics, newest last, and what its holder is still to get."""

    no: int
    plastics: list[PlasticView]
    pending_cents: AnyMoney
    pending_subsidy_cents: AnyMoney


class ListedCard(View):
    """A plastic in a list."""

    no: int
    generation: int
    status: str
    card_class: int
    main_cents: AnyMoney
    person: str | None


class StepView(View):
    """One operation of a card."""

    number: int
    tno: int
    branch: int
    seq: int
    generation: int
    operation: str
    stage: str
    amount: AnyMoney
    counter: int
    counter_after: int
    main_after: AnyMoney
    subsidy_after: AnyMoney
    use: str | None
    resolved: str | None
    tid: str
    at: Instant


class CardEventView(View):
    """What a terminal told of a plastic: the kind is that of its entry; key sets 0 where not said."""

    tno: int
    seq: int
    generation: int
    kind: str
    uid: str
    was: int
    now: int
    outcome: str
    staff: str
    at: Instant
