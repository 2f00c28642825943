"""What is believed of the server: its keys by purpose, as an offline root signed them (SPEC, "Keys").

    root -- signs --> keys, version N -- names --> grant, ack, list, load: the key that signs now, and those that did

What comes over the line must be signed by the key that signs now; what was stored before may be by one that did.
"""

import enum
from typing import Annotated

import msgspec
from msgspec import Meta

from protocol.entries import HashField
from protocol.messages import MESSAGE_BYTES_MAX, PURPOSES, Keys, NotAMessage, Purpose, verified
from protocol.signing import VerifyKey, from_base64url, to_base64url


class KeyRing:
    """The keys of one purpose. Holders keep the ring: when the keys change, it is still the same one."""

    __slots__ = ("_keys",)

    def __init__(self, present: VerifyKey, *former: VerifyKey) -> None:
        self._keys = (present, *former)

    @property
    def present(self) -> VerifyKey:
        """The one that signs now."""
        return self._keys[0]

    @property
    def former(self) -> tuple[VerifyKey, ...]:
        """Those that signed before and are believed still, the newest first."""
        return self._keys[1:]

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether any of them signed this."""
        return any(key.verifies(signature, message) for key in self._keys)

    def change(self, *keys: VerifyKey) -> None:
        """From now on these, the present one first."""
        assert keys
        self._keys = keys


class Verdict(enum.StrEnum):
    """What becomes of a document with keys that somebody shows."""

    TAKEN = "taken"
    UNCHANGED = "unchanged"
    NOT_GENUINE = "not_genuine"
    OLDER = "older"
    SAME_VERSION_OTHER_CONTENT = "same_version_other_content"


class Trust:
    """The root, and the newest document that it signed. Not frozen: a running program learns of new keys."""

    __slots__ = ("ack", "document", "grant", "jws", "list", "load", "root")

    def __init__(self, root: VerifyKey, jws: bytes) -> None:
        """Raises NotAMessage."""
        self.root = root
        self.document, self.jws = verified(jws, Keys, root), jws
        self.grant, self.ack, self.list, self.load = (KeyRing(*_keys_of(self.document, name)) for name in PURPOSES)

    def judge(self, jws: bytes) -> Verdict:
        """Whether this is a newer document."""
        if jws == self.jws:
            return Verdict.UNCHANGED
        try:
            version = verified(jws, Keys, self.root).version
        except NotAMessage:
            return Verdict.NOT_GENUINE
        if version == self.document.version:
            return Verdict.SAME_VERSION_OTHER_CONTENT
        return Verdict.TAKEN if version > self.document.version else Verdict.OLDER

    def adopt(self, newer: "Trust") -> None:
        """Believe a newer document of the same root from now on."""
        assert newer.root == self.root and newer.document.version > self.document.version
        self.document, self.jws = newer.document, newer.jws
        for mine, its in zip(self._rings(), newer._rings(), strict=True):
            mine.change(its.present, *its.former)

    def ring(self, purpose: Purpose) -> KeyRing:
        """The keys of a purpose."""
        return dict(zip(PURPOSES, self._rings(), strict=True))[purpose]

    def _rings(self) -> tuple[KeyRing, ...]:
        return (self.grant, self.ack, self.list, self.load)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Trust) and (self.root, self.jws) == (other.root, other.jws)

    __hash__ = None  # type: ignore[assignment]


class TrustFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Trust as enrolment tells it and files keep it."""

    root: HashField
    keys: Annotated[str, Meta(max_length=MESSAGE_BYTES_MAX)]


def trust_of(file: TrustFile) -> Trust:
    """What a file tells. Raises ValueError."""
    return Trust(VerifyKey(from_base64url(file.root)), file.keys.encode())


def read_trust(raw: bytes) -> Trust:
    """Read a trust file. Raises ValueError."""
    return trust_of(msgspec.json.decode(raw, type=TrustFile))


def trust_file(trust: Trust) -> TrustFile:
    """Trust as it is told."""
    return TrustFile(to_base64url(trust.root.raw), trust.jws.decode())


def encode_trust(trust: Trust) -> bytes:
    """Trust as files keep it."""
    return msgspec.json.format(msgspec.json.encode(trust_file(trust))) + b"\n"


def _keys_of(document: Keys, purpose: Purpose) -> tuple[VerifyKey, ...]:
    return tuple(known.verify_key for known in reversed(document.keys) if known.purpose == purpose)
