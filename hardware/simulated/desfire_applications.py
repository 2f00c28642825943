"""A virtual DESFire at the level of the card and its applications: keys, their settings, who authenticates how.

Sources: M075031, MF3ICD81 as publicly known (AES keys, ChangeKey), NXP AN12196 (EV2's authentication).
"""

from collections.abc import Callable

import msgspec

from hardware.cards.crypto import BLOCK_BYTES, DES_BYTES
from hardware.simulated.desfire_chip import MORE, DesfireChip
from hardware.simulated.desfire_ev2 import Ev2Challenge, Ev2Session
from hardware.simulated.desfire_session import Authentication, Challenge, DesChallenge
from hardware.simulated.desfire_state import (
    AID_BYTES,
    APPLICATIONS_MAX,
    FREE,
    KEYS_MAX,
    NEVER,
    PICC_AID,
    SETTING_CHANGEABLE,
    SETTING_FREE_CREATE,
    SETTING_FREE_LISTING,
    SETTING_MASTER_CHANGEABLE,
    Application,
    Chip,
    CommMode,
    KeyKind,
    Refused,
    Status,
    StoredKey,
)

_VERSIONS = {
    Chip.EV1: (bytes.fromhex("04010101001a05"), bytes.fromhex("04010101041a05")),
    Chip.EV2: (bytes.fromhex("04010112001a05"), bytes.fromhex("04010102011a05")),
    Chip.EV3: (bytes.fromhex("04010133001a05"), bytes.fromhex("04010103001a05")),
}
"""Hardware and software: vendor, type, subtype, version (2), size, protocol. Byte 3 tells the generation."""
_PRODUCTION = bytes.fromhex("ba000000002019")
_AES_KEYS = 0x80
_KIND_OF_CARD_KEY = {0x00: KeyKind.DES, 0x80: KeyKind.AES}
"""What the upper bits of ChangeKey's key number make of the card's own key."""
_TI_BYTES = 4


