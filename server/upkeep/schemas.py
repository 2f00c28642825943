"""Cases as the API takes and shows them."""

from server.fields import AnyMoney, Form, Instant, View, Words


class CaseView(View):
    """Something for people to look at. `tno`, `branch`, `seq` name the journal entry it is about, if any.

    `about`: of a count or a document the account (`drawer:TERMINAL/CHAIN/SHIFT`), after the document's day.
    """

    id: int
    cls: str
    card: int | None
    generation: int | None
    tno: int
    branch: int
    seq: int
    cents: AnyMoney
    text: str
    about: str
    opened_at: Instant
    closed_at: Instant
    closed_by: str
    outcome: str


class CloseCaseForm(Form):
    """What came out."""

    outcome: Words
