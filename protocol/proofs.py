"""How a token has shown by itself who it is, and the number that nobody may show twice (SPEC, "Tokens")."""

import enum

from protocol.ids import Counter, CounterField
from protocol.wire import Wire

_SUN_MAX = (1 << 24) - 1


class ProofKind(enum.StrEnum):
    """What a token shows."""

    SUN = "sun"
    """NTAG 424 DNA: a message with a MAC over the counter of its reads."""
    AES = "aes"
    """MIFARE Ultralight AES: a mutual authentication, made anew each time."""


class Proof(Wire, frozen=True):
    """What one tap has shown. Raises ValueError for a counter that its kind cannot have."""

    kind: ProofKind
    counter: CounterField = Counter(0)
    """`sun`: 1 to 2^24 - 1, rising with each proof of this token. `aes`: 0, nothing was shown that could be again."""

    def __post_init__(self) -> None:
        """Whoever leaves the counter out, or far ahead, shall not pass for a tag that counts three bytes."""
        lowest, highest = (1, _SUN_MAX) if self.kind is ProofKind.SUN else (0, 0)
        if not lowest <= self.counter <= highest:
            raise ValueError(f"the counter of a proof {self.kind} is {lowest} to {highest}, not {self.counter}")

    def is_spent(self, floor: int) -> bool:
        """Whether it is one that was shown before, where `floor` is the highest counter that is known."""
        return 0 < self.counter <= floor
