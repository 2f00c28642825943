"""Every kind of tampering is found, named, placed, and gone past."""

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.ids import Epoch, Seq, SiteId, TerminalId, Tno
from protocol.journal import Break, Tip, verify_chain
from protocol.signing import to_base64url
from protocol.tampering import FINDINGS_MAX, TODO, ChainId, Finding, Report, Tampering, examine
from tests.protocol.mutations import FOREIGN, LENGTH, MUTATIONS, other_chain, resealed
from tests.protocol.samples import EPOCH, KEY, SITE, START, STORY, TID, TNO, chain_of

CHAIN = chain_of()
LINES = [sealed.jws for sealed in CHAIN]
HEAD = Tip(CHAIN[-1].seq, CHAIN[-1].hash)
OURS = ChainId(SITE, TID, EPOCH, TNO)


def look_at(lines: list[bytes], head: Tip | None = HEAD) -> Report:
    return examine(lines, START, KEY.public, chain=OURS, head=head)


def names(report: Report) -> list[Tampering]:
    return [finding.what for finding in report.findings]


def test_an_untouched_chain_holds() -> None:
    assert look_at(LINES) == Report(LENGTH, HEAD, 0, ())
    assert look_at(LINES, None) == Report(LENGTH, HEAD, 0, ())
    assert examine(LINES, START, KEY.public).findings == ()


def test_a_chain_longer_than_the_head_holds() -> None:
    """The head is an entry known to exist; the terminal may have sold more since the ack."""
    assert look_at(LINES, Tip(CHAIN[9].seq, CHAIN[9].hash)).findings == ()


def test_an_export_may_start_anywhere() -> None:
    start = Tip(CHAIN[19].seq, CHAIN[19].hash)
    assert examine(LINES[20:], start, KEY.public, head=HEAD) == Report(LENGTH - 20, HEAD, 0, ())


def test_line_ends_and_blank_lines_say_nothing() -> None:
    assert look_at([b"", *(line + b"\r\n" for line in LINES), b"\n"]).findings == ()


def test_nothing_at_all_is_a_cut_tail() -> None:
    assert names(look_at([])) == [Tampering.CUT_TAIL]
    assert look_at([], START) == Report(0, START, 0, ())


@pytest.mark.parametrize("name", MUTATIONS)
def test_each_way_to_tamper_is_named_wherever_it_is_done(name: str) -> None:
    mutation = MUTATIONS[name]
    for at in mutation.places:
        report = look_at(mutation.apply(LINES, at))
        assert names(report) and set(names(report)) == {mutation.called}, (at, report.findings)
        assert len(report.findings) == 1, (at, report.findings)


@pytest.mark.parametrize("name", [name for name in MUTATIONS if not name.startswith("cut the tail")])
def test_each_way_is_found_without_a_head_too(name: str) -> None:
    """All but the cut tail leave a trace in the lines themselves, except for a whole new history up to the end."""
    mutation = MUTATIONS[name]
    for at in mutation.places:
        found = names(look_at(mutation.apply(LINES, at), None))
        if name == "write from here anew":
            assert found == []
        elif at == LENGTH - 1 and mutation.called is Tampering.EDITED and name not in LEAVES_A_TRACE_AT_THE_END:
            assert found == [Tampering.FOREIGN_KEY], "nothing follows that could tell an edit from another key"
        else:
            assert found == [mutation.called], at


LEAVES_A_TRACE_AT_THE_END = {"edit into nonsense", "edit the seq upwards", "edit the seq downwards", "edit the tno"}


@pytest.mark.parametrize("name", MUTATIONS)
def test_the_plain_verifier_stops_at_each_of_them(name: str) -> None:
    """`verify_chain` knows no names, but lets nothing pass; what lies in the tail alone it cannot see."""
    mutation = MUTATIONS[name]
    if mutation.called in (Tampering.CUT_TAIL, Tampering.FORKED) and "append" not in name and "inside" not in name:
        return
    for at in mutation.places:
        found = list(verify_chain(mutation.apply(LINES, at), START, KEY.public))
        assert isinstance(found[-1], Break)


def test_the_place_of_a_deletion_is_told() -> None:
    report = look_at([*LINES[:7], *LINES[10:]])
    assert report.findings == (Finding(Tampering.DELETED, 8, 8, 10, "entry 11 stands where 8 belongs"),)
    assert (report.entries, report.head) == (LENGTH - 3, HEAD)


