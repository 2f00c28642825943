"""Where a terminal stands, as far as it is fixed before the program starts."""

from dataclasses import dataclass

from protocol.ids import MerchantId, TerminalId, Tno
from protocol.instants import CampusTime, UtcMs
from protocol.signing import Verifier
from protocol.trust import KeyRing


@dataclass(frozen=True, slots=True)
class Post:
    """Where this terminal stands: what does not change while it runs."""

    tno: Tno
    merchant: MerchantId
    """Empty: a spare, whose place the server tells."""
    campus: CampusTime
    load_key: Verifier
    """Checks the server's load records."""
    granted_at: UtcMs
    """When the server signed this epoch's grant."""
    build: str = ""
    tid: TerminalId = TerminalId("")
    code_keys: KeyRing | None = None
    """The server's keys that sign pay codes; None: none are taken here."""
