"""The vault of the card keys: sets are made, parted, joined, forgotten and withdrawn; nothing secret is ever said."""

import io
import sys
from pathlib import Path

import pytest

from protocol.card_keys import read_tables
from server.card_keys.__main__ import main

Run = tuple[int, list[str], list[str]]


def run(*arguments: object) -> Run:
    said: list[str] = []
    warned: list[str] = []
    return main([str(word) for word in arguments], said.append, warned.append), said, warned


def secrets_in(path: Path) -> set[str]:
    return {key.hex() for keys in read_tables(path.read_bytes()) for key in keys.masters.values()}


def parts(tmp_path: Path, count: int = 2) -> list[Path]:
    return [tmp_path / f"part-{number}" for number in range(1, count + 1)]


@pytest.mark.parametrize("count", [2, 3])
def test_a_set_goes_into_parts_off_the_machine_and_comes_back(tmp_path: Path, count: int) -> None:
    vault, files = tmp_path / "vault", parts(tmp_path, count)
    said = [run("make", vault), run("split", vault, 1, *files)]
    before = (vault / "set-1.toml").read_bytes()
    said += [run("forget", vault, 1), run("show", vault)]
    assert not (vault / "set-1.toml").exists()
    refused = run("join", vault, *files[:-1], files[0])
    assert refused[0] == 2 and "each is needed once" in refused[2][0]
    said += [run("join", vault, *reversed(files))]
    assert [code for code, _, _ in said] == [0] * 5
    assert (vault / "set-1.toml").read_bytes() == before
    assert said[-1][1] == said[0][1] == said[3][1], "the same check values each time"
    for path in (vault / "set-1.toml", *files):
        assert path.stat().st_mode & 0o777 == 0o600
    shown = "".join(str(one) for one in [*said, refused]) + (vault / "sets.json").read_text()
    assert not any(secret in shown for secret in secrets_in(vault / "set-1.toml"))


def test_keys_that_are_nowhere_else_are_not_forgotten(tmp_path: Path) -> None:
    vault = tmp_path / "vault"
    run("make", vault)
    code, _, warned = run("forget", vault, 1)
    assert code == 2 and "never split" in warned[0] and (vault / "set-1.toml").exists()
    run("split", vault, 1, *parts(tmp_path))
    assert run("forget", vault, 1)[0] == 0
    run("join", tmp_path / "new", *parts(tmp_path))
    assert run("forget", tmp_path / "new", 1)[0] == 0


def test_a_new_vault_is_made_of_parts_and_one_that_is_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vault, files = tmp_path / "vault", parts(tmp_path)
    run("make", vault)
    run("split", vault, 1, *files)
    monkeypatch.setattr(sys, "stdin", io.StringIO(files[1].read_text().upper()))
    code, said, _ = run("join", tmp_path / "new", files[0], "-")
    assert code == 0 and said == run("show", vault)[1]
    assert secrets_in(tmp_path / "new" / "set-1.toml") == secrets_in(vault / "set-1.toml")


def test_the_next_set_is_present_and_one_that_is_withdrawn_does_not_come_back(tmp_path: Path) -> None:
    vault, files = tmp_path / "vault", parts(tmp_path)
    run("make", vault)
    run("split", vault, 1, *files)
    assert run("withdraw", vault, 1)[0] == 2, "new cards need one"
    run("make", vault)
    assert [line.split(":")[0] for line in run("show", vault)[1]] == ["set 1 former", "set 2 present"]
    assert secrets_in(vault / "set-1.toml").isdisjoint(secrets_in(vault / "set-2.toml"))
    assert run("withdraw", vault, 1)[0] == 0 and not (vault / "set-1.toml").exists()
    code, _, warned = run("join", vault, *files)
    assert code == 2 and "set 1 is withdrawn" in warned[0]
    assert run("make", vault)[1][0].startswith("set 3 present"), "no number is given twice"


def test_a_vault_that_is_none_is_not_shown_as_an_empty_one(tmp_path: Path) -> None:
    code, said, warned = run("show", tmp_path / "nodir")
    assert (code, said) == (2, []) and f"there is no vault {tmp_path / 'nodir'}: name its directory" in warned[0]
    code, said, warned = run("show", tmp_path)
    assert (code, said) == (2, []) and f"no set was made or joined in {tmp_path}" in warned[0]
    code, _, warned = run("join", tmp_path / "vault", tmp_path / "nothing", tmp_path / "nothing")
    assert code == 2 and warned == [f"fanka card keys: {tmp_path / 'nothing'}: No such file or directory"]


def test_nothing_is_taken_for_a_set_that_is_not_it(tmp_path: Path) -> None:
    vault, other, files = tmp_path / "vault", tmp_path / "other", parts(tmp_path)
    for made in (vault, other):
        run("make", made)
    run("split", other, 1, *files)
    refusals = [run("join", vault, *files), run("split", other, 1, *files), run("split", vault, 2, *files)]
    refusals += [run("split", vault, 1, files[0]), run("join", vault, files[0], tmp_path / "nothing")]
    secret = vault / "set-1.toml"
    secret.chmod(0o640)
    refusals.append(run("split", vault, 1, tmp_path / "a", tmp_path / "b"))
    secret.chmod(0o600)
    secret.write_bytes((other / "set-1.toml").read_bytes())
    refusals.append(run("split", vault, 1, tmp_path / "a", tmp_path / "b"))
    expected = (
        "knows other keys",
        "never written over",
        "is missing",
        "2 or 3 parts",
        "No such file",
        "open to others",
    )
    for (code, _, warned), sentence in zip(refusals, (*expected, "holds other keys"), strict=True):
        assert code == 2 and sentence in warned[0]
    assert not (tmp_path / "a").exists()
