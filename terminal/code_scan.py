"""A scanned pay code, as a read of a token: who it says it is, whether the server said so, and whether that is over.

Pure. That a code is taken once is decided like with every proof, by the highest counter in the journal.
"""

from dataclasses import replace

from protocol.authorise import Standing
from protocol.instants import Now, UtcMs
from protocol.pay_codes import PayCode, code_refusal, is_our_code
from protocol.proofs import Proof, ProofKind
from protocol.purse import CardRead
from protocol.tokens import read_of
from protocol.trust import KeyRing


def read_of_code(code: PayCode, keys: KeyRing | None) -> CardRead:
    """What a code says of its holder. It was made just now, so only the key that signs now can have signed it."""
    genuine = keys is not None and is_our_code(code.card, code.proof, keys.present)
    return replace(read_of(code.card, proof=code.proof), genuine=genuine)


def aged(standing: Standing, proof: Proof | None, now: Now, vouched: UtcMs) -> Standing:
    """What is known of a token, and whether the code it shows is worth anything at this hour."""
    if proof is None or proof.kind is not ProofKind.CODE:
        return standing
    return replace(standing, proof_refusal=code_refusal(proof, now, vouched))
