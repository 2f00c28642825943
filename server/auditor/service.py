"""The whole audit, step by step, over one snapshot of the database.

    grants      each chain's row against its signed grant, each branch against its end, kept acks against the chains
    entries     each line: hash, signature, chain, columns, card step, postings made anew       (several processes)
    decisions   what is posted for other causes than entries; what is kept of steps that were decided later
    balances    every account added up from its rows, every card's kept balance against that
    roots       each sealed row against its leaf, each root grown anew and its signature checked

Memory holds a few parts, one sum for each account, and a hash for each level of the tree.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from protocol.ids import Tno
from protocol.instants import CampusTime
from protocol.messages import Ack, NotAMessage, TipAnswer, TreeHead
from protocol.signing import from_base64url
from protocol.trust import Trust
from server.auditor import store, store_ledger, store_tree
from server.auditor.balances import wrong_accounts, wrong_balances
from server.auditor.causes import OF_CARDS, Cards, card_of, kind_of, undone_by
from server.auditor.decisions import (
    Books,
    causes_of,
    judge_causes,
    judge_steps,
    named_entries,
    named_steps,
    place_of,
    readable,
    refunds_by_sale,
    taken_back,
)
from server.auditor.grants import continued_by, read_ack, wrong_chain, wrong_tip
from server.auditor.parking import lacking, park_of
from server.auditor.parts import OUTCOME, Found, Part
from server.auditor.people import request_of
from server.auditor.progress import Progress
from server.auditor.report import Differences, Root, Step
from server.auditor.rules import Difference, row_of
from server.auditor.scope import Scope
from server.auditor.sealed import Growing, Sealed, wrong_leaves
from server.auditor.store import Chain
from server.auditor.store_legs import legs_of
from server.ingest.book import StepId, StepRow

HOLES_NAMED_MAX = 50
Spread = Callable[[Iterable[Part]], Iterator[Found]]
"""Has parts checked, in this process or in several, and gives what came of them in any order."""
Counted = tuple[str, int, Sequence[Difference]]
"""So many of what were checked, and what is wrong with them."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What somebody kept away from the server."""

    acks: Sequence[Ack | TipAnswer] = ()
    heads: Sequence[TreeHead] = ()


