"""Card keys on their way to one terminal: what it asks, and what it gets, sealed for it alone (SPEC, "Delivery").

    terminal: request, signed by its journal key --> vault: the keys that its holder may have --> terminal

The root signs a delivery: whoever made a terminal believe in other card keys could sell it cards of his own making.
"""

import enum
from collections.abc import Sequence
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from protocol.canonical import NotCanonical, encode, read
from protocol.card_keys import MASTER_BYTES, KeySet, KeySetsFile, KeySetTable, Tier
from protocol.entries import HashField
from protocol.ids import U53, EpochField, TerminalField
from protocol.messages import Grant, Message, NotAMessage, sign, verified, verified_as
from protocol.sealing import SEALED_CHARS_MAX, NotOpened, seal, unseal
from protocol.signing import Signer, VerifyKey, from_base64url, to_base64url
from protocol.trust import Trust


class Holder(enum.StrEnum):
    """What a terminal is, as far as card keys go."""

    TILL = "till"
    STATION = "station"
    OFFICE = "office"


HELD = {
    Holder.TILL: frozenset({Tier.DEBIT}),
    Holder.STATION: frozenset({Tier.DEBIT, Tier.CREDIT}),
    Holder.OFFICE: frozenset(Tier),
}
"""Which master keys each holder gets: no more, and no less."""


class CardKeyRequest(Message, frozen=True, tag="card_key_request"):
    """A terminal asks for card keys; the journal key of its epoch signs it."""

    kid: ClassVar[str] = "journal"
    tid: TerminalField
    epoch: EpochField
    holder: Holder
    key: HashField
    """The X25519 key that they shall be sealed for, 32 bytes base64url."""

    @property
    def text(self) -> bytes:
        """What four words stand for that people compare (`protocol.enrolment.four_words`)."""
        return b"fanka card keys 1\n" + encode(self)


class CardKeyDelivery(Message, frozen=True, tag="card_key_delivery"):
    """Card keys for one epoch of one terminal. A later one takes the place of all that came before."""

    kid: ClassVar[str] = "root"
    tid: TerminalField
    epoch: EpochField
    number: U53
    """Later is larger."""
    holder: Holder
    sealed: Annotated[str, Meta(max_length=SEALED_CHARS_MAX)]
    """A `KeySetsFile` (its canonical JSON) as compact JWE."""


class RequestFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request and what shows whose it is: the grant that names its journal key, and the keys that the root signed."""

    request: str
    grant: str
    keys: str


class NotDelivered(ValueError):
    """This delivery is refused; the text says why, and nothing of a key."""


_request = msgspec.json.Decoder(CardKeyRequest)
_delivery = msgspec.json.Decoder(CardKeyDelivery)
_sets = msgspec.json.Decoder(KeySetsFile)


def read_request(raw: bytes, root: VerifyKey) -> CardKeyRequest:
    """What a terminal asks for that the site's own server has granted its epoch. Raises NotAMessage."""
    try:
        file = msgspec.json.decode(raw, type=RequestFile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotAMessage(f"this is no request for card keys: {error}") from error
    grant = verified(file.grant.encode(), Grant, Trust(root, file.keys.encode()).grant)
    asked = verified_as(file.request.encode(), _request, grant.verify_key)
    if (asked.tid, asked.epoch) != (grant.tid, grant.epoch):
        raise NotAMessage("the request is of another terminal than the grant that came with it")
    return asked


def deliver(asked: CardKeyRequest, number: int, sets: Sequence[KeySet], chance: bytes, root: Signer) -> bytes:
    """What this terminal shall hold, the set that new cards get first; `chance` as in `seal`.

    Raises ValueError where the request's key is none.
    """
    held = HELD[asked.holder]
    tables = tuple(
        KeySetTable(keys.number, **{str(tier): to_base64url(keys.masters[tier]) for tier in held}) for keys in sets
    )
    whom = f"{asked.tid}/{asked.epoch}"
    sealed = seal(encode(KeySetsFile(tables)), from_base64url(asked.key), whom, chance)
    return sign(CardKeyDelivery(asked.tid, asked.epoch, number, asked.holder, sealed), root)


def read_delivery(jws: bytes, root: VerifyKey) -> CardKeyDelivery:
    """A delivery that the root signed. Raises NotDelivered."""
    try:
        return verified_as(jws, _delivery, root)
    except NotAMessage as error:
        raise NotDelivered(f"this is no delivery of card keys that this site's root has signed: {error}") from error


def open_delivery(
    told: CardKeyDelivery, grant: Grant, holder: Holder, installed: int, secret: bytes
) -> tuple[KeySetTable, ...]:
    """The card keys for this terminal. `installed`: the number of the delivery that is in force, 0 for none.

    Raises NotDelivered.
    """
    if (told.tid, told.epoch) != (grant.tid, grant.epoch):
        raise NotDelivered(f"it is for {told.tid}, epoch {told.epoch}; this is {grant.tid}, epoch {grant.epoch}")
    if told.holder is not holder:
        raise NotDelivered(f"it is for '{told.holder}', and by its settings this terminal is '{holder}'")
    if told.number == installed:
        raise NotDelivered(f"delivery {installed} is the one that is installed already; there is nothing to do")
    if told.number < installed:
        raise NotDelivered(f"it is older than the one that is installed ({told.number}, {installed})")
    try:
        sets = read(unseal(told.sealed, secret, f"{told.tid}/{told.epoch}"), _sets).card_keys
    except NotOpened as error:
        raise NotDelivered(str(error)) from error
    except NotCanonical:
        raise NotDelivered("what was sealed are no card keys") from None
    numbers = [table.key_set for table in sets]
    if not sets or len(set(numbers)) != len(numbers) or any(not _is_for(table, holder) for table in sets):
        raise NotDelivered(f"what was sealed is not what '{holder}' holds")
    return sets


def _is_for(table: KeySetTable, holder: Holder) -> bool:
    texts = {tier: getattr(table, tier) for tier in Tier}
    try:
        lengths = {tier: len(from_base64url(text)) for tier, text in texts.items() if text}
    except ValueError:
        return False
    return lengths == dict.fromkeys(HELD[holder], MASTER_BYTES)
