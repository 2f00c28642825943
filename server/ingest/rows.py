"""The rows of the book as columns of tables, and back."""

from typing import Any

import msgspec
from sqlalchemy import RowMapping

from protocol.entries import CardStep, CloseStep, LoadStep, Operation, PinTried, RefundStep, SaleStep, Stage, TopUpStep
from protocol.ids import CardNo, Counter, Epoch, Generation, LoadSeq, Seq, ShiftNo, SiteId, TerminalId, Tno
from protocol.instants import BusinessDay, UtcMs
from protocol.journal import Tip
from protocol.money import Cents
from protocol.purse import SeenStep
from protocol.signing import VerifyKey
from protocol.sync_receiver import Branch
from server.ingest.book import (
    CardRow,
    CardStatus,
    Case,
    ChainRow,
    EntryRow,
    HoleRow,
    HoleStatus,
    StepId,
    StepRow,
    TerminalStatus,
)
from server.ingest.steps import seen_at
from server.ledger.rules import Resolution, Use

Columns = dict[str, Any]
Row = RowMapping

_SHAPES: dict[str, type[CardStep]] = {
    "sale": SaleStep,
    "refund": RefundStep,
    "topup": TopUpStep,
    "load": LoadStep,
    "close": CloseStep,
    "pin": PinTried,
}
_NAMES = {kind: name for name, kind in _SHAPES.items()}
_encoder = msgspec.json.Encoder()
_bodies: dict[str, msgspec.json.Decoder[CardStep]] = {
    name: msgspec.json.Decoder(kind) for name, kind in _SHAPES.items()
}
_lasts = msgspec.json.Decoder(tuple[SeenStep, ...])


def chain_columns(chain: ChainRow) -> Columns:
    """What posting may change of a chain."""
    return {
        "status": chain.status,
        "revoked_at": chain.revoked_at,
        "reported_at": chain.reported_at,
        "cards_version": chain.cards_version,
        "limits_version": chain.limits_version,
        "each_signature": chain.each_signature,
    }


def chain_of(row: Row, branches: dict[int, Branch]) -> ChainRow:
    """A chain with its branches, from its own row and what the register says of its terminal."""
    return ChainRow(
        Tno(row["tno"]),
        SiteId(row["site"]),
        TerminalId(row["tid"]),
        Epoch(row["epoch"]),
        VerifyKey(row["key"]),
        Tip(Seq(0), row["start_hash"]),
        branches,
        TerminalStatus(row["status"]),
        UtcMs(row["reported_at"]),
        row["cards_version"],
        row["limits_version"],
        row["each_signature"],
        row["cards_published"] or 0,
        row["limits_published"] or 0,
        bool(row["can_load"]),
        bool(row["can_issue"]),
        row["merchant"] or "",
        UtcMs(row["revoked_at"]),
        bool(row["spare"]),
    )


def branch_columns(tno: Tno, branch: Branch) -> Columns:
    """A branch as a row."""
    return {
        "tno": tno,
        "branch": branch.number,
        "tip_seq": branch.tip.seq,
        "tip_hash": branch.tip.hash,
        "parent": branch.parent,
        "forked_after": branch.forked_after,
    }


def branch_of(row: Row) -> Branch:
    """A row as a branch."""
    tip = Tip(Seq(row["tip_seq"]), row["tip_hash"])
    return Branch(row["branch"], tip, row["parent"], Seq(row["forked_after"]))


def card_columns(card: CardRow) -> Columns:
    """What the book knows of a card; the card office has more columns."""
    return {
        "card": card.key[0],
        "generation": card.key[1],
        "card_class": card.card_class,
        "technology": card.technology,
        "status": card.status,
        "main_cents": card.main_cents,
        "subsidy_cents": card.subsidy_cents,
        "counter": card.counter,
        "load_seq": card.load_seq,
        "load_seq_floor": card.load_seq_floor,
        "loaded_total_cents": card.loaded_total_cents,
        "collected_cents": card.collected_cents,
        "subsidy_total_cents": card.subsidy_total_cents,
        "subsidy_arrived_cents": card.subsidy_arrived_cents,
        "period": card.period,
        "period_load_seq": card.period_load_seq,
        "spent_known_cents": card.spent_known_cents,
        "excused": " ".join(map(str, card.excused)),
        "exchange": card.exchange,
        "arrived_cents": card.arrived_cents,
        "adopted_cents": card.adopted_cents,
        "explained_cents": card.explained_cents,
        "closed_at": card.closed_at,
        "closed_for": card.closed_for,
    }


