"""Changing the server's keys under a root that never lies on the server (docs/keys.md).

the root's machine                       the server
make_root: root.key, root.pub
                                         request: the keys that shall hold, as a text
sign_request: that text, signed
                                         install: believed from the next start on
"""

import json
from collections.abc import Collection
from pathlib import Path

import msgspec

from protocol.canonical import NotCanonical, encode, read
from protocol.instants import UtcMs
from protocol.messages import PURPOSES, Keys, NotAMessage, ServerKey, sign, verified
from protocol.signing import VerifyKey, to_base64url
from protocol.trust import Trust, Verdict, encode_trust
from server.durable import replace_file
from server.keys import ROOT_FILE, TRUST_FILE, KeysUnusable, first_document, next_key, open_key, trust_in

SIGNED_FILE = "root.signed"
"""The newest document that a root has signed, beside it: no version is signed twice."""
_decoder = msgspec.json.Decoder(Keys)


class NotDone(Exception):
    """Nothing was changed; the text says why."""


def make_root(directory: Path) -> VerifyKey:
    """A root key in a directory of its own, on a machine that has no network. Raises NotDone."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (directory / ROOT_FILE).exists():
        raise NotDone(f"{directory / ROOT_FILE} exists: terminals may believe in it")
    return open_key(directory / ROOT_FILE, may_create=True).public


def request(directory: Path, at: UtcMs, rotate: Collection[str] = (), withdraw: Collection[str] = ()) -> bytes:
    """What the root shall sign: the present keys, but with a new one for each purpose in `rotate`. Of a purpose in
    `withdraw` no earlier key is believed any more. Raises KeysUnusable."""
    if not (directory / TRUST_FILE).exists():
        return encode(first_document(directory, at))
    known = trust_in(directory).document
    keys: list[ServerKey] = []
    for purpose in PURPOSES:
        *former, present = (key for key in known.keys if key.purpose == purpose)
        mine = [*former, present]
        if purpose in rotate:
            fresh = open_key(next_key(directory, purpose), may_create=True).public
            ended = msgspec.structs.replace(present, until=at)
            mine = [*former, ended, ServerKey(present.purpose, present.number + 1, to_base64url(fresh.raw), at)]
        keys += mine[-1:] if purpose in withdraw else mine
    return encode(Keys(known.version + 1, at, tuple(keys)))


def read_request(raw: bytes) -> Keys:
    """What a request asks for. Raises NotDone."""
    try:
        return read(raw.strip(), _decoder)
    except NotCanonical as error:
        raise NotDone(f"this is no request to sign keys: {error}") from error


def sign_request(root: Path, raw: bytes) -> bytes:
    """The document, signed by the root in this directory; a version once. Raises NotDone, KeysUnusable."""
    asked, key, signed = read_request(raw), open_key(root / ROOT_FILE), root / SIGNED_FILE
    document = sign(asked, key)
    if signed.exists():
        newest = signed.read_bytes().strip()
        if newest == document:
            return document
        before = verified(newest, Keys, key.public).version
        if asked.version <= before:
            raise NotDone(f"this root has signed version {before}; version {asked.version} comes too late")
    replace_file(signed, document + b"\n")
    return document


def install(directory: Path, jws: bytes, root: VerifyKey | None = None) -> Trust:
    """Believe this document from the next start of the server on. `root`: needed once, for the first one.

    Raises NotDone, KeysUnusable.
    """
    known = trust_in(directory) if (directory / TRUST_FILE).exists() else None
    if known is None and root is None:
        raise NotDone("name the root's public key (--root): nothing is believed here yet")
    if known is not None and root is not None and known.root != root:
        raise NotDone("terminals believe in another root; each would have to be enrolled again")
    try:
        trust = Trust(root or known.root, jws.strip())  # type: ignore[union-attr]
    except NotAMessage as error:
        raise NotDone(f"the root did not sign this: {error}") from error
    verdict = known.judge(trust.jws) if known else Verdict.TAKEN
    if verdict not in (Verdict.TAKEN, Verdict.UNCHANGED):
        raise NotDone(f"version {trust.document.version} is not newer than what is installed ({verdict})")
    for purpose in PURPOSES:
        paths = [path for path in (directory / f"{purpose}.key", next_key(directory, purpose)) if path.exists()]
        if all(open_key(path).public != trust.ring(purpose).present for path in paths):
            raise KeysUnusable(f"the document names another {purpose} key than lies in {directory}")
    replace_file(directory / TRUST_FILE, encode_trust(trust))
    return trust


def shown(document: Keys) -> str:
    """The keys of a document as JSON: by purpose, the present one last."""
    told: dict[str, list[str]] = {name: [k.key for k in document.keys if k.purpose == name] for name in PURPOSES}
    return json.dumps({"version": document.version, **told}, indent=1)
