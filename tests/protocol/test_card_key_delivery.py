"""A terminal gets the card keys that it may hold, from the root and for itself alone; everything else is refused."""

import json
from typing import Any

import msgspec
import pytest

from protocol.canonical import encode
from protocol.card_key_delivery import (
    HELD,
    CardKeyDelivery,
    Holder,
    NotDelivered,
    RequestFile,
    deliver,
    open_delivery,
    read_delivery,
    read_request,
)
from protocol.card_keys import KeySetsFile, KeySetTable, Tier
from protocol.messages import NotAMessage, sign
from protocol.sealing import public_of, seal
from protocol.signing import from_base64url, to_base64url
from tests.protocol.golden import card_keys, golden
from tests.protocol.mutations import FOREIGN
from tests.protocol.samples import CARD_KEY_CHANCE as CHANCE
from tests.protocol.samples import CARD_KEY_REQUEST as ASKED
from tests.protocol.samples import CARD_KEY_SECRET as SECRET
from tests.protocol.samples import GRANT, GRANT_JWS, KEY, KEY_SETS, KEYS, SERVER_KEY

ROOT = SERVER_KEY.public
FILE = RequestFile(sign(ASKED, KEY).decode(), GRANT_JWS.decode(), sign(KEYS, SERVER_KEY).decode())


def opened(
    jws: bytes, holder: Holder = Holder.TILL, installed: int = 0, secret: bytes = SECRET
) -> tuple[KeySetTable, ...]:
    return open_delivery(read_delivery(jws, ROOT), GRANT, holder, installed, secret)


def delivered(holder: Holder = Holder.TILL, number: int = 7, **asked: Any) -> bytes:
    return deliver(msgspec.structs.replace(ASKED, holder=holder, **asked), number, KEY_SETS, CHANCE, SERVER_KEY)


def test_the_bytes_never_change() -> None:
    assert card_keys() == golden("card_keys")


@pytest.mark.parametrize("holder", Holder)
def test_each_holder_gets_what_it_may_hold_and_no_more(holder: Holder) -> None:
    sets = opened(delivered(holder), holder)
    assert [table.key_set for table in sets] == [keys.number for keys in KEY_SETS]
    for table, keys in zip(sets, KEY_SETS, strict=True):
        held = {tier: getattr(table, tier) for tier in Tier if getattr(table, tier)}
        assert held == {tier: to_base64url(keys.masters[tier]) for tier in HELD[holder]}
        assert not any(text in repr(table) for text in held.values())
    assert HELD[Holder.TILL] < HELD[Holder.STATION] < HELD[Holder.OFFICE]


def test_a_request_is_believed_by_the_grant_and_the_root_that_come_with_it() -> None:
    assert read_request(encode(FILE), ROOT) == ASKED
    stranger = msgspec.structs.replace(FILE, request=sign(ASKED, FOREIGN).decode())
    other = msgspec.structs.replace(ASKED, tid="till-9")
    elsewhere = msgspec.structs.replace(FILE, request=sign(other, KEY).decode())
    for file, root, sentence in (
        (FILE, FOREIGN.public, "signature"),
        (stranger, ROOT, "signature"),
        (elsewhere, ROOT, "another terminal"),
        (msgspec.structs.replace(FILE, grant=FILE.request), ROOT, "card_key_request"),
    ):
        with pytest.raises(NotAMessage, match=sentence):
            read_request(encode(file), root)
    with pytest.raises(NotAMessage, match="no request"):
        read_request(b"\xff", ROOT)


def test_what_is_not_for_this_terminal_is_refused() -> None:
    for jws, sentence in (
        (delivered(tid="till-9"), "it is for till-9, epoch 1; this is"),
        (delivered(epoch=2), "epoch 2; this is"),
        (delivered(key=to_base64url(public_of(bytes(32)))), "another key"),
        (delivered(Holder.OFFICE), "for 'office', and by its settings this terminal is 'till'"),
        (delivered(number=6), "delivery 6 is the one that is installed already"),
        (delivered(number=5), "older"),
    ):
        with pytest.raises(NotDelivered, match=sentence):
            opened(jws, installed=6)
    assert opened(delivered(number=7), installed=6)


def test_only_the_root_delivers() -> None:
    for jws in (deliver(ASKED, 7, KEY_SETS, CHANCE, FOREIGN), sign(KEYS, SERVER_KEY), b"", b"x.y.z"):
        with pytest.raises(NotDelivered, match="root"):
            opened(jws)


def test_every_changed_character_is_found() -> None:
    jws = delivered()
    for place in range(0, len(jws), 7):
        changed = jws[:place] + (b"A" if jws[place : place + 1] != b"A" else b"B") + jws[place + 1 :]
        with pytest.raises(NotDelivered):
            opened(changed)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        encode(KeySetsFile(())),
        encode(KeySetsFile((KeySetTable(1, to_base64url(bytes(16)), to_base64url(bytes(16))),))),
        encode(KeySetsFile((KeySetTable(1, to_base64url(bytes(15))),))),
        encode(KeySetsFile((KeySetTable(1, "~"),))),
        encode(KeySetsFile((KeySetTable(1, to_base64url(bytes(16))),) * 2)),
        b" " + encode(KeySetsFile((KeySetTable(1, to_base64url(bytes(16))),))),
    ],
)
def test_what_the_root_signed_by_mistake_is_refused_too(content: bytes) -> None:
    sealed = seal(content, from_base64url(ASKED.key), f"{ASKED.tid}/{ASKED.epoch}", CHANCE)
    with pytest.raises(NotDelivered, match="what was sealed"):
        opened(sign(CardKeyDelivery(ASKED.tid, ASKED.epoch, 7, Holder.TILL, sealed), SERVER_KEY))


def test_nothing_of_a_key_is_readable_on_the_way() -> None:
    parts = [from_base64url(part) for part in delivered(Holder.OFFICE).split(b".")[:2]]
    told = b"".join([*parts, *map(from_base64url, json.loads(parts[1])["sealed"].split("."))])
    for keys in KEY_SETS:
        for key in keys.masters.values():
            assert key not in told and to_base64url(key).encode() not in told and key.hex().encode() not in told
