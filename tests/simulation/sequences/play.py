"""Play a money sequence on a campus, and check to the cent what it says must be so.

`plant` finds or enrols the tills, issues the cards, plays and checks. It leaves the campus as it was: everybody online
and welcome, clocks right, no limits of its own, no entry missing. `tests/simulation/stage.py` does the same in the
middle of a simulated day.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from functools import singledispatchmethod
from typing import Any, TypeVar

from hardware.cards.open_card import open_card
from hardware.simulated.classic_card import ClassicState, VirtualClassic
from hardware.simulated.desfire_card import VirtualDesfire
from hardware.simulated.reader import SimulatedReader
from hardware.simulated.tearing import Moment, Tear
from protocol.entries import Entry, Kind, Operation, SaleStep, Stage, Vend
from protocol.ids import U32_MAX, MerchantId
from protocol.instants import UtcMs
from protocol.limits import UNACKED_TOPUPS_CENTS, ClassLimits, LimitRules
from protocol.messages import encode_batch
from protocol.money import Cents
from protocol.purse import CardClass, CardRead, Mark, Technology
from protocol.purse_classic import SLOT_BLOCKS
from server.ingest.book import CardStatus, HoleStatus, Posted, TerminalStatus
from server.ingest.deciding import decide_by
from server.ingest.holes import book_hole
from server.ingest.steps import witnesses_of
from server.ledger.accounts import Account, AccountKind, owner_of
from server.reconcile.facts import Finding
from terminal.desk import Receipt
from terminal.load import Load
from terminal.purchase import Purchase
from terminal.refund import Refund
from terminal.topup import TopUp
from tests.simulation.campus import Campus
from tests.simulation.disk import Disk
from tests.simulation.network import FAIR, Weather
from tests.simulation.office import CAMPUS_TIME, SERVER_KEY, STRANGER_KEY, Kept
from tests.simulation.plastic import OFFICE_KEYS, Plastic
from tests.simulation.sequences import format as told
from tests.simulation.sequences.format import AMOUNTS, Card, Expect, Of, Step, Torn
from tests.simulation.server import MERCHANTS
from tests.simulation.till import Till
from tests.simulation.tokens import Phone, Token

RIGHT_PIN, WRONG_PIN = "2468", "1357"
_BEGINNINGS = frozenset(kind for kind in Kind if kind.endswith("_prepared") or kind is Kind.PIN_TRIED)
_ASKED_AGAIN_MS = 6_000
_DESFIRE_COMMIT: Mapping[type, int] = {Purchase: 4, Refund: 4, TopUp: 6, Load: 7}
"""Which exchange of a write is the commit; a PIN try moves no value and has one less."""
_LOAD_RECORD_EXCHANGES = 14
_Part = TypeVar("_Part", told.Till, Card)


@dataclass
class Cast:
    """Who plays, and what the amounts are."""

    tills: Mapping[str, Till]
    cards: dict[str, Plastic]
    amounts: Mapping[str, int] = field(default_factory=lambda: dict(AMOUNTS))


def plant(sequence: told.Sequence, campus: Campus, technology: Technology) -> None:
    """Play a sequence on fresh cards. Tills that the campus lacks are enrolled."""
    Play(sequence, campus, cast_for(sequence, campus, technology)).to_the_end()


def cast_for(
    sequence: told.Sequence,
    campus: Campus,
    technology: Technology,
    *,
    tills: Sequence[Till] = (),
    stations: Sequence[Till] = (),
    amounts: Mapping[str, int] = AMOUNTS,
) -> Cast:
    """Tills that are handed in, or of the campus, or newly enrolled; and cards that are issued for this."""
    assert technology in sequence.on
    names = sorted({till.name for till in parts_of(sequence, told.Till) if not till.loads})
    loaders = sorted({till.name for till in parts_of(sequence, told.Till) if till.loads})
    played = dict(zip(names, tills or campus.tills, strict=False))
    played |= dict(zip(loaders, stations or campus.stations, strict=False))
    for name in names:
        if name not in played:
            number = len(campus.tills) + 1
            played[name] = campus.add_till(f"till-{number}", MERCHANTS[number % len(MERCHANTS)])
    for name in loaders:
        if name not in played:
            played[name] = campus.add_till(f"station-{len(campus.stations) + 1}", MerchantId("office"), can_load=True)
    issued = {card.name for card in parts_of(sequence, Card)} - {told.CLONE.name, told.NEW.name}
    pin, station = RIGHT_PIN if sequence.pin else "", next(iter(stations), None)
    how = {"pin": pin, "station": station, "proven": sequence.proven, "phone": sequence.phone}
    cards = {name: campus.card(technology, amounts["balance"], **how) for name in sorted(issued)}  # type: ignore[arg-type]
    return Cast(played, cards, amounts)


class Play:
    """One sequence under way."""

    def __init__(self, sequence: told.Sequence, campus: Campus, cast: Cast) -> None:
        self.sequence, self.campus, self.cast = sequence, campus, cast
        self._offline: set[str] = set()
        self._backup: Kept | None = None
        self._images: dict[str, Disk] = {}
        self._kept: dict[str, Disk] = {}
        self._lost: dict[str, list[bytes]] = {}
        self._rules = campus.server.rules
        for till in cast.tills.values():
            till.clear()
        self._sync()
        self._day = CAMPUS_TIME.business_day(campus.server.now)
        self._rows, self._goods = len(campus.truth.rows), len(campus.truth.goods)
        self._first_seq = dict.fromkeys(self._our_tnos(), U32_MAX)  # nothing of an earlier epoch is of this sequence
        self._first_seq |= {till.disk.grant.tno: len(till.disk.rows) for till in cast.tills.values()}
        self._reads = {name: look_at(card) for name, card in cast.cards.items()}
        self._known = {finding.key for finding in campus.reconcile()}
        self._before = self._balances()

    def to_the_end(self) -> None:
        """Play every step and check the end."""
        for step in self.sequence.steps:
            self.do(step)
        self.check(self.sequence.end)
        self._leave_as_found()

    # What happens ------------------------------------------------------------------------------------------------

    @singledispatchmethod
    def do(self, step: Step) -> None:
        """Carry out one step."""
        raise NotImplementedError(step)

    @do.register
    def _(self, step: told.Ring) -> None:
        self._till(step.till).ring(self._cents(step.amount))

    @do.register
    def _(self, step: told.Pay) -> None:
        self._till(step.till).pay()

    @do.register
    def _(self, step: told.Tap) -> None:
        till, card = self._till(step.till), self._card(step.card)
        till.tap(card, write_tear=_tear_of(step.torn, till, card) if step.torn else None)
        if isinstance(card, Token):
            self.campus.pass_time(0)
        assert not step.torn or till.card is None, "the planned tear did not come to pass"

    @do.register
    def _(self, step: told.Scan) -> None:
        phone, at = self._card(step.card), UtcMs(self.campus.server.now - step.old_ms)
        assert isinstance(phone, Phone)
        text = phone.last if step.again else phone.code(at, STRANGER_KEY if step.forged else SERVER_KEY)
        self._till(step.till).scan(phone, text)
        self.campus.pass_time(0)

    @do.register
    def _(self, step: told.Lift) -> None:
        self._till(step.till).lift()
        self.campus.pass_time(step.away_ms)

    @do.register
    def _(self, step: told.Confirm) -> None:
        self._till(step.till).confirm()

    @do.register
    def _(self, step: told.Cancel) -> None:
        self._till(step.till).cancel()

    @do.register
    def _(self, step: told.EnterPin) -> None:
        till = self._till(step.till)
        card = till.card
        if step.torn is not None:
            assert card is not None
            till._write_tear = _tear_of(step.torn, till, card)
        till.pin(RIGHT_PIN if step.right else WRONG_PIN)
        if card is not None and not card.in_field:
            till.lift()
        assert not step.torn or till.card is None, "the planned tear did not come to pass"

    @do.register
    def _(self, step: told.GiveBack) -> None:
        till, entry = self._till(step.till), self._made(step.of)
        body = entry.body
        assert isinstance(body, SaleStep)
        receipt = Receipt(Mark(entry.tno, entry.seq), Kind.SALE_SETTLED, body, till.clock())
        refused = till.refund(receipt, self._cents(step.amount))
        assert (refused or "") == step.refused, f"the refund was answered with {refused}"

    @do.register
    def _(self, step: told.TakeCash) -> None:
        self._till(step.till).topup(self._cents(step.amount))

    @do.register
    def _(self, step: told.OpenShift) -> None:
        self._till(step.till).open_shift(self._cents(step.drawer))

    @do.register
    def _(self, step: told.CloseShift) -> None:
        assert self._till(step.till).close_shift(self._cents(step.error)), f"no shift is closed\n{self._story()}"

    @do.register
    def _(self, step: told.Collect) -> None:
        self._till(step.till).load_mode()

    @do.register
    def _(self, step: told.Checkpoint) -> None:
        self._till(step.till).checkpoint()

    @do.register
    def _(self, step: told.Vended) -> None:
        till = self._till(step.till)
        till._work(till.shell.append(Kind(f"vend_{step.what}"), Vend(self._made(step.of).seq)))

    @do.register
    def _(self, step: told.CutAt) -> None:
        self._till(step.till).cut_power(step.point)

    @do.register
    def _(self, step: told.SellForCash) -> None:
        self._till(step.till).cash_sale(self._cents(step.amount))

    @do.register
    def _(self, step: told.Cut) -> None:
        self._till(step.till).cut_power()

    @do.register
    def _(self, step: told.Boot) -> None:
        self._till(step.till).boot()

    @do.register
    def _(self, step: told.Wait) -> None:
        self.campus.pass_time(step.ms)
        for till in self.cast.tills.values():
            till.tick()

    @do.register
    def _(self, step: told.StepClock) -> None:
        self._till(step.till).clock.jump(step.by_ms)

    @do.register
    def _(self, step: told.LoseClock) -> None:
        self._till(step.till).clock.lose()

    @do.register
    def _(self, step: told.Offline) -> None:
        self._offline.add(step.till.name)
        self._till(step.till).offline()

    @do.register
    def _(self, step: told.Online) -> None:
        self._offline.discard(step.till.name)
        self._till(step.till).online()

    @do.register
    def _(self, step: told.HoldBack) -> None:
        self._till(step.till).link.holds_back = True

    @do.register
    def _(self, step: told.LetGo) -> None:
        self._till(step.till).link.holds_back = False

    @do.register
    def _(self, step: told.Deaf) -> None:
        self._till(step.till).line.weather = Weather(acks_lost=1_000)

    @do.register
    def _(self, step: told.HearsLate) -> None:
        self._till(step.till).line.weather = Weather(acks_late_ms=step.by_ms)

    @do.register
    def _(self, step: told.Hears) -> None:
        self._till(step.till).line.weather = FAIR

    @do.register
    def _(self, step: told.Sync) -> None:
        self._sync()

    @do.register
    def _(self, step: told.WeakReads) -> None:
        card = self._card(step.card).virtual
        assert isinstance(card, VirtualClassic)
        state = card.snapshot()
        weak = [(state.blocks[block], mask) for block, mask in state.weak.items()]
        written = [byte for content, mask in weak for byte, bit in zip(content, mask, strict=True) if bit]
        assert len(written) <= 1, "more than one byte is weak"
        reads = (written[0] if step.new else written[0] ^ 0xFF) if written else 0
        card.weak_bits = lambda: reads

    @do.register
    def _(self, step: told.Forget) -> None:
        card = self._card(step.card)
        read, state = look_at(card), card.snapshot()
        assert isinstance(state, ClassicState)
        mark_block = SLOT_BLOCKS[read.slot][-1]
        state.blocks[mark_block] = state.blocks[mark_block][:-1] + bytes((state.blocks[mark_block][-1] ^ 1,))
        card.restore(state)

    @do.register
    def _(self, step: told.Copy) -> None:
        self.cast.cards[step.onto.name] = self._card(step.card).clone()
        self._reads[step.onto.name] = self._reads[step.card.name]

    # The server's side -------------------------------------------------------------------------------------------

    @do.register
    def _(self, step: told.Grant) -> None:
        self.campus.server.load(self._card(step.card), self._cents(step.amount))

    @do.register
    def _(self, step: told.Subsidise) -> None:
        self.campus.server.subsidise(self._card(step.card), self._cents(step.amount), step.period)

    @do.register
    def _(self, step: told.SetLimits) -> None:
        pin_above, day = Cents(self._cents(step.pin_above)), Cents(self._cents(step.day))
        limits = tuple(ClassLimits(number, day=day, pin_above=pin_above) for number in CardClass)
        topup = Cents(self._cents(step.topup))
        stand_in = Cents(self._cents(step.stand_in))
        unacked = Cents(self._cents(step.unacked_topups)) or UNACKED_TOPUPS_CENTS
        self.campus.server.rules = LimitRules(
            limits, subsidy_period=step.period, topup=topup, stand_in=stand_in, unacked_topups=unacked
        )

    @do.register
    def _(self, step: told.BackUp) -> None:
        self._backup = self.campus.server.backup()

    @do.register
    def _(self, step: told.RestoreServer) -> None:
        assert self._backup is not None
        self.campus.server.restore(self._backup)

    @do.register
    def _(self, step: told.CopyDisk) -> None:
        self._images[step.till.name] = self._till(step.till).image()

    @do.register
    def _(self, step: told.RestoreDisk) -> None:
        self._till(step.till).reimage(self._images[step.till.name])

    @do.register
    def _(self, step: told.KeepDisk) -> None:
        self._kept[step.till.name] = self._till(step.till).image()

    @do.register
    def _(self, step: told.SendKept) -> None:
        medium = self._kept[step.till.name]
        self.campus.server.import_lines(medium.grant.tno, [row.jws for row in medium.rows])

    @do.register
    def _(self, step: told.SendWithout) -> None:
        till = self._till(step.till)
        lost = {seq for made in step.lost for seq in self._seqs_of(made)[step.outcomes_only :]}
        rows = till.disk.rows
        self._lost[step.till.name] = [row.jws for row in rows if row.seq in lost]
        before = [row.jws for row in rows if row.seq < min(lost)]
        behind = [row.jws for row in rows if row.seq > max(lost)]
        self._hand_in(till, before)
        self._hand_in(till, behind)
        self.campus.pass_time(_ASKED_AGAIN_MS)
        self._hand_in(till, behind)

    @do.register
    def _(self, step: told.SendLost) -> None:
        self._hand_in(self._till(step.till), self._lost.pop(step.till.name))

    @do.register
    def _(self, step: told.BookHole) -> None:
        book = self.campus.server.book
        (hole,) = book.holes_of(self._till(step.till).disk.grant.tno, HoleStatus.OFFERED)
        day = CAMPUS_TIME.business_day(self.campus.server.now)
        book_hole(book, hole, list(book.steps.values()), day)

    @do.register
    def _(self, step: told.DeclareLost) -> None:
        book, day = self.campus.server.book, CAMPUS_TIME.business_day(self.campus.server.now)
        for chain in book.chains.values():
            if chain.tid == self._till(step.till).name:
                chain.status = TerminalStatus.LOST
        for known in [one for one in book.steps.values() if one.tid == self._till(step.till).name]:
            awaited = known.body.touches_card or known.operation is Operation.SALE
            if known.stage is Stage.PREPARED and known.resolved is None and awaited:
                known.lost, known.torn_at = True, self.campus.server.now
                decide_by(book, known, witnesses_of(book, known), day)

    @do.register
    def _(self, step: told.CountDrawer) -> None:
        self._till(step.till).count_of_the_lost(self._cents(step.error))

    @do.register
    def _(self, step: told.Replace) -> None:
        self.cast.cards[step.by.name] = self.campus.server.replace(self._card(step.card))
        self._reads[step.by.name] = look_at(self.cast.cards[step.by.name])

    @do.register
    def _(self, step: told.LetThrough) -> None:
        self.campus.server.let_through(self._till(step.till).name)

    @do.register
    def _(self, step: told.Revoke) -> None:
        self._till(step.till).shell.revoked = True

    @do.register
    def _(self, step: told.Nightly) -> None:
        self.campus.server.nightly()

    @do.register
    def _(self, step: told.Shows) -> None:
        till = self._till(step.till)
        assert step.screen in (till.shows, till.reason), f"shows {till.shows} {till.reason}\n{self._story()}"

    @do.register
    def _(self, step: told.Check) -> None:
        self.check(step.expect)

    # What must be so ---------------------------------------------------------------------------------------------

    def check(self, expect: Expect) -> None:
        """Compare everything the sequence has moved with what is expected."""
        said: dict[str, object] = {"accounts": self._expected_accounts(expect)}
        found: dict[str, object] = {"accounts": self._moved()}
        said["cards"] = {name: self._expected_card(expect, name) for name in self.cast.cards}
        found["cards"] = {name: _shown(look_at(card)) for name, card in self.cast.cards.items()}
        said["goods"] = {
            name: tuple(self._cents(cents) for cents in expect.goods.get(told_till, ()))
            for name, told_till in self._told_tills().items()
        }
        found["goods"] = {name: self._handed_over(till) for name, till in self.cast.tills.items()}
        said["classes"] = sorted(self._expected_found(one) for one in expect.classes)
        found["classes"] = sorted(_class_of(finding) for finding in self._found())
        said["days"] = {str(made): day for made, day in expect.days.items()}
        found["days"] = {str(made): self._day_of(made) for made in expect.days}
        said["status"] = sorted(card.name for card in expect.blocked), sorted(card.name for card in expect.exchange)
        found["status"] = self._with(lambda row: row.status is CardStatus.BLOCKED), self._with(lambda row: row.exchange)
        for what, value in said.items():
            assert found[what] == value, f"{what}: {found[what]}, expected {value}\n{self._story()}"
        every_leg = (leg.cents for posted in self.campus.server.book.posted.values() for leg in posted.postings)
        assert sum(every_leg) == 0, "the books do not add up to zero"

    def _expected_accounts(self, expect: Expect) -> dict[str, int]:
        moved: Counter[str] = Counter()
        for account, amount in expect.accounts.items():
            moved[self._name_of(account)] += self._cents(amount)
        return {name: cents for name, cents in sorted(moved.items()) if cents}

    def _moved(self) -> dict[str, int]:
        now = self._balances()
        names = sorted({*now, *self._before})
        moved = {name: now.get(name, 0) - self._before.get(name, 0) for name in names}
        return {name: cents for name, cents in moved.items() if cents}

    def _balances(self) -> Counter[str]:
        """What the postings that concern this sequence come to, by account."""
        balances: Counter[str] = Counter()
        for posted in self.campus.server.book.posted.values():
            if self._concerns_us(posted):
                for leg in posted.postings:
                    balances[self._name_in_books(leg.account)] += leg.cents
        return balances

    def _concerns_us(self, posted: Posted) -> bool:
        keys = {card.key for card in self.cast.cards.values()}
        owners = {owner_of(key) for key in keys} | {str(key[0]) for key in keys}
        cards = {leg.account.owner for leg in posted.postings if _is_a_card_s(leg.account)}
        if cards:
            return not cards.isdisjoint(owners)
        word, _, where = posted.cause.rpartition(":")
        if word == "count":
            return where.partition(".")[0] in self._names()
        place = where.split(".")
        if word.startswith("desk") or len(place) != 3:
            return False
        tno, _, seq = map(int, place)
        return tno in self._our_tnos() and seq > self._first_seq.get(tno, 0)

    def _name_in_books(self, account: Account) -> str:
        if account.kind is AccountKind.CLEARING or account.owner.startswith("desk/"):
            return "granted"
        if account.kind is AccountKind.SUSPENSE:
            tno = int(account.owner.partition(".")[0])
            return f"suspense of {self.campus.server.book.chains[tno].tid}"  # type: ignore[index]
        if account.kind in (AccountKind.DRAWER, AccountKind.OPERATOR_LOSS) and account.owner:
            return f"{account.kind} of {account.owner.partition('/')[0]}"
        return str(account)

    def _name_of(self, account: Of) -> str:
        match account.owner:
            case told.Card(name):
                key = self.cast.cards[name].key
                of_number = account.kind in (AccountKind.PENDING, AccountKind.PENDING_SUBSIDY)
                owner = str(key[0]) if of_number else owner_of(key)
                return str(Account(account.kind, owner))
            case told.Till(name) if account.kind is AccountKind.MERCHANT:
                return str(Account(account.kind, self.cast.tills[name].merchant))
            case told.Till(name):
                return f"{account.kind} of {self.cast.tills[name].name}"
            case None:
                return "granted" if account == told.GRANTED else str(Account(account.kind))

    def _expected_card(self, expect: Expect, name: str) -> tuple[object, ...]:
        told_card = next((card for card in expect.cards if card.name == name), None)
        on_card = expect.cards[told_card] if told_card else told.OnCard()
        start = self._reads[name].purse
        assert start is not None
        mark = start.mark if on_card.mark is None else self._mark_of(on_card.mark)
        main = start.main_cents + self._cents(on_card.main)
        granted = start.subsidy_cents + self._cents(on_card.subsidy)
        return start.counter + on_card.steps, main, granted, mark, on_card.pin_tries

    def _handed_over(self, till: Till) -> tuple[int, ...]:
        given = self.campus.truth.goods[self._goods :]
        return tuple(goods.cents for goods in given if goods.till == till.name)

    def _expected_found(self, one: told.Found) -> tuple[str, str, int, int]:
        card = str(self.cast.cards[one.card.name].key) if one.card else ""
        return one.cls, card, self._cents(one.amount), self._cents(one.share)

    def _found(self) -> list[Finding]:
        keys, tnos = {card.key for card in self.cast.cards.values()}, self._our_tnos()
        return [
            finding
            for finding in self.campus.reconcile()
            if finding.key not in self._known
            and (finding.card in keys or (finding.card is None and _is_about(finding, tnos, self._names())))
        ]

    def _day_of(self, made: told.Made) -> int:
        entry = self._made(made)
        return self.campus.server.book.entries[(entry.tno, 0, entry.seq)].day - self._day

    def _with(self, has: Callable[..., bool]) -> list[str]:
        rows = self.campus.server.book.cards
        twins = {told.CLONE.name}
        return sorted(name for name, card in self.cast.cards.items() if name not in twins and has(rows[card.key]))

    # Small questions ---------------------------------------------------------------------------------------------

    def _till(self, till: told.Till) -> Till:
        return self.cast.tills[till.name]

    def _card(self, card: Card) -> Plastic:
        return self.cast.cards[card.name]

    def _cents(self, amount: told.Sum) -> int:
        return amount.cents(self.cast.amounts)

    def _told_tills(self) -> dict[str, told.Till]:
        return {till.name: till for till in parts_of(self.sequence, told.Till)}

    def _names(self) -> set[str]:
        return {till.name for till in self.cast.tills.values()}

    def _our_tnos(self) -> set[int]:
        return {int(chain.tno) for chain in self.campus.server.book.chains.values() if chain.tid in self._names()}

    def _made(self, made: told.Made) -> Entry:
        name = self._till(made.till).name
        begun = [
            row.entry
            for row in self.campus.truth.rows[self._rows :]
            if row.entry.tid == name and row.entry.kind in _BEGINNINGS
        ]
        assert made.number <= len(begun), f"{made.till.name} prepared {len(begun)} steps, not {made.number}"
        return begun[made.number - 1]

    def _mark_of(self, made: told.Made) -> Mark:
        entry = self._made(made)
        return Mark(entry.tno, entry.seq)

    def _seqs_of(self, made: told.Made) -> list[int]:
        prepared = self._made(made)
        rows = (row.entry for row in self._till(made.till).disk.rows)
        outcomes = [entry.seq for entry in rows if getattr(entry.body, "prepared", 0) == prepared.seq]
        return [prepared.seq, *outcomes]

    def _hand_in(self, till: Till, lines: list[bytes]) -> None:
        """A file of entries reaches the server, whatever the network does."""
        server = self.campus.server
        for first in range(0, len(lines), 200):
            instance = 0
            while instance != server.instance:  # again, if the server has crashed over it
                instance = server.instance
                server.batch(till, till.disk.grant.tno, encode_batch(lines[first : first + 200]))

    def _sync(self) -> None:
        online = [till for name, till in self.cast.tills.items() if name not in self._offline]
        self.campus.sync(*online)
        self.campus.server.publish()
        self.campus.pass_time(0)

    def _leave_as_found(self) -> None:
        self.campus.server.rules = self._rules
        for name, lines in self._lost.items():
            self._hand_in(self.cast.tills[name], lines)
        for till in self.cast.tills.values():
            till.clock.set_right()
            till.shell.revoked = False
        for chain in self.campus.server.book.chains.values():
            chain.status = TerminalStatus.ACTIVE if chain.tid in self._names() else chain.status
        self._offline.clear()
        self._sync()

    def _story(self) -> str:
        return f"{self.sequence.name}: {self.sequence.why}\n{self.campus.story.about(last=80)}"


def look_at(card: Plastic) -> CardRead:
    """What a card says to a reader now. The look is taken at a copy: the card itself notices nothing."""
    if isinstance(card, Token):
        return card.read()
    state = card.snapshot()
    if isinstance(state, ClassicState):
        assert isinstance(card.virtual, VirtualClassic)
        copy: VirtualClassic | VirtualDesfire = VirtualClassic(state, card.virtual.weak_bits)
    else:
        copy = VirtualDesfire(state)
    reader = SimulatedReader()
    reader.place(copy)
    channel = reader.wait_for_card(0)
    assert channel is not None
    return open_card(channel, OFFICE_KEYS).read()


def parts_of(thing: Any, kind: type[_Part]) -> set[_Part]:
    """Every till, or every card, that a sequence speaks of."""
    if isinstance(thing, kind):
        return {thing}
    inner: list[object] = []
    if isinstance(thing, tuple):
        inner = list(thing)
    elif isinstance(thing, dict):
        inner = [*thing, *thing.values()]
    elif is_dataclass(thing):
        inner = [getattr(thing, known.name) for known in fields(thing)]
    return {part for one in inner for part in parts_of(one, kind)}


def _tear_of(torn: Torn, till: Till, card: Plastic) -> Tear:
    """At which exchange after the prepared entry the card must leave (`hardware/cards`: what a write takes)."""
    if torn is Torn.BEFORE:
        return Tear(1, Moment.BEFORE)
    order = getattr(till.phase, "order", None)
    if card.technology is Technology.DESFIRE:
        assert torn is Torn.AFTER, "only MIFARE Classic has weak bits"
        return Tear(_DESFIRE_COMMIT[type(order)] - (till.shows == "PinEntry"), Moment.AFTER)
    record = _LOAD_RECORD_EXCHANGES if isinstance(order, Load) else 0
    if torn is Torn.AFTER:
        return Tear(record + 5, Moment.AFTER)
    read = look_at(card)
    assert isinstance(order, Purchase)
    known = till.shell._loads_verified.get(read.uid) == read.load
    is_open = known and read.slot == 0
    return Tear(3 if is_open else 4, Moment.DURING, bytes_written=15, weak_mask=1)


def _shown(read: CardRead) -> tuple[object, ...]:
    purse = read.purse
    if purse is None:
        return ("unreadable",)
    return purse.counter, purse.main_cents, purse.subsidy_cents, purse.mark, purse.pin_tries


def _class_of(finding: Finding) -> tuple[str, str, int, int]:
    return str(finding.cls), str(finding.card or ""), finding.amount, finding.cents


def _is_about(finding: Finding, tnos: set[int], names: set[str]) -> bool:
    return any(step[0] in tnos for step in finding.steps) or any(tid in names for tid in finding.terminals)


def _is_a_card_s(account: Account) -> bool:
    return account.kind in (
        AccountKind.PURSE,
        AccountKind.SUBSIDY,
        AccountKind.PENDING,
        AccountKind.PENDING_SUBSIDY,
    )
