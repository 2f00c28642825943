"""Journals to test with: one identity, and drafts of the entries that matter."""

import base64
import hashlib
from pathlib import Path
from typing import Final

from msgspec import structs

from protocol.entries import NO_LISTS as NO_LISTS
from protocol.entries import Body, Booted, Checkpoint, Fault, Kind
from protocol.ids import Seq, ShiftNo, StaffId
from protocol.instants import ClockSource, MonoMs, Now
from protocol.messages import Ack, Keys, ServerKey, sign
from protocol.signing import SigningKey, from_base64url, to_base64url
from protocol.trust import Trust
from terminal.identity import Identity
from terminal.journal_file import create_journal
from terminal.journal_space import JournalSettings
from terminal.journal_store import JournalStore
from terminal.ports import Draft
from tests.protocol.samples import EPOCH, GRANT, GRANT_JWS, KEY, KEYS, NOON, SERVER_KEY, TID, sale

TRUST: Final = Trust(SERVER_KEY.public, sign(KEYS, SERVER_KEY))
IDENTITY: Final = Identity(GRANT, GRANT_JWS, KEY, TRUST)
START: Final = Now(NOON, MonoMs(90_000))


def settings_in(directory: Path, *, free_bytes_min: int = 65_536) -> JournalSettings:
    """A small journal."""
    return JournalSettings(directory / "journal.db", 1_024 * 1_024, 256 * 1_024, free_bytes_min)


async def open_store(directory: Path) -> JournalStore:
    """The journal of the one identity in this directory, begun where there is none."""
    return await begun(settings_in(directory), IDENTITY)


async def begun(settings: JournalSettings, identity: Identity) -> JournalStore:
    """Open a journal; where there is none, begin one as enrolment does."""
    if settings.path.parent.is_dir() and not settings.path.exists():
        create_journal(settings.path)
    return await JournalStore.open(settings, identity)


def draft(kind: Kind, body: Body, at: Now = START) -> Draft:
    """An entry by staff member w-07 in shift 3."""
    return Draft(kind, body, at, NO_LISTS, StaffId("w-07"), ShiftNo(3))


BOOTED: Final = draft(Kind.BOOTED, Booted("fanka 0.1.0"))
FAULT: Final = draft(Kind.FAULT, Fault("reader", "does not answer"), Now(NOON, START.mono_ms, ClockSource.NONE))
PREPARED: Final = draft(Kind.SALE_PREPARED, sale(0))


def settled(prepared: int) -> Draft:
    """The outcome of a sale."""
    return draft(Kind.SALE_SETTLED, sale(prepared))


def checkpoint(state: bytes) -> Draft:
    """A checkpoint for this derived state."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(state).digest()).rstrip(b"=").decode()
    return draft(Kind.CHECKPOINT, Checkpoint(state=digest))


async def sell(store: JournalStore, times: int = 1) -> None:
    """Sales that go well."""
    for _ in range(times):
        prepared = await store.append(PREPARED)
        await store.append(settled(prepared.seq))


def ack(seq: int, hash_text: str, server_epoch: int = 1) -> bytes:
    """The server's signed word."""
    assert len(from_base64url(hash_text)) == 32
    return sign(Ack(server_epoch, TID, EPOCH, Seq(seq), hash_text, NOON), SERVER_KEY)


def trusting(version: int = 3, root: SigningKey = SERVER_KEY, **others: SigningKey) -> Trust:
    """The trust of the samples with other keys for some purposes; the earlier ones are named as such."""
    keys: list[ServerKey] = []
    for known in KEYS.keys:
        keys.append(known)
        if known.purpose in others and not known.until:
            public = to_base64url(others[known.purpose].public.raw)
            keys[-1] = structs.replace(known, until=NOON)
            keys.append(structs.replace(known, number=known.number + 1, key=public))
    return Trust(root.public, sign(Keys(version, NOON, tuple(keys)), root))
