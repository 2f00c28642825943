"""How a token has shown by itself who it is, and the number that nobody may show twice (SPEC, "Tokens")."""

import enum

import msgspec

from protocol.ids import Counter, CounterField


class ProofKind(enum.StrEnum):
    """What a token shows."""

    SUN = "sun"
    """NTAG 424 DNA: a message with a MAC over the counter of its reads."""
    AES = "aes"
    """MIFARE Ultralight AES: a mutual authentication, made anew each time."""


class Proof(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What one tap has shown. Of one token and kind the counter rises with each."""

    kind: ProofKind
    counter: CounterField = Counter(0)
    """0: nothing was shown that could be shown again."""

    def is_spent(self, floor: int) -> bool:
        """Whether it is one that was shown before, where `floor` is the highest counter that is known."""
        return 0 < self.counter <= floor
