"""What the demo ends with: who was charged what, what the night found, and that no cent is missing. Pure."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from terminal.help import width_of
from tests.demo.charges import Charge
from tests.demo.commentary import counted, yuan
from tests.demo.crowd import KIND_OF, Student

GAP = "  "
MEANING = {
    "fork": "one card number in two places: a copy",
    "debited_not_delivered": "taken off the card, nothing handed over: given back",
    "torn": "torn away, and no later tap says what became of it",
    "open": "torn away, and its terminal may still finish it",
    "shift_difference": "the drawer was counted, and holds another sum",
    "silent_till": "a terminal has not reported yet",
}
"""Of the classes that the story plants; the server's own words stand for others."""
_ENTRY = re.compile(r"^entry:([0-9]+)\.[0-9]+\.([0-9]+)$")


def table(head: Sequence[str], rows: Iterable[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """Columns under each other; those whose place is in `right` end together."""
    lines = [list(head), *map(list, rows)]
    widths = [max(width_of(line[at]) for line in lines) for at in range(len(head))]
    lines.insert(1, ["-" * width for width in widths])

    def cell(text: str, at: int) -> str:
        space = " " * (widths[at] - width_of(text))
        return space + text if at in right else text + space

    return [(GAP + GAP.join(cell(text, at) for at, text in enumerate(line))).rstrip() for line in lines]


def charged(
    charges: Iterable[Charge], cast: Sequence[Student], parts: Mapping[int, str], told: Mapping[str, str]
) -> list[str]:
    """What these people paid, one after the other: `parts` they have in the story, what is `told` about an entry."""
    by_card: dict[int, list[Charge]] = {}
    for one in charges:
        by_card.setdefault(one.card, []).append(one)
    rows = [
        (
            one.place, one.items or "money back", f"{'+' if one.what == 'load' else '-'}{yuan(one.cents)}",
            _known(one.before), _known(one.after), one.entry, told.get(one.entry, ""),
        )
        for student in cast
        for one in by_card.get(student.no, [])
    ]  # fmt: skip
    head, rule, *lines = table(("Where", "What", "Amount", "Before", "After", "Entry", ""), rows, {2, 3, 4, 5})
    shown = [GAP + head, GAP + rule]
    for student in cast:
        shown.append(f"{GAP}{student}: {parts.get(student.no, 'one of the queue')}")
        count = len(by_card.get(student.no, []))
        shown += [GAP + line for line in lines[:count]] or [f"{GAP}{GAP}nothing was charged"]
        lines = lines[count:]
    return shown


def _known(cents: int | None) -> str:
    return "not seen" if cents is None else yuan(cents)


def totals(charges: Iterable[Charge], people: Mapping[int, Student], places: Sequence[str]) -> list[str]:
    """What each place sold, by what it was paid with."""
    kinds = [*KIND_OF.values(), "cash"]
    sums = {place: dict.fromkeys(kinds, 0) for place in places}
    counts = dict.fromkeys(places, 0)
    for one in charges:
        if one.what in ("sale", "cash"):
            kind = KIND_OF[people[one.card].technology] if one.card else "cash"
            sums[one.place][kind] += one.cents
            counts[one.place] += 1
    together = {kind: sum(sums[place][kind] for place in places) for kind in kinds}
    rows = [
        [name, *(yuan(by_kind[kind]) for kind in kinds), str(count), yuan(sum(by_kind.values()))]
        for name, by_kind, count in (
            *((place, sums[place], counts[place]) for place in places),
            ("Together", together, sum(counts.values())),
        )
    ]
    return table(["Where", *kinds, "Sales", "Sum"], rows, range(1, len(kinds) + 3))


def evidence(finding: Mapping[str, Any]) -> list[tuple[int, int]]:
    """The entries that a finding of the night's proof names: number of the terminal, number of the entry."""
    steps = [(int(tno), int(seq)) for tno, _, seq in finding["steps"]]
    causes = [(int(match[1]), int(match[2])) for cause in finding["causes"] if (match := _ENTRY.match(cause))]
    return list(dict.fromkeys([*steps, *causes]))


def night(findings: Iterable[Mapping[str, Any]], people: Mapping[int, Student], places: Mapping[int, str]) -> list[str]:
    """Each difference that the night's proof found."""
    rows = [
        (
            str(found["cls"]),
            yuan(found["amount"]),
            yuan(found["cents"]),
            f"{people[found['card']].name}, {found['card']}" if found["card"] in people else "-",
            ", ".join(f"{places.get(tno, '?')} {tno}-{seq}" for tno, seq in evidence(found)),
            MEANING.get(str(found["cls"]), str(found["text"])),
        )
        for found in findings
    ]
    head = ("Difference", "Money", "Unexplained", "Whose card", "Evidence: where, entry", "What it is")
    return [
        *table(head, rows, {1, 2}),
        f"{GAP}Money: what it is about. Unexplained: what the card holds and the books do not account for.",
    ]


@dataclass(frozen=True, slots=True)
class Money:
    """All the money there is, by the server's books; and what was paid in, by those who took it."""

    cents_by_kind: Mapping[str, int]
    """Sums of the ledger's accounts; what the campus owes is positive."""
    paid_at_desk: int
    paid_at_tills: int
    """In cash, for goods."""

    @property
    def paid_in(self) -> int:
        """Everything that people brought."""
        return self.paid_at_desk + self.paid_at_tills

    @property
    def terms(self) -> list[tuple[int, str]]:
        """Where it is now; what the campus itself lost is negative."""
        of = self.cents_by_kind
        terms = [
            (of.get("purse", 0) + of.get("subsidy", 0), "on cards and phones"),
            (of.get("pending", 0) + of.get("pending_subsidy", 0), "waiting to be put onto cards"),
            (of.get("suspense", 0), "waiting for an outcome"),
            (of.get("merchant", 0), "at merchants"),
            (of.get("fraud_loss", 0), "spent by the copy, which the campus bears"),
        ]
        return [term for term in terms if term[0]]

    @property
    def missing(self) -> int:
        """What nobody can say where it is."""
        return self.paid_in - sum(cents for cents, _ in self.terms)


def sentence(money: Money) -> str:
    """Whether a cent is missing, with the sums."""
    signs = (("- " if cents < 0 else "+ ", yuan(abs(cents)), where) for cents, where in money.terms)
    sums = " ".join(f"{sign}{amount} {where}" for sign, amount, where in signs).removeprefix("+ ")
    found = f"{yuan(abs(money.missing))} IS MISSING" if money.missing else "No cent is missing in the books"
    of, drawers = money.cents_by_kind, -money.cents_by_kind.get("operator_loss", 0)
    vault = f"Of that {yuan(-of.get('vault', 0))} was counted in the vault"
    vault += f", and {yuan(drawers)} is missing in a drawer, by its count." if drawers else "."
    both = f"{yuan(money.paid_at_desk)} at the card office, {yuan(money.paid_at_tills)} in cash at the tills"
    return f"{found}: {sums} = {yuan(money.paid_in - money.missing)} paid in ({both}). {vault}"


def progress(sold: Mapping[str, int], cents: int, unsent: Mapping[str, int]) -> str:
    """How far lunch is, in one line."""
    waiting = ", ".join(f"{place} {count}" for place, count in unsent.items() if count > 9)
    by_place = ", ".join(f"{place} {count}" for place, count in sold.items())
    total = counted(sum(sold.values()), "sale")
    return f"{total}, {yuan(cents)}: {by_place}" + (f"; entries not sent yet: {waiting}" if waiting else "")
