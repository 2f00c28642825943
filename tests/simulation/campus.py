"""A whole campus in virtual time on the shipping code: tills, cards, a server, a network, and the truth about them.

    campus = Campus(seed=7)
    card = campus.card(Technology.CLASSIC, 5000)
    till = campus.tills[0]
    till.ring(1200); till.pay(); till.tap(card); till.lift()
    campus.sync()
    assert card.holding().cents == 3800

Everything that is not decided by the caller is drawn from one seeded source, so the same calls always give the same
history (`history_hash`).
"""

import random
from collections import Counter
from hashlib import sha256

from protocol.ids import CardKey, MerchantId, Tno
from protocol.journal import Tip
from protocol.messages import Answer, Grant
from protocol.purse import Technology
from server.ingest.book import ChainRow
from server.reconcile.facts import CardProof, Finding, Terms
from server.reconcile.rules import prove_campus, prove_cards
from tests.simulation import plastic
from tests.simulation.disk import Disk
from tests.simulation.network import FAIR
from tests.simulation.plastic import Plastic
from tests.simulation.server import MERCHANTS, Server
from tests.simulation.story import Story
from tests.simulation.till import Till
from tests.simulation.timeline import Timeline
from tests.simulation.tokens import Phone, Token
from tests.simulation.truth import Goods, Truth

SYNC_ROUNDS_MAX = 200


