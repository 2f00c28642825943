"""When a password is good enough, how long an account waits after wrong ones, and when a session ends."""

import enum
from dataclasses import dataclass

from protocol.instants import HOUR_MS, MINUTE_MS, UtcMs
from server.auth.rules import Operator

PASSWORD_LETTERS_MIN, PASSWORD_LETTERS_MAX = 12, 128
FAILURES_FREE = 4
"""So many wrong passwords or codes in a row cost nothing but time to type them."""
LOCK_MS_MAX = 15 * MINUTE_MS
"""Long enough for no guess to succeed, short enough that who locks somebody else out has to come back for it."""
OTP_STEP_MS = 30_000
"""RFC 6238, section 4: the default step of a time-based one-time password."""
OTP_STEPS_APART = 1
"""Clocks of phones: a code of the step before or after counts (RFC 6238, section 5.2)."""
IDLE_MS, WHOLE_MS, HALF_MS = 30 * MINUTE_MS, 12 * HOUR_MS, 5 * MINUTE_MS
"""How long a session lasts without a request, at all, and before the one-time code came."""
SEEN_EVERY_MS = MINUTE_MS
"""A request writes its time only so often."""


class Stage(enum.StrEnum):
    """How far somebody has proven who he is."""

    PASSWORD = "password"  # noqa: S105
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is signed in, or half way there."""

    token: str
    """As the browser holds it."""
    operator: Operator
    stage: Stage
    is_new: bool
    """The account has to choose a password and a device for codes before anything else."""


def wait_ms(failures: int) -> int:
    """How long an account takes no password after so many wrong ones in a row: one minute, two, four, ..., fifteen."""
    beyond = failures - FAILURES_FREE
    return 0 if beyond <= 0 else min(LOCK_MS_MAX, MINUTE_MS << min(beyond - 1, 8))


def is_over(stage: Stage, begun_at: UtcMs, seen_at: UtcMs, at: UtcMs) -> bool:
    """Whether a session has ended. A clock that was set back ends it too."""
    if at < begun_at:
        return True
    if stage is Stage.PASSWORD:
        return at - begun_at >= HALF_MS
    return at - begun_at >= WHOLE_MS or at - seen_at >= IDLE_MS


def password_fault(password: str, name: str) -> str:
    """Why a password is not good enough, as a code; empty where it is. Length alone counts (NIST SP 800-63B, 5.1.1)."""
    if len(password) < PASSWORD_LETTERS_MIN:
        return "password_short"
    if len(password) > PASSWORD_LETTERS_MAX:
        return "password_long"
    if len(set(password)) < PASSWORD_LETTERS_MIN // 3 or name.lower() in password.lower():
        return "password_easy"
    return ""


def otp_steps(at: UtcMs) -> range:
    """Steps of which a code counts now."""
    now = at // OTP_STEP_MS
    return range(now - OTP_STEPS_APART, now + OTP_STEPS_APART + 1)
