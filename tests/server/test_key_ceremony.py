"""The server's keys change only with the word of a root that lies elsewhere; what they signed before still holds."""

from pathlib import Path

import pytest

from protocol.instants import UtcMs
from protocol.messages import Ack, sign, verified
from protocol.signing import SigningKey, from_base64url
from server.key_ceremony import NotDone, install, make_root, read_request, request, sign_request
from server.keys import ROOT_FILE, KeysUnusable, open_keys
from tests.protocol.samples import MESSAGES, NOON

LATER = UtcMs(NOON + 1)


def ceremony(tmp_path: Path) -> tuple[Path, Path]:
    """A server whose first keys were signed by a root on another machine; the directories of both."""
    server, root = tmp_path / "server", tmp_path / "root"
    public = make_root(root)
    install(server, sign_request(root, request(server, NOON)), public)
    return server, root


def change(server: Path, root: Path, *, rotate: tuple[str, ...] = (), withdraw: tuple[str, ...] = ()) -> None:
    install(server, sign_request(root, request(server, LATER, rotate, withdraw)))


def test_no_root_ever_lies_at_the_server(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    server, root = ceremony(tmp_path)
    keys = open_keys(server, may_create=False)
    assert keys.trust.document.version == 1 and not caplog.records
    assert not list(server.glob("root*"))
    assert (root / ROOT_FILE).stat().st_mode & 0o777 == 0o600


def test_a_trial_needs_no_ceremony_and_says_that_it_had_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = open_keys(tmp_path)
    assert "root.key lies on the server" in caplog.text
    change(tmp_path, tmp_path, rotate=("list",))
    (tmp_path / ROOT_FILE).unlink()
    caplog.clear()
    again = open_keys(tmp_path, may_create=False)
    assert not caplog.records and again.trust.root == first.trust.root
    assert again.list.public != first.list.public and again.ack.public == first.ack.public


def test_a_new_key_signs_after_the_next_start_and_old_signatures_hold(tmp_path: Path) -> None:
    server, root = ceremony(tmp_path)
    before = open_keys(server)
    old = sign(MESSAGES["ack"][0], before.ack)
    asked = request(server, LATER, ("ack",))
    assert request(server, LATER, ("ack",)) == asked, "asking again makes no other key"
    assert open_keys(server).ack.public == before.ack.public, "a key that nobody signed for signs nothing"
    install(server, sign_request(root, asked))
    after = open_keys(server)
    assert after.ack.public != before.ack.public and not list(server.glob("*.next.key"))
    acks = [(key.number, key.until) for key in after.trust.document.keys if key.purpose == "ack"]
    assert acks == [(1, LATER), (2, 0)]
    assert verified(old, Ack, after.trust.ack) == MESSAGES["ack"][0]
    assert not after.trust.ack.present.verifies(*_of(old))
    assert open_keys(server).ack.public == after.ack.public


def _of(jws: bytes) -> tuple[bytes, bytes]:
    signed, _, signature = jws.rpartition(b".")
    return from_base64url(signature), signed


def test_a_key_that_fell_into_wrong_hands_is_not_named_any_more(tmp_path: Path) -> None:
    server, root = ceremony(tmp_path)
    old = sign(MESSAGES["ack"][0], open_keys(server).ack)
    change(server, root, rotate=("ack",), withdraw=("ack",))
    trust = open_keys(server).trust
    assert trust.ack.former == ()
    with pytest.raises(ValueError, match="signature"):
        verified(old, Ack, trust.ack)


def test_the_server_does_not_start_with_keys_that_nobody_signed_for(tmp_path: Path) -> None:
    server, _ = ceremony(tmp_path)
    (server / "list.key").write_bytes((server / "ack.key").read_bytes())
    with pytest.raises(KeysUnusable, match="another key than the one that the root signed for"):
        open_keys(server)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"grant": "A", "ack": "A", "list": "A", "load": "A"}'])
def test_the_server_does_not_start_with_trust_that_cannot_be_read(tmp_path: Path, content: bytes) -> None:
    server, _ = ceremony(tmp_path)
    (server / "trust.json").write_bytes(content)
    with pytest.raises(KeysUnusable, match=r"trust\.json"):
        open_keys(server)


def test_what_is_installed_is_newer_by_the_same_root_and_names_these_keys(tmp_path: Path) -> None:
    server, root = ceremony(tmp_path)
    first = open_keys(server).trust.jws
    change(server, root, rotate=("load",))
    open_keys(server)
    other = tmp_path / "other"
    public = make_root(other)
    asked = request(server, LATER, ("ack",))
    with pytest.raises(NotDone, match="not newer"):
        install(server, first)
    with pytest.raises(NotDone, match="did not sign"):
        install(server, sign_request(other, asked))
    with pytest.raises(NotDone, match="another root"):
        install(server, sign_request(other, asked), public)
    elsewhere, its_root = ceremony(tmp_path / "elsewhere")
    with pytest.raises(NotDone, match="--root"):
        install(tmp_path / "new", sign_request(its_root, asked))
    (server / "ack.next.key").unlink()
    with pytest.raises(KeysUnusable, match="another ack key"):
        install(server, sign_request(root, asked))
    assert elsewhere.is_dir()


def test_a_root_signs_each_version_once(tmp_path: Path) -> None:
    server, root = ceremony(tmp_path)
    asked = request(server, LATER, ("ack",))
    assert sign_request(root, asked) == sign_request(root, asked)
    (server / "ack.next.key").unlink()
    with pytest.raises(NotDone, match="has signed version 2"):
        sign_request(root, request(server, LATER, ("ack",)))
    with pytest.raises(NotDone, match="no request"):
        sign_request(root, b'{"version":3}')
    with pytest.raises(NotDone, match="exists"):
        make_root(root)


def test_a_request_shows_what_would_be_signed(tmp_path: Path) -> None:
    server, _ = ceremony(tmp_path)
    keys = open_keys(server)
    document = read_request(request(server, LATER, ("grant", "list")))
    assert document.version == 2
    present = {key.purpose: key for key in document.keys if not key.until}
    assert [present[name].number for name in ("grant", "ack", "list", "load")] == [2, 1, 2, 1]
    assert present["ack"].verify_key == keys.ack.public and isinstance(keys.ack, SigningKey)
