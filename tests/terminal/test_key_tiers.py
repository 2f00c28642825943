"""A journal key lives behind a port: whatever keeps it, a terminal enrols, signs, renews; what is not built is told."""

import sys
from pathlib import Path

import pytest

from protocol.enrolment import KeyTier, claim_code, renewal_text
from protocol.entries import Kind, Reason
from protocol.journal import seal
from protocol.signing import Signer, SigningKey, VerifyKey, from_base64url, sha256_of
from terminal.__main__ import main
from terminal.claim import enrol, renew
from terminal.config import ConfigWrong, read_config
from terminal.identity import IN_A_FILE, IdentityError, NotEnrolled, load_identity
from terminal.key_tiers import TierName, keys_of
from tests.protocol.samples import entry_after
from tests.terminal.enrolling_server import AT, Said, a_server
from tests.terminal.web import answering

SETTINGS = 'directory = "data"\nmerchant = "canteen-1"\n{tier}\n[[card_keys]]\nkey_set = 1\ndebit = "{key}"\n'


class Chip:
    """Keeps a key where no file is."""

    tier = KeyTier.SAM

    def __init__(self) -> None:
        self.key: SigningKey | None = None

    def has_key(self, directory: Path) -> bool:
        return self.key is not None

    def create(self, directory: Path) -> VerifyKey:
        assert self.key is None
        self.key = SigningKey(sha256_of(str(directory).encode()))
        return self.key.public

    def open(self, directory: Path) -> Signer:
        if self.key is None:
            raise NotEnrolled("the chip is empty")
        return self.key


def test_a_key_in_a_chip_enrols_signs_and_renews(tmp_path: Path) -> None:
    chip, server, said, told = Chip(), a_server(), list[str](), dict[str, Said]()

    def listen(path: str, body: Said) -> Said | None:
        told[path] = body
        return server(path, body)

    with answering(listen) as at:
        identity = enrol(tmp_path, at, claim_code(7), "pi", said.append, keys=chip)
        renew(tmp_path, at, identity, AT)
    assert said[0].endswith(server.words) and not (tmp_path / "journal.key").exists()
    assert identity.tier is KeyTier.SAM and told["/enrol"]["tier"] == 2
    entry = entry_after(identity.start, Kind.DRAWER_OPENED, Reason("change"))
    signed, _, signature = seal(entry, identity.key).jws.rpartition(b".")
    assert identity.grant.verify_key.verifies(from_base64url(signature), signed)
    asked, grant = told["/renew"], identity.grant
    text = renewal_text(grant.tid, grant.epoch, AT, KeyTier.SAM, asked["request"].encode())
    assert asked["tier"] == 2 and grant.verify_key.verifies(from_base64url(asked["proof"]), text)
    assert load_identity(tmp_path, chip).key.public == grant.verify_key
    with pytest.raises(NotEnrolled, match=r"journal\.key is missing"):
        load_identity(tmp_path)


def test_only_what_is_built_is_given_out() -> None:
    assert keys_of(TierName.FILE) is IN_A_FILE
    for name in (TierName.SEALED, TierName.SAM):
        with pytest.raises(IdentityError, match=f'key tier "{name}" .* is not built'):
            keys_of(name)


@pytest.mark.parametrize("name", ["sealed", "sam"])
def test_settings_that_name_a_tier_that_is_not_built_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "terminal.toml"
    path.write_text(SETTINGS.format(tier=f'key_tier = "{name}"', key="A" * 22))
    path.chmod(0o600)
    with pytest.raises(ConfigWrong, match=f'key_tier: key tier "{name}" .* Write "file", or leave the setting out'):
        read_config(path)
    path.write_text(SETTINGS.format(tier='key_tier = "file"', key="A" * 22))
    assert read_config(path).journal_keys is IN_A_FILE
    path.write_text(SETTINGS.format(tier='key_tier = "tpm"', key="A" * 22))
    with pytest.raises(ConfigWrong, match="key_tier"):
        read_config(path)


def test_the_command_line_refuses_it_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (["--new-key", str(tmp_path / "data")], ["--enrol", "http://[::1]:1", "--code", "4T7QXW2M9K"]):
        given = [*command, "--data", str(tmp_path / "data"), "--key-tier", "sealed"]
        monkeypatch.setattr(sys, "argv", ["terminal", *given])
        assert main() == 3
        assert 'key tier "sealed" (1) is not built' in capsys.readouterr().err
    assert not (tmp_path / "data").exists()
