"""What lies on the reader, for a person to look at: what it is, whose it is, and all that it remembers.

Nothing is written (a tag counts that it was read), and a till's keys are enough. What the card says is not compared
with any ledger here.
"""

import contextlib
import enum
import os
from dataclasses import dataclass

from hardware.cards.classic_sectors import TRANSPORT_KEY, ClassicSectors
from hardware.cards.crypto import RandomBytes
from hardware.cards.desfire import DesfirePurse
from hardware.cards.desfire_issue import CARD_LEVEL
from hardware.cards.desfire_session import DesfireSession
from hardware.cards.keys import CardKeys
from hardware.cards.open_card import answers_as_desfire, open_card
from hardware.cards.tokens import read_token
from hardware.ports import CardChannel, CardNotOurs, CardRefused, PurseUnreadable
from protocol.ids import Counter
from protocol.purse import NO_MARK, CardRead, Technology


class Belongs(enum.StrEnum):
    """Whose a card is, as far as the keys held here can tell."""

    OURS = "ours"
    UNREADABLE = "unreadable"
    """It has our keys or our structure, and does not say genuinely who it is."""
    BLANK = "blank"
    FOREIGN = "foreign"
    """Another installation's, of a key set that is not held here, or no purse at all."""


@dataclass(frozen=True, slots=True)
class ReadOut:
    """One look at the card on the reader."""

    uid: bytes
    technology: Technology | None
    """None: neither the reader nor the card says."""
    belongs: Belongs
    why: str = ""
    """For a technician, where it is not ours."""
    read: CardRead | None = None


def read_out(channel: CardChannel, keys: CardKeys, random_bytes: RandomBytes = os.urandom) -> ReadOut:
    """Read everything that a till's keys open, of DESFire the whole log. Raises CardLeftField, ReaderUnplugged."""
    technology = channel.technology
    if technology is Technology.TOKEN:
        return ReadOut(channel.uid, technology, Belongs.FOREIGN, "only its UID can be read here")
    if technology is not Technology.CLASSIC:
        technology = Technology.DESFIRE if answers_as_desfire(channel) else None
        if technology is None and (token := read_token(channel, keys, random_bytes)) is not None:
            return _of_token(channel.uid, token)
        if technology is None and channel.technology is not None:
            return ReadOut(channel.uid, None, Belongs.FOREIGN, "it does not answer as a DESFire")
    try:
        read = _read_all(channel, keys, random_bytes)
    except CardNotOurs as error:
        is_blank = technology is not None and _is_blank(channel, technology, random_bytes)
        return ReadOut(channel.uid, technology, Belongs.BLANK if is_blank else Belongs.FOREIGN, str(error))
    except (CardRefused, PurseUnreadable) as error:
        return ReadOut(channel.uid, technology, Belongs.UNREADABLE, str(error))
    return ReadOut(channel.uid, read.technology, Belongs.OURS, read=read)


def _of_token(uid: bytes, token: CardRead) -> ReadOut:
    if token.genuine:
        return ReadOut(uid, Technology.TOKEN, Belongs.OURS, read=token)
    why = f"a tag that says it is card {token.identity.card}, and cannot prove it"
    return ReadOut(uid, Technology.TOKEN, Belongs.UNREADABLE, why)


def _read_all(channel: CardChannel, keys: CardKeys, random_bytes: RandomBytes) -> CardRead:
    card = open_card(channel, keys, random_bytes)
    read = card.read()
    if isinstance(card, DesfirePurse) and read.purse is not None:
        return card.make_definite(NO_MARK, Counter(0))  # only reads: a commit is atomic, so there is nothing to firm
    return read


def _is_blank(channel: CardChannel, technology: Technology, random_bytes: RandomBytes) -> bool:
    """Whether the card's own keys are as the factory left them. A card torn while it was made no longer is."""
    with contextlib.suppress(CardRefused, CardNotOurs):
        if technology is Technology.DESFIRE:
            card = DesfireSession(channel, random_bytes)
            card.select(CARD_LEVEL)
            return card.key_version(0) == 0
        ClassicSectors(channel).open(0, TRANSPORT_KEY)
        return True
    return False
