"""What is right with a terminal and what is not, part by part, and what to do: the doctor's page, without a shell."""

import enum
from dataclasses import dataclass

from protocol.instants import DAY_MS, CampusTime, ClockSource
from terminal.offline import OfflineCause
from terminal.status import MEGABYTE, Status, cause_text, limit_text, time_text
from terminal.views import Words, age_text

DISK_SOON_BYTES = 200 * MEGABYTE
"""With less than this free somebody should make space, long before nothing more is begun."""
CERTIFICATE_SOON_MS = 14 * DAY_MS
"""A certificate is renewed by itself with a third of its life left; so late that should long have happened."""


class Verdict(enum.IntEnum):
    """How bad it is, worst last."""

    GOOD = 0
    LOOK = 1
    """Selling goes on; somebody should see to it."""
    BROKEN = 2
    """Something does not work until somebody sees to it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One part of a terminal and how it is."""

    part: str
    """What it is called."""
    verdict: Verdict
    text: str
    advice: str = ""
    """What to do; empty where all is well."""


def findings(status: Status, campus: CampusTime, words: Words) -> tuple[Finding, ...]:
    """Every part, the worst first."""
    found = [
        _reader(status, words),
        _keys(status, words),
        *_journal(status, words),
        _disk(status, words),
        *_second_medium(status, words),
        _clock(status, campus, words),
        _line(status, words),
        *_certificate(status, campus, words),
        _lists(status, campus, words),
        *_alarm(status, words),
        _identity(status, words),
        _made(words, "program", Verdict.GOOD, status.outfit.build),
    ]
    return tuple(sorted(found, key=lambda one: -one.verdict))


def _made(words: Words, part: str, verdict: Verdict, text: str, advice: str = "") -> Finding:
    """`advice`: the name of a sentence; where there is none, the part's own."""
    said = words[f"doctor_help.{advice or part}"] if verdict is not Verdict.GOOD else ""
    return Finding(words[f"doctor.{part}"], verdict, text, said)


def _reader(status: Status, words: Words) -> Finding:
    if status.reader_fault:
        return _made(words, "reader", Verdict.BROKEN, status.reader_fault)
    return _made(words, "reader", Verdict.GOOD, words["reader.ready"])


def _keys(status: Status, words: Words) -> Finding:
    sets = ", ".join(map(str, status.outfit.key_sets))
    where = "doctor.in_sam" if status.outfit.in_sam else "doctor.in_file"
    verdict = Verdict.GOOD if sets else Verdict.BROKEN
    return _made(words, "keys", verdict, words[where].format(sets=sets or "-"))


def _journal(status: Status, words: Words) -> list[Finding]:
    """What is on the disk, and how much of it the server has confirmed."""
    text = words["doctor.checked"].format(tip=status.tip, verified=status.verified)
    if status.forked:
        journal = _made(words, "journal", Verdict.BROKEN, words["status.forked"].format(acked=status.acked), "forked")
    else:
        journal = _made(words, "journal", Verdict.GOOD, text)
    is_gone = status.offline is not None and status.offline.cause is not OfflineCause.NO_BROKER
    waits = Verdict.LOOK if status.unsent and is_gone else Verdict.GOOD
    sent = words["doctor.confirmed"].format(unsent=status.unsent, acked=status.acked, tip=status.tip)
    return [journal, _made(words, "sync", waits, sent)]


def _disk(status: Status, words: Words) -> Finding:
    free = words["doctor.free"].format(free=status.disk_bytes // MEGABYTE)
    if status.disk_low:
        return _made(words, "disk", Verdict.BROKEN, free)
    return _made(
        words, "disk", Verdict.LOOK if status.disk_bytes < DISK_SOON_BYTES else Verdict.GOOD, free, "disk_soon"
    )


def _second_medium(status: Status, words: Words) -> list[Finding]:
    if status.copied is None:
        return []
    key, verdict = ("copy_fault", Verdict.LOOK) if status.copy_fault else ("copied", Verdict.GOOD)
    return [_made(words, "medium", verdict, words[f"status.{key}"].format(seq=status.copied, fault=status.copy_fault))]


def _clock(status: Status, campus: CampusTime, words: Words) -> Finding:
    verdict = Verdict.LOOK if status.now.clock is ClockSource.NONE else Verdict.GOOD
    source = words[f"clock.{status.now.clock}"]
    return _made(words, "clock", verdict, f"{time_text(status.now.utc_ms, campus)} ({source})")


def _line(status: Status, words: Words) -> Finding:
    offline = status.offline
    if offline is None:
        return _made(words, "line", Verdict.GOOD, words["doctor.asking" if status.asking else "bar.online"])
    if offline.cause is OfflineCause.NO_BROKER:
        return _made(words, "line", Verdict.GOOD, cause_text(offline, words))
    verdict = Verdict.BROKEN if offline.cause.is_alarm else Verdict.LOOK
    help_ = "untrusted" if offline.cause is OfflineCause.CERTIFICATE else offline.cause
    return _made(words, "line", verdict, cause_text(offline, words), help_)


def _certificate(status: Status, campus: CampusTime, words: Words) -> list[Finding]:
    ends = status.outfit.certificate_ends
    if not ends:
        return []
    left_ms = ends - status.now.utc_ms
    verdict = Verdict.BROKEN if left_ms <= 0 else Verdict.LOOK if left_ms < CERTIFICATE_SOON_MS else Verdict.GOOD
    return [_made(words, "certificate", verdict, words["doctor.valid"].format(time=time_text(ends, campus)))]


def _lists(status: Status, campus: CampusTime, words: Words) -> Finding:
    if not status.lists_as_of:
        return _made(words, "lists", Verdict.LOOK, words["status.no_lists"])
    if status.sale_max is not None:
        verdict = Verdict.LOOK if status.sale_max else Verdict.BROKEN
        return _made(words, "lists", verdict, limit_text(status.lists_as_of, status.sale_max, campus, words))
    age = age_text(status.lists_age_ms, words)
    text = words["status.lists"].format(time=time_text(status.lists_as_of, campus), age=age)
    is_late = 0 < status.lists_expire <= status.now.utc_ms
    return _made(words, "lists", Verdict.LOOK if is_late else Verdict.GOOD, text)


def _alarm(status: Status, words: Words) -> list[Finding]:
    return [_made(words, "alarm", Verdict.LOOK, status.alarm)] if status.alarm else []


def _identity(status: Status, words: Words) -> Finding:
    outfit = status.outfit
    figures = {"tid": status.tid, "tno": status.tno, "epoch": outfit.epoch, "site": outfit.site}
    return _made(words, "identity", Verdict.GOOD, words["doctor.who"].format(**figures))
