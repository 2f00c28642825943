"""Collect what the server decided to put on a card: the difference between two totals, so that it never comes twice."""

from dataclasses import dataclass

from protocol.authorise import Refused, card_refusal
from protocol.entries import LoadStep, Operation
from protocol.load_record import encode_load
from protocol.money import PURSE_CENTS_MAX, SALE_CENTS_MAX, Cents
from protocol.policy import load_text
from protocol.purse import CardRead, LoadRecord, Right, SignedLoad
from terminal.purchase import Facts
from terminal.step_draft import StepDraft, figures_of


@dataclass(frozen=True, slots=True)
class Load:
    """Collect a load; the record is the newest one of the card that is tapped."""

    record: SignedLoad | None


@dataclass(frozen=True, slots=True)
class NothingToLoad:
    """The card already has everything the list knows of."""


def decide_load(order: Load, read: CardRead | None, facts: Facts) -> StepDraft | Refused | NothingToLoad | LoadStep:
    """Draft the credit of what is missing on the card (SPEC, "Loads").

    Where card and list contradict each other, the entry that tells the server so: nothing is written.
    """
    refused = card_refusal(read, facts.standing)
    if refused is not None:
        return refused
    assert read is not None and read.purse is not None
    if order.record is None or (order.record.record.card, order.record.record.generation) != read.identity.key:
        return NothingToLoad()
    record = order.record.record
    on_card = read.loaded or LoadRecord(*read.identity.key, read.purse.load_seq, Cents(0), period=read.purse.period)
    if _said(on_card) == _said(record):
        return NothingToLoad()
    if on_card.load_seq >= record.load_seq or _has_more(on_card, record):
        return _contradiction(read, on_card, order.record)
    return _draft(read, on_card, order.record)


def _said(record: LoadRecord) -> tuple[int, int, int, int]:
    return record.load_seq, record.loaded_total_cents, record.period, record.subsidy_total_cents


def _has_more(on_card: LoadRecord, listed: LoadRecord) -> bool:
    """No total ever falls, that of a subsidy within its period."""
    same_period = on_card.period == listed.period
    return on_card.loaded_total_cents > listed.loaded_total_cents or (
        same_period and on_card.subsidy_total_cents > listed.subsidy_total_cents
    )


def _draft(read: CardRead, on_card: LoadRecord, signed: SignedLoad) -> StepDraft | NothingToLoad:
    purse, record = read.purse, signed.record
    assert purse is not None
    main = record.loaded_total_cents - on_card.loaded_total_cents
    same_period = record.period == on_card.period
    granted = record.subsidy_total_cents - (on_card.subsidy_total_cents if same_period else 0)
    expired = 0 if record.period == purse.period else purse.subsidy_cents
    subsidy_after = purse.subsidy_cents + granted - expired
    fits = (
        max(purse.main_cents + main, subsidy_after) <= PURSE_CENTS_MAX
        and max(main + granted, expired) <= SALE_CENTS_MAX
    )
    assert main >= 0 and granted >= 0
    if main + granted == 0 or not fits:
        return NothingToLoad()
    body = LoadStep(
        **figures_of(read, main_cents=main, subsidy_cents=granted - expired),
        amount=Cents(main + granted),
        load_seq=record.load_seq,
        loaded=on_card.loaded_total_cents,
        loaded_after=record.loaded_total_cents,
        expired=Cents(expired),
        record=load_text(encode_load(signed)),
    )
    return StepDraft(Operation.LOAD, body, read, Right.CREDIT, purse.spent, purse.pin_tries, signed)


def _contradiction(read: CardRead, on_card: LoadRecord, listed: SignedLoad) -> LoadStep:
    shown = read.load or listed
    return LoadStep(
        read.id,
        Cents(0),
        load_seq=on_card.load_seq,
        loaded=on_card.loaded_total_cents,
        loaded_after=listed.record.loaded_total_cents,
        record=load_text(encode_load(shown)),
        card_last=read.last,
    )
