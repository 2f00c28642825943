"""What must hold after every moment of a run, every night, and at its end."""

from collections import Counter
from typing import TYPE_CHECKING

from protocol.authorise import Refusal
from protocol.entries import CardStep, CashSale, Kind, PinTried, SaleStep
from protocol.ids import CardKey
from server.ingest.book import CardStatus, StepId, StepRow
from server.ingest.waiting import SECOND_COUNT, SECOND_OUTCOME, UNPROVEN
from server.ledger.accounts import Account, AccountKind, purse, subsidy, suspense
from server.ledger.rules import Resolution
from server.reconcile.facts import Difference, Finding
from tests.simulation.classes import Classes
from tests.simulation.oracle import SILENCE, Expected, Oracle, cents_of
from tests.simulation.planted import Broken, Planted
from tests.simulation.plastic import Plastic
from tests.simulation.till import Till
from tests.simulation.token_checks import TokenChecks
from tests.simulation.tokens import Token
from tests.simulation.truth import Goods
from tests.simulation.unproven import Unproven
from tests.simulation.wealth import due_to_merchants, left_open, wealth_of

_SECOND_USE = (Difference.FORK, Difference.FALLBACK)
_STAYS_PARKED = (SECOND_OUTCOME, SECOND_COUNT)
"""What a second history says of something that is known already."""

if TYPE_CHECKING:
    from tests.simulation.life import Life


