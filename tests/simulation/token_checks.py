"""What must hold of tokens: nothing held back that is not there or too long, charged once, and a bound on stand-ins."""

from collections import Counter
from typing import TYPE_CHECKING

from msgspec import structs

from protocol.entries import Kind, SaleStep, Stage
from protocol.ids import CardKey
from protocol.instants import MINUTE_MS, SECOND_MS, ClockSource
from protocol.journal import Sealed
from protocol.messages import Answer
from protocol.money import Cents
from protocol.pay_codes import is_our_code
from protocol.policy import encode_file
from protocol.proofs import Proof, ProofKind
from protocol.purse import CardId
from protocol.signing import sha256_of, to_base64url
from server.cards.rules import Report, stand_ins
from server.ledger.accounts import Account, owner_of, pending, purse
from tests.simulation.faults import Fault
from tests.simulation.office import CAMPUS_TIME, SERVER_KEY
from tests.simulation.planted import Broken
from tests.simulation.token_people import STAND_IN_CENTS
from tests.simulation.tokens import Phone, Token

if TYPE_CHECKING:
    from tests.simulation.life import Life

HELD_MS = 10 * MINUTE_MS
"""What the specification says (SPEC, "Tokens", 4), not what the code says."""
CODE_VALID_MS, CODE_AHEAD_MS = 60 * SECOND_MS, 30 * SECOND_MS
"""The same of pay codes."""


