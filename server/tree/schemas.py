"""Heads and proofs as the API shows them; hashes are base64url. `python -m protocol audit` reads these answers."""

from typing import Annotated

from pydantic import Field

from server.fields import Instant, View

Hash = Annotated[str, Field(description="32 bytes, base64url")]


class HeadView(View):
    """The signed root of a night."""

    number: int
    day: int
    size: Annotated[int, Field(description="leaves under the root")]
    root: Hash
    server_epoch: int
    at: Instant
    jws: Annotated[str, Field(description="the signed TreeHead: keep it where this server's people cannot reach")]


class RowProofView(View):
    """That a row is sealed."""

    row: Annotated[str, Field(description="the leaf's data: the row in canonical form")]
    position: int
    path: list[Hash]


class GrowthView(View):
    """That a tree goes on from an older one."""

    since: Annotated[str, Field(description="the older head, signed")]
    path: list[Hash]


class RowsView(View):
    """Rows in the order of the leaves."""

    start: Annotated[int, Field(description="the position of the first of them")]
    frontier: Annotated[list[Hash], Field(description="the complete subtrees of the leaves before it, largest first")]
    rows: list[str]