class Checks:
    """The checkers of one run."""

    def __init__(self, life: "Life") -> None:
        self._life, self._campus = life, life.campus
        self.planted = Planted()
        self.found: Counter[str] = Counter()
        self._made: set[tuple[CardKey, int, int, int]] = set()
        """Every step that any plastic ever made: card, counter, mark."""
        self.tokens = TokenChecks(life)
        self._seen_goods = 0
        self._handed: set[tuple[int, int, int]] = set()

    # After every moment ------------------------------------------------------------------------------------------

    def goods(self, goods: Goods) -> None:
        """OK is only ever said for what is on disk, and once."""
        if not goods.was_durable:
            raise Broken(f"{goods.till} said OK for {goods.kind} before it was on disk", goods.card)

    def moment(self, till: Till) -> None:
        """A till has done something, perhaps with a card."""
        if till.touched is not None:
            self._look_at(till.touched, till)
        truth = self._campus.truth
        for goods in truth.goods[self._seen_goods :]:
            self._look_at_goods(goods)
        self._seen_goods = len(truth.goods)
        self.tokens.moment()

    def _look_at(self, card: Plastic, till: Till) -> None:
        if card.key not in self.planted.tampered and card.holding() is None:
            raise Broken(f"{till.name} left the card without a whole purse", card.key)
        if not card.reads_for_certain:
            self.planted.doubtful.add(card.key)
        if card.key not in self.planted.tampered and till.reason == Refusal.VALUE_NOT_COVERED:
            raise Broken(f"{till.name} says that nobody loaded what is on the card", card.key)
        truth, new = self._campus.truth, card.fresh
        for made in new:
            if not any(self._wrote(intent.sealed.entry.body, card, made.counter) for intent in truth.by_mark(made)):
                raise Broken(f"{till.name} wrote the card without an entry on disk: {made}", card.key)
            self._made.add((card.key, made.counter, made.tno, made.seq))
        if new:
            card.fresh = []
            self._charged_once(card)

    @staticmethod
    def _wrote(body: object, card: Plastic, counter: int) -> bool:
        return isinstance(body, CardStep) and (body.card.key, body.counter_after) == (card.key, counter)

    def _charged_once(self, card: Plastic) -> None:
        truth, charged = self._campus.truth, Counter[int]()
        for made in card.path:
            intent = truth.intent_of(made, card.key)
            if intent is not None and (intent.sealed.entry.tno, intent.sealed.seq) not in truth.torn:
                charged[intent.wish] += max(0, -made.cents)
        for number, cents in charged.items():
            wish = truth.wishes.get(number)
            if wish is None:
                continue
            if cents > 0 and wish.card != card.key:
                raise Broken(f"charged {cents} for somebody else's wish {number}", card.key)
            if cents > wish.cents:
                raise Broken(f"charged {cents} for wish {number}, which costs {wish.cents}", card.key)

    def _look_at_goods(self, goods: Goods) -> None:
        handed = (goods.tno, goods.prepared, goods.wish)
        if handed in self._handed:
            raise Broken(f"{goods.till} handed over entry {goods.prepared} twice", goods.card)
        self._handed.add(handed)
        if goods.kind != Kind.SALE_SETTLED or goods.card is None:
            return
        if (goods.tno, goods.prepared) in self._campus.truth.outcomes and self._is_token(goods.card):
            return  # whether it was approved, `TokenChecks` looks at
        if not any(key == goods.card and (tno, seq) == (goods.tno, goods.prepared) for key, _, tno, seq in self._made):
            raise Broken(f"{goods.till} handed goods over for a card that never paid", goods.card)

    def _is_token(self, key: CardKey) -> bool:
        return any(card.key == key and isinstance(card, Token) for card in self._campus.cards)

    def histories(self) -> Counter[int]:
        """By chain, how many histories it has beyond the first."""
        return Oracle(self._campus).second_histories()

    # At night ----------------------------------------------------------------------------------------------------

    def night(self) -> None:
        """The books balance and the proof leaves no cent over."""
        self._books_balance()
        self._proof_is_complete()
        self.tokens.night()

    def _books_balance(self) -> None:
        sums = self.sums()
        if sum(sums.values()):
            raise Broken(f"the ledger is off by {sum(sums.values())}")
        for key, row in self._campus.server.book.cards.items():
            if (sums[purse(key)], sums[subsidy(key)]) != (row.main_cents, row.subsidy_cents):
                raise Broken("the cached balance is not the sum of the postings", key)

    def _proof_is_complete(self) -> None:
        proofs, findings = self._campus.prove()
        for proof in proofs:
            if proof.unexplained_cents:
                raise Broken(f"{proof.unexplained_cents} in no class: {proof.findings}", proof.key)
        every = [*findings, *(finding for proof in proofs for finding in proof.findings)]
        self._compare_with_truth(every)

    def _compare_with_truth(self, findings: list[Finding]) -> None:
        """Every planted difference in its class, to the cent, and nothing else."""
        oracle = Oracle(self._campus)
        known = self._campus.server.book.cards  # of a card that a restored server has forgotten it can say nothing
        for card in self._campus.purses:
            if card.key in known and card.key not in self.planted.tampered | self.planted.replaced:
                self._compare_card(oracle.expected_of(card), card, findings)
        second, found = oracle.second_uses(), {finding.card for finding in findings if finding.cls in _SECOND_USE}
        found |= second & {finding.card for finding in findings if finding.cls is Difference.CHAIN_BREAK}
        self.count("second use of a counter", len(second), len(found))
        if second != found:
            raise Broken(f"used a counter twice: {sorted(second)}, found: {found}", next(iter(second ^ found), None))

    def _compare_card(self, expected: Expected, card: Plastic, findings: list[Finding]) -> None:
        silence = SILENCE | {Difference.CHAIN_BREAK} if self._campus.old_media else SILENCE
        if self._life.restored and not self._life.mended:
            silence |= {Difference.GAP, Difference.CARD_ABOVE_LEDGER}
        pairs: tuple[tuple[str, int, tuple[Difference, ...]], ...] = (
            ("open", expected.open_cents, (Difference.OPEN,)),
            ("torn", expected.torn_cents, (Difference.TORN,)),
            ("silent", expected.silent_cents, tuple(silence)),
            ("set aside", expected.aside_cents, (Difference.HOLE,)),
        )
        if expected.is_ambiguous:
            every = tuple({cls for _, _, classes in pairs for cls in classes})
            pairs = (("open, torn or silent", sum(cents for _, cents, _ in pairs), every),)
        for name, cents, classes in pairs:
            found = cents_of(findings, card.key, *classes)
            self.count(name, int(cents != 0), int(found != 0))
            if cents != found:
                raise Broken(f"{name}: {cents} cents are planted, {found} are found", card.key)
        delivered = {
            (finding.steps[0][0], finding.steps[0][2])
            for finding in findings
            if finding.card == card.key and finding.cls is Difference.DEBITED_NOT_DELIVERED
        }
        self.count("debited, not delivered", len(expected.undelivered), len(expected.undelivered & delivered))
        if not expected.undelivered <= delivered <= expected.credited:
            raise Broken(f"debited and not delivered: {expected.undelivered}, found: {delivered}", card.key)

    def count(self, what: str, planted: int, found: int) -> None:
        """So many differences of a class are there, and so many were found."""
        self.planted.counts[what] += planted
        self.found[what] += found

    def sums(self) -> Counter[Account]:
        """The balance of every account, from the postings."""
        sums: Counter[Account] = Counter()
        for posted in self._campus.server.book.posted.values():
            for posting in posted.postings:
                sums[posting.account] += posting.cents
        return sums

    # What waits for two people -----------------------------------------------------------------------------------

    def second_histories(self) -> None:
        """Just what no card speaks for waits, its money aside; two people let it through and none of it stays there."""
        unproven, book, sums = Unproven(self._campus), self._campus.server.book, self.sums()
        silent = {key for key, row in book.cards.items() if row.status is CardStatus.RELEASED} | self.planted.tampered
        cash: list[StepId] = []  # a card whose rest was paid out speaks for nothing any more: people look at it
        for place, entry in unproven.told:
            is_silent = isinstance(entry.body, CardStep) and entry.body.card.key in silent
            waits, is_held = unproven.waits(place, entry), book.entries[place].parked == UNPROVEN
            if is_silent or waits is None or place in self._campus.server.kept.released:
                continue
            self.count("waits for two people", int(waits), int(is_held))
            if waits != is_held:
                where = f"{place} {entry.kind}: {book.entries[place].parked}"
                raise Broken(f"waits for two people: {is_held}, should: {waits}: {where}")
            cents = unproven.cents_aside(entry) if is_held else None
            if cents is not None and sums[suspense(*place)] != cents:
                raise Broken(f"{sums[suspense(*place)]} is set aside for {place} {entry.kind}, {cents} should be")
            cash += [place] if isinstance(entry.body, CashSale) else []
        self._campus.server.let_through()
        sums = self.sums()
        stays = [place for place in cash if sums[suspense(*place)] or book.entries[place].parked]
        if stays:
            raise Broken(f"two people let it through, and it still waits: {stays}")

    # At the end --------------------------------------------------------------------------------------------------

    def end(self) -> None:
        """Everything is in: nothing lost, nothing doubled, every cent where it belongs."""
        self.night()
        self._entries_are_complete()
        sums = self.sums()
        self._merchants_are_paid(sums)
        self._wealth_is_right(sums)
        self.tokens.end(sums)
        for card in self._campus.purses:
            self._purse_is_right(card, sums)
        Classes(self._campus, self.planted, self.count).are_right()

    def _entries_are_complete(self) -> None:
        held = Counter((row.tno, row.hash) for row in self._campus.server.book.entries.values())
        written = Counter((row.entry.tno, row.hash) for row in self._campus.truth.rows)
        lost = [row for row in self._campus.truth.rows if not held[row.entry.tno, row.hash]]
        if lost:
            raise Broken(
                f"{len(lost)} entries lost, the first is {lost[0].entry.tid} {lost[0].entry.kind} {lost[0].seq}"
            )
        doubled = [key for key, count in held.items() if count != 1 or written[key] != 1]
        if doubled:
            raise Broken(f"{len(doubled)} entries are held twice or were never written")
        for row in self._campus.server.book.entries.values():
            if row.parked and row.parked not in _STAYS_PARKED:
                raise Broken(f"entry {row.tno}.{row.branch}.{row.seq} {row.kind} stays parked: {row.parked}")

    def _merchants_are_paid(self, sums: Counter[Account]) -> None:
        due = due_to_merchants(self._campus, sums)
        booked = Counter({str(a.owner): cents for a, cents in sums.items() if a.kind is AccountKind.MERCHANT})
        if {name: cents for name, cents in due.items() if cents} != {n: c for n, c in booked.items() if c}:
            raise Broken(f"merchants should have {dict(due)}, the books say {dict(booked)}")

    def _wealth_is_right(self, sums: Counter[Account]) -> None:
        """What a holder paid in, less what was bought, plus what was given back, is on cards, owed or in question."""
        apart = {key[0]: key for key in self.planted.tampered | self.planted.replaced}
        for number in sorted({card.key[0] for card in self._campus.purses} - set(apart)):
            expected, have, owed = wealth_of(self._campus, number, sums)
            if have + owed != expected:
                card = next(card.key for card in self._campus.cards if card.key[0] == number)
                raise Broken(f"{expected} should be there, {have} is on the card and {owed} is owed", card)

    def _purse_is_right(self, card: Plastic, sums: Counter[Account]) -> None:
        """Ledger and card agree, but for steps that nobody can decide yet."""
        row, held = self._campus.server.book.cards[card.key], card.holding()
        if card.key in self.planted.tampered or row.status is CardStatus.RELEASED:
            return
        if held is None:
            raise Broken("no purse on the card is whole", card.key)
        marks = {(made.counter, made.tno, made.seq) for made in card.path}
        expected, forgotten = held.cents, left_open(self._campus)
        for step in self._campus.server.book.steps.values():
            if step.card != card.key or not step.body.touches_card or isinstance(step.body, PinTried):
                continue
            on_card = (step.counter_after, step.id[0], step.id[2]) in marks
            moved = step.body.main_after - step.body.main + step.body.subsidy_after - step.body.subsidy
            if on_card and not _is_booked(step):
                expected -= moved
            elif not on_card and _is_booked(step):
                expected += moved
            if on_card is not _is_booked(step) and not (self._may_differ(step) or step.id in forgotten):
                where = "on the card" if on_card else "not on the card"
                raise Broken(f"step {step.id} {step.operation} {step.stage} {step.use} is {where}", card.key)
        ledger = sums[purse(card.key)] + sums[subsidy(card.key)]
        if ledger != expected:
            raise Broken(f"the card holds {held.cents}, the ledger should show {expected} and shows {ledger}", card.key)

    @staticmethod
    def _may_differ(step: StepRow) -> bool:
        """Only what is torn and not proven may be on one side only."""
        return step.undecided or step.resolved is Resolution.STUDENT


def _is_booked(step: StepRow) -> bool:
    """Whether the ledger's purse shows the step."""
    if step.body.touches_card and step.resolved is Resolution.STUDENT and isinstance(step.body, SaleStep):
        return True
    return step.moved_purse
