"""Which key tiers are built: the settings and the command line name one, and get it or a sentence."""

import enum

from protocol.enrolment import KeyTier
from terminal.identity import IN_A_FILE, IdentityError, JournalKeys


class TierName(enum.StrEnum):
    """How people write a tier."""

    FILE = "file"
    SEALED = "sealed"
    SAM = "sam"


_TIERS = {TierName.FILE: KeyTier.FILE, TierName.SEALED: KeyTier.SEALED, TierName.SAM: KeyTier.SAM}
_BUILT = {keys.tier: keys for keys in (IN_A_FILE,)}


def keys_of(name: TierName) -> JournalKeys:
    """Where journal keys of a tier live. Raises IdentityError for a tier that this program has no driver for."""
    tier = _TIERS[name]
    if tier not in _BUILT:
        raise IdentityError(
            f'key tier "{name}" ({tier:d}) is not built: this program keeps the journal key in a file (tier 0). '
            'Write "file", or leave the setting out'
        )
    return _BUILT[tier]
