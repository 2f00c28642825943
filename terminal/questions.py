"""The server as a sale sees it: a question goes out at once, and its answer comes as an event, if it comes."""

import secrets
from dataclasses import dataclass

from protocol.ids import Seq
from protocol.messages import Ask, Grant, Who, encode_question
from protocol.money import Cents
from protocol.proofs import Proof
from protocol.purse import CardId
from protocol.signing import to_base64url
from terminal.sync_link import SyncLink


@dataclass(frozen=True, slots=True)
class Questions:
    """Implements the shell's `Server` on the line to it."""

    link: SyncLink
    grant: Grant

    @property
    def is_up(self) -> bool:
        """Whether the line is there."""
        return self.link.is_up

    def who(self, uid: str) -> str:
        """Ask whose token a UID is; the nonce that its answer repeats."""
        nonce = to_base64url(secrets.token_bytes(32))
        self.link.ask(encode_question(Who(nonce, uid)))
        return nonce

    def ask(self, seq: Seq, entry_hash: bytes, card: CardId, amount: Cents, proof: Proof | None) -> None:
        """Ask whether a token may pay what this prepared entry says."""
        grant, digest = self.grant, to_base64url(entry_hash)
        self.link.ask(encode_question(Ask(grant.epoch, grant.tno, seq, digest, card, amount, proof)))
