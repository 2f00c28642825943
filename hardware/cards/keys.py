"""The keys of an installation: three master keys a set, and what they become on each card.

    debit    tills and stations    DESFire key 1; Classic key A (slots, identity, load records) and the MAC key; PIN key
                                   and those of tokens that prove who they are
    credit   load stations only    DESFire key 2; Classic key B of the load records
    office   card office only      DESFire key 0 of the application and of the card; Classic key B elsewhere;
                                   an NTAG 424 DNA's keys 0, 3 and 4; an Ultralight AES's UIDRetrKey

Each is diversified per card (NXP AN10922 section 2.2): AES-128 over UID, application id and a role byte, so that
a key pulled out of one card opens no other one. MIFARE Classic takes the first six bytes. A terminal that holds
no credit key simply has none here.
"""

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from hardware.cards.crypto import AES128_BYTES, AesKey
from hardware.cards.desfire_auth import CardKey, InMemory
from hardware.cards.sam import KeyInSam, Sam
from hardware.ports import CardNotOurs
from protocol.card_keys import Tier
from protocol.purse_desfire import APPLICATION_ID, KEY_SET_MAX
from protocol.signing import Mac8, mac8_with

CLASSIC_KEY_BYTES = 6
CARDS_REMEMBERED_MAX = 4_096
"""Diversified keys are kept for so many cards; a busy till sees fewer in a day."""


class Role(enum.IntEnum):
    """What a diversified key is for: the last byte of its diversification input. The numbers are on cards."""

    DESFIRE_MASTER = 0x00
    DESFIRE_DEBIT = 0x01
    DESFIRE_CREDIT = 0x02
    DESFIRE_CARD = 0x0F
    CLASSIC_TILL = 0x10
    CLASSIC_LOAD = 0x11
    CLASSIC_OFFICE = 0x12
    CLASSIC_MAC = 0x13
    PIN = 0x20
    SUN_READ = 0x30
    """The same for all tokens of a set, for it opens whose UID it is: its input has none."""
    SUN_MAC = 0x31
    ULTRALIGHT = 0x32
    ULTRALIGHT_MAC = 0x33
    SUN_MASTER = 0x34
    SUN_SPARE_3 = 0x35
    """Keys 3 and 4 of an NTAG 424 DNA open nothing of ours; nobody else shall hold them."""
    SUN_SPARE_4 = 0x36
    ULTRALIGHT_UID = 0x37


_TIER_OF = {
    Role.DESFIRE_MASTER: Tier.OFFICE,
    Role.DESFIRE_DEBIT: Tier.DEBIT,
    Role.DESFIRE_CREDIT: Tier.CREDIT,
    Role.DESFIRE_CARD: Tier.OFFICE,
    Role.CLASSIC_TILL: Tier.DEBIT,
    Role.CLASSIC_LOAD: Tier.CREDIT,
    Role.CLASSIC_OFFICE: Tier.OFFICE,
    Role.CLASSIC_MAC: Tier.DEBIT,
    Role.PIN: Tier.DEBIT,
    Role.SUN_READ: Tier.DEBIT,
    Role.SUN_MAC: Tier.DEBIT,
    Role.ULTRALIGHT: Tier.DEBIT,
    Role.ULTRALIGHT_MAC: Tier.DEBIT,
    Role.SUN_MASTER: Tier.OFFICE,
    Role.SUN_SPARE_3: Tier.OFFICE,
    Role.SUN_SPARE_4: Tier.OFFICE,
    Role.ULTRALIGHT_UID: Tier.OFFICE,
}


class KeyNotHeld(Exception):
    """This machine was asked for a key that it must not have: a mistake in the program, not at the till."""


@dataclass(frozen=True, slots=True)
class MasterKeys:
    """One key set as far as this machine holds it; the number (1 to 127) stands readable on every card."""

    key_set: int
    debit: bytes = field(repr=False)
    credit: bytes | None = field(default=None, repr=False)
    office: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not 1 <= self.key_set <= KEY_SET_MAX:
            raise ValueError(f"a key set is numbered 1 to {KEY_SET_MAX}; 0 is a card that was never personalised")
        if any(key is not None and len(key) != AES128_BYTES for key in (self.debit, self.credit, self.office)):
            raise ValueError(f"a master key has {AES128_BYTES} bytes")

    def held(self, tier: Tier) -> bytes | None:
        """The master key of a tier, or None where this machine has none."""
        return {Tier.DEBIT: self.debit, Tier.CREDIT: self.credit, Tier.OFFICE: self.office}[tier]

    def for_a_till(self) -> "MasterKeys":
        """What a till gets of this set."""
        return MasterKeys(self.key_set, self.debit)

    def for_a_station(self) -> "MasterKeys":
        """What a load-capable station gets of this set."""
        return MasterKeys(self.key_set, self.debit, self.credit)