class TokenChecks:
    """Looks at what the server answers and holds back, and at what tills write of tokens."""

    def __init__(self, life: "Life") -> None:
        self._life, self._campus = life, life.campus
        self._jumps = bool(life.faults & {Fault.CLOCK_JUMP, Fault.CLOCK_LOST})
        self._said: dict[str, Answer] = {}
        """Every approval by its hash."""
        self._held_since: dict[tuple[int, int], int] = {}
        self._looked = 0
        self._stand_in_cents = STAND_IN_CENTS
        """The most that any limits have allowed: a sequence may have had its own."""

    @property
    def _tokens(self) -> dict[CardKey, Token]:
        return {card.key: card for card in self._campus.cards if isinstance(card, Token)}

    # After every moment ------------------------------------------------------------------------------------------

    def answered(self, told: Answer, jws: bytes) -> None:
        """The server has answered: what it approves is there and held back, beside all that it holds back already."""
        if told.refused is not None:
            return
        kept, place = self._campus.server.kept, self._place(told)
        self._said[to_base64url(sha256_of(jws))] = told
        if place in self._held_since:
            return
        now, row = self._campus.server.now, kept.book.cards[told.card.key]
        self._held_since[place] = now
        living = [one.held.cents for one in kept.holds.values() if one.ask.card == told.card and one.ends_at > now]
        if kept.holds[place].ends_at != now + HELD_MS:
            raise Broken(f"approved for {place}, and held back for {kept.holds[place].ends_at - now} ms", row.key)
        if sum(living) > row.main_cents + row.subsidy_cents:
            raise Broken(f"holds back {living} of {row.main_cents + row.subsidy_cents}", row.key)

    def moment(self) -> None:
        """Nothing is held back too long; a sale that tills wrote as paid was approved, or may stand in."""
        now = self._campus.server.now
        for place, kept in self._campus.server.kept.holds.items():
            if kept.ends_at > now and now - self._held_since.get(place, now) > HELD_MS:
                raise Broken(
                    f"money is held back for {place} since {now - self._held_since[place]} ms", kept.ask.card.key
                )
        self._stand_in_cents = max(self._stand_in_cents, self._campus.server.rules.stand_in)
        rows = self._campus.truth.rows
        for row in rows[self._looked :]:
            self._look_at(row)
        self._looked = len(rows)

    def _look_at(self, row: Sealed) -> None:
        body = row.entry.body
        if row.entry.kind is Kind.SALE_PREPARED and isinstance(body, SaleStep) and body.proof is not None:
            self._look_at_code(row, body.card, body.proof)
        if not isinstance(body, SaleStep) or row.entry.kind is not Kind.SALE_SETTLED or not body.card.is_token:
            return
        token = self._tokens[body.card.key]
        if not body.approval:
            self._campus.counts["token stand-in"] += 1
            if not (token.proven or isinstance(token, Phone)):
                raise Broken("a stand-in for a token that has proven nothing", token.key)
            return
        said = self._said.get(body.approval)
        asked = (row.entry.tno, body.prepared, body.card, body.amount)
        if said is None or (*self._place(said), said.card, said.amount) != asked:
            raise Broken(f"sale {row.entry.tno}.{body.prepared} rests on an approval of something else", token.key)

    def _look_at_code(self, row: Sealed, card: CardId, proof: Proof) -> None:
        """A sale was begun for a pay code: it was signed, young by the till's own clock, and new to its journal."""
        if proof.kind is not ProofKind.CODE:
            return
        self._campus.counts["pay code taken"] += 1
        if not is_our_code(card, proof, SERVER_KEY.public):
            raise Broken("a sale for a code that nobody has signed", card.key)
        age_ms, clock = row.entry.at - proof.counter * SECOND_MS, row.entry.clock
        if clock is ClockSource.NONE or not -CODE_AHEAD_MS <= age_ms <= CODE_VALID_MS:
            raise Broken(f"a sale for a code of {age_ms} ms by a clock that is {clock}", card.key)
        till = next(till for till in self._campus.all_tills if till.disk.grant.tno == row.entry.tno)
        for before in till.disk.rows[: row.seq - 1]:
            body = before.entry.body
            if isinstance(body, SaleStep) and (body.card.key, body.proof) == (card.key, proof):
                raise Broken(f"{till.name} takes a code again that it took for {before.seq}", card.key)

    def _place(self, told: Answer) -> tuple[int, int]:
        """Which sale an answer is about."""
        chains = self._campus.grants.items()
        tno = next(tno for tno, (grant, _) in chains if (grant.tid, grant.epoch) == (told.tid, told.epoch))
        return tno, told.seq

    # At night ----------------------------------------------------------------------------------------------------

    def night(self) -> None:
        """What nobody has told yet is within what the server says silent terminals may have sold."""
        kept = self._campus.server.kept
        for place, hold in kept.holds.items():
            step = kept.book.steps.get((hold.ask.tno, 0, place[1]))
            if hold.ends_at > self._campus.server.now and step is not None and step.stage is not Stage.PREPARED:
                raise Broken(f"the outcome of {place} is posted, and its money is still held back", hold.ask.card.key)
        self._stand_ins_are_bounded()
        if not self._jumps and not self._life.restored:
            self._worst_case_holds()

    def _stood_in(self) -> list[Sealed]:
        return [
            row
            for row in self._campus.truth.rows
            if isinstance(row.entry.body, SaleStep)
            and row.entry.kind is Kind.SALE_SETTLED
            and row.entry.body.card.is_token
            and not row.entry.body.approval
        ]

    def _stand_ins_are_bounded(self) -> None:
        """So much to a token in a business day by one chain's own clock; a chain that goes on twice has forgotten."""
        twice = {tno for tno, count in self._life.checks.histories().items() if count}
        sums: Counter[tuple[int, CardKey, int]] = Counter()
        for row in self._stood_in():
            assert isinstance(row.entry.body, SaleStep)
            sums[row.entry.tno, row.entry.body.card.key, CAMPUS_TIME.business_day(row.entry.at)] += (
                row.entry.body.amount
            )
        for (tno, card, _), cents in sums.items():
            if cents > self._stand_in_cents and tno not in twice:
                raise Broken(f"{cents} of stand-ins in a day at tno {tno}, {self._stand_in_cents} may be", card)

    def _worst_case_holds(self) -> None:
        """By the shipping rule, for each chain that has not reported: what it hides of one token."""
        server = self._campus.server
        held = {(row.tno, row.hash) for row in server.book.entries.values()}
        rules = structs.replace(self._life.limits, stand_in=Cents(self._stand_in_cents))
        limits = {site: {1: encode_file(rules)} for site in {chain.site for chain in server.book.chains.values()}}
        for tno, chain in server.book.chains.items():
            hidden: Counter[CardKey] = Counter()
            for row in self._stood_in():
                assert isinstance(row.entry.body, SaleStep)
                if row.entry.tno == tno and (tno, row.hash) not in held:
                    hidden[row.entry.body.card.key] += row.entry.body.amount
            reported = chain.reported_at or self._campus.grants[tno][0].at
            report = Report(chain.tid, chain.status, reported, chain.cards_version, chain.can_load, chain.site, 1)
            most = sum(silent.cents for silent in stand_ins([report], limits, server.now, CAMPUS_TIME))
            for card, cents in hidden.items():
                if cents > most:
                    raise Broken(f"{chain.tid} hides {cents} of stand-ins, the worst case says {most}", card)

    # At the end --------------------------------------------------------------------------------------------------

    def end(self, sums: Counter[Account]) -> None:
        """Charged once for each wish, and every cent brought is on the token, spent, or booked as our loss."""
        settled = [row for row in self._campus.truth.rows if row.entry.kind is Kind.SALE_SETTLED]
        for token in self._life.token_people.tokens:
            own = {(row.entry.tno, row.hash): row for row in settled if self._is_of(row, token)}
            charged: Counter[int] = Counter()
            for row in own.values():
                assert isinstance(row.entry.body, SaleStep)
                charged[self._campus.truth.wish_of(row.entry.tno, row.entry.body.prepared, row.entry.body)] += 1
            if twice := [wish for wish, count in charged.items() if wish and count > 1]:
                raise Broken(f"charged more than once for wishes {twice}", token.key)
            spent = sum(row.entry.body.amount for row in own.values() if isinstance(row.entry.body, SaleStep))
            brought = sum(paper.cents for paper in self._campus.server.paper if paper.card == token.key)
            lost = self._written_off(token.key)
            have = sums[purse(token.key)] + sums[pending(token.key[0])]
            if brought - spent + lost != have:
                raise Broken(f"{brought} brought, {spent} spent, {lost} our loss: the books say {have}", token.key)

    @staticmethod
    def _is_of(row: Sealed, token: Token) -> bool:
        return isinstance(row.entry.body, SaleStep) and row.entry.body.card.key == token.key

    def _written_off(self, key: CardKey) -> int:
        causes = self._campus.server.book.posted.items()
        legs = [
            leg for cause, posted in causes if cause.startswith(f"missing:{owner_of(key)}@") for leg in posted.postings
        ]
        return sum(leg.cents for leg in legs if leg.account == purse(key))
