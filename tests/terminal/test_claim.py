"""A machine that has a claim code believes what the four words stand for, and nothing else."""

import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from protocol.enrolment import claim_code
from protocol.trust import TrustFile, trust_of
from terminal.__main__ import NO_IDENTITY, main
from terminal.claim import SILENT_TRIES_MAX, enrol
from terminal.enrol import new_key
from terminal.identity import Identity, IdentityError, NotEnrolled, load_identity
from terminal.journal_file import create_journal
from terminal.ports import JournalMissing
from terminal.rescue import rescue
from terminal.server_http import ServerAt
from tests.terminal.enrolling_server import EnrollingServer, Said, a_server
from tests.terminal.web import answering, saying


def enrolled(directory: Path, server: EnrollingServer) -> tuple[Identity, str]:
    """The terminal that a machine became, and the words on its screen."""
    said: list[str] = []

    def wait(_: float) -> None:
        raise AssertionError("everything is approved at once")

    with answering(server) as at:
        identity = enrol(directory, at, claim_code(7), "pi", said.append, wait)
    return identity, said[0].partition(": ")[2]


def test_both_screens_show_the_same_words(tmp_path: Path) -> None:
    server = a_server()
    identity, words = enrolled(tmp_path, server)
    assert words == server.words and identity.trust.load.present == server.key.public
    with pytest.raises(IdentityError, match="enrolled already"):
        enrolled(tmp_path, server)


def other_keys(said: Said, evil: EnrollingServer) -> None:
    said["trust"] = evil.trust(grant=trust_of(TrustFile(**said["trust"])).grant.present)


def other_authority(said: Said, evil: EnrollingServer) -> None:
    said["authority"] = evil.authority.certificate_pem().decode()


@pytest.mark.parametrize("change", [other_keys, other_authority])
def test_who_sits_between_and_changes_what_is_believed_changes_the_words(
    tmp_path: Path, change: Callable[[Said, EnrollingServer], None]
) -> None:
    """He passes everything else on; a certificate of his own authority he would have to make as well."""
    server, evil, honest = a_server(), a_server("evil"), a_server().authority

    def bend(path: str, said: Said) -> None:
        if path == "/enrol":
            change(said, evil)
            server.authority = evil.authority if change is other_authority else honest
            return
        if change is other_keys:
            server.authority = honest

    server.authority, server.bend = honest, bend
    _, words = enrolled(tmp_path, server)
    assert words != server.words


def other_grant(server: EnrollingServer, evil: EnrollingServer) -> None:
    server.key = evil.key


def grant_of_another_key(server: EnrollingServer, evil: EnrollingServer) -> None:
    server.journal_key = evil.key.public.raw


def other_certificate(server: EnrollingServer, evil: EnrollingServer) -> None:
    server.authority = evil.authority


def certificate_of_another(server: EnrollingServer, _: EnrollingServer) -> None:
    server.tid = "till-9"


@pytest.mark.parametrize("change", [other_grant, grant_of_another_key, other_certificate, certificate_of_another])
def test_the_last_answer_brings_nothing_new_to_believe(
    tmp_path: Path, change: Callable[[EnrollingServer, EnrollingServer], None]
) -> None:
    server, evil = a_server(), a_server("evil")
    server.bend = lambda path, _: change(server, evil) if path == "/enrol" else None
    with pytest.raises(IdentityError, match="the server answered with"):
        enrolled(tmp_path, server)
    assert {path.name for path in tmp_path.iterdir()} == {"journal.db", "journal.key"}
    honest = a_server()
    assert enrolled(tmp_path, honest)[1] == honest.words, "the same machine begins again"


@pytest.mark.parametrize(
    "wrong", [{"nonce": "short"}, {"nonce": ""}, {"trust": {}}, {"authority": "none"}, {"authority": ""}]
)
def test_an_opening_that_makes_no_sense_is_said(tmp_path: Path, wrong: Said) -> None:
    server = a_server()
    server.bend = lambda path, said: said.update(wrong) if path == "/enrol" else None
    with pytest.raises(IdentityError):
        enrolled(tmp_path, server)


def test_another_program_at_the_server_s_port_is_said(tmp_path: Path) -> None:
    with saying(b"SSH-2.0-OpenSSH_9.2\r\n") as at, pytest.raises(IdentityError, match="no answer from"):
        enrol(tmp_path, at, claim_code(7), "pi", print)


