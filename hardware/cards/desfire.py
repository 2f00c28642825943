"""The purse on a DESFire card: read it, change it in one card transaction, find out what became of a change.

    read        select, key version, authenticate (2), identity, two values, limits, load, newest log record   10
    write       the plan of protocol/purse_desfire.py: at most two values, limits, load, log, commit          4 to 6
    sale        10 + 5 at most = 15 exchanges; a credit authenticates with the credit key first               + 2

The commit is atomic on the card and its answer is MACed, over the running IV (EV1) or the counter (EV2) of the whole
session, so a checked answer is the proof that everything in the plan is on the card; nothing needs to be read back.
Which of the two a card speaks was asked at the card office (GetVersion takes three exchanges) and stands in the
version of its keys.
"""

import os
from dataclasses import replace
from typing import assert_never

from hardware.cards.crypto import RandomBytes
from hardware.cards.desfire_frames import SW_NO_APPLICATION, SW_NO_COMMAND, SW_NO_INSTRUCTION
from hardware.cards.desfire_session import DesfireSession
from hardware.cards.keys import CardKeys, KeysOfCard, Role
from hardware.ports import CardChannel, CardLeftField, CardNotOurs, CardRefused, PurseUnreadable
from protocol.ids import Counter
from protocol.purse import CardRead, Mark, PurseChange, Right, SeenStep, SignedLoad, Technology
from protocol.purse_desfire import (
    APPLICATION_ID,
    FILE_IDENTITY,
    FILE_LIMITS,
    FILE_LOAD,
    FILE_LOG,
    FILE_MAIN,
    FILE_SUBSIDY,
    IDENTITY_BYTES,
    KEY_CREDIT,
    KEY_DEBIT,
    LIMITS_BYTES,
    LOAD_BYTES,
    LOG_BYTES,
    Commit,
    DataWrite,
    DesfireImage,
    DesfireStep,
    LogWrite,
    ValueChange,
    decode_identity,
    decode_load_file,
    encode_load_file,
    read_card,
    read_key_version,
    step_plan,
)

_DEBIT = 0xDC
_GIVE = {Right.CREDIT: 0x0C, Right.LIMITED_CREDIT: 0x1C}
_ALL_RECORDS = 0