def card_of(row: Row) -> CardRow:
    """A row as a card."""
    return CardRow(
        (CardNo(row["card"]), Generation(row["generation"])),
        row["card_class"],
        row["technology"],
        CardStatus(row["status"]),
        Cents(row["main_cents"]),
        Cents(row["subsidy_cents"]),
        Counter(row["counter"]),
        LoadSeq(row["load_seq"]),
        LoadSeq(row["load_seq_floor"]),
        Cents(row["loaded_total_cents"]),
        Cents(row["collected_cents"]),
        Cents(row["subsidy_total_cents"]),
        Cents(row["subsidy_arrived_cents"]),
        row["period"],
        row["period_load_seq"],
        Cents(row["spent_known_cents"]),
        tuple(UtcMs(int(at)) for at in row["excused"].split()),
        row["exchange"],
        Cents(row["arrived_cents"]),
        Cents(row["adopted_cents"]),
        Cents(row["explained_cents"]),
        UtcMs(row["closed_at"]),
        row["closed_for"],
    )


def entry_columns(entry: EntryRow, received_at: UtcMs) -> Columns:
    """An entry as a row."""
    return {
        "tno": entry.tno,
        "branch": entry.branch,
        "seq": entry.seq,
        "hash": entry.hash,
        "jws": entry.jws,
        "kind": entry.kind,
        "day": entry.day,
        "at": entry.at,
        "parked": entry.parked,
        "received_at": received_at,
    }


def entry_of(row: Row) -> EntryRow:
    """A row as an entry; without `jws` among the columns only its place, hash and day are at hand."""
    return EntryRow(
        Tno(row["tno"]),
        row["branch"],
        row["seq"],
        row["hash"],
        row.get("jws", b""),
        row["kind"],
        BusinessDay(row["day"]),
        UtcMs(row["at"]),
        row["parked"],
    )


def step_columns(step: StepRow) -> Columns:
    """A step as a row, with the figures that queries need beside its body."""
    body = step.body
    below = seen_at(step.last, step.counter)
    return {
        "tno": step.id[0],
        "branch": step.id[1],
        "seq": step.id[2],
        "operation": step.operation,
        "stage": step.stage,
        "shape": _NAMES[type(body)],
        "body": _encoder.encode(body).decode(),
        "last": _encoder.encode(step.last).decode(),
        "tid": step.tid,
        "shift": step.shift,
        "card": step.card[0],
        "generation": step.card[1],
        "counter": step.counter,
        "counter_after": step.counter_after,
        "amount": body.amount,
        "main": body.main,
        "main_after": body.main_after,
        "subsidy": body.subsidy,
        "subsidy_after": body.subsidy_after,
        "below_tno": below.tno if below else 0,
        "below_seq": below.seq if below else 0,
        "use": step.use,
        "resolved": step.resolved,
        "torn_at": step.torn_at,
        "claimed": step.claimed,
        "lost": step.lost,
        "returned": step.returned,
        "given_back_cents": step.given_back_cents,
        "day": step.day,
        "at": step.at,
    }


def step_of(row: Row) -> StepRow:
    """A row as a step."""
    step: StepId = (Tno(row["tno"]), row["branch"], row["seq"])
    return StepRow(
        step,
        Operation(row["operation"]),
        Stage(row["stage"]),
        _bodies[row["shape"]].decode(row["body"]),
        TerminalId(row["tid"]),
        ShiftNo(row["shift"]),
        BusinessDay(row["day"]),
        UtcMs(row["at"]),
        _lasts.decode(row["last"]),
        Use(row["use"]) if row["use"] else None,
        Resolution(row["resolved"]) if row["resolved"] else None,
        UtcMs(row["torn_at"]),
        row["claimed"],
        row["lost"],
        row["returned"],
        Cents(row["given_back_cents"]),
    )


def case_columns(case: Case) -> Columns:
    """A case as a row."""
    return {
        "cls": case.cls,
        "card": case.card[0] if case.card else None,
        "generation": case.card[1] if case.card else None,
        "tno": case.step[0],
        "branch": case.step[1],
        "seq": case.step[2],
        "cents": case.cents,
        "text": case.text,
        "about": case.about,
    }


def hole_columns(hole: HoleRow) -> Columns:
    """A hole as a row."""
    return {
        "tno": hole.tno,
        "first": hole.first,
        "last": hole.last,
        "hash": hole.hash,
        "asked": hole.asked,
        "asked_at": hole.asked_at,
        "status": hole.status,
    }


def hole_of(row: Row) -> HoleRow:
    """A row as a hole."""
    return HoleRow(
        Tno(row["tno"]),
        Seq(row["first"]),
        Seq(row["last"]),
        row["hash"],
        row["asked"],
        UtcMs(row["asked_at"]),
        HoleStatus(row["status"]),
    )
