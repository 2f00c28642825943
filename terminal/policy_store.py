"""The lists a terminal obeys, on disk: received in parts, checked, switched in one step (SPEC, "Lists").

    lists/active.json       the signed manifest in force, and the floor of every list: the newest version ever in force
    lists/parts/<sha256>    pieces of list files, named by their content

Why files and not a database: whatever has the right hash is right, so only the switch must be atomic, and that is one
rename of one small file. A power cut leaves the old lists in force or the new ones, and at worst some parts too many.

Nothing here ever stops a sale. Lists that are old, refused or damaged leave older ones or none in force, and the age
that `Lists.as_of` tells lowers the offline limits.
"""

import contextlib
import enum
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from protocol.card_status import CardBase, NotCardStatus
from protocol.entries import NO_LISTS, ListVersions
from protocol.ids import CardKey, SiteId
from protocol.instants import Now, UtcMs
from protocol.limits import LimitRules
from protocol.load_record import load_is_genuine
from protocol.messages import PART_BYTES_MAX, ListFile, Manifest, NotAMessage, verified
from protocol.policy import CardBook, CardsFile, LoadsFile, NotAList, loads_by_card, read_file
from protocol.price_list import NO_PRICES, NotAPriceList, decode_prices
from protocol.purse import SignedLoad
from protocol.signing import sha256_of, to_base64url
from protocol.site_files import ConfigFile, PromotionsFile, StaffFile, TextsFile
from protocol.trust import Trust
from terminal.durable_file import make_directory, replace_file
from terminal.lists import Lists

_log = logging.getLogger(__name__)

FILE_BYTES_MAX = 64 * 1_024 * 1_024
"""No list of a campus comes near this; a manifest that names more is a mistake."""
NAMES_IGNORED = frozenset({"software"})
"""Fetched by the image updater, not by the terminal program."""
NO_POLICY = Lists(NO_PRICES)


class Reason(enum.StrEnum):
    """Why a manifest or a part was not taken."""

    NOT_GENUINE = "not_genuine"
    OTHER_SITE = "other_site"
    OLDER = "older"
    BELOW_FLOOR = "below_floor"
    SAME_VERSION_OTHER_CONTENT = "same_version_other_content"
    TOO_LARGE = "too_large"
    NOT_WANTED = "not_wanted"
    WRONG_HASH = "wrong_hash"
    MALFORMED = "malformed"
    NO_SPACE = "no_space"


_NO_ALARMS = frozenset({Reason.NOT_WANTED})
"""A part may be on its way while a newer manifest ends the need for it."""


@dataclass(frozen=True, slots=True)
class Applied:
    """New lists are in force. `manifest` is what the `lists_applied` entry names."""

    manifest: str
    lists: Lists


