"""What is wrong with an entry that is kept; pure. A batch is believed by its chain and its last signature at ingest."""

from protocol.journal import line_is_signed
from protocol.signing import VerifyKey, sha256_of

NOT_SIGNED = "an entry that is kept is not signed by the journal key of its epoch"
CHANGED = "the bytes of an entry are not those that came in"


def fault_of(jws: bytes, hash_kept: bytes, key: VerifyKey) -> str:
    """Why a kept entry proves nothing; empty when it does."""
    if sha256_of(jws) != hash_kept:
        return CHANGED
    return "" if line_is_signed(jws, key) else NOT_SIGNED
