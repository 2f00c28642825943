"""What an entry proves by itself and by its neighbours, computed anew from the bytes that came; pure.

Nothing here believes a column of the database that the bytes can say: hashes are taken of the JWS again, `prev` is read
out of the payload, the signature is checked under the key that the grant of the epoch names.
"""

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from protocol.entries import CardStep, Entry, Kind
from protocol.ids import Epoch, TerminalId
from protocol.journal import NotAnEntry, Sealed, Unread, read_loosely, signature_holds
from protocol.signing import VerifyKey, from_base64url, same_bytes, sha256_of, to_base64url

OUTCOME_WITHIN: Final = 64
"""So many entries behind a prepared one are looked at for what came of it."""
_SPKI_ED25519: Final = bytes.fromhex("302a300506032b6570032100")
"""What stands before the 32 bytes of a public key in its SubjectPublicKeyInfo (RFC 8410 section 4)."""
_PEM_LINE: Final = 64
_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Line:
    """An entry as it is kept."""

    tno: int
    branch: int
    seq: int
    jws: bytes
    hash: bytes
    """As it was noted when the entry came."""

    @property
    def place(self) -> tuple[int, int, int]:
        """Chain, branch and number, by which everybody names it."""
        return (self.tno, self.branch, self.seq)

    @property
    def digest(self) -> str:
        """The SHA-256 of the bytes, taken now, as the entry after it must name it."""
        return to_base64url(sha256_of(self.jws))


@dataclass(frozen=True, slots=True)
class Signer:
    """Whose entries these are, by the register and the grant of the epoch."""

    tid: TerminalId
    epoch: Epoch
    key: VerifyKey
    start: bytes
    """The hash of the epoch's grant: what the first entry continues."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What was recomputed."""

    sealed: Sealed | Unread
    is_signed: bool
    """The signature holds under the epoch's key."""
    is_kept: bool
    """The bytes are those whose hash was noted when they came."""
    before: str
    """The hash of what stands before it; empty where that is missing."""
    continues: bool
    """It names that very hash."""
    continued: tuple[bool, ...]
    """Of each entry behind it, whether that one names this one's hash."""

    @property
    def entry(self) -> Entry | None:
        """None for one that this program cannot read."""
        return self.sealed.entry if isinstance(self.sealed, Sealed) else None

    @property
    def holds(self) -> bool:
        """Nothing that was recomputed differs."""
        return self.is_signed and self.is_kept and (self.continues or not self.before) and all(self.continued)


def checked(line: Line, signer: Signer, before: Line | None, after: Sequence[Line]) -> Checked:
    """Recompute everything about an entry. Raises NotAnEntry where not even its place can be read."""
    sealed = read_loosely(line.jws, signer.tid, signer.epoch)
    expected = to_base64url(signer.start) if line.seq == 1 else before.digest if before is not None else ""
    return Checked(
        sealed,
        signature_holds(sealed, signer.key),
        same_bytes(sha256_of(line.jws), line.hash),
        expected,
        sealed.prev == expected,
        tuple(_names(follower, line.digest, signer) for follower in after),
    )


def _names(follower: Line, digest: str, signer: Signer) -> bool:
    try:
        return read_loosely(follower.jws, signer.tid, signer.epoch).prev == digest
    except NotAnEntry:
        return False


def branch_with(branches: Mapping[int, tuple[int, int]], branch: int, seq: int) -> int:
    """In which branch an entry of a history lies; `branches`: of each its parent, and the last entry shared with it."""
    while branch and seq <= branches[branch][1]:
        branch = branches[branch][0]
    return branch


def prepared_by(entry: Entry | None) -> int:
    """The entry that an outcome belongs to; 0: it is none."""
    return entry.body.prepared if entry is not None and isinstance(entry.body, CardStep) else 0


def outcomes_of(seq: int, behind: Sequence[Line], signer: Signer) -> list[tuple[Line, Kind]]:
    """Of the entries behind a prepared one those that tell what came of it."""
    found: list[tuple[Line, Kind]] = []
    for line in behind:
        try:
            read = read_loosely(line.jws, signer.tid, signer.epoch)
        except NotAnEntry:
            continue
        if isinstance(read, Sealed) and prepared_by(read.entry) == seq:
            found.append((line, read.entry.kind))
    return found


def key_pem(key: VerifyKey) -> str:
    """A public key as openssl reads it (RFC 8410, RFC 7468)."""
    text = b64encode(_SPKI_ED25519 + key.raw).decode()
    lines = [text[start : start + _PEM_LINE] for start in range(0, len(text), _PEM_LINE)]
    return "\n".join(["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""])


def spelled(part: bytes) -> str:
    """A part of a JWS as people read JSON; what is no JSON as it stands."""
    try:
        raw = from_base64url(part)
    except ValueError:
        return part.decode("ascii", "backslashreplace")
    try:
        return msgspec.json.format(raw, indent=2).decode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return raw.decode("utf-8", "backslashreplace")


def commands(jws: bytes, key: VerifyKey, name: str) -> str:
    """Lines for a POSIX shell with openssl 3 that check a compact JWS under an Ed25519 key, and print its hash.

    They hold everything that they need, and nothing of ours: RFC 7515 section 5.2 step by step. The names of the files
    begin with `name`. The JWS was read before: no character of it means anything to a shell.
    """
    text = jws.decode()
    assert _PLAIN.fullmatch(text)
    _, payload, signature = text.split(".")
    return f"""\
printf %s '{text}' > {name}.jws
cat > {name}-key.pem <<'END'
{key_pem(key)}END

# what was signed stands before the second dot; behind it the signature, 64 bytes
cut -d. -f1,2 {name}.jws | tr -d '\\n' > {name}-signed.txt
{{ cut -d. -f3 {name}.jws | tr -d '\\n' | tr _- /+; printf '{_padding(signature)}'; }} |
  openssl base64 -d -A > {name}-signature.bin
openssl pkeyutl -verify -pubin -inkey {name}-key.pem -rawin -in {name}-signed.txt -sigfile {name}-signature.bin

# what it says
{{ cut -d. -f2 {name}.jws | tr -d '\\n' | tr _- /+; printf '{_padding(payload)}'; }} | openssl base64 -d -A; echo

# its hash, which the entry after it must name as "prev"
openssl dgst -sha256 -binary {name}.jws | openssl base64 -A | tr /+ _- | tr -d =; echo
"""


def _padding(part: str) -> str:
    return "=" * (-len(part) % 4)