def test_a_port_where_nobody_listens_is_said_in_plain_words(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        at = ServerAt(f"http://127.0.0.1:{taken.getsockname()[1]}")
    with pytest.raises(IdentityError, match=f"no answer from {at.url}: no server listens there. Is the address"):
        enrol(tmp_path, at, claim_code(7), "pi", print)


def test_after_a_refused_code_the_right_one_works_in_the_same_directory(tmp_path: Path) -> None:
    server, no = a_server(), {"status": 403, "detail": "no terminal is claimed with this code"}
    with answering(lambda _path, _body: no) as at, pytest.raises(IdentityError, match="says no: no terminal"):
        enrol(tmp_path, at, claim_code(6), "pi", print)
    assert enrolled(tmp_path, server)[1] == server.words


def test_a_power_cut_between_the_journal_and_its_key_costs_nothing(tmp_path: Path) -> None:
    create_journal(tmp_path / "journal.db")
    server = a_server()
    assert enrolled(tmp_path, server)[1] == server.words


def test_a_key_without_its_journal_enrols_nothing(tmp_path: Path) -> None:
    new_key(tmp_path)
    (tmp_path / "journal.db").unlink()
    with pytest.raises(JournalMissing, match="Put the file back"):
        enrolled(tmp_path, a_server())


def lost(directory: Path, name: str) -> str:
    """A file is gone; what the terminal says when it starts."""
    (directory / name).unlink()
    with pytest.raises(NotEnrolled) as caught:
        load_identity(directory)
    return str(caught.value)


def test_what_is_said_about_a_lost_journal_key_works(tmp_path: Path) -> None:
    """`--enrol` goes on in no directory whose key has signed and is gone, so that is not what is said."""
    server, data, safe = a_server(), tmp_path / "data", tmp_path / "safe"
    enrolled(data, server)
    said = lost(data, "journal.key")
    with pytest.raises(IdentityError, match="move everything in it to a safe place"):
        enrolled(data, server)
    assert f"new epoch: move everything in {data} to a safe place, unchanged" in said and "--rescue" in said
    data.rename(safe)
    assert enrolled(data, server)[0].key.public.raw == server.journal_key
    assert rescue(safe).lines == [], "and the old journal can be read"


def test_a_rescue_that_brings_nothing_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """The newest entries lie in SQLite's log, and whoever copies the journal alone has to be told."""
    create_journal(tmp_path / "journal.db")
    monkeypatch.setattr(sys, "argv", ["terminal", "--rescue", str(tmp_path)])
    assert main() == NO_IDENTITY
    said = capsysbinary.readouterr().err
    assert b"no journal.db-wal lay beside journal.db" in said and b"copy its whole directory" in said


def test_what_is_said_about_a_lost_grant_works(tmp_path: Path) -> None:
    server = a_server()
    before = enrolled(tmp_path, server)[0].grant
    journal = (tmp_path / "journal.db").read_bytes()
    assert "Enrol once more with a new claim code: journal and key stay" in lost(tmp_path, "grant.jws")
    assert enrolled(tmp_path, server)[0].grant == before
    assert (tmp_path / "journal.db").read_bytes() == journal


def test_what_is_said_about_lost_keys_of_the_server_works(tmp_path: Path) -> None:
    server = a_server()
    enrolled(tmp_path / "one", server)
    enrolled(tmp_path / "other", server)
    assert lost(tmp_path / "one", "trust.json").endswith("Copy it from another terminal of the site.")
    shutil.copy(tmp_path / "other" / "trust.json", tmp_path / "one")
    assert load_identity(tmp_path / "one").trust == load_identity(tmp_path / "other").trust


class Killed(Exception):
    """The power goes while the machine waits."""


def test_a_machine_that_is_restarted_while_it_waits_goes_on_with_the_same_key(tmp_path: Path) -> None:
    """The certificate is for the key that the desk has seen: another one would never be enrolled with this code."""
    server, waiting, asked, said = a_server(), True, list[str](), list[str]()

    def bend(path: str, answer: Said) -> None:
        asked.append(path)
        if path == "/enrol/standing" and waiting:
            answer.clear()
            answer["state"] = "waiting"

    def power_cut(_: float) -> None:
        raise Killed

    server.bend = bend
    with answering(server) as at:
        with pytest.raises(Killed):
            enrol(tmp_path, at, claim_code(7), "pi", said.append, power_cut)
        kept = tmp_path / "enrolment.json"
        assert kept.stat().st_mode & 0o777 == 0o600
        waiting = False
        enrol(tmp_path, at, claim_code(7), "pi", said.append, power_cut)
    assert asked.count("/enrol") == 1 and said[0] == said[1] and server.words in said[0]
    assert not kept.exists() and (tmp_path / "tls.pem").exists()


def test_another_code_begins_another_enrolment(tmp_path: Path) -> None:
    server, asked = a_server(), list[str]()
    server.bend = lambda path, answer: asked.append(path)

    def power_cut(_: str) -> None:
        raise Killed

    with answering(server) as at:
        for number in (7, 8):
            with pytest.raises(Killed):
                enrol(tmp_path, at, claim_code(number), "pi", power_cut)
        (tmp_path / "enrolment.json").write_bytes(b"half of")
        assert enrol(tmp_path, at, claim_code(8), "pi", print).grant.tid == server.tid
    assert asked.count("/enrol") == 3, "a damaged file is begun anew too"


def test_a_server_that_is_gone_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    server, said, waits = a_server(), list[str](), list[float]()

    def gone(path: str, answer: Said) -> None:
        if path == "/enrol/standing":
            raise ConnectionError("gone")

    server.bend = gone
    with answering(server) as at, pytest.raises(IdentityError, match="run the same command with the same code"):
        enrol(tmp_path, at, claim_code(7), "pi", said.append, waits.append)
    assert len(said) == 2 and "It is tried again" in said[1] and len(waits) == SILENT_TRIES_MAX - 1
    server.bend = lambda *_: None
    assert enrolled(tmp_path, server)[1] == server.words
