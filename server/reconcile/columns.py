"""Rows of the server's tables as the facts of reconciliation."""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import RowMapping

from protocol.entries import Operation, Stage
from protocol.ids import CardNo, Generation, Seq, TerminalId, Tno
from protocol.instants import BusinessDay, CampusTime, UtcMs
from protocol.limits import LimitRules
from protocol.purse import SeenStep
from server.ingest.book import CardStatus, CaseClass, StepId, TerminalStatus
from server.ledger.rules import Resolution, Use
from server.reconcile.facts import CardFacts, CaseFact, Difference, Finding, Move, Parked, StepFact, TerminalFact, Tried
from server.reconcile.results import FoundDifference
from server.reconcile.rows import instant_of

Columns = dict[str, Any]
SiteLimits = Mapping[str, tuple[tuple[UtcMs, LimitRules], ...]]
"""Every `limits` list of each site, oldest first."""
_lasts = msgspec.json.Decoder(tuple[SeenStep, ...])


class _Totals(msgspec.Struct, frozen=True):
    """What a load's body says of its record; other members are not looked at."""

    loaded_after: int = 0


_totals = msgspec.json.Decoder(_Totals)


class Evidence(msgspec.Struct, frozen=True):
    """What a finding points at, as it is kept."""

    steps: tuple[tuple[int, int, int], ...] = ()
    terminals: tuple[TerminalId, ...] = ()
    causes: tuple[str, ...] = ()
    tried: Tried | None = None


_evidences = msgspec.json.Decoder(Evidence)


def step_of_row(row: RowMapping, campus: CampusTime) -> StepFact:
    """One step."""
    day = BusinessDay(row["day"])
    step: StepId = (Tno(row["tno"]), row["branch"], row["seq"])
    return StepFact(
        step,
        (CardNo(row["card"]), Generation(row["generation"])),
        Operation(row["operation"]),
        Stage(row["stage"]),
        TerminalId(row["tid"]),
        instant_of(UtcMs(row["at"]), day, campus),
        day,
        row["amount"],
        row["counter"],
        row["counter_after"],
        row["main"],
        row["main_after"],
        row["subsidy"],
        row["subsidy_after"],
        _lasts.decode(row["last"]),
        Use(row["use"]) if row["use"] else None,
        Resolution(row["resolved"]) if row["resolved"] else None,
        row["claimed"],
        _totals.decode(row["body_of_load"]).loaded_after if row["body_of_load"] else 0,
    )


def facts_of_card(
    row: RowMapping,
    steps: list[StepFact],
    moves: list[Move],
    parked: list[Parked],
    cases: list[CaseFact],
    ledger_cents: int,
) -> CardFacts:
    """One card."""
    return CardFacts(
        (CardNo(row["card"]), Generation(row["generation"])),
        ledger_cents,
        CardStatus(row["status"]),
        row["technology"],
        row["loaded_total_cents"] + row["subsidy_total_cents"],
        tuple(sorted(steps, key=lambda step: step.id)),
        tuple(sorted(moves, key=lambda move: move.cause)),
        tuple(sorted(parked, key=lambda entry: entry.id)),
        tuple(sorted(cases, key=lambda case: (case.step, case.cls, case.cents))),
        row["card_class"],
    )


def case_fact(row: RowMapping) -> CaseFact:
    """One case."""
    step: StepId = (Tno(row["tno"]), row["branch"], row["seq"])
    key = None if row["card"] is None else (CardNo(row["card"]), Generation(row["generation"]))
    return CaseFact(CaseClass(row["cls"]), step, row["cents"], row["text"], key)


def terminal_of(row: RowMapping, limits: SiteLimits) -> TerminalFact:
    """One chain as far as it has reported."""
    return TerminalFact(
        Tno(row["tno"]),
        TerminalId(row["tid"]),
        UtcMs(row["reported_at"]),
        Seq(row["tip_seq"] or 0),
        TerminalStatus(row["status"]),
        bool(row["can_load"]),
        row["ended"] is not None,
        UtcMs(row["granted_at"]),
        limits=limits.get(row["site"], ()),
    )


def finding_columns(found: Finding) -> Columns:
    """A finding as a row, without the proof it belongs to."""
    evidence = Evidence(found.steps, found.terminals, found.causes, found.tried)
    return {
        "cls": found.cls,
        "card": found.card[0] if found.card else None,
        "generation": found.card[1] if found.card else None,
        "counter": found.counter,
        "cents": found.cents,
        "amount": found.amount,
        "of_day": found.day,
        "text": found.text,
        "evidence": msgspec.json.encode(evidence).decode(),
    }


def evidence_of(row: RowMapping) -> Evidence:
    """What a kept finding points at."""
    return _evidences.decode(row["evidence"])


def digest_of(found: Finding) -> str:
    """The key of a finding at a fixed length."""
    return hashlib.sha256(found.key.encode()).hexdigest()


def shown(found: Finding) -> FoundDifference:
    """A finding as it is kept and shown."""
    card, generation = found.card or (None, None)
    evidence = (found.steps, found.terminals, found.causes, found.tried)
    figures = (found.counter, found.cents, found.amount, found.day)
    return FoundDifference(digest_of(found), found.cls, card, generation, *figures, found.text, *evidence)


def shown_row(row: RowMapping) -> FoundDifference:
    evidence = evidence_of(row)
    return FoundDifference(
        row["key"],
        Difference(row["cls"]),
        row["card"],
        row["generation"],
        row["counter"],
        row["cents"],
        row["amount"],
        row["of_day"],
        row["text"],
        evidence.steps,
        evidence.terminals,
        evidence.causes,
        evidence.tried,
    )