@dataclass(frozen=True, slots=True)
class Unchanged:
    """These lists are in force already."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The manifest is good; these parts are still missing."""

    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing changes, and why."""

    reason: Reason
    detail: str

    @property
    def is_alarm(self) -> bool:
        """Whether somebody must look: a server in order never sends this."""
        return self.reason not in _NO_ALARMS


Offered = Applied | Unchanged | Waiting | Refused


class _Floor(msgspec.Struct, frozen=True, array_like=True):
    version: int
    sha256: str


class _ActiveFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    manifest: str
    floors: dict[str, _Floor]


@dataclass(frozen=True, slots=True)
class _Pending:
    jws: bytes
    manifest: Manifest


class PolicyStore:
    """Owns the lists directory. `active` may be read from any thread."""

    def __init__(self, directory: Path, site: SiteId, trust: Trust, *, takes_loads: bool) -> None:
        """Put the lists in force that were in force before. Raises OSError where the directory cannot be used."""
        self._active_path, self._parts = directory / "active.json", directory / "parts"
        self._site, self._trust = site, trust
        self._ignored = NAMES_IGNORED if takes_loads else NAMES_IGNORED | {"loads"}
        make_directory(self._parts)
        self._floors: dict[str, _Floor] = {}
        self._manifest: Manifest | None = None
        self._manifest_jws = b""
        self._pending: _Pending | None = None
        self._lock = threading.Lock()
        self._whole: set[str] = set()
        self.active = NO_POLICY
        self.damage = ""
        """What was wrong with the lists on disk at start; empty if nothing."""
        self._load()

    @property
    def version(self) -> int:
        """Of the manifest in force; 0 before the first."""
        return self._manifest.version if self._manifest else 0

    def needs(self) -> tuple[str, ...]:
        """Parts to subscribe to: those of the manifest offered last that are not on disk."""
        return self._missing(self._pending.manifest) if self._pending else ()

    def switch(self, now: Now) -> Lists | None:
        """Put later prices in force if their time has come; None if not.

        Asked with every tick: it waits for lists that are being written only where there is something to do.
        """
        if self.active.due(now) is None:
            return None
        with self._lock:
            due = self.active.due(now)
            self.active = due or self.active
        return due

    def offer_manifest(self, jws: bytes) -> Offered:
        """Take a manifest as it came from the broker. Blocks for disk work; raises nothing."""
        with self._lock:
            return self._take_manifest(jws)

    def offer_part(self, sha256_hex: str, content: bytes) -> Offered:
        """Take a part. Blocks for disk work; raises nothing."""
        with self._lock:
            return self._take_part(sha256_hex, content)

    def _take_manifest(self, jws: bytes) -> Offered:
        if jws == self._manifest_jws and not self.damage:
            self._pending = None
            return Unchanged()
        try:
            manifest = verified(jws, Manifest, self._trust.list.present)
        except NotAMessage:
            # What it says may be anybody's words.
            return Refused(Reason.NOT_GENUINE, "no manifest by the list key")
        refused = self._refusal(manifest, jws)
        if refused is not None:
            return refused
        self._pending = _Pending(jws, manifest)
        self._forget_parts()
        return self._apply_if_complete()

    def _take_part(self, sha256_hex: str, content: bytes) -> Offered:
        if sha256_hex not in self.needs():
            return Refused(Reason.NOT_WANTED, sha256_hex[:64])
        if len(content) > PART_BYTES_MAX or sha256_of(content).hex() != sha256_hex:
            return Refused(Reason.WRONG_HASH, f"part {sha256_hex} has other content ({len(content)} bytes)")
        try:
            replace_file(self._parts / sha256_hex, content)
        except OSError as error:
            return Refused(Reason.NO_SPACE, f"part {sha256_hex}: {error.strerror}")
        self._whole.add(sha256_hex)
        return self._apply_if_complete()

    def _refusal(self, manifest: Manifest, jws: bytes) -> Refused | None:
        if manifest.site != self._site:
            return Refused(Reason.OTHER_SITE, f"the manifest is for {manifest.site}")
        if self._manifest is not None and jws != self._manifest_jws:
            if manifest.version == self._manifest.version:
                return Refused(Reason.SAME_VERSION_OTHER_CONTENT, f"manifest {manifest.version}")
            if manifest.version < self._manifest.version:
                return Refused(Reason.OLDER, f"manifest {manifest.version} is older than {self._manifest.version}")
        for name, found in manifest.files.items():
            floor = self._floors.get(name, _Floor(0, ""))
            if found.version < floor.version:
                return Refused(Reason.BELOW_FLOOR, f"{name} {found.version} is older than {floor.version}")
            if found.version == floor.version and floor.sha256 and found.sha256 != floor.sha256:
                return Refused(Reason.SAME_VERSION_OTHER_CONTENT, f"{name} {found.version}")
        wanted = self._wanted(manifest).values()
        if any(found.bytes > FILE_BYTES_MAX or found.bytes > len(found.parts) * PART_BYTES_MAX for found in wanted):
            return Refused(Reason.TOO_LARGE, f"manifest {manifest.version} names a file that cannot be")
        return None

    def _apply_if_complete(self) -> Offered:
        pending = self._pending
        assert pending is not None
        missing = self._missing(pending.manifest)
        if missing:
            return Waiting(missing)
        self._pending = None
        try:
            lists = self._read_lists(pending.manifest, pending.jws)
            self._check_loads(lists.loads)
        except (NotAList, NotAPriceList) as error:
            return Refused(Reason.MALFORMED, str(error))
        floors = {name: _Floor(found.version, found.sha256) for name, found in pending.manifest.files.items()}
        active = _ActiveFile(pending.jws.decode(), self._floors | floors)
        try:
            replace_file(self._active_path, msgspec.json.encode(active))
        except OSError as error:
            return Refused(Reason.NO_SPACE, f"{self._active_path}: {error.strerror}")
        self._floors = active.floors
        self._manifest, self._manifest_jws, self.active, self.damage = pending.manifest, pending.jws, lists, ""
        self._forget_parts()
        return Applied(lists.manifest, lists)

    def _load(self) -> None:
        try:
            active = msgspec.json.decode(self._active_path.read_bytes(), type=_ActiveFile)
            manifest = verified(active.manifest.encode(), Manifest, self._trust.list)
        except FileNotFoundError:
            return
        except (msgspec.DecodeError, UnicodeDecodeError, NotAMessage) as error:
            self._note_damage(f"{self._active_path}: {error}")
            return
        if manifest.site != self._site:
            self._note_damage(f"{self._active_path}: copied from a terminal of {manifest.site}")
            return
        self._floors, self._manifest, self._manifest_jws = active.floors, manifest, active.manifest.encode()
        self.active = self._read_lists(manifest, self._manifest_jws, damaged_too=True)

    def _note_damage(self, what: str) -> None:
        self.damage = what
        _log.error("lists on disk: %s. Selling goes on without them until they come again", what)

    def _read_lists(self, manifest: Manifest, jws: bytes, *, damaged_too: bool = False) -> Lists:
        """Read what the counter uses. Raises NotAList, NotAPriceList; or does without the damaged ones.

        `damaged_too`: at a start. What has the hash that the list key signed is what the server made, and is not judged
        strictly once more.
        Without the list of cards nobody knows how old it is, which is the strictest step of the offline limits.
        """
        named = to_base64url(sha256_of(jws))
        lists = replace(NO_POLICY, as_of=manifest.server_time, expires=manifest.expires, manifest=named)
        files = self._wanted(manifest)
        versions = {name: found.version for name, found in files.items() if name in ListVersions.__struct_fields__}
        for name in files:
            try:
                lists = self._with(lists, name, files, read_before=damaged_too)
            except (NotAList, NotAPriceList) as error:
                if not damaged_too:
                    raise
                self._note_damage(str(error))
                versions.pop(name, None)
        as_of = lists.as_of if "cards" in versions or "cards" not in files else UtcMs(0)
        return replace(lists, versions=msgspec.structs.replace(NO_LISTS, **versions), as_of=as_of)

    def _check_loads(self, loads: dict[CardKey, SignedLoad]) -> None:
        """Each record has its own signature, by another key than the lists. Checked once, when it comes."""
        for card, load in loads.items():
            if self.active.loads.get(card) != load and not load_is_genuine(load, self._trust.load):
                raise NotAList(f"loads: the record of card {card[0]}/{card[1]} is not signed by the load key")

    def _with(self, lists: Lists, name: str, files: Mapping[str, ListFile], *, read_before: bool) -> Lists:
        raw = self._required(name, files[name])
        if name != "cards":
            return _with(lists, name, files[name].version, raw, read_before=read_before)
        cards, base = read_file(raw, CardsFile), files.get("base")
        if not cards.base:
            return replace(lists, book=CardBook(cards))
        if base is None or base.sha256 != cards.base:
            raise NotAList("cards: the base that they name is not the one of the manifest")
        try:
            return replace(lists, book=CardBook(cards, CardBase(self._required("base", base))))
        except NotCardStatus as error:
            raise NotAList(f"cards: {error}") from error

    def _required(self, name: str, found: ListFile) -> bytes:
        content = self._content(found)
        if content is None:
            raise NotAList(f"{name}: its parts do not make the file that the manifest names")
        return content

    def _content(self, found: ListFile) -> bytes | None:
        try:
            content = b"".join((self._parts / part).read_bytes() for part in found.parts)
        except OSError:
            return None
        right = len(content) == found.bytes and sha256_of(content).hex() == found.sha256
        return content if right else None

    def _wanted(self, manifest: Manifest) -> dict[str, ListFile]:
        return {name: found for name, found in manifest.files.items() if name not in self._ignored}

    def _missing(self, manifest: Manifest) -> tuple[str, ...]:
        names = dict.fromkeys(part for found in self._wanted(manifest).values() for part in found.parts)
        return tuple(part for part in names if not self._is_whole(part))

    def _is_whole(self, part: str) -> bool:
        path = self._parts / part
        if part not in self._whole and path.is_file() and sha256_of(path.read_bytes()).hex() == part:
            self._whole.add(part)
        return part in self._whole

    def _forget_parts(self) -> None:
        """Remove parts that no manifest names any more; failing to is no harm."""
        manifests = [self._manifest, self._pending.manifest if self._pending else None]
        named = {part for one in manifests if one for found in one.files.values() for part in found.parts}
        self._whole &= named
        with contextlib.suppress(OSError):
            for path in self._parts.iterdir():
                if path.name not in named:
                    path.unlink(missing_ok=True)


def _with(lists: Lists, name: str, version: int, raw: bytes, *, read_before: bool) -> Lists:
    """The lists with one file read into them; other names are for other programs. Raises NotAList, NotAPriceList."""
    match name:
        case "limits":
            return replace(lists, rules=read_file(raw, LimitRules))
        case "loads":
            return replace(lists, loads=loads_by_card(read_file(raw, LoadsFile)))
        case "prices":
            prices = decode_prices(raw, read_before=read_before)
            if prices.version != version:
                raise NotAPriceList(f"price list: the file says version {prices.version}, the manifest {version}")
            return replace(lists, prices=prices)
        case "promotions":
            return replace(lists, promotions=read_file(raw, PromotionsFile))
        case "staff":
            return replace(lists, staff=read_file(raw, StaffFile))
        case "texts":
            return replace(lists, texts=read_file(raw, TextsFile))
        case "config":
            return replace(lists, config=read_file(raw, ConfigFile))
        case _:
            return lists
