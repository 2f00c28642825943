"""The kinds of journal entries, and how those of a card step are put together from an operation and a stage."""

import enum


class Kind(enum.StrEnum):
    """What happened. A card operation is prepared first and then gets exactly one outcome."""

    BOOTED = "booted"
    SHIFT_OPENED = "shift_opened"
    SHIFT_CLOSED = "shift_closed"
    SALE_PREPARED = "sale_prepared"
    SALE_SETTLED = "sale_settled"
    SALE_VOIDED = "sale_voided"
    SALE_TORN = "sale_torn"
    VEND_DISPENSED = "vend_dispensed"
    VEND_FAILED = "vend_failed"
    VEND_UNKNOWN = "vend_unknown"
    REFUND_PREPARED = "refund_prepared"
    REFUND_SETTLED = "refund_settled"
    REFUND_VOIDED = "refund_voided"
    REFUND_TORN = "refund_torn"
    TOPUP_PREPARED = "topup_prepared"
    TOPUP_SETTLED = "topup_settled"
    TOPUP_VOIDED = "topup_voided"
    TOPUP_TORN = "topup_torn"
    LOAD_PREPARED = "load_prepared"
    LOAD_SETTLED = "load_settled"
    LOAD_VOIDED = "load_voided"
    LOAD_TORN = "load_torn"
    CLOSE_PREPARED = "close_prepared"
    CLOSE_SETTLED = "close_settled"
    CLOSE_VOIDED = "close_voided"
    CLOSE_TORN = "close_torn"
    PIN_TRIED = "pin_tried"
    CARD_BLOCKED = "card_blocked"
    CARD_BEGUN = "card_begun"
    CARD_ISSUED = "card_issued"
    CARD_REKEYED = "card_rekeyed"
    CARD_ERASED = "card_erased"
    SALE_REFUSED = "sale_refused"
    CASH_SALE = "cash_sale"
    DRAWER_OPENED = "drawer_opened"
    RECEIPT_REPRINTED = "receipt_reprinted"
    PRICE_OVERRIDDEN = "price_overridden"
    LISTS_APPLIED = "lists_applied"
    CLOCK_CHANGED = "clock_changed"
    FAULT = "fault"
    CHECKPOINT = "checkpoint"
    EPOCH_ENDED = "epoch_ended"


class Operation(enum.StrEnum):
    """What a card step is for; the first word of its kinds."""

    SALE = "sale"
    REFUND = "refund"
    TOPUP = "topup"
    LOAD = "load"
    CLOSE = "close"


class Stage(enum.StrEnum):
    """How far a card step has come; the second word of its kinds."""

    PREPARED = "prepared"
    SETTLED = "settled"
    VOIDED = "voided"
    TORN = "torn"


_STAGES = {Kind(f"{operation}_{stage}"): (operation, stage) for operation in Operation for stage in Stage}


def stage_of(kind: Kind) -> tuple[Operation, Stage] | None:
    """Split the kind of a card step into operation and stage; None for every other kind."""
    return _STAGES.get(kind)


def kind_of(operation: Operation, stage: Stage) -> Kind:
    """The kind that names this stage of this operation."""
    return Kind(f"{operation}_{stage}")