def test_the_walk_goes_on_behind_a_fault() -> None:
    """Four acts in one file are four findings, in order."""
    lines = MUTATIONS["edit the text"].apply(LINES, 30)
    lines = MUTATIONS["splice another terminal"].apply(lines, 20)
    lines = [*lines[:10], *lines[12:]]
    lines = [*lines[:4], lines[5], lines[4], *lines[6:-2]]
    assert names(look_at(lines)) == [
        *(Tampering.SWAPPED, Tampering.DELETED, Tampering.SPLICED, Tampering.EDITED, Tampering.CUT_TAIL)
    ]


def test_a_chain_of_another_key_is_one_finding() -> None:
    lines = [sealed.jws for sealed in chain_of(STORY, key=FOREIGN)]
    report = look_at(lines, None)
    assert [(finding.what, finding.seq, finding.until) for finding in report.findings] == [
        (Tampering.FOREIGN_KEY, 1, LENGTH)
    ]
    assert report.entries == 0


def test_an_entry_of_a_newer_version_holds_but_is_counted() -> None:
    """It is chained and signed; a terminal with newer software wrote it."""
    header, body, _ = LINES[-1].split(b".")
    payload = base64.urlsafe_b64decode(body + b"==").replace(b'"epoch_ended"', b'"epoch_paused"')
    signed = header + b"." + to_base64url(payload).encode()
    newer = signed + b"." + to_base64url(KEY.sign(signed)).encode()
    report = look_at([*LINES[:-1], newer], None)
    assert (report.entries, report.unread, report.findings) == (LENGTH, 1, ())
    assert names(look_at([*LINES[:-1], newer])) == [Tampering.FORKED]


def test_a_chain_that_begins_at_another_grant_is_another_history() -> None:
    report = examine(LINES, Tip(Seq(0), bytes(32)), KEY.public, chain=OURS)
    assert names(report) == [Tampering.FORKED]
    assert "start" in report.findings[0].detail


def test_the_whole_file_of_another_terminal_is_spliced() -> None:
    report = look_at(other_chain("till-08", 1, 42), None)
    assert names(report) == [Tampering.SPLICED]
    assert "till-08 epoch 1 (tno 42" in report.findings[0].detail


def test_a_chain_signed_under_another_number_is_not_ours() -> None:
    """The right key over the wrong tno: two chains would claim the same rows."""
    other = ChainId(SiteId("south-campus"), TerminalId("till-07"), Epoch(1), Tno(40))
    assert names(examine(LINES, START, KEY.public, chain=other)) == [Tampering.SPLICED]


def test_a_stolen_key_that_adds_an_entry_is_another_history() -> None:
    twice = [*LINES[:5], resealed(5, KEY).jws, *LINES[5:]]
    assert set(names(look_at(twice))) == {Tampering.FORKED}


def test_a_heap_of_faults_ends() -> None:
    assert len(look_at([b"x"] * 50 + LINES[::2] * 20).findings) == FINDINGS_MAX
    assert names(look_at(LINES[::-1]))[0] is Tampering.SWAPPED


def test_every_name_says_what_to_do() -> None:
    assert set(TODO) == set(Tampering)
    assert {mutation.called for mutation in MUTATIONS.values()} == set(Tampering)


@settings(deadline=None, max_examples=200)
@given(st.integers(0, LENGTH - 1), st.data())
def test_no_changed_byte_goes_unnoticed(at: int, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(LINES[at]) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != LINES[at][place] and value not in b"\r\n"))
    line = LINES[at][:place] + bytes((byte,)) + LINES[at][place + 1 :]
    found = names(look_at([*LINES[:at], line, *LINES[at + 1 :]]))
    assert found and set(found) <= {Tampering.EDITED, Tampering.SPLICED}


@settings(deadline=None, max_examples=100)
@given(st.lists(st.sampled_from([*LINES, b"nonsense", *other_chain("till-08", 1, 42)]), max_size=60))
def test_any_heap_of_lines_is_either_the_chain_or_named(heap: list[bytes]) -> None:
    report = look_at(heap)
    assert bool(report.findings) == (heap != LINES)
