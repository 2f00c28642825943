"""What the card office may do, in figures: loads, what a lost card still exposes, when the waiting is over.

    active <-> blocked --replaced or handed in--> closed --all terminals have reported, or 7 days--> released

A replaced card's ledger balance is split: what no unreported sale can have spent goes to the new card at once, the rest
when every terminal has reported past the instant of the report.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from protocol.ids import U16_MAX, LoadSeq, SiteId, TerminalId
from protocol.instants import DAY_MS, MINUTE_MS, BusinessDay, CampusTime, UtcMs
from protocol.limits import LimitRules
from protocol.money import PURSE_CENTS_MAX, SALE_CENTS_MAX, Cents
from protocol.policy import NotAList, read_file
from protocol.purse import LoadRecord
from server.ingest.book import CardRow, CardStatus, CaseClass, TerminalStatus
from server.ingest.on_tokens import is_token
from server.ingest.totals import uncollected
from server.ledger.accounts import FUNDER, OPERATOR_LOSS, Postings, balanced, pending, pending_subsidy, purse, subsidy

KEEP_LOADS_AWAY = (CaseClass.CARD_ABOVE_LEDGER, CaseClass.FORK)
"""While such a case is open its card gets no value."""
WAITING_MAX_MS = 7 * DAY_MS
REPORTS_WITHIN_MS = 10 * MINUTE_MS
"""A terminal that is online has said something since; what it asked about and has not told is held back as long."""


@dataclass(frozen=True, slots=True)
class Report:
    """How far a chain is known: everything it did up to `reported_at`, and the `cards` list it has shown."""

    tid: TerminalId
    status: TerminalStatus
    reported_at: UtcMs
    cards_version: int
    can_load: bool
    site: SiteId = SiteId("")
    limits_version: int = 0
    """The newest `limits` list it has shown; 0: none yet."""


@dataclass(frozen=True, slots=True)
class Plastic:
    """One generation of an issue number with what only the card office knows."""

    row: CardRow
    closed_at: UtcMs = UtcMs(0)
    closed_version: int = 0
    moved_at: UtcMs = UtcMs(0)
    """When what it had not collected was set free for its successor."""
    in_hand: bool = False
    """The plastic itself was handed in: nobody can tap it any more."""

    @property
    def uncollected_subsidy_cents(self) -> int:
        """Of the subsidy of the running period: granted to this plastic, and not brought by a load that is posted."""
        return max(0, self.row.subsidy_total_cents - self.row.subsidy_arrived_cents)


def load_refusal(card: CardRow, cents: int, *, in_question: bool = False) -> str:
    """Why no more value may be granted to this card; empty when it may.

    `in_question`: a case is open because the card showed more than the ledger explains, or two cards claim to be it.
    """
    if card.status is not CardStatus.ACTIVE:
        return f"the card is {card.status}"
    if in_question:
        return "what this card shows is in question: no load until its case is solved"
    if is_token(card):
        full = card.main_cents + cents > PURSE_CENTS_MAX or card.load_seq >= U16_MAX
        return "this token was given as often or as much as it can be; replace it" if full else ""
    total = max(card.loaded_total_cents, card.subsidy_total_cents)
    if total + cents > SALE_CENTS_MAX or card.load_seq >= U16_MAX:
        return "this card has been loaded as often or as much as its records can say; replace it"
    return ""


def grant(card: CardRow, cents: Cents) -> None:
    """Value that the next load record of this card brings; the total never falls."""
    assert cents >= 0
    card.load_seq = LoadSeq(card.load_seq + 1)
    card.loaded_total_cents = Cents(card.loaded_total_cents + cents)


def grant_subsidy(card: CardRow, period: int, cents: Cents) -> None:
    """A subsidy of some period; another period's total is over with the first grant of a new one."""
    card.load_seq = LoadSeq(card.load_seq + 1)
    if card.period != period:
        card.period, card.period_load_seq = period, card.load_seq
        card.subsidy_total_cents = card.subsidy_arrived_cents = Cents(0)
    card.subsidy_total_cents = Cents(card.subsidy_total_cents + cents)


def let_subsidy_lapse(card: CardRow) -> None:
    """The period of what an older plastic has, or may still collect, is over."""
    card.period_load_seq = U16_MAX + 1
    card.subsidy_total_cents = card.subsidy_arrived_cents = Cents(0)


def record_of(card: CardRow) -> LoadRecord:
    """The load record that says all this."""
    return LoadRecord(
        card.key[0],
        card.key[1],
        card.load_seq,
        card.loaded_total_cents,
        card.spent_known_cents,
        card.period,
        card.subsidy_total_cents,
    )


def grantable(pending_cents: int, plastics: Sequence[Plastic]) -> Cents:
    """How much pending credit no card has been promised yet; what a closed card may still collect is promised."""
    return Cents(max(0, pending_cents - uncollected(promised(plastics))))


def promised(plastics: Sequence[Plastic]) -> list[CardRow]:
    """The cards whose uncollected loads are still theirs."""
    return [plastic.row for plastic in plastics if not plastic.moved_at]


