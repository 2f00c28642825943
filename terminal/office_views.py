"""What the card office shows: making a card or those of a list, changing keys, erasing."""

from typing import assert_never

from protocol.authorise import Refused
from protocol.money import Cents
from terminal import replace as office
from terminal.batch import Batch, Row
from terminal.erase import Asked, Erased, ErasePhase, NotErased
from terminal.erase import WaitingForCard as WaitingToErase
from terminal.rekey import KeysChanged, KeysUnchanged, RekeyPhase, WaitingForCard
from terminal.views import Choice, Tone, View, Words, class_text, refusal_texts


def office_view(phase: office.Phase, words: Words) -> View:
    """The card office at work."""
    order = phase.order
    card_class = class_text(order.card_class, words)
    line = words["line.issue"].format(card=order.card, generation=order.generation, card_class=card_class)
    cancel = (Choice.CANCEL,)
    match phase:
        case office.AwaitingBlank():
            return View("office", Tone.WAITING, words["title.office"], words["advice.office"], None, (line,), cancel)
        case office.Looking() | office.Beginning() | office.Personalising() | office.Issuing():
            return View("office_hold", Tone.HOLD, words["title.hold"], words["advice.hold"], None, (line,))
        case office.Failed(_, why):
            lines = (line, words[f"office.{why.code}"].format(detail=why.detail))
            title, advice = words["title.office_failed"], words["advice.office_failed"]
            return View("office_failed", Tone.REFUSED, title, advice, None, lines, cancel)
        case office.Issued():
            title, advice = words["title.office_done"], words["advice.office_done"]
            return View("office_done", Tone.APPROVED, title, advice, None, (line,), cancel)
        case _:
            assert_never(phase)


BEGUN_SHOWN_MAX = 5
"""So many half made cards are named; the others are counted."""


def batch_view(batch: Batch, words: Words) -> View:
    """A list at work: how far it is, what was made last, what the next blank becomes, and what must come back."""
    progress, cancel = batch.progress, (Choice.CANCEL,)
    begun = tuple(
        words["line.batch_begun"].format(card=card, uid=uid.upper()) for card, uid in progress.begun[:BEGUN_SHOWN_MAX]
    )
    lines = (
        words["line.batch"].format(made=progress.made, total=progress.total, begun=len(progress.begun)),
        *((words["line.batch_last"].format(row=_row_text(batch.last)),) if batch.last else ()),
        *((words["line.batch_next"].format(row=_row_text(progress.next)),) if progress.next else ()),
        *begun,
    )
    if batch.skipped is not None:
        why = words[f"office.{batch.skipped.code}"].format(detail=batch.skipped.detail)
        title, advice = words["title.batch_skipped"], words["advice.batch_skipped"]
        return View("batch_skipped", Tone.REFUSED, title, advice, None, (why, *lines), cancel)
    if progress.made == progress.total:
        title, advice = words["title.batch_done"], words["advice.batch_done"]
        return View("batch_done", Tone.APPROVED, title, advice, None, lines, cancel)
    if progress.next is None:
        title, advice = words["title.batch"], words["advice.batch_back"]
        return View("batch_back", Tone.WAITING, title, advice, None, lines, cancel)
    if batch.last is not None:
        title, advice = words["title.office_done"], words["advice.batch"]
        return View("batch_next", Tone.APPROVED, title, advice, None, lines, cancel)
    return View("batch", Tone.WAITING, words["title.batch"], words["advice.batch"], None, lines, cancel)


def _row_text(row: Row) -> str:
    return f"{row.order.card} {row.name}".rstrip()


def rekey_view(phase: RekeyPhase, words: Words) -> View:
    """The card office changing keys."""
    title, advice, cancel = words["title.rekey"], words["advice.rekey"], (Choice.CANCEL,)
    match phase:
        case WaitingForCard():
            return View("rekey", Tone.WAITING, title, advice, None, (), cancel)
        case KeysChanged(card, key_set):
            lines = (words["line.rekey"].format(card=card, key_set=key_set),)
            return View("rekey_done", Tone.APPROVED, words["title.rekey_done"], advice, None, lines, cancel)
        case KeysUnchanged(why):
            lines, advice = (words[f"office.{why.code}"].format(detail=why.detail),), words["advice.rekey_failed"]
            return View("rekey_failed", Tone.REFUSED, words["title.rekey_failed"], advice, None, lines, cancel)
        case _:
            assert_never(phase)


def erase_view(phase: ErasePhase, count: int, words: Words) -> View:
    """The card office making blanks of cards, and how many it has made."""
    so_far = (words["line.erased"].format(count=count),) if count else ()
    cancel = (Choice.CANCEL,)
    match phase:
        case WaitingToErase():
            return View("erase", Tone.WAITING, words["title.erase"], words["advice.rekey"], None, so_far, cancel)
        case Asked(read):
            who = read.identity
            figures = {"card": who.card, "generation": who.generation, "card_class": class_text(who.card_class, words)}
            lines, choices = (words["line.issue"].format(**figures),), (Choice.CONFIRM, Choice.CANCEL)
            title, advice = words["title.erase_asked"], words["advice.erase_asked"]
            return View("erase_asked", Tone.ASKING, title, advice, Cents(0), lines, choices)
        case Erased(card):
            lines = (words["line.close"].format(card=card), *so_far)
            title, advice = words["title.erase_done"], words["advice.rekey"]
            return View("erase_done", Tone.APPROVED, title, advice, None, lines, cancel)
        case NotErased(why):
            title, advice = words["title.erase_failed"], words["advice.erase_failed"]
            lines = (_why_text(why, words), *so_far)
            return View("erase_failed", Tone.REFUSED, title, advice, None, lines, cancel)
        case _:
            assert_never(phase)


def _why_text(why: office.WhyNot | Refused, words: Words) -> str:
    if isinstance(why, Refused):
        return refusal_texts(why, words)[0]
    return words[f"office.{why.code}"].format(detail=why.detail)
