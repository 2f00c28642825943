"""What a posted entry tells of a card itself, as a row of that card's history, and whose a tag is that was made."""

from typing import Any

from protocol.entries import CardBegun, CardBlocked, CardErased, CardIssued, CardRekeyed, Kind
from protocol.journal import read_entry
from protocol.texts import text_of
from server.ingest.book import EntryRow

_KINDS = (Kind.CARD_BLOCKED, Kind.CARD_BEGUN, Kind.CARD_ISSUED, Kind.CARD_REKEYED, Kind.CARD_ERASED)


def event_columns(row: EntryRow) -> dict[str, Any] | None:
    """The columns of `card_event`; None for an entry of another kind, and for one that waits."""
    if row.parked or row.kind not in _KINDS:
        return None
    entry = read_entry(row.jws).entry
    told: dict[str, Any] = {"uid": "", "was": 0, "now": 0, "outcome": ""}
    match entry.body:
        case CardBlocked(card, reason):
            told["outcome"] = text_of(reason)  # PostgreSQL holds no U+0000
        case CardBegun(card, uid, key_set) | CardIssued(card, uid, key_set):
            told |= {"uid": uid, "now": key_set}
        case CardRekeyed(card):
            told |= {"was": entry.body.was, "now": entry.body.now, "outcome": entry.body.outcome}
        case CardErased(card, uid):
            told |= {"uid": uid, "was": entry.body.was, "outcome": entry.body.outcome}
        case _:
            raise AssertionError("the kind says which body it has")
    place = {"tno": row.tno, "branch": row.branch, "seq": row.seq, "kind": row.kind}
    return {**place, **told, "card": card.no, "generation": card.generation, "staff": entry.staff, "at": entry.at}


def made_token(row: EntryRow) -> dict[str, Any] | None:
    """The columns of `token` for a tag that a card office made; None for every other entry, and for one that waits."""
    if row.parked or row.kind is not Kind.CARD_ISSUED:
        return None
    body = read_entry(row.jws).entry.body
    if not (isinstance(body, CardIssued) and body.card.is_token):
        return None
    return {"uid": body.uid, "card": body.card.no, "generation": body.card.generation, "proves": 1}
