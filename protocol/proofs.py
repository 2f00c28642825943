"""How a token has shown by itself who it is, and the number that nobody may show twice (SPEC, "Tokens")."""

import enum
from typing import Annotated, Literal

from msgspec import Meta

from protocol.ids import U32_MAX, Counter, CounterField
from protocol.wire import Wire

SignatureField = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{85}[AQgw]\Z")]
"""64 bytes in base64url."""


class ProofKind(enum.StrEnum):
    """What a token shows."""

    SUN = "sun"
    """NTAG 424 DNA: a message with a MAC over the counter of its reads."""
    AES = "aes"
    """MIFARE Ultralight AES: a mutual authentication, made anew each time."""
    CODE = "code"
    """A phone: a pay code that the server has signed."""


_COUNTERS = {ProofKind.SUN: (1, (1 << 24) - 1), ProofKind.AES: (0, 0), ProofKind.CODE: (1, U32_MAX)}


class Proof(Wire, frozen=True):
    """What one tap, or one scan, has shown. Raises ValueError for a counter or signature that its kind cannot have."""

    kind: ProofKind
    counter: CounterField = Counter(0)
    """`sun`: 1 to 2^24 - 1, rising with each proof of this token. `aes`: 0, nothing was shown that could be again.
    `code`: the second of its making, since 1970."""
    signature: SignatureField | Literal[""] = ""
    """`code`: the server's, so that it can check its own word when it is told of the sale."""

    def __post_init__(self) -> None:
        """Whoever leaves the counter out, or far ahead, shall not pass for a tag that counts three bytes."""
        lowest, highest = _COUNTERS[self.kind]
        if not lowest <= self.counter <= highest:
            raise ValueError(f"the counter of a proof {self.kind} is {lowest} to {highest}, not {self.counter}")
        if bool(self.signature) != (self.kind is ProofKind.CODE):
            raise ValueError("a pay code is proven by a signature, and nothing else is")

    def is_spent(self, floor: int) -> bool:
        """Whether it is one that was shown before, where `floor` is the highest counter that is known."""
        return 0 < self.counter <= floor
