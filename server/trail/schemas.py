"""The trail as the API shows it."""

from typing import Annotated

from pydantic import Field

from server.fields import Instant, View
from server.note import Outcome


class TrailView(View):
    """One request of an operator: no secret and nothing of its body but the digest is kept."""

    number: int
    operator: str
    roles: Annotated[str, Field(description="of the operator at that time, separated by commas")]
    at: Instant
    action: Annotated[str, Field(description="the operation of this API")]
    subject: Annotated[str, Field(description="its path, or the cause that it booked")]
    digest: Annotated[str, Field(description="SHA-256 of the request's body, hexadecimal")]
    outcome: Outcome
    proposed_by: Annotated[str, Field(description="where two people decided: the first of them")]
