"""Both sides of the float, and each line against its document (SPEC, "Float proof")."""

from hypothesis import given
from hypothesis import strategies as st

from protocol.ids import CardNo, Generation, MerchantId, ShiftNo, TerminalId, Tno
from protocol.instants import BusinessDay
from server.ledger.accounts import (
    FUNDER,
    OPERATOR_LOSS,
    VAULT,
    WE_HAVE,
    Account,
    AccountKind,
    drawer,
    merchant,
    purse,
)
from server.reconcile.facts import Difference
from server.reconcile.float_proof import Document, Standing, findings_of, prove_float

DAY = BusinessDay(20_787)
BANK = Account(AccountKind.BANK)
DRAWER = drawer(TerminalId("till-1"), Tno(41), ShiftNo(3))
TOTALS = {
    purse((CardNo(7), Generation(1))): 700,
    merchant(MerchantId("canteen-1")): 500,
    FUNDER: -150,
    OPERATOR_LOSS: -50,
    BANK: -600,
    VAULT: -300,
    DRAWER: -100,
}
DOCUMENTS = (Document(BANK, 600, "statement 7"), Document(VAULT, 300, "count"), Document(DRAWER, 100, "count"))


def test_both_sides_and_every_document_agree() -> None:
    proof = prove_float(DAY, TOTALS, DOCUMENTS)
    assert proof.holds and proof.owed_cents == proof.booked_cents == 1_000
    assert proof.owed[AccountKind.FUNDER] == -150 and findings_of(proof) == []


def test_money_nobody_else_has_seen_is_not_proven() -> None:
    proof = prove_float(DAY, TOTALS, DOCUMENTS[1:])
    assert not proof.holds
    assert [(finding.cls, finding.amount) for finding in findings_of(proof)] == [(Difference.PROVIDER_DIFFERENCE, -600)]
    assert [line.account for line in proof.lines if line.standing is Standing.UNDOCUMENTED] == [BANK]


def test_a_document_that_says_otherwise_is_in_its_class() -> None:
    said = (Document(BANK, 590, "statement 7"), Document(VAULT, 301, "count"), DOCUMENTS[2])
    proof = prove_float(DAY, TOTALS, said)
    assert not proof.holds
    assert [(finding.cls, finding.amount) for finding in findings_of(proof)] == [
        (Difference.PROVIDER_DIFFERENCE, -10),
        (Difference.SHIFT_DIFFERENCE, 1),
    ]


def test_a_document_about_an_account_with_nothing_booked_differs() -> None:
    channel = Account(AccountKind.CLEARING, "wechat")
    proof = prove_float(DAY, TOTALS, (*DOCUMENTS, Document(channel, 20, "bill")))
    assert [finding.amount for finding in findings_of(proof)] == [20]


def test_a_lost_posting_shows() -> None:
    proof = prove_float(DAY, {**TOTALS, FUNDER: -149}, DOCUMENTS)
    assert proof.unexplained_cents == 1 and not proof.holds


accounts = st.builds(Account, st.sampled_from(AccountKind), st.sampled_from(["", "a", "b"]))


@given(st.lists(st.tuples(accounts, accounts, st.integers(-(10**9), 10**9)), max_size=30))
def test_postings_that_sum_to_zero_keep_both_sides_equal(moves: list[tuple[Account, Account, int]]) -> None:
    totals: dict[Account, int] = {}
    for source, target, cents in moves:
        totals[source] = totals.get(source, 0) - cents
        totals[target] = totals.get(target, 0) + cents
    said = [Document(account, -cents, "x") for account, cents in totals.items() if account.kind in WE_HAVE]
    assert prove_float(DAY, totals, said).holds
