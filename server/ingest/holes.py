"""Entries that are missing for good: asked for twice, booked by two people from the cards' own chains, filled if found.

    asked --asked again--> offered --two people book it--> booked --the very entries are found--> filled
       \\---------------- the entries arrive after all ----------------------------------------------^

While a hole is booked the chain goes on behind it. What its card steps moved is posted provisionally, one posting for
each (card, counter); the posting of a found entry takes its provisional one back (SPEC, "Sync").
"""

from collections.abc import Sequence

from protocol.entries import Stage
from protocol.ids import CardKey, Seq
from protocol.instants import BusinessDay, UtcMs
from protocol.journal import Tip
from protocol.messages import BATCH_ENTRIES_MAX
from protocol.money import Cents
from protocol.purse import SeenStep, Technology
from protocol.signing import from_base64url
from protocol.sync_receiver import Branch, Link
from server.ingest.book import Book, CardStatus, CaseClass, ChainRow, HoleRow, HoleStatus, StepRow
from server.ingest.keeping import keep_entry
from server.ingest.steps import seen_at
from server.ledger.accounts import OPERATOR_LOSS, balanced, owner_of, purse, subsidy, suspense
from server.ledger.rules import ON_CARD

REQUESTS_UNTIL_OFFERED = 2
REQUESTS_APART_MS = 5_000
"""A batch in flight behind a gap is not a second answer to the request."""


def note_request(book: Book, chain: ChainRow, batch: Sequence[Link], now: UtcMs) -> None:
    """A batch stands behind a gap and the entries in between are asked for. The second time the hole is offered."""
    tip = chain.branches[0].tip
    first, last = Seq(tip.seq + 1), Seq(batch[0].seq - 1)
    if last < first:
        return
    hole = book.holes.get((chain.tno, first))
    if hole is None or hole.status is HoleStatus.FILLED:
        hole = book.holes[(chain.tno, first)] = HoleRow(chain.tno, first, last, b"")
    if not hole.hash or last <= hole.last:
        hole.last, hole.hash = last, from_base64url(batch[0].prev)
    if hole.asked and now - hole.asked_at < REQUESTS_APART_MS:
        return
    hole.asked, hole.asked_at = hole.asked + 1, now
    if hole.asked == REQUESTS_UNTIL_OFFERED:
        hole.status = HoleStatus.OFFERED
        text = f"entries {first} to {last} are missing; two people may book the hole"
        book.open_case(CaseClass.HOLE, None, (chain.tno, 0, first), Cents(0), text)


def close_offers(book: Book, chain: ChainRow, new: Sequence[Link]) -> None:
    """Entries that were asked for have arrived in the usual way, or with the further history that they belong to."""
    arrived = {(link.seq, link.hash) for link in new}
    for hole in book.holes_of(chain.tno, HoleStatus.ASKED, HoleStatus.OFFERED):
        if hole.first <= chain.branches[0].tip.seq or (hole.last, hole.hash) in arrived:
            hole.status = HoleStatus.FILLED


def book_hole(book: Book, hole: HoleRow, witnesses: Sequence[StepRow], day: BusinessDay) -> None:
    """Let the chain go on behind the hole, and post what the cards say was done in it. Two people decided."""
    chain = book.chains[hole.tno]
    assert hole.status is HoleStatus.OFFERED and chain.branches[0].tip.seq == hole.first - 1
    chain.branches[0] = Branch(0, Tip(hole.last, hole.hash))
    chain.each_signature = True
    hole.status = HoleStatus.BOOKED
    post_provisional(book, hole, witnesses, day)


def post_provisional(book: Book, hole: HoleRow, witnesses: Sequence[StepRow], day: BusinessDay) -> int:
    """Post each step of a booked hole that a later tap of its card shows; how many were new.

    A witness is a settled step whose card showed a mark of the hole at the counter it builds on; or the mark of an
    entry before the hole whose outcome must have been in it.
    """
    assert hole.status is HoleStatus.BOOKED
    count = 0
    for witness in witnesses:
        seen = seen_at(witness.last, witness.counter)
        if seen is not None and seen.tno == hole.tno and seen.seq <= hole.last:
            count += _post_one(book, hole, witness, seen, day)
    return count


def provisional_cause(card: CardKey, counter: int) -> str:
    """Under which cause the step of a card that reached this counter is posted while its entry is missing."""
    return f"hole:{owner_of(card)}@{counter}"


