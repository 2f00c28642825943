"""What the parts of the program say of themselves, gathered for `status`."""

from collections.abc import Callable
from dataclasses import dataclass

from protocol.ids import Seq
from protocol.instants import Now, UtcMs
from protocol.messages import Grant
from protocol.sync_sender import Phase
from terminal.journal_copy import JournalCopy
from terminal.journal_store import JournalStore
from terminal.offline import Offline, OfflineCause
from terminal.shell import Shell
from terminal.status import Outfit, Status
from terminal.sync_link import SyncLink


@dataclass(slots=True)
class Gauges:
    """Read by people; nothing is decided by them."""

    grant: Grant
    journal: JournalStore
    shell: Shell
    now: Callable[[], Now]
    link: SyncLink | None = None
    no_link: Offline = Offline(OfflineCause.NO_BROKER)
    copy: JournalCopy | None = None
    reader_fault: str = ""
    verified: Seq = Seq(0)
    acked_at: UtcMs = UtcMs(0)
    """When the server signed its newest ack."""
    outfit: Outfit = Outfit()

    @property
    def offline(self) -> Offline | None:
        """Why there is no line to the server; None while there is one."""
        return self.link.status.cause if self.link else self.no_link

    def status(self) -> Status:
        """How the terminal is. Raises JournalBroken while the disk fails."""
        lists, space, now = self.shell.lists, self.journal.space_left(), self.now()
        return Status(
            tid=self.grant.tid,
            tno=self.grant.tno,
            shift=self.shell.derived.shift,
            now=now,
            offline=self.offline,
            asking=self.link is not None and self.link.status.phase is Phase.ASKING,
            tip=self.journal.tip.seq,
            acked=self.shell.derived.acked,
            acked_at=self.acked_at,
            forked=self.shell.derived.forked,
            versions=lists.versions,
            prices_later=lists.prices.later.at if lists.prices.later else UtcMs(0),
            lists_as_of=lists.as_of,
            lists_age_ms=self.shell.lists_age_ms(now),
            reader_fault=self.reader_fault,
            disk_bytes=space.disk_bytes,
            disk_low=space.low,
            verified=self.verified,
            copied=self.copy.copied if self.copy else None,
            copy_fault=self.copy.fault if self.copy else "",
            lists_expire=lists.expires,
            sale_max=self.shell.offline_sale_max(now),
            texts=lists.texts,
            alarm=self.link.status.alarm if self.link else "",
            outfit=self.outfit,
        )
