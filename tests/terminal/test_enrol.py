"""A journal is begun with its key, once: without it the terminal does not start, and says what to do."""

import json
import tempfile
from pathlib import Path

import pytest
from msgspec import structs
from msgspec.structs import replace

from protocol.messages import sign
from protocol.signing import to_base64url
from protocol.trust import trust_file
from terminal.__main__ import JOURNAL, NO_IDENTITY, OK, main
from terminal.config import read_config
from terminal.enrol import new_key, take_grant
from terminal.identity import IdentityError, load_identity
from terminal.ports import JournalMissing
from tests.protocol.samples import GRANT, SERVER_KEY
from tests.terminal.journals import TRUST
from tests.terminal.test_app import work, written


def answer_for(public: str) -> bytes:
    """What the server answers to `POST /terminals/TID/epochs`."""
    grant = sign(replace(GRANT, key=public), SERVER_KEY).decode()
    return json.dumps({"grant": grant, "trust": structs.asdict(trust_file(TRUST))}).encode()


def enrolled(directory: Path) -> Path:
    take_grant(directory, answer_for(to_base64url(new_key(directory).raw)))
    return directory


def run_main(monkeypatch: pytest.MonkeyPatch, *arguments: str, typed: bytes = b"") -> int:
    monkeypatch.setattr("sys.argv", ["terminal", *arguments])
    with tempfile.TemporaryFile("w+") as keyboard:
        keyboard.buffer.write(typed)
        keyboard.seek(0)
        monkeypatch.setattr("sys.stdin", keyboard)
        return main()


def test_a_terminal_is_enrolled_by_two_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "till" / "data"
    assert run_main(monkeypatch, "--new-key", str(data)) == OK
    public = capsys.readouterr().out.strip()
    assert run_main(monkeypatch, "--take-grant", str(data), typed=answer_for(public)) == OK
    assert capsys.readouterr().out.startswith(f"{GRANT.tid} is enrolled: epoch {GRANT.epoch}, number {GRANT.tno}")
    assert load_identity(data).trust == TRUST
    assert data.stat().st_mode & 0o777 == 0o700


async def test_without_its_journal_a_terminal_does_not_begin_another_history(tmp_path: Path) -> None:
    data = enrolled(tmp_path / "data")
    config = read_config(written(tmp_path))
    await work(config, "shift open Wang 100", "quit")
    (data / "journal.db").rename(tmp_path / "elsewhere")
    with pytest.raises(JournalMissing, match=r"is missing.*Put the file back.*ask the operator for a new epoch"):
        await work(config, "quit")
    assert not (data / "journal.db").exists()
    (data / "journal.db").touch()
    with pytest.raises(JournalMissing, match="is empty"):
        await work(config, "quit")
    (tmp_path / "elsewhere").replace(data / "journal.db")
    again = await work(config, "status", "quit")
    assert any("shift 1" in event.get("text", "") for event in again)


def test_the_program_says_so_and_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (enrolled(tmp_path / "data") / "journal.db").unlink()
    assert run_main(monkeypatch, "--config", str(written(tmp_path))) == JOURNAL
    assert "--new-key" in capsys.readouterr().err


@pytest.mark.parametrize("kept", ["journal.key", "journal.db"])
def test_an_epoch_is_not_begun_on_top_of_another(tmp_path: Path, kept: str) -> None:
    enrolled(tmp_path)
    for name in {"journal.key", "journal.db"} - {kept}:
        (tmp_path / name).unlink()
    before = (tmp_path / kept).read_bytes()
    with pytest.raises(IdentityError, match="move all that is in it to a safe place"):
        new_key(tmp_path)
    assert (tmp_path / kept).read_bytes() == before
    assert len([name for name in ("journal.key", "journal.db") if (tmp_path / name).exists()]) == 1


def test_without_a_key_it_says_where_to_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert run_main(monkeypatch, "--take-grant", str(tmp_path)) == NO_IDENTITY
    assert run_main(monkeypatch, "--new-key", str(tmp_path / "file")) == JOURNAL
    said = capsys.readouterr().err.splitlines()
    assert said[0].endswith(f"Begin with: python -m terminal --new-key {tmp_path}")
    assert said[1] == f"fanka terminal: {tmp_path / 'file'}: File exists"
    with pytest.raises(IdentityError, match="is no directory"):
        load_identity(tmp_path / "file")


def test_a_grant_comes_to_a_journal_that_is_there(tmp_path: Path) -> None:
    public = to_base64url(new_key(tmp_path).raw)
    (tmp_path / "journal.db").unlink()
    with pytest.raises(JournalMissing):
        take_grant(tmp_path, answer_for(public))
    assert not (tmp_path / "grant.jws").exists()


@pytest.mark.parametrize("answer", [b"", b'{"type":"about:blank","title":"no terminal is called till-07"}', b"\xff"])
def test_what_is_no_grant_is_shown(
    tmp_path: Path, answer: bytes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    new_key(tmp_path)
    assert run_main(monkeypatch, "--take-grant", str(tmp_path), typed=answer) == NO_IDENTITY
    said = capsys.readouterr().err
    assert "no grant as the server gives it" in said
    assert ("no terminal is called till-07" if b"title" in answer else "fanka terminal") in said