def fill_holes(book: Book, chain: ChainRow, batch: Sequence[Link], now: UtcMs) -> Seq | None:
    """Put found entries into booked holes, proven from the back by the hash that is demanded there.

    The answer is the entry to send next where a hole cannot be filled or judged without it; else None.
    """
    for hole in book.holes_of(chain.tno, HoleStatus.BOOKED):
        inside = [link for link in batch if hole.first <= link.seq <= hole.last]
        if not inside:
            continue
        if inside[-1].seq < hole.last:
            return _last_piece(hole, Seq(inside[-1].seq + 1))
        if inside[-1].hash != hole.hash:
            return None  # another history: a fork, judged as one
        rest = _fill(book, chain, hole, inside, now)
        if rest is not None:
            return rest
    return None


def _fill(book: Book, chain: ChainRow, hole: HoleRow, inside: Sequence[Link], now: UtcMs) -> Seq | None:
    first, demanded = inside[0].seq, from_base64url(inside[0].prev)
    if first > hole.first:
        hole.last, hole.hash = Seq(first - 1), demanded
    else:
        hole.status = HoleStatus.FILLED
        before = chain.start.hash if first == 1 else book.hashes_of(chain.tno).get((0, Seq(first - 1)))
        if before is not None and before != demanded:
            book.open_chain_fork(chain.tno, 0, Seq(first - 1))
    for link in inside:
        keep_entry(book, chain, chain.branches[0], link, now)
    return None if hole.status is HoleStatus.FILLED else _last_piece(hole, hole.first)


def _last_piece(hole: HoleRow, first: Seq) -> Seq:
    """Where to send from, `first` or later, so that one batch comes to the hole's end."""
    return max(first, Seq(hole.last - BATCH_ENTRIES_MAX + 1))


def _post_one(book: Book, hole: HoleRow, witness: StepRow, seen: SeenStep, day: BusinessDay) -> bool:
    card, counter = witness.card, witness.counter
    if not _is_missing(book, hole, witness, seen) or card not in book.cards or (card, counter) in book.provisional:
        return False
    cause = provisional_cause(card, counter)
    if cause in book.posted:
        return False  # another hole's step of this counter was booked, and found: this is a second use
    main_before, subsidy_before = _balances_before(book, witness, seen)
    main, granted = witness.body.main - main_before, witness.body.subsidy - subsidy_before
    if not main and not granted:
        return False
    to_main, to_subsidy = purse(card), subsidy(card)
    if book.cards[card].status is CardStatus.RELEASED:
        if main + granted >= 0:
            return False  # value on a card that nobody takes any more
        to_main = to_subsidy = OPERATOR_LOSS  # what it held was paid out
    aside = suspense(hole.tno, 0, seen.seq)
    book.provisional[(card, counter)] = cause
    book.post(cause, day, balanced((to_main, main), (to_subsidy, granted), (aside, -main - granted)))
    return True


def _is_missing(book: Book, hole: HoleRow, witness: StepRow, seen: SeenStep) -> bool:
    """Whether the step under a witness was made by an entry of the hole, or got its outcome there."""
    if witness.use not in ON_CARD:
        return False
    steps = book.steps_at(witness.card, witness.counter)
    same_mark = [step for step in steps if (step.id[0], step.id[2]) == (seen.tno, seen.seq)]
    if any(step.moved_purse for step in steps if step not in same_mark):
        return False  # the counter was used by another step: the proof lists a second use
    if not same_mark:
        return seen.seq >= hole.first
    return seen.seq < hole.first and all(step.stage is Stage.PREPARED and not step.resolved for step in same_mark)


def _balances_before(book: Book, witness: StepRow, seen: SeenStep) -> tuple[int, int]:
    """What the card held before the missing step: by its prepared entry, the step below, the other slot, or the log."""
    counter = witness.counter - 1
    for step in book.steps_at(witness.card, witness.counter):
        if (step.id[0], step.id[2]) == (seen.tno, seen.seq):
            return step.body.main, step.body.subsidy
    for step in book.steps_at(witness.card, counter):
        if step.moved_purse:
            return step.body.main_after, step.body.subsidy_after
    other = seen_at(witness.last, counter)
    if other is not None and witness.body.card.technology is Technology.CLASSIC:
        return other.main, other.subsidy
    return witness.body.main - seen.amount, witness.body.subsidy
