"""A virtual SAM with a station's keys for the cards of `card_bench`, and what a driver sees through it."""

from dataclasses import dataclass, field

from hardware.cards.crypto import AesKey
from hardware.cards.keys import CardKeys, Role, SamKeys
from hardware.cards.sam import HostKey, Sam
from hardware.ports import SamFailed, SamSlot
from hardware.simulated.sam import SamEntry, VirtualSam
from tests.hardware.card_bench import KEYS

HOST, DEBIT, CREDIT = 0, 10, 11
ENTRIES = {Role.DESFIRE_DEBIT: DEBIT, Role.DESFIRE_CREDIT: CREDIT}
HOST_KEY = HostKey(HOST, 0, AesKey(b"the machine's ID"))


@dataclass
class Slot:
    """A slot without a reader; `gone` after so many commands."""

    sam: VirtualSam
    commands_left: int | None = None
    power_ups: int = field(default=0)
    name = "no reader"

    def power_up(self) -> None:
        self.power_ups += 1
        self._require()
        self.sam.reset()

    def transmit(self, apdu: bytes) -> bytes:
        self._require()
        if self.commands_left is not None:
            self.commands_left -= 1
        return self.sam.process(apdu)

    def close(self) -> None:
        self.sam.reset()

    def _require(self) -> None:
        if self.commands_left == 0:
            raise SamFailed("pulled out")


def virtual_sam(
    generation: int = 2, *, key_set: int = KEYS.key_set, dumps: bool = True, wants_host: bool = False
) -> VirtualSam:
    """A chip as a site orders it: the debit and the credit key of one set."""
    assert KEYS.credit is not None
    masters = {DEBIT: KEYS.debit, CREDIT: KEYS.credit}
    entries = {number: SamEntry({key_set: AesKey(raw)}, dumps, wants_host) for number, raw in masters.items()}
    return VirtualSam({HOST: SamEntry({0: HOST_KEY.key}), **entries}, generation)


def keys_in(slot: SamSlot, host: HostKey | None = None) -> CardKeys:
    """What a machine holds that has no card key in its memory."""
    return CardKeys([], SamKeys(Sam(slot, host), (KEYS.key_set,), ENTRIES))