class Campus:
    """The world. `tills` sell, `stations` load; cards are made by `card`."""

    def __init__(self, seed: int = 0, *, tills: int = 2, stations: int = 1) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.timeline, self.story, self.truth = Timeline(), Story(), Truth()
        self.counts: Counter[str] = Counter()
        """What was injected, by kind of fault, and taps."""
        self.grants: dict[Tno, tuple[Grant, bytes]] = {}
        self.cards: list[Plastic] = []
        """Every card the office issued; clones are not among them."""
        self.old_media: list[tuple[Till, Disk]] = []
        """What tills had in them before they were re-imaged."""
        self.loaders: set[str] = set()
        """What the register says: the terminals that may put value onto cards."""
        self._wishes = 0
        self.server = Server(self)
        self.tills: list[Till] = []
        self.stations: list[Till] = []
        for number in range(tills):
            self.add_till(f"till-{number + 1}", MERCHANTS[number % len(MERCHANTS)])
        for number in range(stations):
            self.add_till(f"station-{number + 1}", MerchantId("office"), can_load=True)

    @property
    def purses(self) -> list[Plastic]:
        """The cards that hold their money themselves."""
        return [card for card in self.cards if not isinstance(card, Token)]

    # Making things -----------------------------------------------------------------------------------------------

    @property
    def all_tills(self) -> list[Till]:
        """Tills and stations."""
        return [*self.tills, *self.stations]

    def add_till(self, name: str, merchant: MerchantId, *, can_load: bool = False) -> Till:
        """Enrol and start one more terminal; it is online."""
        if can_load:
            self.loaders.add(name)
        till = Till(self, name, merchant, can_load=can_load)
        (self.stations if can_load else self.tills).append(till)
        till.online()
        self.pass_time(0)
        return till

    def chain_of(self, grant: Grant, jws: bytes) -> ChainRow:
        """A granted epoch as the server's register has it."""
        begin = (grant.tno, grant.site, grant.tid, grant.epoch, grant.verify_key, grant.start(jws))
        return ChainRow(*begin, can_load=grant.tid in self.loaders, can_issue=grant.tid in self.loaders)

    def card(
        self,
        technology: Technology,
        cents: int = 0,
        *,
        card_class: int = 1,
        pin: str = "",
        station: Till | None = None,
        proven: bool = False,
        phone: bool = False,
    ) -> Plastic:
        """Issue a card and let its holder load it: cash at the desk, collected at a station (or the first one)."""
        no = len({known.key[0] for known in self.cards}) + 1
        if technology is Technology.TOKEN:
            token = Phone(no, 1, card_class) if phone else Token(no, 1, card_class, proven=proven)
            self.cards.append(token)
            self.server.issue(token)
            self.server.load(token, cents)
            return token
        made = self.new_plastic(technology, no, card_class=card_class, pin=pin)
        self.server.issue(made)
        if cents:
            self.server.load(made, cents)
            self.pass_time(0)
            (station or self.stations[0]).collect(made)
            assert (held := made.holding()) is not None and held.cents == cents, "the first load went wrong"
        return made

    def new_plastic(
        self, technology: Technology, no: int, generation: int = 1, *, card_class: int = 1, pin: str = ""
    ) -> Plastic:
        """A personalised card that nobody has registered yet."""
        source = random.Random(f"card {self.seed} {no} {generation}")
        made = plastic.issue(technology, no, source, generation=generation, card_class=card_class, pin=pin)
        self.cards.append(made)
        return made

    def next_wish(self) -> int:
        """A customer wants something new."""
        self._wishes += 1
        return self._wishes

    # Time and network --------------------------------------------------------------------------------------------

    def pass_time(self, ms: int) -> None:
        """Let time pass; messages arrive, deadlines come."""
        self.timeline.run(ms)

    def sync(self, *tills: Till) -> None:
        """Connect these tills (or all) in fair weather until the server has everything they hold."""
        chosen = tills or tuple(self.all_tills)
        for till in chosen:
            till.line.weather = FAIR
            if not till.is_on:
                till.boot()
            till.offline()
            till.online()
        for _ in range(SYNC_ROUNDS_MAX):
            self.pass_time(0)
            if all(till.link.is_done for till in chosen):
                break
            self.pass_time(5_000)
        assert all(till.link.is_done for till in chosen), "a till cannot bring its entries to the server"
        self.server.release_rests()
        self.pass_time(0)

    def rescue(self, till: Till, medium: Disk) -> None:
        """Bring an old disk's entries to the server as a file, from the first to the last."""
        self.tell("technician", f"brings an old disk of {till.name} with {len(medium.rows)} entries")
        self.server.import_lines(medium.grant.tno, [sealed.jws for sealed in medium.rows])

    def is_at_rest(self, card: Plastic) -> bool:
        """Whether it lies on no reader."""
        return all(till.card is not card for till in self.all_tills)

    # Proof -------------------------------------------------------------------------------------------------------

    def reconcile(self) -> list[Finding]:
        """What the nightly proof finds now."""
        proofs, findings = self.prove()
        return [finding for proof in proofs for finding in proof.findings] + findings

    def prove(self) -> tuple[list[CardProof], list[Finding]]:
        """The proof of each card, and what is no card's."""
        from server.reconcile.rows import rows_of

        cards, campus = rows_of(self.server.book, [station.name for station in self.stations])  # type: ignore[misc]
        return list(prove_cards(cards, campus, Terms(self.server.now))), list(prove_campus(campus))

    def check_ack(self, tno: Tno, tip: Tip) -> None:
        """An ack is only ever for a committed row."""
        rows, branches = self.server.book.entries, self.server.book.chains[tno].branches
        found = (rows.get((tno, branch, int(tip.seq))) for branch in branches)
        held = any(row is not None and row.hash == tip.hash for row in found)
        assert held or tip.seq == 0, f"an ack for entry {tip.seq} of tno {tno}, which is not committed"

    def check_goods(self, goods: Goods) -> None:
        """OK is only ever said for what is on disk."""
        assert goods.was_durable, f"{goods.till} said OK for {goods.kind} before it was on disk"

    def check_answer(self, told: Answer, jws: bytes) -> None:
        """Called for every answer about a token's sale; checkers hang in here."""

    def moment_passed(self, till: Till) -> None:
        """Called after everything a till does; checkers hang in here."""

    def tell(self, who: str, what: str, card: CardKey | None = None) -> None:
        """Add a line to the story."""
        self.story.tell(self.timeline.since_start_ms, who, what, card)

    @property
    def history_hash(self) -> str:
        """A hash over everything: entries in the order they became durable, postings, and the bytes of every card."""
        everything = sha256()
        for row in self.truth.rows:
            everything.update(row.hash)
        for cause, posted in self.server.book.posted.items():
            everything.update(
                f"{cause} {posted.day} {[(str(leg.account), leg.cents) for leg in posted.postings]}".encode()
            )
        for card in self.cards:
            everything.update(card.digest())
        everything.update(str(self.story).encode())
        return everything.hexdigest()
