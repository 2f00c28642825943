"""Keys are made once, kept private, and their public parts are what terminals believe."""

from pathlib import Path

import pytest

from protocol.messages import PURPOSES
from protocol.trust import read_trust
from server.config import ConfigWrong, read_settings
from server.keys import KeysUnusable, open_keys, trust_in


def test_keys_are_made_once_and_are_all_different(tmp_path: Path) -> None:
    first, again = open_keys(tmp_path / "keys"), open_keys(tmp_path / "keys")
    raws = [getattr(first, purpose).public.raw for purpose in PURPOSES]
    assert raws == [getattr(again, purpose).public.raw for purpose in PURPOSES]
    assert len(set(raws)) == len(PURPOSES)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "keys").glob("*.key")} == {0o600}


def test_terminals_read_the_exported_trust(tmp_path: Path) -> None:
    keys = open_keys(tmp_path)
    exported = read_trust((tmp_path / "trust.json").read_bytes())
    assert exported == keys.trust
    assert [exported.ring(name).present for name in PURPOSES] == [getattr(keys, name).public for name in PURPOSES]


def test_a_key_open_to_others_is_refused(tmp_path: Path) -> None:
    open_keys(tmp_path)
    (tmp_path / "ack.key").chmod(0o640)
    with pytest.raises(KeysUnusable, match="chmod 600"):
        open_keys(tmp_path)


def test_a_damaged_key_is_refused_without_showing_it(tmp_path: Path) -> None:
    open_keys(tmp_path)
    (tmp_path / "list.key").write_bytes(b"secret-but-damaged")
    with pytest.raises(KeysUnusable) as refused:
        open_keys(tmp_path)
    assert "secret" not in str(refused.value)


def test_an_interrupted_start_leaves_no_half_key(tmp_path: Path) -> None:
    """What was left of a key that was being written is thrown away."""
    (tmp_path / "grant.key.new").write_bytes(b"half")
    open_keys(tmp_path)
    assert not (tmp_path / "grant.key.new").exists()


def test_keys_show_nothing_of_themselves(tmp_path: Path) -> None:
    text = repr(open_keys(tmp_path))
    assert text == "ServerKeys()"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "data"),
        ('data = "d"\nunknown = 1\n', "unknown"),
        ('data = "d"\n[http]\nport = 70000\n', "port"),
        ('data = "d"\n[[operators]]\nname = "ann"\ntoken_sha256 = "short"\nroles = ["admin"]\n', "token_sha256"),
        ('data = "d"\n[[operators]]\nname = "ann"\ntoken_sha256 = "%s"\nroles = ["king"]\n' % ("0" * 64), "king"),
        ("not toml", "="),
    ],
)
def test_a_wrong_configuration_is_told(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "server.toml"
    path.write_text(text)
    with pytest.raises(ConfigWrong, match=told):
        read_settings(path)


def test_two_operators_may_not_share_a_token(tmp_path: Path) -> None:
    path = tmp_path / "server.toml"
    one = '[[operators]]\nname = "%s"\ntoken_sha256 = "' + "0" * 64 + '"\nroles = ["admin"]\n'
    path.write_text('data = "d"\n' + one % "ann" + one % "bob")
    with pytest.raises(ConfigWrong, match="same token; each"):
        read_settings(path)


def test_two_operators_may_not_share_a_name(tmp_path: Path) -> None:
    """Two people of one name would be one person to the trail and to what takes two."""
    path = tmp_path / "server.toml"
    one = '[[operators]]\nname = "ann"\ntoken_sha256 = "%s"\nroles = ["admin"]\n'
    path.write_text('data = "d"\n' + one % ("0" * 64) + one % ("1" * 64))
    with pytest.raises(ConfigWrong, match="same name, ann: the trail, and what takes two people"):
        read_settings(path)


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "server.toml"
    path.write_text('data = "d"\n')
    settings = read_settings(path)
    assert settings.data == str(tmp_path / "d")
    assert settings.database == f"sqlite+aiosqlite:///{tmp_path / 'd' / 'server.db'}"


def test_keys_that_were_never_made_are_told_with_what_makes_them(tmp_path: Path) -> None:
    with pytest.raises(KeysUnusable, match="a server makes it at its first start") as told:
        trust_in(tmp_path)
    assert "Errno" not in str(told.value)
