"""From the vault to the till by a stick: asked for, sealed, installed, believed at the next start, and only there."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hardware.cards.keys import KeyNotHeld, Role
from protocol.card_keys import read_tables
from protocol.messages import sign
from protocol.signing import to_base64url
from server.card_keys.__main__ import main as vault_main
from terminal import card_keys_command
from terminal.config import ConfigWrong, read_config
from terminal.identity import save_grant
from tests.protocol.samples import GRANT_JWS, KEY, KEY_SEED, KEYS, SERVER_KEY, SERVER_SEED, TID
from tests.terminal.journals import TRUST

Run = tuple[int, list[str], list[str]]


def run(main: Callable[..., int], *arguments: object) -> Run:
    said: list[str] = []
    warned: list[str] = []
    return main([str(word) for word in arguments], said.append, warned.append), said, warned


class Site:
    """A till that is enrolled, a vault with two sets, and the root that signs for both sides."""

    def __init__(self, tmp_path: Path) -> None:
        self.settings, self.data = tmp_path / "terminal.toml", tmp_path / "data"
        self.vault, self.root, self.stick = tmp_path / "vault", tmp_path / "root", tmp_path / "stick"
        self.may("refund")
        for directory, name, seed in ((self.data, "journal.key", KEY_SEED), (self.root, "root.key", SERVER_SEED)):
            directory.mkdir()
            (directory / name).write_text(to_base64url(seed))
            (directory / name).chmod(0o600)
        save_grant(self.data, GRANT_JWS, TRUST)
        for _ in range(2):
            run(vault_main, "make", self.vault)

    def may(self, *rights: str, more: str = "") -> None:
        self.settings.write_text(f'directory = "data"\nmerchant = "m1"\nmay = {json.dumps(rights)}\n{more}')
        self.settings.chmod(0o600)

    def request(self) -> Path:
        code, said, self.asked = run(card_keys_command.main, "request", "--config", self.settings)
        assert code == 0
        path = self.stick.with_suffix(".request")
        path.write_text(said[0])
        return path

    def wrap(self, holder: str = "till") -> Run:
        return run(vault_main, "wrap", self.vault, self.request(), "--for", holder, "--root", self.root)

    def install(self, said: list[str]) -> Run:
        self.stick.write_text("\n".join(said) + "\n")
        return run(card_keys_command.main, "install", self.stick, "--config", self.settings)


def roles_held(site: Site) -> set[Role]:
    of_card = read_config(site.settings).card_keys.of_card(b"\x04" * 7, 2)
    assert of_card is not None
    found = set[Role]()
    for role in Role:
        try:
            of_card.aes(role)
        except KeyNotHeld:
            continue
        found.add(role)
    return found


@pytest.mark.parametrize(
    ("rights", "holder", "has"),
    [
        (("refund",), "till", {Role.CLASSIC_TILL}),
        (("load", "refund"), "station", {Role.CLASSIC_TILL, Role.CLASSIC_LOAD}),
        (("office",), "office", {Role.CLASSIC_TILL, Role.CLASSIC_LOAD, Role.CLASSIC_OFFICE}),
    ],
)
def test_a_terminal_holds_what_its_rights_need(
    tmp_path: Path, rights: tuple[str, ...], holder: str, has: set[Role]
) -> None:
    site = Site(tmp_path)
    site.may(*rights)
    code, delivery, told = site.wrap(holder)
    assert code == 0 and told[0].startswith(f"{TID}, epoch 1, {holder}: sets 2, 1; its screen says: ")
    assert site.asked[-1] == told[0].rpartition(": ")[2], "the same words on both screens"
    assert site.install(delivery)[:1] == (0,)
    config = read_config(site.settings)
    assert config.card_keys.key_sets == (2, 1) and config.key_set_new == 2
    classic = {Role.CLASSIC_TILL, Role.CLASSIC_LOAD, Role.CLASSIC_OFFICE}
    assert roles_held(site) & classic == has
    masters = read_tables((site.vault / "set-2.toml").read_bytes())[0].masters.values()
    shown = "".join([*delivery, *told, *site.asked, *run(card_keys_command.main, "show", "--config", site.settings)[1]])
    assert not any(to_base64url(key) in shown or key.hex() in shown for key in masters)
    for name in ("card-keys.toml", "card-keys.key"):
        assert (site.data / name).stat().st_mode & 0o777 == 0o600


def test_the_vault_gives_nobody_more_than_people_say_and_root_and_grant_vouch_for(tmp_path: Path) -> None:
    site = Site(tmp_path)
    assert site.wrap("station")[::2] == (2, [f"fanka card keys: by its settings {TID} is 'till', and not 'station'"])
    site.may("topup")
    assert site.wrap("till")[0] == 2
    (site.root / "root.key").write_text(to_base64url(bytes(32)))
    code, said, warned = site.wrap("station")
    assert code == 2 and not said and "nobody whom this root vouches for" in warned[0]
    (site.root / "root.key").write_text(to_base64url(SERVER_SEED))
    run(vault_main, "split", site.vault, 1, tmp_path / "part-1", tmp_path / "part-2")
    assert run(vault_main, "forget", site.vault, 1)[0] == 0
    code, said, warned = site.wrap("station")
    assert code == 2 and not said and "join the set's parts first" in warned[0]


def test_a_withdrawn_set_goes_with_the_next_delivery(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.install(first := site.wrap()[1])
    run(vault_main, "withdraw", site.vault, 1)
    assert site.install(site.wrap()[1])[0] == 0
    assert read_config(site.settings).card_keys.key_sets == (2,)
    before = (site.data / "card-keys.toml").read_bytes()
    code, _, warned = site.install(first)
    assert code == 8 and "older" in warned[0]
    assert (site.data / "card-keys.toml").read_bytes() == before


def test_a_lost_register_does_not_make_deliveries_older(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.install(site.wrap()[1])
    (site.vault / "sets.json").unlink()
    run(vault_main, "make", site.vault)
    assert site.install(site.wrap()[1])[0] == 0


def test_what_is_refused_changes_nothing(tmp_path: Path) -> None:
    site = Site(tmp_path)
    delivery = site.wrap()[1]
    site.may("load")
    refusals = [site.install(delivery)]
    site.may("refund")
    secret = (site.data / "card-keys.key").read_bytes()
    for content, sentence in ((bytes(32), "another key"), (b"x", "does not hold 32 bytes")):
        (site.data / "card-keys.key").write_text(to_base64url(content))
        refusals.append(site.install(delivery))
        assert sentence in refusals[-1][2][0]
    (site.data / "card-keys.key").unlink()
    refusals.append(site.install(delivery))
    (site.data / "card-keys.key").write_bytes(secret)
    refusals.append(site.install(delivery))
    assert "open to others" in refusals[-1][2][0]
    (site.data / "card-keys.key").chmod(0o600)
    refusals.append(site.install([sign(KEYS, SERVER_KEY).decode()]))
    refusals.append(site.install([sign(KEYS, KEY).decode()]))
    assert [code for code, _, _ in refusals] == [8] * len(refusals)
    assert not (site.data / "card-keys.toml").exists()
    with pytest.raises(ConfigWrong, match="ask the vault"):
        read_config(site.settings)
    assert site.install(delivery)[0] == 0


def test_keys_stand_in_one_place(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.may("refund", more=f'[[card_keys]]\nkey_set = 1\ndebit = "{to_base64url(bytes(16))}"\n')
    assert read_config(site.settings).card_keys.key_sets == (1,)
    code, _, warned = site.install(site.wrap()[1])
    assert code == 0 and "Take the card keys out of the settings" in warned[0]
    with pytest.raises(ConfigWrong, match="others were delivered"):
        read_config(site.settings)
    site.may("refund")
    assert read_config(site.settings).card_keys.key_sets == (2, 1)
    (site.data / "card-keys.toml").chmod(0o604)
    with pytest.raises(ConfigWrong, match="chmod 600"):
        read_config(site.settings)
    (site.data / "card-keys.toml").chmod(0o600)
    (site.data / "card-keys.toml").write_text("delivery = 1")
    with pytest.raises(ConfigWrong, match="Install the newest delivery again"):
        read_config(site.settings)


def test_a_terminal_that_is_not_enrolled_asks_nothing(tmp_path: Path) -> None:
    site = Site(tmp_path)
    (site.data / "grant.jws").unlink()
    code, said, warned = run(card_keys_command.main, "request", "--config", site.settings)
    assert code == 3 and not said and "Enrol once more" in warned[0]
    assert not (site.data / "card-keys.key").exists()
