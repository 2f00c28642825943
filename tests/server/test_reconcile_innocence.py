"""Honest histories accuse nobody, whatever is late, open or torn; and once all has arrived, order is forgotten."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from protocol.instants import MINUTE_MS
from server.reconcile.facts import CardProof, Difference
from tests.server.reconcile_world import Campus

WHILE_WAITING = {
    Difference.SILENT_TILL,
    Difference.SILENT_LOADER,
    Difference.OPEN,
    Difference.TORN,
    Difference.DEBITED_NOT_DELIVERED,
}
WHEN_ALL_IS_THERE = {Difference.OPEN, Difference.TORN, Difference.DEBITED_NOT_DELIVERED}

outcomes = st.sampled_from(["settled", "settled", "settled", "voided", "open", "open+", "torn", "torn+", "pin", "pin+"])
taps = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), outcomes, st.integers(1, 400)), max_size=30)
skews = st.lists(st.integers(-4 * MINUTE_MS, 4 * MINUTE_MS), min_size=4, max_size=4)
orders = st.lists(st.integers(0, 3), max_size=60)


def campus_of(story: list[tuple[int, int, str, int]], skew: list[int]) -> Campus:
    campus = Campus.of(3, skew)
    for tap in story:
        campus.tap(*tap)
    return campus


def classes_of(proofs: list[CardProof]) -> set[Difference]:
    return {finding.cls for proof in proofs for finding in proof.findings}


@given(taps, skews, orders, st.lists(st.integers(0, 60), min_size=4, max_size=4))
@settings(max_examples=150, deadline=None)
def test_lateness_accuses_nobody(
    story: list[tuple[int, int, str, int]], skew: list[int], order: list[int], upto: list[int]
) -> None:
    """Some terminals have reported only a part of what they did."""
    campus = campus_of(story, skew)
    book = campus.book()
    campus.deliver(book, order, upto)
    proofs = campus.prove(book)
    assert all(proof.unexplained_cents == 0 for proof in proofs)
    assert classes_of(proofs) <= WHILE_WAITING


@example([(0, 3, "torn+", 1), (0, 0, "settled", 1)], [0, 0, 0, 0], [], [])  # a torn load, proven on the card
@given(taps, skews, orders, orders)
@settings(max_examples=150, deadline=None)
def test_the_order_of_arrival_is_forgotten(
    story: list[tuple[int, int, str, int]], skew: list[int], order: list[int], other: list[int]
) -> None:
    """Everything has arrived: what is left is only what nobody can know, and the card shows the rest."""
    campus = campus_of(story, skew)
    proofs: list[list[CardProof]] = []
    for arrival in (order, other):
        book = campus.book()
        campus.deliver(book, arrival)
        proofs.append(campus.prove(book))
    assert proofs[0] == proofs[1]
    assert all(proof.unexplained_cents == 0 for proof in proofs[0])
    assert classes_of(proofs[0]) <= WHEN_ALL_IS_THERE
