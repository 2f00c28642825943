"""What is believed of the server: only what the root signed, only forwards; old signatures hold where they should."""

import pytest
from msgspec import structs

from protocol.canonical import encode
from protocol.instants import UtcMs
from protocol.messages import Keys, NotAMessage, ServerKey, sign, verified
from protocol.signing import SigningKey, to_base64url
from protocol.trust import Trust, Verdict, encode_trust, read_trust
from tests.protocol.samples import KEYS, LOAD_KEY, NOON, OLD_KEY, SERVER_KEY

ROOT, OTHER = SigningKey(b"r" * 32), SigningKey(b"o" * 32)


def document(version: int, **others: SigningKey) -> bytes:
    """The sample with other keys that sign now; those before them are named still."""
    keys: list[ServerKey] = []
    for known in KEYS.keys:
        other = others.get(known.purpose) if not known.until else None
        keys.append(structs.replace(known, until=NOON) if other else known)
        if other:
            public = to_base64url(other.public.raw)
            keys.append(structs.replace(known, number=known.number + 1, key=public))
    return sign(Keys(version, NOON, tuple(keys)), ROOT)


@pytest.fixture
def trust() -> Trust:
    return Trust(ROOT.public, document(2))


def test_the_present_key_signs_and_former_ones_are_believed_where_they_signed_before(trust: Trust) -> None:
    assert trust.ack.present == SERVER_KEY.public and trust.ack.former == (OLD_KEY.public,)
    assert trust.load.present == LOAD_KEY.public and trust.load.former == ()
    assert trust.ack.verifies(OLD_KEY.sign(b"x"), b"x") and trust.ack.verifies(SERVER_KEY.sign(b"x"), b"x")
    assert not trust.list.verifies(OLD_KEY.sign(b"x"), b"x")


def test_rings_stay_the_same_when_keys_change(trust: Trust) -> None:
    ring = trust.list
    trust.adopt(Trust(ROOT.public, document(3, list=OTHER)))
    assert ring.present == OTHER.public and ring.former == (SERVER_KEY.public,)
    assert trust.document.version == 3 and trust == Trust(ROOT.public, document(3, list=OTHER))


def test_documents_only_go_forward_and_only_by_the_root(trust: Trust) -> None:
    assert trust.judge(trust.jws) is Verdict.UNCHANGED
    assert trust.judge(document(3)) is Verdict.TAKEN
    assert trust.judge(document(1)) is Verdict.OLDER
    assert trust.judge(document(2, list=OTHER)) is Verdict.SAME_VERSION_OTHER_CONTENT
    for forged in (b"", b"garbage", sign(structs.replace(KEYS, version=9), SERVER_KEY), document(3)[:-1]):
        assert trust.judge(forged) is Verdict.NOT_GENUINE
    with pytest.raises(NotAMessage):
        Trust(OTHER.public, document(2))


def test_trust_is_kept_and_read_back(trust: Trust) -> None:
    assert read_trust(encode_trust(trust)) == trust
    for wrong in (b"", b"{}", encode_trust(trust).replace(b'"root": "', b'"root": "A')):
        with pytest.raises(ValueError, match=r"."):
            read_trust(wrong)


def changed(**changes: object) -> tuple[ServerKey, ...]:
    return (structs.replace(KEYS.keys[0], **changes), *KEYS.keys[1:])


GRANT, OLD_ACK, ACK, LIST, LOAD = KEYS.keys


@pytest.mark.parametrize(
    "keys",
    [
        (),
        KEYS.keys[1:],
        (*KEYS.keys, LOAD),
        (OLD_ACK, ACK, GRANT, LIST, LOAD),
        (GRANT, ACK, OLD_ACK, LIST, LOAD),
        (GRANT, OLD_ACK, LIST, LOAD),
        (GRANT, structs.replace(OLD_ACK, until=UtcMs(0)), ACK, LIST, LOAD),
        changed(key=to_base64url(bytes(32))),
    ],
)
def test_a_document_names_one_key_that_signs_now_for_each_purpose(keys: tuple[ServerKey, ...]) -> None:
    raw = encode(KEYS)
    with pytest.raises(ValueError, match=r"."):
        Keys(3, NOON, keys)
    bent = raw.replace(encode(KEYS.keys), encode(keys))
    assert bent != raw
    head = sign(KEYS, ROOT).split(b".")[0]
    signed = head + b"." + to_base64url(bent).encode()
    with pytest.raises(NotAMessage):
        verified(signed + b"." + to_base64url(ROOT.sign(signed)).encode(), Keys, ROOT.public)