def grantable_subsidy(pending_cents: int, plastics: Sequence[Plastic]) -> Cents:
    """The same of a subsidy."""
    promised = sum(plastic.uncollected_subsidy_cents for plastic in plastics if not plastic.moved_at)
    return Cents(max(0, pending_cents - promised))


def day_limit(
    silent: Sequence[Report], limit_lists: Mapping[SiteId, Mapping[int, bytes]], card_class: int
) -> int | None:
    """The most a card of this class may spend in a day at silent terminals; None: without bound.

    Each may hold the list that it has shown or any later one of its site. One that has shown none may hold none.
    """
    limits: list[int | None] = []
    for report in silent:
        versions = limit_lists.get(report.site, {}).items()
        held = [raw for version, raw in versions if version >= report.limits_version] if report.limits_version else []
        limits += [_day_limit_in(raw, card_class) for raw in held] or [None]
    known = [limit for limit in limits if limit is not None]
    return max(known, default=None) if len(known) == len(limits) else None


@dataclass(frozen=True, slots=True)
class Silent:
    """A terminal that has not reported lately: on so many business days it may have stood in, for so much a day."""

    tid: TerminalId
    reported_at: UtcMs
    days: int
    a_day_cents: int

    @property
    def cents(self) -> int:
        """The most it can have sold to one token without an answer."""
        return self.days * self.a_day_cents


def stand_ins(
    reports: Sequence[Report], limit_lists: Mapping[SiteId, Mapping[int, bytes]], now: UtcMs, campus: CampusTime
) -> list[Silent]:
    """What silent terminals may have sold to each token without an answer: the worst case, terminal by terminal.

    Each may hold the `limits` that it has shown or any later ones of its site; one that never had any stands in for
    nobody. Its clock may be a day ahead (SPEC, "Tokens"), which makes one day more.
    """
    last, found = campus.business_day(now), list[Silent]()
    for report in reports:
        days = _days_silent(report, UtcMs(now - REPORTS_WITHIN_MS), last, campus)
        versions = limit_lists.get(report.site, {}).items()
        a_day = max((_stand_in(raw) for version, raw in versions if version >= report.limits_version), default=0)
        if days and a_day:
            found.append(Silent(report.tid, report.reported_at, days + 1, a_day))
    return found


def exposure(
    day_limit_cents: int | None, reports: Sequence[Report], reported_lost_at: UtcMs, campus: CampusTime
) -> Cents | None:
    """The most that sales nobody has reported yet can have taken off a card; None: without bound.

    The day's spending travels on the card, so silent terminals share one limit a day: what counts is the longest
    silence, in business days. Without a day limit any silence can hide the whole balance.
    """
    last = campus.business_day(reported_lost_at)
    days = max((_days_silent(report, reported_lost_at, last, campus) for report in reports), default=0)
    if days == 0:
        return Cents(0)
    return None if day_limit_cents is None else Cents(day_limit_cents * days)


def paid_at_once(ledger_cents: int, exposed_cents: int | None) -> Cents:
    """What the new card gets now."""
    return Cents(0 if exposed_cents is None else max(0, ledger_cents - exposed_cents))


def waiting_over(plastic: Plastic, reports: Sequence[Report], now: UtcMs) -> bool:
    """Whether the rest of a closed card may be paid out."""
    if now - plastic.closed_at >= WAITING_MAX_MS:
        return True
    return not any(is_silent(report, plastic.closed_at) for report in reports)


def collects_no_more(plastic: Plastic, reports: Sequence[Report]) -> bool:
    """Whether no terminal can put an uncollected load onto a closed card any more (SPEC, "Loads")."""
    if plastic.in_hand:
        return True
    if not plastic.closed_version:
        return False
    return all(
        report.cards_version >= plastic.closed_version or report.status is TerminalStatus.LOST
        for report in reports
        if report.can_load
    )


def rest_of(card: CardRow) -> Postings:
    """What a closed card has left goes to its holder; what it spent beyond is our loss."""
    main, granted = card.main_cents, card.subsidy_cents
    to_main = pending(card.key[0]) if main > 0 else OPERATOR_LOSS
    lapsed = card.period_load_seq > U16_MAX
    to_subsidy = OPERATOR_LOSS if granted <= 0 else FUNDER if lapsed else pending_subsidy(card.key[0])
    return balanced((purse(card.key), -main), (to_main, main), (subsidy(card.key), -granted), (to_subsidy, granted))


def is_silent(report: Report, since: UtcMs) -> bool:
    """Whether a terminal may have done something before this instant that is not known yet."""
    return report.status is not TerminalStatus.LOST and report.reported_at < since


def _days_silent(report: Report, since: UtcMs, last: BusinessDay, campus: CampusTime) -> int:
    return last - campus.business_day(report.reported_at) + 1 if is_silent(report, since) else 0


def _stand_in(raw: bytes) -> int:
    try:
        return read_file(raw, LimitRules).stand_in
    except NotAList:
        return SALE_CENTS_MAX


def _day_limit_in(raw: bytes, card_class: int) -> int | None:
    try:
        rules = read_file(raw, LimitRules)
    except NotAList:
        return None
    limits = rules.for_class(card_class)
    if limits is None:
        return 0
    return limits.day or None
