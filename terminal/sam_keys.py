"""Card keys that lie in a SAM (docs/card-keys.md): the `[sam]` table of the settings."""

from typing import Annotated

import msgspec
from msgspec import Meta

from hardware.cards.crypto import AesKey
from hardware.cards.keys import Role, SamKeys
from hardware.cards.sam import HostKey, Sam
from hardware.readers.contact_slot import ContactSlot
from protocol.card_keys import KeySetNumber
from protocol.signing import from_base64url

_Byte = Annotated[int, Meta(ge=0, le=255)]


class SamTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the SAM is, and what lies where in it."""

    key_sets: Annotated[tuple[KeySetNumber, ...], Meta(min_length=1, max_length=3)]
    debit: _Byte
    credit: _Byte = 0
    """0, where the SAM has its own master key: none."""
    reader: str = ""
    host_key: str = ""
    host_entry: _Byte = 0
    host_version: _Byte = 0

    def __repr__(self) -> str:
        return f"SamTable({self.reader})"


def keys_in(table: SamTable, *, may_credit: bool, may_office: bool) -> SamKeys:
    """What is held through the SAM. Raises ValueError where that does not fit this terminal's rights, or is no key."""
    if may_office:
        raise ValueError("a card office needs the keys themselves: [[card_keys]]")
    if may_credit and not table.credit:
        raise ValueError("the entry of the credit key is missing, and `may` has load or topup")
    entries = {Role.DESFIRE_DEBIT: table.debit}
    if may_credit:
        entries[Role.DESFIRE_CREDIT] = table.credit
    host = None
    if table.host_key:
        try:
            host = HostKey(table.host_entry, table.host_version, AesKey(from_base64url(table.host_key)))
        except ValueError:  # its cause would show the key
            raise ValueError("host_key: it is 16 bytes in base64url") from None
    return SamKeys(Sam(ContactSlot(table.reader), host), table.key_sets, entries)
