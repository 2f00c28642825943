"""Tags that prove who they are, as the card office makes them."""

from hardware.cards.keys import CardKeys, MasterKeys, Role
from hardware.cards.sun import ndef_file, who_text
from hardware.simulated.ntag424 import TagState, VirtualNtag424
from hardware.simulated.ultralight_aes import UltralightState, VirtualUltralightAes
from protocol.purse import Identity
from tests.hardware.card_bench import KEYS, UID, WHO

LINK = "https://card.example.edu/tap"


def tag(
    who: Identity = WHO,
    keys: MasterKeys = KEYS,
    uid: bytes = UID,
    *,
    mac_keys: MasterKeys | None = None,
    random_uid: bytes | None = None,
) -> VirtualNtag424:
    """A tag of a person; `mac_keys`: made by somebody who has not the keys for its MAC."""
    read_key = CardKeys([keys]).require(uid, keys.key_set).aes(Role.SUN_READ)
    maker = mac_keys or keys
    mac_key = CardKeys([maker]).require(uid, maker.key_set).aes(Role.SUN_MAC)
    return VirtualNtag424(TagState(uid, ndef_file(LINK, keys.key_set, who), read_key, mac_key, random_uid=random_uid))


def ultralight(who: Identity = WHO, keys: MasterKeys = KEYS, uid: bytes = UID) -> VirtualUltralightAes:
    """The same as an Ultralight AES."""
    of_tag = CardKeys([keys]).require(uid, keys.key_set)
    text = who_text(keys.key_set, who).ljust(16, b"\x00")
    mac = of_tag.aes(Role.ULTRALIGHT_MAC).cmac(uid + text)[1::2]
    return VirtualUltralightAes(UltralightState(uid, text, mac, of_tag.aes(Role.ULTRALIGHT)))