@dataclass(slots=True)
class Audit:
    """One audit; `run` it once."""

    connection: Connection
    trust: Trust
    campus: CampusTime
    scope: Scope
    spread: Spread
    progress: Progress
    differences: Differences
    kept: Kept = field(default_factory=Kept)
    roots: list[Root] = field(default_factory=list[Root])
    notes: list[str] = field(default_factory=list[str])
    steps: list[Step] = field(default_factory=list[Step])
    server_epoch: int = 0
    _legs_of_entries: int = 0

    def run(self) -> None:
        """Do every step that the scope allows."""
        connection, chains = self.connection, store.chains(self.connection, self.scope)
        self.server_epoch = store.server_epoch(connection)
        self._note_holes(chains)
        self._step("grants", "chains", len(chains), self._grants(chains))
        self._step("entries", "entries", store.count_lines(connection, self.scope), self._entries(chains))
        self._step("decisions", "causes", store_ledger.count_causes(connection, self.scope), self._decisions())
        if self.scope.is_all:
            self._step("balances", "postings", store_ledger.count_legs(connection), self._balances())
            self._step("roots", "leaves", store_tree.count_leaves(connection), self._roots())
        else:
            self.notes.append("only a part was audited: balances and roots are for an audit of everything")

    def _step(self, name: str, unit: str, total: int, work: Iterator[Counted]) -> None:
        self.progress.begin(name, unit, total)
        before, checked = self.differences.count, {unit: 0}
        for what, count, found in work:
            checked[what] = checked.get(what, 0) + count
            self.differences.add(found)
            if what == unit:
                self.progress.add(count)
        differences = self.differences.count - before
        self.steps.append(Step(name, checked, differences, round(self.progress.seconds(), 3)))

    def _grants(self, chains: Sequence[Chain]) -> Iterator[Counted]:
        for chain in chains:
            faults = [*wrong_chain(chain.row, self.trust), *self._continues(chain)]
            row, tid = f"chain/{chain.writer.tno}", chain.writer.tid
            found = [Difference(check, row, tid, 0, text) for check, text in faults]
            yield "chains", 1, found
            yield "branches", len(chain.branches), list(self._ends(chain))
        for tno, number in store.strays(self.connection) if self.scope.is_all else ():
            text = "has entries, and no row says that there is such a branch"
            yield "branches", 1, [Difference("tip", f"branch/{tno}/{number}", "", 0, text)]
        for ack in self.kept.acks:
            if not self.scope.terminal or ack.tid == self.scope.terminal:
                yield "kept acks", 1, self._wrong_ack(ack)

    def _continues(self, chain: Chain) -> Iterator[tuple[str, str]]:
        """An epoch goes on from the entry that its grant names of the one before."""
        grant = continued_by(chain.row)
        if grant is not None and not self._is_there(grant.tid, grant.prev_epoch, grant.prev_seq, grant.prev_hash):
            yield "grant", f"goes on from entry {grant.prev_seq} of epoch {grant.prev_epoch}, which is not there so"

    def _is_there(self, tid: str, epoch: int, seq: int, hashed: str) -> bool:
        tno = store.tno_of(self.connection, tid, epoch)
        return tno is not None and from_base64url(hashed) in store.hashes_at(self.connection, tno, seq)

    def _ends(self, chain: Chain) -> Iterator[Difference]:
        writer, start = chain.writer, bytes(chain.row["start_hash"])
        for number, branch in sorted(chain.branches.items()):
            last = store.last_line(self.connection, writer.tno, number)
            row = row_of(writer.tno, number, branch["tip_seq"])
            for check, text in wrong_tip(branch, last, chain.holes, start):
                yield Difference(check, row, writer.tid, branch["tip_seq"], text)

    def _wrong_ack(self, ack: Ack | TipAnswer) -> list[Difference]:
        """The server said that it has all entries up to this one."""
        if ack.seq == 0 or self._is_there(ack.tid, ack.epoch, ack.seq, ack.hash):
            return []
        tno = store.tno_of(self.connection, ack.tid, ack.epoch)
        row = row_of(tno, 0, ack.seq) if tno is not None else f"ack/{ack.tid}/{ack.epoch}/{ack.seq}"
        return [Difference("ack", row, ack.tid, ack.seq, f"was acknowledged with hash {ack.hash}, and is not here so")]

    def _entries(self, chains: Sequence[Chain]) -> Iterator[Counted]:
        expected, unproven, checked = Counter[tuple[str, StepId]](), 0, 0
        for found in self.spread(self._parts(chains)):
            self._legs_of_entries += found.legs
            checked += found.lines
            yield "entries", found.lines, found.differences
            yield "postings", found.legs, []
            for key, count in found.open.items():
                expected[key] += count
                if not expected[key]:
                    del expected[key]
            for jws in found.acks:
                try:
                    yield "acks in them", 1, self._wrong_ack(read_ack(jws.encode(), self.trust.ack))
                except NotAMessage:
                    unproven += 1
        if unproven:
            self.notes.append(f"{unproven} acks in the journals are signed by no ack key that is believed now")
        yield "card steps begun elsewhere", *self._unsaid(expected)
        if self.scope.is_all:
            places = store_ledger.waiting_for_nothing(self.connection)
            text = "is on the list of waiting entries, and is no entry"
            yield "waiting", 0, [Difference("parked", row_of(*place), "", place[2], text) for place in places]
            there = store.count_all_lines(self.connection)
            text = f"{there:,} entries are there, and {checked:,} of them lie on a chain that could be checked"
            yield "waiting", 0, [Difference("missing", "entries", "", 0, text)] if there != checked else []

    def _note_holes(self, chains: Sequence[Chain]) -> None:
        """Entries that two people booked as missing cannot be audited: how many, and where."""
        holes = [(chain, hole) for chain in chains for hole in chain.holes]
        count = sum(hole.last - hole.first + 1 for _, hole in holes)
        places = [f"{one.writer.tid} {row_of(one.writer.tno, 0, hole.first)} to {hole.last}" for one, hole in holes]
        more = f", and {len(places) - HOLES_NAMED_MAX:,} holes more" if len(places) > HOLES_NAMED_MAX else ""
        if count:
            text = f"{count:,} entries are missing in booked holes: {', '.join(places[:HOLES_NAMED_MAX])}{more}"
            self.notes.append(text)

    def _parts(self, chains: Sequence[Chain]) -> Iterator[Part]:
        for chain in chains:
            for number in sorted(chain.branches):
                yield from store.parts(self.connection, chain, number, self.scope, self.campus)

    def _unsaid(self, expected: Counter[tuple[str, StepId]]) -> tuple[int, list[Difference]]:
        """What steps say that other entries have told, and none of those audited has."""
        orphans = store.orphans(self.connection, self.scope)
        found = list[Difference]()
        for place in orphans:
            if expected[(OUTCOME, place)] >= 0:
                found.append(Difference("step", row_of(*place), "", place[2], "is a card step that no entry tells of"))
        for (what, place), count in expected.items():
            if count > 0 and self.scope.is_all_days:
                text = f"the card step says {what}, and no posted entry tells of that"
                found.append(Difference("step", row_of(*place), "", place[2], text))
        return len(orphans), found

    def _decisions(self) -> Iterator[Counted]:
        if not self.scope.terminal:
            counted = store_ledger.counted_drawers(self.connection)
            for legs in store_ledger.other_causes(self.connection, self.scope):
                yield "causes", len(legs), list(judge_causes(legs, self._books(legs, counted)))
        given_back = self._given_back()
        unsaid = {place: cents for place, cents in given_back.items() if cents}
        yield from self._not_set_aside()
        for rows in store_ledger.judged(self.connection, self.scope):
            posted = legs_of(self.connection, (cause for row in rows for cause in causes_of(row)))
            yield "decided card steps", len(rows), list(judge_steps(rows, posted, given_back))
            for row in rows:
                unsaid.pop((Tno(row["tno"]), row["branch"], row["seq"]), None)
        if self.scope.is_all:
            acts = store_ledger.acts_without_postings(self.connection)
            text = "its refunds are not counted in the card step"
            yield "acts", 0, [Difference("step", row_of(*place), "", place[2], text) for place in unsaid]
            text = "was booked, and nothing is posted for it"
            yield "acts", 0, [Difference("posting", f"act/{row['number']}", "", 0, text) for row in acts]

    def _not_set_aside(self) -> Iterator[Counted]:
        doubtful = store_ledger.shut_out(self.connection)
        for lines in store.waiting_lines(self.connection, self.scope):
            posted = legs_of(self.connection, map(park_of, lines))
            text = "it waits, and its money is not set aside"
            found = [
                Difference("posting", row_of(*place), lines[place][0], place[2], text)
                for place in lacking(lines, posted, doubtful)
            ]
            yield "waiting entries", len(lines), found

    def _books(self, causes: Iterable[str], counted: set[str]) -> Books:
        names = list(causes)
        steps = self._steps(named_steps(names))
        undone = legs_of(self.connection, taken_back(names))
        back = set(legs_of(self.connection, (f"un{cause}" for cause in names if kind_of(cause) == "park")))
        return Books(
            steps,
            self._sales(steps.values()),
            store.lines_at(self.connection, named_entries(names)),
            undone,
            back,
            store_ledger.acts_among(self.connection, names),
            store_ledger.requests_among(self.connection, map(request_of, names)),
            self._cards(names),
            counted,
        )

    def _cards(self, causes: Sequence[str]) -> Cards:
        """The cards that these causes name, and what tells of steps that were posted from holes."""
        holes = {undone_by(cause) if kind_of(cause) == "found" else cause for cause in causes}
        named = {cause: found for cause in holes if kind_of(cause) in OF_CARDS and (found := card_of(cause))}
        if not named:
            return Cards()
        rows = store_ledger.cards_among(self.connection, {key for key, _ in named.values()})
        reached = {found for cause, found in named.items() if kind_of(cause) == "hole"}
        steps = list(readable(store_ledger.steps_next_to(self.connection, reached))) if reached else []
        near = {
            (key, counter): tuple(step for step in steps if step.card == key and abs(step.counter_after - counter) <= 1)
            for key, counter in reached
        }
        back = legs_of(self.connection, (f"found:{cause}" for cause in named if kind_of(cause) == "hole"))
        return Cards(rows, near, set(back), store_ledger.chains_with_holes(self.connection))

    def _steps(self, places: Iterable[StepId]) -> dict[StepId, StepRow]:
        return {step.id: step for step in readable(store.steps_at(self.connection, places))}

    def _sales(self, refunds: Iterable[StepRow]) -> dict[StepId, StepRow]:
        """Of refunds the sales that they give back."""
        named = store.sales_of(self.connection, list(refunds))
        sales = self._steps(named.values())
        return {refund: sales[place] for refund, place in named.items() if place in sales}

    def _given_back(self) -> dict[StepId, int]:
        sums: dict[StepId, int] = {}
        for rows in store_ledger.refunds(self.connection):
            refunds = list(readable(rows))
            sales = self._sales(refunds)
            for place, cents in refunds_by_sale((refund, sales.get(refund.id)) for refund in refunds):
                sums[place] = sums.get(place, 0) + cents
        return sums

    def _balances(self) -> Iterator[Counted]:
        sums, done = store_ledger.Sums(), 0
        for sums in store_ledger.add_up(self.connection):
            yield "postings", sums.rows - done, []
            done = sums.rows
        yield "accounts", len(sums.accounts), []
        accounts = dict(sums.accounts)
        for rows in store_ledger.cards(self.connection):
            yield "cards", len(rows), list(wrong_balances(rows, accounts))
        counted = store_ledger.counted_drawers(self.connection)
        yield "accounts", 0, list(wrong_accounts(accounts, sums.accounts.total(), counted))
        if sums.of_entries != self._legs_of_entries:
            text = f"{sums.of_entries:,} are there for entries, and {self._legs_of_entries:,} were held against entries"
            culprits = list(self._of_no_entry())
            yield "postings", 0, culprits or [Difference("posting", "ledger", "", 0, text)]

    def _of_no_entry(self) -> Iterator[Difference]:
        """There are postings for entries beyond those of the entries: which."""
        for causes in store_ledger.causes_of_entries(self.connection):
            places = {cause: place_of(cause) for cause in causes}
            there = store_ledger.places_there(self.connection, {place for place in places.values() if place})
            for cause, place in places.items():
                if place is None or place not in there:
                    yield Difference(
                        "posting", cause, "", place[2] if place else 0, "is posted, and there is no such entry"
                    )

    def _roots(self) -> Iterator[Counted]:
        growing = Growing(self.trust.ack, store_tree.heads(self.connection), self.kept.heads)
        levels = store_tree.levels(self.connection)
        yield "roots", 0, list(growing.heads_here())
        for leaves in store_tree.leaves(self.connection):
            known = [leaf for leaf in leaves if isinstance(leaf, Sealed)]
            yield "leaves", len(leaves), wrong_leaves(known)
            yield "roots", 0, list(growing.grow(leaves))
            yield "subtrees", *self._wrong_nodes(growing, levels)
        yield "roots", len(growing.roots), list(growing.rest())
        self.roots += growing.roots
        self.notes.append(f"{store_tree.count_unsealed(self.connection):,} rows came after the newest root")

    def _wrong_nodes(self, growing: Growing, levels: Sequence[int]) -> tuple[int, list[Difference]]:
        made = growing.taken_subtrees(levels)
        found = list[Difference]()
        for level in levels:
            places = [place for of_level, place in made if of_level == level]
            kept = store_tree.nodes(self.connection, level, places)
            wrong = [place for place in places if kept.get(place) != made[(level, place)]]
            text = "is not the hash over its leaves"
            found += [Difference("sealed", f"subtree/{level}/{place}", "", 0, text) for place in wrong]
        return len(made), found