class OnlyInSam(CardNotOurs):
    """The card's key is needed itself, and a SAM does not tell it."""


@dataclass(frozen=True, slots=True)
class SamKeys:
    """Key sets that lie in a SAM. There a set's number is the version of its master keys."""

    sam: Sam
    key_sets: tuple[int, ...]
    entries: Mapping[Role, int]
    """The SAM's key entry for a role, DESFIRE_DEBIT and perhaps DESFIRE_CREDIT."""


class KeysOfCard:
    """The keys of one card under one set, derived when they are first asked for."""

    __slots__ = ("_keys", "_mac8", "_masters", "_sam", "_uid", "key_set")

    def __init__(self, key_set: int, masters: dict[Tier, AesKey], uid: bytes, sam: SamKeys | None = None) -> None:
        self.key_set = key_set
        self._masters = masters
        self._uid = uid
        self._sam = sam
        self._keys: dict[Role, AesKey] = {}
        self._mac8: dict[Role, Mac8] = {}

    def aes(self, role: Role) -> AesKey:
        """The card's AES key for a role. Raises KeyNotHeld, OnlyInSam."""
        key = self._keys.get(role)
        if key is None:
            if self._sam is not None:
                raise OnlyInSam(f"key set {self.key_set} is in the SAM, which serves DESFire alone")
            master = self._masters.get(_TIER_OF[role])
            if master is None:
                raise KeyNotHeld(f"no {_TIER_OF[role]} key of set {self.key_set} is held here")
            key = self._keys[role] = master.diversified(self._diversification_input(role))
        return key

    def card_key(self, role: Role) -> CardKey:
        """What proves the card's key for a role to a DESFire. Raises KeyNotHeld."""
        if self._sam is None:
            return InMemory(self.aes(role))
        entry = self._sam.entries.get(role)
        if entry is None:
            raise KeyNotHeld(f"no SAM entry is named for {role.name}")
        return KeyInSam(self._sam.sam, entry, self.key_set, self._diversification_input(role))

    def classic(self, role: Role) -> bytes:
        """The card's six-byte key for a role. Raises KeyNotHeld."""
        return self.aes(role).raw[:CLASSIC_KEY_BYTES]

    def mac8(self, role: Role) -> Mac8:
        """Eight bytes of CMAC under the card's key for a role. Raises KeyNotHeld."""
        mac8 = self._mac8.get(role)
        if mac8 is None:
            mac8 = self._mac8[role] = mac8_with(self.aes(role).raw)
        return mac8

    def _diversification_input(self, role: Role) -> bytes:
        uid = b"" if role is Role.SUN_READ else self._uid
        return uid + APPLICATION_ID + bytes((role,))


class CardKeys:
    """Every key set this machine holds: the present one and, while cards still carry it, the one before."""

    def __init__(self, sets: Iterable[MasterKeys], in_sam: SamKeys | None = None) -> None:
        self._sets: dict[int, dict[Tier, AesKey]] = {}
        for keys in sets:
            held = ((tier, keys.held(tier)) for tier in Tier)
            self._sets[keys.key_set] = {tier: AesKey(raw) for tier, raw in held if raw is not None}
        self.in_sam = in_sam
        """Where every set lies that is held here; None: in memory."""
        if in_sam is not None:
            assert not self._sets, "sets are in memory or in a SAM, not both"
            self._sets = {key_set: {} for key_set in in_sam.key_sets}
        self._remembered = lru_cache(maxsize=CARDS_REMEMBERED_MAX)(self._derive)

    @property
    def key_sets(self) -> tuple[int, ...]:
        """The numbers of the sets held here."""
        return tuple(self._sets)

    def close(self) -> None:
        """Let go of the SAM, where the keys lie in one; they can be used again afterwards."""
        if self.in_sam is not None:
            self.in_sam.sam.close()

    def of_card(self, uid: bytes, key_set: int) -> KeysOfCard | None:
        """The keys of a card that carries this set number; None where the set is not held here."""
        return self._remembered(uid, key_set)

    def require(self, uid: bytes, key_set: int) -> KeysOfCard:
        """The same. Raises CardNotOurs where the set is not held here."""
        found = self.of_card(uid, key_set)
        if found is None:
            raise CardNotOurs(f"key set {key_set} is not held here")
        return found

    def _derive(self, uid: bytes, key_set: int) -> KeysOfCard | None:
        masters = self._sets.get(key_set)
        return None if masters is None else KeysOfCard(key_set, masters, uid, self.in_sam)
