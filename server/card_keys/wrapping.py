"""Card keys for one terminal: the sets in force, as far as it may hold them, sealed for it and signed by the root."""

import os
from dataclasses import dataclass
from pathlib import Path

from protocol.card_key_delivery import Holder, deliver, read_request
from protocol.enrolment import four_words
from protocol.instants import UtcMs
from protocol.messages import NotAMessage
from protocol.sealing import SEAL_CHANCE_BYTES
from server.card_keys.vault import VaultWrong, next_delivery, sets_in_force
from server.keys import ROOT_FILE, open_key


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A delivery, and what people compare before it leaves the machine."""

    said: str
    delivery: bytes


def wrap(vault: Path, request: bytes, holder: Holder, root_directory: Path, at: UtcMs) -> Wrapped:
    """What a terminal shall hold. `holder`: what it is by the word of those who keep the keys, not by its own.

    Raises VaultWrong, KeysUnusable, OSError.
    """
    root = open_key(root_directory / ROOT_FILE)
    try:
        asked = read_request(request, root.public)
    except NotAMessage as error:
        raise VaultWrong(f"nobody whom this root vouches for has asked this: {error}") from error
    if asked.holder is not holder:
        raise VaultWrong(f"by its settings {asked.tid} is '{asked.holder}', and not '{holder}'")
    sets = sets_in_force(vault)
    if not sets:
        raise VaultWrong(f"there are no key sets in {vault}")
    try:
        delivery = deliver(asked, next_delivery(vault, at), sets, os.urandom(SEAL_CHANCE_BYTES), root)
    except ValueError:
        raise VaultWrong(f"the key that {asked.tid} names is none") from None
    numbers = ", ".join(str(keys.number) for keys in sets)
    words = four_words(asked.text)
    return Wrapped(f"{asked.tid}, epoch {asked.epoch}, {holder}: sets {numbers}; its screen says: {words}", delivery)
