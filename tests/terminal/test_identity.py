"""A terminal knows who it is, or says what a technician must do; its key shows itself to nobody."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from protocol.messages import sign
from protocol.signing import SigningKey, to_base64url
from terminal.identity import IN_A_FILE, Identity, IdentityError, NotEnrolled, load_identity, save_grant
from tests.protocol.samples import GRANT, SERVER_KEY
from tests.terminal.journals import TRUST


def grant_for(directory: Path, key: SigningKey = SERVER_KEY) -> bytes:
    """The server's grant for the key that was made here."""
    public = IN_A_FILE.create(directory)
    return sign(replace(GRANT, key=to_base64url(public.raw)), key)


def enrolled(directory: Path) -> Identity:
    return save_grant(directory, grant_for(directory), TRUST)


def test_an_enrolled_terminal_knows_itself_after_a_restart(tmp_path: Path) -> None:
    identity = enrolled(tmp_path)
    again = load_identity(tmp_path)
    assert again.grant == identity.grant
    assert again.start == identity.start
    assert again.key.sign(b"x") == identity.key.sign(b"x")
    assert again.trust == TRUST


def test_the_key_is_for_its_owner_only_and_shows_itself_nowhere(tmp_path: Path) -> None:
    identity = enrolled(tmp_path)
    path = tmp_path / "journal.key"
    seed = path.read_text().strip()
    assert path.stat().st_mode & 0o777 == 0o600
    assert seed not in repr(identity)
    assert repr(identity.key).startswith("<protocol.signing.SigningKey object")


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    IN_A_FILE.create(tmp_path)
    before = (tmp_path / "journal.key").read_bytes()
    with pytest.raises(IdentityError, match="Move it away first"):
        IN_A_FILE.create(tmp_path)
    assert (tmp_path / "journal.key").read_bytes() == before


@pytest.mark.parametrize("name", ["journal.key", "grant.jws", "trust.json"])
def test_a_missing_file_means_not_enrolled(tmp_path: Path, name: str) -> None:
    enrolled(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(NotEnrolled, match=rf"{name} is missing\. (?!Enrol the)"):
        load_identity(tmp_path)


def test_a_terminal_that_never_was_one_is_to_be_enrolled(tmp_path: Path) -> None:
    with pytest.raises(NotEnrolled, match=r"trust.json is missing\. Enrol the terminal\."):
        load_identity(tmp_path)


def replace_key(directory: Path) -> None:
    (directory / "journal.key").write_text(to_base64url(bytes(32)))


def foreign_grant(directory: Path) -> None:
    (directory / "journal.key").unlink()
    (directory / "grant.jws").write_bytes(grant_for(directory, SigningKey(bytes(32))))


def grant_is_a_directory(directory: Path) -> None:
    (directory / "grant.jws").unlink()
    (directory / "grant.jws").mkdir()


MISTAKES: list[tuple[Callable[[Path], object], str]] = [
    (lambda directory: (directory / "journal.key").chmod(0o640), r"open to others \(mode 0640\)\. Run: chmod 600"),
    (lambda directory: (directory / "journal.key").write_text("c2hvcnQ"), "does not hold 32 bytes in base64url"),
    (lambda directory: (directory / "journal.key").write_bytes(b"\xff\xfe"), "does not hold 32 bytes in base64url"),
    (replace_key, "given for another journal key than .*Put back the key of this grant, or begin a new epoch: move"),
    (
        lambda directory: (directory / "grant.jws").write_bytes(b"a.b"),
        r"grant\.jws: .*Move it away and enrol once more",
    ),
    (foreign_grant, "signature does not hold"),
    (lambda directory: (directory / "trust.json").write_text("{}"), "missing required field `root`"),
    (lambda directory: (directory / "trust.json").write_bytes(b"\xff"), r"trust\.json: "),
    (grant_is_a_directory, "cannot be read"),
]


@pytest.mark.parametrize(("mistake", "says"), MISTAKES)
def test_each_mistake_says_what_to_do(tmp_path: Path, mistake: Callable[[Path], object], says: str) -> None:
    enrolled(tmp_path)
    seed = (tmp_path / "journal.key").read_text().strip()
    mistake(tmp_path)
    with pytest.raises(IdentityError, match=says) as caught:
        load_identity(tmp_path)
    assert seed not in str(caught.value)


def test_another_user_s_key_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enrolled(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 4_711)
    with pytest.raises(IdentityError, match=r"belongs to another user .* Run: chown 4711"):
        load_identity(tmp_path)


def test_a_content_that_is_no_key_is_not_repeated(tmp_path: Path) -> None:
    enrolled(tmp_path)
    (tmp_path / "journal.key").write_text("hunter2")
    with pytest.raises(IdentityError) as caught:
        load_identity(tmp_path)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None and caught.value.__suppress_context__
