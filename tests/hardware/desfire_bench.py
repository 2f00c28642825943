"""A virtual DESFire with files of every kind, and a session with it, for tests of the card itself."""

from collections.abc import Callable

import pytest

from hardware.cards.crypto import AesKey
from hardware.cards.desfire_messaging import CommMode
from hardware.cards.desfire_session import DesfireSession
from hardware.ports import CardRefused
from hardware.simulated.desfire_card import VirtualDesfire
from hardware.simulated.desfire_state import (
    PICC_AID,
    PICC_SETTINGS_DEFAULT,
    Application,
    Chip,
    DesfireState,
    StoredKey,
    blank_desfire,
)
from hardware.simulated.reader import SimulatedReader

UID = bytes.fromhex("04a1b2c3d4e5f6")
AID = bytes.fromhex("f0fa4b")
ZERO = AesKey(bytes(16))
MASTER, DEBIT, CREDIT = AesKey(b"m" * 16), AesKey(b"d" * 16), AesKey(b"c" * 16)


def u24(number: int) -> bytes:
    return number.to_bytes(3, "little")


def i32(number: int) -> bytes:
    return number.to_bytes(4, "little", signed=True)


def connect(card: VirtualDesfire) -> DesfireSession:
    """A session with it, speaking what the card speaks."""
    reader = SimulatedReader()
    reader.place(card)
    channel = reader.wait_for_card(0)
    assert channel is not None
    session = DesfireSession(channel)
    session.speaks_ev2 = card.snapshot().chip is not Chip.EV1
    return session


def aes_blank() -> DesfireState:
    """A card whose master key somebody has changed to AES, all zero as the DES key was."""
    master = Application(PICC_SETTINGS_DEFAULT, (StoredKey(),))
    return blank_desfire(UID).with_application(PICC_AID, master)


def card_with_files(chip: Chip = Chip.EV1) -> VirtualDesfire:
    """A card with one application: keys 0 master, 1 debit, 2 credit; files of every kind, all MACed."""
    new = VirtualDesfire(blank_desfire(UID, chip))
    session = connect(new)
    session.command(0xCA, AID + b"\x0b\x83")
    session.select(AID)
    session.authenticate(0, ZERO)
    session.change_key(1, DEBIT, 7, current=ZERO)
    session.change_key(2, CREDIT, 7, current=ZERO)
    session.change_key(0, MASTER, 7, current=ZERO)
    session.authenticate(0, MASTER)
    session.command(0xCC, b"\x01\x01\x20\x11" + i32(0) + i32(1000) + i32(500) + b"\x01")
    session.command(0xCB, b"\x03\x01\x20\x11" + u24(32))
    session.command(0xCB, b"\x04\x01\x20\x12" + u24(16))
    session.command(0xC0, b"\x05\x01\x20\x11" + u24(4) + u24(4))
    session.command(0xCD, b"\x06\x01\x00\x10" + u24(100))
    session.command(0xCC, b"\x07\x00\xee\xee" + i32(0) + i32(9) + i32(5) + b"\x00")
    session.command(0xCD, b"\x08\x00\xff\xff" + u24(1))
    return new


def opened(card: VirtualDesfire, key_no: int) -> DesfireSession:
    session = connect(card)
    session.select(AID)
    session.authenticate(key_no, (MASTER, DEBIT, CREDIT)[key_no])
    return session


def debit(session: DesfireSession, amount: int, file: int = 1) -> None:
    session.command(0xDC, bytes((file,)), i32(amount))


def value(session: DesfireSession, file: int = 1, mode: CommMode = CommMode.MACED) -> int:
    return int.from_bytes(session.command(0x6C, bytes((file,)), mode=mode), "little", signed=True)


def write(session: DesfireSession, file: int, data: bytes, offset: int = 0, mode: CommMode = CommMode.MACED) -> None:
    session.command(0x3D, bytes((file,)) + u24(offset) + u24(len(data)), data, mode)


def read(
    session: DesfireSession, file: int, offset: int = 0, length: int = 0, mode: CommMode = CommMode.MACED
) -> bytes:
    return session.command(0xBD, bytes((file,)) + u24(offset) + u24(length), mode=mode)


def append(session: DesfireSession, data: bytes, offset: int = 0) -> None:
    session.command(0x3B, b"\x05" + u24(offset) + u24(len(data)), data)


def records(session: DesfireSession, offset: int = 0, count: int = 0) -> bytes:
    return session.command(0xBB, b"\x05" + u24(offset) + u24(count))


def commit(session: DesfireSession) -> None:
    session.command(0xC7)


def refusal(act: Callable[[], object]) -> int:
    with pytest.raises(CardRefused) as refused:
        act()
    return refused.value.status_word
