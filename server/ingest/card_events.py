"""What a posted entry tells of a card itself, as a row of that card's history."""

from typing import Any

from protocol.entries import CardBlocked, CardIssued, CardRekeyed, Kind
from protocol.journal import read_entry
from server.ingest.book import EntryRow

_KINDS = (Kind.CARD_BLOCKED, Kind.CARD_ISSUED, Kind.CARD_REKEYED)


def event_columns(row: EntryRow) -> dict[str, Any] | None:
    """The columns of `card_event`; None for an entry of another kind, and for one that waits."""
    if row.parked or row.kind not in _KINDS:
        return None
    entry = read_entry(row.jws).entry
    told: dict[str, Any] = {"uid": "", "was": 0, "now": 0, "outcome": ""}
    match entry.body:
        case CardBlocked(card, reason):
            told["outcome"] = reason
        case CardIssued(card, uid, key_set):
            told |= {"uid": uid, "now": key_set}
        case CardRekeyed(card):
            told |= {"was": entry.body.was, "now": entry.body.now, "outcome": entry.body.outcome}
        case _:
            raise AssertionError("the kind says which body it has")
    place = {"tno": row.tno, "branch": row.branch, "seq": row.seq, "kind": row.kind}
    return {**place, **told, "card": card.no, "generation": card.generation, "staff": entry.staff, "at": entry.at}
