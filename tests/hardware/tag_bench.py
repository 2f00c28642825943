"""Tags that prove who they are, as the card office makes them, and as the factory sends them."""

from dataclasses import replace

from hardware.cards.crypto import AesKey
from hardware.cards.issue import NewCard, personalise
from hardware.cards.keys import CardKeys, MasterKeys, Role
from hardware.cards.ntag424 import KEY_MAC
from hardware.simulated.desfire_state import StoredKey
from hardware.simulated.ntag424 import TagState, VirtualNtag424, blank_ntag424
from hardware.simulated.reader import SimulatedReader, VirtualCard
from hardware.simulated.ultralight_aes import VirtualUltralightAes, blank_ultralight
from protocol.ids import Counter
from protocol.money import Cents
from protocol.purse import Identity, Purse
from tests.hardware.card_bench import KEYS, UID, WHO

LINK = "https://card.example.edu/tap"


def new_token(who: Identity = WHO, key_set: int = 1) -> NewCard:
    """What the card office orders."""
    return NewCard(key_set, replace(who, pin_verifier=b""), Purse(Counter(0), Cents(0)), LINK)


def made(card: VirtualCard, who: Identity, keys: MasterKeys) -> None:
    """Let the card office make a tag; afterwards it counts from 0 again."""
    reader = SimulatedReader()
    reader.place(card)
    channel = reader.wait_for_card(0)
    assert channel is not None
    personalise(channel, CardKeys([keys]), new_token(who, keys.key_set))
    reader.take_away()


def tag(
    who: Identity = WHO,
    keys: MasterKeys = KEYS,
    uid: bytes = UID,
    *,
    mac_keys: MasterKeys | None = None,
    random_uid: bytes | None = None,
) -> VirtualNtag424:
    """A tag of a person; `mac_keys`: made by somebody who has not the keys for its MAC."""
    card = VirtualNtag424(blank_ntag424(uid))
    made(card, who, _whole(keys))
    state = replace(card.snapshot(), counter=0, random_uid=random_uid)
    if mac_keys is not None:
        of_maker = CardKeys([mac_keys]).require(uid, mac_keys.key_set)
        state = with_mac_key(state, of_maker.aes(Role.SUN_MAC))
    return VirtualNtag424(state)


def with_mac_key(state: TagState, key: AesKey) -> TagState:
    """The tag with another key for its MAC."""
    keys = list(state.keys)
    keys[KEY_MAC] = StoredKey(key.raw, keys[KEY_MAC].version)
    return replace(state, keys=tuple(keys))


def ultralight(who: Identity = WHO, keys: MasterKeys = KEYS, uid: bytes = UID) -> VirtualUltralightAes:
    """The same as an Ultralight AES."""
    card = VirtualUltralightAes(blank_ultralight(uid))
    made(card, who, _whole(keys))
    return VirtualUltralightAes(card.snapshot())


def _whole(keys: MasterKeys) -> MasterKeys:
    """With an office key of some kind: who has none makes tags all the same."""
    return MasterKeys(keys.key_set, keys.debit, keys.credit or bytes(16), keys.office or bytes(16))