class DesfireApplications(DesfireChip):
    """The commands on the card itself and on its applications."""

    def card_commands(self) -> dict[int, Callable[[int, bytes], bytes]]:
        """What answers each command."""
        return {
            0x5A: self._select,
            0xAA: self._authenticate,
            0x1A: self._authenticate,
            0x71: self._authenticate_ev2,
            0x77: self._authenticate_ev2,
            0x60: self._get_version,
            0x6A: self._get_application_ids,
            0xCA: self._create_application,
            0xDA: self._delete_application,
            0xFC: self._format,
            0x45: self._get_key_settings,
            0x54: self._change_key_settings,
            0x64: self._get_key_version,
            0xC4: self._change_key,
        }

    @property
    def _application(self) -> Application:
        application = self._state.application(self._aid)
        assert application is not None, "the selected application exists"
        return application

    def _keep(self, application: Application) -> None:
        self._state = self._state.with_application(self._aid, application)

    def _is_master(self) -> bool:
        return self._session is not None and self._session.key_no == 0

    def _require_setting_or_master(self, setting: int) -> None:
        if not (self._application.settings & setting or self._is_master()):
            raise Refused(Status.AUTHENTICATION_ERROR)

    def _require_length(self, data: bytes, length: int) -> None:
        if len(data) != length:
            raise Refused(Status.LENGTH_ERROR)

    def _require_card_level(self) -> None:
        if self._aid != PICC_AID:
            raise Refused(Status.PERMISSION_DENIED)

    def _key(self, number: int) -> StoredKey:
        keys = self._application.keys
        if number >= len(keys):
            raise Refused(Status.NO_SUCH_KEY)
        return keys[number]

    def _select(self, _: int, data: bytes) -> bytes:
        self._require_length(data, AID_BYTES)
        if self._state.application(data) is None:
            raise Refused(Status.APPLICATION_NOT_FOUND)
        self._end_session()
        self._aid = data
        return self._done()

    def _authenticate(self, code: int, data: bytes) -> bytes:
        """AuthenticateAES, and AuthenticateISO with a DES key; an older session and its transaction end here."""
        self._require_length(data, 1)
        key = self._key_of_kind(data[0], KeyKind.AES if code == 0xAA else KeyKind.DES)
        self._end_session()
        if code == 0xAA:
            return self._ask(Challenge(data[0], key, self._random_bytes(BLOCK_BYTES)))
        return self._ask(DesChallenge(data[0], key, self._random_bytes(DES_BYTES)[:DES_BYTES]))

    def _authenticate_ev2(self, code: int, data: bytes) -> bytes:
        """AuthenticateEV2First: key number, no capabilities. NonFirst: key number, only in such a session."""
        if self._state.chip is Chip.EV1:
            raise Refused(Status.ILLEGAL_COMMAND)
        session = self._session
        if code == 0x77 and not isinstance(session, Ev2Session):
            raise Refused(Status.PERMISSION_DENIED)
        self._require_length(data, 1 if code == 0x77 else 2)
        if data[1:] not in (b"", b"\x00"):
            raise Refused(Status.PARAMETER_ERROR)
        key = self._key_of_kind(data[0], KeyKind.AES)
        self._end_session()
        rnd_b = self._random_bytes(BLOCK_BYTES)
        if code == 0x77 and isinstance(session, Ev2Session):
            return self._ask(Ev2Challenge(data[0], key, rnd_b, session.ti, session.commands))
        return self._ask(Ev2Challenge(data[0], key, rnd_b, self._random_bytes(_TI_BYTES)[:_TI_BYTES]))

    def _ask(self, challenge: Authentication) -> bytes:
        self._challenge = challenge
        return challenge.message + bytes((0x91, MORE))

    def _key_of_kind(self, number: int, kind: KeyKind) -> StoredKey:
        key = self._key(number)
        if key.kind is not kind:
            raise Refused(Status.AUTHENTICATION_ERROR)
        return key

    def _get_version(self, code: int, data: bytes) -> bytes:
        self._opened(code, data, 0)
        frames = _VERSIONS[self._state.chip]
        last = self._state.uid + _PRODUCTION
        if self._session:
            last = self._session.sealed(b"".join(frames) + last, CommMode.MACED)[sum(map(len, frames)) :]
        return self._in_frames([*frames, last])

    def _get_application_ids(self, code: int, data: bytes) -> bytes:
        self._opened(code, data, 0)
        self._require_card_level()
        self._require_setting_or_master(SETTING_FREE_LISTING)
        aids = (bytes.fromhex(name) for name in self._state.applications)
        return self._done(b"".join(aid for aid in aids if aid != PICC_AID))

    def _create_application(self, code: int, data: bytes) -> bytes:
        data = self._opened(code, data, 5)
        self._require_card_level()
        self._require_setting_or_master(SETTING_FREE_CREATE)
        aid, settings, keys = data[:3], data[3], data[4]
        if keys & 0xF0 != _AES_KEYS or not 1 <= keys & 0x0F <= KEYS_MAX:
            raise Refused(Status.PARAMETER_ERROR)
        if self._state.application(aid) is not None:
            raise Refused(Status.DUPLICATE_ERROR)
        if len(self._state.applications) > APPLICATIONS_MAX:
            raise Refused(Status.COUNT_ERROR)
        self._state = self._state.with_application(aid, Application(settings, (StoredKey(),) * (keys & 0x0F)))
        return self._done()

    def _delete_application(self, code: int, data: bytes) -> bytes:
        """By the card's master key only; that an application's own master key may do it too is not played."""
        data = self._opened(code, data, AID_BYTES)
        self._require_card_level()
        if not self._is_master():
            raise Refused(Status.AUTHENTICATION_ERROR)
        if data == PICC_AID or self._state.application(data) is None:
            raise Refused(Status.APPLICATION_NOT_FOUND)
        self._state = self._state.with_application(data, None)
        return self._done()

    def _format(self, code: int, data: bytes) -> bytes:
        """FormatPICC: every application goes and its memory with it; the card's own key and settings stay."""
        self._opened(code, data, 0)
        self._require_card_level()
        if not self._is_master():
            raise Refused(Status.AUTHENTICATION_ERROR)
        self._state = msgspec.structs.replace(self._state, applications={PICC_AID.hex(): self._application})
        return self._done()

    def _get_key_settings(self, code: int, data: bytes) -> bytes:
        self._opened(code, data, 0)
        self._require_setting_or_master(SETTING_FREE_LISTING)
        application = self._application
        kind = _AES_KEYS if application.keys[0].kind is KeyKind.AES else 0
        return self._done(bytes((application.settings, kind | len(application.keys))))

    def _change_key_settings(self, _: int, data: bytes) -> bytes:
        session, application = self._session, self._application
        if session is None or session.key_no != 0:
            raise Refused(Status.AUTHENTICATION_ERROR)
        if not application.settings & SETTING_CHANGEABLE:
            raise Refused(Status.PERMISSION_DENIED)
        self._keep(msgspec.structs.replace(application, settings=session.new_settings(data)))
        return self._done()

    def _get_key_version(self, code: int, data: bytes) -> bytes:
        data = self._opened(code, data, 1)
        return self._done(bytes((self._key(data[0]).version,)))

    def _change_key(self, _: int, data: bytes) -> bytes:
        session = self._session
        if session is None:
            raise Refused(Status.AUTHENTICATION_ERROR)
        if not data:
            raise Refused(Status.LENGTH_ERROR)
        of_card = self._aid == PICC_AID
        number = data[0] & 0x3F if of_card else data[0]
        kind = _KIND_OF_CARD_KEY.get(data[0] & 0xC0) if of_card else KeyKind.AES
        current = self._key(number)
        if kind is None:
            raise Refused(Status.PARAMETER_ERROR)
        self._require_right_to_change(number, session.key_no)
        new = session.new_key(number, data, current) if kind is KeyKind.AES else session.new_des_key(data)
        self._keep(self._application.with_key(number, new))
        if number == session.key_no:
            self._end_session()
        return self._done()

    def _require_right_to_change(self, number: int, authenticated: int) -> None:
        """M075031, key settings: the upper half of the key settings names the key that changes the others."""
        settings = self._application.settings
        if number == 0:
            if not settings & SETTING_MASTER_CHANGEABLE:
                raise Refused(Status.PERMISSION_DENIED)
            changer = 0
        else:
            changer = settings >> 4
            if changer == NEVER:
                raise Refused(Status.PERMISSION_DENIED)
            changer = number if changer == FREE else changer
        if authenticated != changer:
            raise Refused(Status.AUTHENTICATION_ERROR)