class DesfirePurse:
    """A DESFire card of ours in the field; implements the port `PurseCard`."""

    technology = Technology.DESFIRE

    def __init__(self, channel: CardChannel, keys: CardKeys, random_bytes: RandomBytes = os.urandom) -> None:
        self._channel = channel
        self._keys = keys
        self._card = DesfireSession(channel, random_bytes)
        self._read: CardRead | None = None

    def read(self, load_record_known: SignedLoad | None = None) -> CardRead:  # noqa: ARG002 (Classic needs it)
        """Authenticate with the debit key and read everything, of the log the newest record.

        Raises CardLeftField, CardNotOurs, CardRefused, PurseUnreadable.
        """
        identity, who = self._identify()
        try:
            return self._read_purse(identity, who.key_set, 1)
        except (CardRefused, PurseUnreadable):
            return who

    def write(self, change: PurseChange) -> CardRead:
        """Make one step in one transaction. After any CardError its outcome is unknown.

        Continues the session of the read it was decided on; without one it reads again first and raises
        CardLeftField when the card is not what it was then (nothing was written).
        """
        if self._card.key_no is None or self._read != change.before:
            self._require_unchanged(change.before)
        if change.right is Right.CREDIT:
            keys = self._keys.require(self._channel.uid, change.before.key_set)
            self._card.authenticate(KEY_CREDIT, keys.card_key(Role.DESFIRE_CREDIT))
        for step in step_plan(change):
            self._take(step)
        self._read = _after(change)
        return self._read

    def make_definite(
        self,
        intended: Mark,  # noqa: ARG002
        counter_after: Counter,  # noqa: ARG002
        tried: PurseChange | None = None,  # noqa: ARG002
    ) -> CardRead:
        """Read the card with its whole log: a commit is atomic, so what it shows is already firm."""
        return self._read_firm(_ALL_RECORDS)

    def _read_firm(self, records: int) -> CardRead:
        identity, who = self._identify()
        return self._read_purse(identity, who.key_set, records)

    def _identify(self) -> tuple[bytes, CardRead]:
        """Authenticate; the identity file, and what is known of the card before its purse is read."""
        self._read = None
        keys = self._select()
        self._card.authenticate(KEY_DEBIT, keys.card_key(Role.DESFIRE_DEBIT))
        raw = self._data(FILE_IDENTITY, IDENTITY_BYTES)
        identity = decode_identity(raw)
        if identity is None:
            raise PurseUnreadable("the identity file is malformed")
        return raw, CardRead(Technology.DESFIRE, self._channel.uid, keys.key_set, identity, None, ())

    def _read_purse(self, identity: bytes, key_set: int, records: int) -> CardRead:
        image = DesfireImage(
            self._channel.uid,
            key_set,
            identity,
            self._value(FILE_MAIN),
            self._value(FILE_SUBSIDY),
            self._data(FILE_LIMITS, LIMITS_BYTES),
            self._data(FILE_LOAD, LOAD_BYTES),
            self._newest_log(records),
        )
        self._read = read_card(image)
        assert self._read is not None, "the identity has been checked"
        return self._read

    def _select(self) -> KeysOfCard:
        """Select our application, find out which key set it carries and what it speaks. Raises CardNotOurs."""
        select_ours(self._card)
        key_set, self._card.speaks_ev2 = read_key_version(self._card.key_version(KEY_DEBIT))
        return self._keys.require(self._channel.uid, key_set)

    def _require_unchanged(self, before: CardRead) -> None:
        now = self._read_firm(max(len(before.last), 1))
        if now != before:
            raise CardLeftField("the card is not as it was when the step was decided")

    def _take(self, step: DesfireStep) -> None:
        match step:
            case ValueChange():
                code = _DEBIT if step.amount_cents < 0 else _GIVE[step.right]
                amount = abs(step.amount_cents).to_bytes(4, "little", signed=True)
                self._card.command(code, bytes((step.file,)), amount)
            case DataWrite():
                self._card.command(0x3D, file_header(step.file, 0, len(step.data)), step.data)
            case LogWrite():
                self._card.command(0x3B, file_header(FILE_LOG, 0, len(step.data)), step.data)
            case Commit():
                self._card.command(0xC7)
            case _:
                assert_never(step)

    def _data(self, file: int, length: int) -> bytes:
        return self._card.command(0xBD, file_header(file, 0, length))

    def _value(self, file: int) -> int:
        return int.from_bytes(self._card.command(0x6C, bytes((file,))), "little", signed=True)

    def _newest_log(self, records: int) -> tuple[bytes, ...]:
        """So many log records (0: all), newest first; the card sends them oldest first."""
        raw = self._card.command(0xBB, file_header(FILE_LOG, 0, records))
        return tuple(raw[at : at + LOG_BYTES] for at in range(len(raw) - LOG_BYTES, -1, -LOG_BYTES))


def select_ours(card: DesfireSession) -> None:
    """Select our application. Raises CardNotOurs where there is none."""
    try:
        card.select(APPLICATION_ID)
    except CardRefused as refused:
        if refused.status_word in (SW_NO_APPLICATION, SW_NO_COMMAND, SW_NO_INSTRUCTION):
            raise CardNotOurs("the card has no application of ours") from refused
        raise


def file_header(file: int, offset: int, length: int) -> bytes:
    """What ReadData, WriteData, ReadRecords and WriteRecord start with (M075031, data manipulation commands)."""
    return bytes((file,)) + offset.to_bytes(3, "little") + length.to_bytes(3, "little")


def _after(change: PurseChange) -> CardRead:
    """What the card shows after a step whose commit it has confirmed."""
    after = change.after
    newest = SeenStep(1, after.mark.tno, after.mark.seq, after.counter, amount=change.amount_cents)
    loaded = change.before.loaded
    if change.load is not None:
        loaded = decode_load_file(encode_load_file(change.load.record))
    return replace(change.before, purse=after, last=(newest,), loaded=loaded)
