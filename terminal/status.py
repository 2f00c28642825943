"""How a terminal is: what is always on its screen, and what `status` prints."""

from dataclasses import dataclass
from datetime import UTC, datetime

from protocol.entries import ListVersions
from protocol.ids import Epoch, Seq, SiteId, TerminalId, Tno
from protocol.instants import MINUTE_MS, CampusTime, Now, UtcMs
from protocol.money import Cents
from protocol.site_files import TextsFile
from terminal.derived import ShiftTotals
from terminal.offline import Offline
from terminal.views import Words, age_text, cents_text

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Outfit:
    """What a terminal was started with."""

    build: str = ""
    site: SiteId = SiteId("")
    epoch: Epoch = Epoch(0)
    key_sets: tuple[int, ...] = ()
    """The card key sets that it holds, the present one first."""
    in_sam: bool = False
    """Whether a chip holds them."""
    certificate_ends: UtcMs = UtcMs(0)
    """Until when the broker believes this terminal; 0 where it never was to have a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Everything a technician asks first."""

    tid: TerminalId
    tno: Tno
    shift: ShiftTotals
    now: Now
    offline: Offline | None
    """None while the server is there."""
    asking: bool
    """The line is there, and the server has not said yet what it holds of this journal."""
    tip: Seq
    acked: Seq
    acked_at: UtcMs
    """When the server signed its newest ack; 0 before the first."""
    forked: bool
    """Whether the server was found to hold another history of this chain."""
    versions: ListVersions
    prices_later: UtcMs
    """When other prices hold that are here already; 0: none are."""
    lists_as_of: UtcMs
    lists_age_ms: int
    lists_expire: UtcMs
    """When newer ones should have come; 0 before the first."""
    sale_max: Cents | None
    """The most that one sale may take because the lists are old; None: they are not."""
    reader_fault: str
    disk_bytes: int
    disk_low: bool
    verified: Seq
    """So far the whole chain was checked since the start."""
    copied: Seq | None
    """The newest entry on the second medium; None where none is fitted."""
    copy_fault: str
    alarm: str
    """What somebody must look at; empty if nothing."""
    texts: TextsFile
    outfit: Outfit

    @property
    def sells(self) -> bool:
        """Whether anything is sold to a card, as far as lists, disk and the server's word allow it."""
        return not self.forked and not self.disk_low and self.sale_max != 0

    @property
    def unsent(self) -> int:
        """Entries without the server's signed ack."""
        return max(0, self.tip - self.acked)


def status_lines(status: Status, campus: CampusTime, words: Words) -> tuple[str, ...]:
    """The status in sentences."""
    shift, reader = status.shift, words["reader.gone"] if status.reader_fault else words["reader.ready"]
    online = "status.asking" if status.asking else "status.online"
    sync, cause = ("status.offline", cause_text(status.offline, words)) if status.offline else (online, "")
    figures = {"unsent": status.unsent, "acked": status.acked, "tip": status.tip, "cause": cause}
    lists_key = "status.lists" if status.lists_as_of else "status.no_lists"
    staff = shift.staff or words["status.nobody"]
    lines = [
        words["status.terminal"].format(tid=status.tid, tno=status.tno, staff=staff, shift=shift.number or "-"),
        words["status.clock"].format(
            time=time_text(status.now.utc_ms, campus), clock=words[f"clock.{status.now.clock}"]
        ),
        words[sync].format(**figures),
        words[lists_key].format(time=time_text(status.lists_as_of, campus), age=age_text(status.lists_age_ms, words)),
        words["status.reader"].format(reader=reader),
        words["status.space"].format(
            free=status.disk_bytes // MEGABYTE, low=words["status.low"] if status.disk_low else ""
        ),
        words["status.verified"].format(seq=status.verified),
    ]
    lines += status.texts.announced(status.now.utc_ms, words["language"])
    if 0 < status.lists_expire <= status.now.utc_ms:
        lines.append(words["status.expired"].format(time=time_text(status.lists_expire, campus)))
    if status.sale_max is not None:
        lines.append(limit_text(status.lists_as_of, status.sale_max, campus, words))
    if status.alarm:
        key = "status.alarm" if status.sells else "status.alarm_stopped"
        lines.append(words[key].format(alarm=status.alarm))
    if status.forked:
        lines.append(words["status.forked"].format(acked=status.acked))
    if status.copied is not None:
        key = "status.copy_fault" if status.copy_fault else "status.copied"
        lines.append(words[key].format(seq=status.copied, fault=status.copy_fault))
    if shift.number:
        totals = {"sales": shift.sales, "cents": cents_text(shift.sales_cents, words)}
        expected = cents_text(shift.expected_cents, words)
        lines.append(words["status.shift"].format(number=shift.number, expected=expected, **totals))
    return tuple(lines)


def shift_lines(status: Status, words: Words) -> tuple[str, ...]:
    """The X report: what the running shift took in so far."""
    shift = status.shift
    if not shift.number:
        return (words["report.no_shift"],)
    sums = {
        "drawer": shift.drawer_cents,
        "sales": shift.sales_cents,
        "refunds": shift.refunds_cents,
        "cash": shift.cash_cents,
        "expected": shift.expected_cents,
    }
    return (
        words["report.shift"].format(number=shift.number, staff=shift.staff),
        words["report.count"].format(count=shift.sales),
        *(words[f"report.{name}"].format(cents=cents_text(cents, words)) for name, cents in sums.items()),
        words["report.unsent"].format(count=status.unsent),
    )


def limit_text(as_of: UtcMs, most: Cents, campus: CampusTime, words: Words) -> str:
    """Why large amounts are not sold now: what the cashier needs to know before a student asks."""
    time = time_text(as_of, campus) if as_of else words["lists.unknown"]
    return words["lists.limit" if most else "lists.stop"].format(time=time, cents=cents_text(most, words))


def cause_text(offline: Offline, words: Words) -> str:
    """Why there is no line to the server, in words."""
    return words[f"cause.{offline.cause}"].format(detail=offline.detail)


def time_text(at: UtcMs, campus: CampusTime) -> str:
    """An instant on the campus' own clock, as people write it down."""
    local = datetime.fromtimestamp((at + campus.offset_min * MINUTE_MS) / 1000, UTC)
    return local.strftime("%Y-%m-%d %H:%M")
