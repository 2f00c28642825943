"""Cases as the API takes and shows them."""

from server.fields import AnyMoney, Form, Instant, View, Words


class CaseView(View):
    """Something for people to look at. `tno`, `branch`, `seq` name the journal entry it is about."""

    id: int
    cls: str
    card: int | None
    generation: int | None
    tno: int
    branch: int
    seq: int
    cents: AnyMoney
    text: str
    opened_at: Instant
    closed_at: Instant
    closed_by: str
    outcome: str


class CloseCaseForm(Form):
    """What came out."""

    outcome: Words
