"""`python -m protocol verify` and the shell verifier: the same verdict on every chain, and words that help."""

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from joserfc.jwk import OKPKey
from joserfc.jws import JWSRegistry, deserialize_compact

from protocol.__main__ import OK, TAMPERED, USAGE, main
from protocol.journal import Sealed
from protocol.messages import sign
from protocol.signing import SigningKey, VerifyKey, sha256_of, to_base64url
from tests.protocol.deep import DEEP
from tests.protocol.golden import golden
from tests.protocol.mutations import FOREIGN, LENGTH, MUTATIONS
from tests.protocol.samples import GRANT, GRANT_JWS, KEY, MESSAGES, SERVER_KEY, START, chain_of

CHAIN = chain_of()
LINES = [sealed.jws for sealed in CHAIN]
SHELL = Path(__file__).resolve().parents[2] / "scripts" / "verify-chain.sh"


def spelled(sealed: Sealed) -> str:
    return f"{sealed.seq}:{to_base64url(sealed.hash)}"


HEAD = spelled(CHAIN[-1])
SERVER_KEY_TEXT = to_base64url(SERVER_KEY.public.raw)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "chain").write_bytes(b"\n".join(LINES) + b"\n")
    (tmp_path / "grant").write_bytes(GRANT_JWS + b"\n")
    (tmp_path / "key.pem").write_text(pem_of(KEY.public))
    return tmp_path


def pem_of(key: VerifyKey) -> str:
    """A SubjectPublicKeyInfo of an Ed25519 key (RFC 8410 section 4), without asking our own code."""
    der = bytes.fromhex("302a300506032b6570032100") + key.raw
    body = subprocess.run(["base64", "-w", "64"], input=der, capture_output=True, check=True).stdout.decode()
    return f"-----BEGIN PUBLIC KEY-----\n{body}-----END PUBLIC KEY-----\n"


def verify(folder: Path, *more: str) -> int:
    """With the server's key, unless the test says otherwise."""
    trust = [] if {"--trust-grant", "--server-key"} & set(more) else ["--server-key", SERVER_KEY_TEXT]
    return main(["verify", str(folder / "chain"), "--grant", str(folder / "grant"), *trust, *more])


def test_the_journal_s_database_is_no_chain_that_somebody_edited(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (files / "chain").write_bytes(b"SQLite format 3\0" + bytes(84))
    assert verify(files, "--no-head") == USAGE
    assert "export it first" in capsys.readouterr().err


def test_a_grant_by_an_earlier_key_of_the_server_holds(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    newer = to_base64url(SigningKey(bytes(32)).public.raw)
    assert verify(files, "--no-head", "--server-key", newer, "--server-key", SERVER_KEY_TEXT) == OK
    assert verify(files, "--no-head", "--server-key", newer) != OK
    assert "signature does not hold" in capsys.readouterr().err


def shell_says(folder: Path, *head: str) -> subprocess.CompletedProcess[str]:
    arguments = [str(folder / "chain"), str(folder / "key.pem"), to_base64url(START.hash), *head]
    return subprocess.run([SHELL, *arguments], capture_output=True, text=True)


def test_a_good_chain_is_intact(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(files, "--expect-head", HEAD) == OK
    assert capsys.readouterr().out == f"intact: {LENGTH} entries hold, the newest is {HEAD}\n"
    assert verify(files, "--no-head") == OK
    assert "was not checked" in capsys.readouterr().out


def test_a_chain_forged_from_its_grant_on_is_told_from_a_true_one(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever writes the grant chooses the key: without the server's, a forger's chain is as intact as ours."""
    grant = msgspec.structs.replace(GRANT, key=to_base64url(FOREIGN.public.raw))
    jws = sign(grant, FOREIGN)
    (files / "grant").write_bytes(jws)
    (files / "chain").write_bytes(b"\n".join(sealed.jws for sealed in chain_of(start=grant.start(jws), key=FOREIGN)))
    assert verify(files, "--no-head") == USAGE
    assert "signature does not hold" in capsys.readouterr().err
    assert main(["verify", str(files / "chain"), "--grant", str(files / "grant"), "--no-head"]) == USAGE
    assert "--trust-grant to do without" in capsys.readouterr().err
    assert verify(files, "--no-head", "--trust-grant") == OK
    assert "all of it may be forged (--trust-grant)" in capsys.readouterr().out


def test_a_key_may_begin_with_a_hyphen(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One in 64 does."""
    keys = (SigningKey(sha256_of(bytes([number]))) for number in range(256))
    server = next(key for key in keys if to_base64url(key.public.raw).startswith("-"))
    grant = sign(GRANT, server)
    (files / "grant").write_bytes(grant + b"\n")
    (files / "chain").write_bytes(b"".join(sealed.jws + b"\n" for sealed in chain_of(start=GRANT.start(grant))))
    assert verify(files, "--server-key", to_base64url(server.public.raw), "--no-head") == OK, capsys.readouterr()


def test_a_cut_tail_needs_the_head(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (files / "chain").write_bytes(b"\n".join(LINES[:-2]))
    assert verify(files, "--no-head") == OK
    assert verify(files, "--expect-head", HEAD) == TAMPERED
    assert f"end: cut_tail {LENGTH - 1}-{LENGTH}: the chain ends at entry {LENGTH - 2}" in capsys.readouterr().out


def test_the_report_is_json_on_demand(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (files / "chain").write_bytes(b"\n".join([*LINES[:4], *LINES[6:]]))
    assert verify(files, "--expect-head", HEAD, "--json") == TAMPERED
    report = json.loads(capsys.readouterr().out)
    assert (report["ok"], report["entries"], report["unread"], report["head"]) == (False, LENGTH - 2, 0, HEAD)
    assert report["unchecked"] == []
    assert verify(files, "--no-head", "--trust-grant", "--json") == TAMPERED
    assert json.loads(capsys.readouterr().out)["unchecked"] == ["--trust-grant", "--no-head"]
    (finding,) = report["findings"]
    assert (finding["what"], finding["line"], finding["seq"], finding["until"]) == ("deleted", 5, 5, 6)
    assert finding["todo"].startswith("Export these numbers")


@pytest.mark.parametrize("deep", DEEP, ids=len)
def test_a_line_that_nests_without_end_is_a_finding(deep: str, files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    payload = f'{{"v":9,"seq":5,"prev":"{to_base64url(CHAIN[3].hash)}","x":{deep}}}'
    signed = LINES[4].partition(b".")[0] + b"." + to_base64url(payload.encode()).encode()
    line = signed + b"." + to_base64url(KEY.sign(signed)).encode()
    (files / "chain").write_bytes(b"\n".join([*LINES[:4], line, *LINES[5:]]))
    assert verify(files, "--expect-head", HEAD) == TAMPERED
    assert "line 5: edited 5" in capsys.readouterr().out


def test_what_is_said_of_a_line_cannot_speak_for_itself(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A member's name that clears the screen and writes a verdict of its own."""
    payload = b'{"\\u001b[2J\\u001b[Hintact: 1520 entries hold\\n\\u001b[8m":1}'
    signature = to_base64url(bytes(64)).encode()
    line = b".".join((to_base64url(b"{}").encode(), to_base64url(payload).encode(), signature))
    (files / "chain").write_bytes(line + b"\n")
    assert verify(files, "--no-head") == TAMPERED
    said = capsys.readouterr().out
    assert said.isascii() and "\x1b" not in said and "\nintact" not in said


def test_several_files_continue_each_other(files: Path) -> None:
    (files / "chain").write_bytes(b"\n".join(LINES[:9]) + b"\n")
    (files / "rest").write_bytes(b"\n".join(LINES[9:]))
    arguments = ["--grant", str(files / "grant"), "--server-key", SERVER_KEY_TEXT, "--expect-head", HEAD]
    assert main(["verify", str(files / "chain"), str(files / "rest"), *arguments]) == OK


def test_a_chain_without_its_grant_needs_key_and_start(files: Path) -> None:
    key, start = to_base64url(KEY.public.raw), to_base64url(START.hash)
    assert main(["verify", str(files / "chain"), "--key", key, "--start", start, "--no-head"]) == OK
    (files / "rest").write_bytes(b"\n".join(LINES[9:]))
    assert main(["verify", str(files / "rest"), "--key", key, "--start", spelled(CHAIN[8]), "--no-head"]) == OK
    foreign = to_base64url(FOREIGN.public.raw)
    assert main(["verify", str(files / "chain"), "--key", foreign, "--start", start, "--no-head"]) == TAMPERED


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--no-head"], "--grant FILE, or --key"),
        (["--no-head", "--key", "x", "--start", "x"], "--start"),
        (["--no-head", "--key", "A" * 43, "--start", "A" * 43, "--server-key", "A" * 43], "add --grant"),
        (["--no-head", "--key", "A" * 43, "--start", "A" * 43, "--trust-grant"], "add --grant"),
        (["--no-head", "--key", "A" * 43, "--start", "A" * 43], "small order"),
        (["--no-head", "--grant", "grant"], "--server-key B64URL, or --trust-grant"),
        (["--no-head", "--key", "A" * 42 + "B", "--start", "A" * 43], "canonical"),
        (["--no-head", "--grant", "grant", "--key", "A" * 43], "leave --key out"),
        (["--no-head", "--grant", "chain", "--trust-grant"], "not|three parts|Object|type"),
        (["--no-head", "--grant", "ack", "--trust-grant"], "is a ack, not an epoch grant"),
        (["--no-head", "--grant", "grant", "--server-key", to_base64url(FOREIGN.public.raw)], "signature"),
        (["--no-head", "--grant", "nowhere", "--trust-grant"], "nowhere"),
        (["--grant", "grant", "--trust-grant", "--expect-head", "9:short"], "SEQ:HASH"),
        (["--grant", "grant", "--trust-grant", "--start", HEAD, "--expect-head", spelled(CHAIN[3])], "prove nothing"),
    ],
)
def test_a_command_that_makes_no_sense_says_why(
    arguments: list[str],
    says: str,
    files: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(files)
    Path("ack").write_text(golden("messages")["signed"]["ack"])
    assert main(["verify", "chain", *arguments]) == USAGE
    error = capsys.readouterr().err
    assert error.startswith("verify: ")
    assert any(part in error for part in says.split("|")), error


def test_neither_head_nor_no_head_is_refused(files: Path) -> None:
    with pytest.raises(SystemExit) as refused:
        verify(files)
    assert refused.value.code == USAGE
    assert shell_says(files).returncode == USAGE
    assert shell_says(files, "--expect-head").returncode == USAGE


def test_it_runs_as_a_program(files: Path) -> None:
    command = [sys.executable, "-m", "protocol", "verify", str(files / "chain"), "--grant", str(files / "grant")]
    more = ["--server-key", SERVER_KEY_TEXT, "--expect-head", HEAD]
    done = subprocess.run([*command, *more], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (OK, "")
    assert done.stdout.startswith("intact: ")


def test_the_shell_verifier_accepts_a_good_chain(files: Path) -> None:
    done = shell_says(files, "--expect-head", HEAD)
    assert (done.returncode, done.stderr) == (OK, "")
    assert done.stdout == f"intact: {LENGTH} entries hold, the newest is {HEAD}\n"


def test_the_shell_verifier_s_key_and_start_come_from_the_grant_as_its_usage_says(files: Path) -> None:
    usage = subprocess.run([SHELL], capture_output=True, text=True).stderr
    (files / "grant.jws").write_bytes(GRANT_JWS + b"\n")
    key = usage[usage.index("{ printf") : usage.index("KEY.pem\n  START_HASH") + len("KEY.pem")]
    subprocess.run(["sh", "-ec", key], cwd=files, check=True)
    assert (files / "KEY.pem").read_text() == pem_of(KEY.public)
    start = next(line for line in usage.splitlines() if "tr -d '\\n'" in line)
    said = subprocess.run(["sh", "-ec", start], cwd=files, check=True, capture_output=True, text=True).stdout
    assert said.strip() == to_base64url(START.hash)


@pytest.mark.parametrize(
    ("at", "wrong", "says"),
    [
        (0, "nowhere", "nowhere: no such file"),
        (0, ".", "no such file, or not to be read"),
        (1, "nowhere", "not the public half of an Ed25519 key"),
        (1, "chain", "not the public half of an Ed25519 key"),
        (1, "rsa.pem", "not the public half of an Ed25519 key"),
        (2, "A" * 42, "START_HASH is 43 characters"),
        (2, "x:" + "A" * 43, "START_HASH is 43 characters"),
        (2, "A" * 42 + "B", "START_HASH is 43 characters"),
        (3, "--head", "neither --expect-head nor --no-head"),
        (4, "9:short", "--expect-head is SEQ:HASH"),
        (4, "A" * 43, "--expect-head is SEQ:HASH"),
    ],
)
def test_the_shell_verifier_calls_no_wrong_argument_tampering(at: int, wrong: str, says: str, files: Path) -> None:
    rsa = ["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"]
    secret = subprocess.run(rsa, capture_output=True, check=True).stdout
    public = subprocess.run(["openssl", "pkey", "-pubout"], input=secret, capture_output=True, check=True).stdout
    (files / "rsa.pem").write_bytes(public)
    arguments = ["chain", "key.pem", to_base64url(START.hash), "--expect-head", HEAD]
    arguments[at] = wrong
    done = subprocess.run([SHELL, *arguments], cwd=files, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (USAGE, ""), done
    assert says in done.stderr


def test_a_file_that_starts_in_the_middle_is_called_so_and_can_be_checked(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (files / "chain").write_bytes(b"\n".join(LINES[9:]))
    assert verify(files, "--expect-head", HEAD) == TAMPERED
    said = capsys.readouterr().out
    assert "cut_head 1-9: the file starts in the middle, at entry 10" in said and "--start SEQ:HASH" in said
    assert verify(files, "--expect-head", HEAD, "--start", spelled(CHAIN[8])) == OK
    shell = [str(SHELL), str(files / "chain"), str(files / "key.pem")]
    middle = subprocess.run([*shell, to_base64url(START.hash), "--no-head"], capture_output=True, text=True)
    assert middle.returncode == TAMPERED and "starts in the middle, at entry 10: give 9:HASH" in middle.stdout
    done = subprocess.run([*shell, spelled(CHAIN[8]), "--expect-head", HEAD], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (OK, f"intact: {LENGTH - 9} entries hold, the newest is {HEAD}\n")
    foreign = subprocess.run(
        [*shell, spelled(CHAIN[7]).replace("8:", "9:"), "--no-head"], capture_output=True, text=True
    )
    assert foreign.returncode == TAMPERED and "does not follow START_HASH" in foreign.stdout


@pytest.mark.integration
@pytest.mark.parametrize("name", MUTATIONS)
def test_the_shell_verifier_agrees_on_tampering(name: str, files: Path) -> None:
    mutation = MUTATIONS[name]
    for at in {mutation.places[0], mutation.places[len(mutation.places) // 2]}:
        (files / "chain").write_bytes(b"\n".join(mutation.apply(LINES, at)) + b"\n")
        assert verify(files, "--expect-head", HEAD) == TAMPERED
        done = shell_says(files, "--expect-head", HEAD)
        assert (done.returncode, done.stderr) == (TAMPERED, ""), done
        assert "entry" in done.stdout


@pytest.mark.parametrize("sealed", CHAIN, ids=lambda sealed: sealed.entry.kind)
def test_a_jose_library_of_others_verifies_each_entry(sealed: Sealed) -> None:
    """joserfc knows `Ed25519` (RFC 9864); it was written by people who never saw our code."""
    key = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": to_base64url(KEY.public.raw)})
    checked = deserialize_compact(sealed.jws, key, algorithms=["Ed25519"], registry=JWSRegistry(algorithms=["Ed25519"]))
    assert checked.protected == {"alg": "Ed25519", "kid": "till-07/1"}
    assert json.loads(checked.payload)["seq"] == sealed.seq


def test_a_jose_library_of_others_verifies_each_message() -> None:
    key = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": to_base64url(SERVER_KEY.public.raw)})
    for name, (_, kid) in MESSAGES.items():
        jws = golden("messages")["signed"][name]
        checked = deserialize_compact(jws, key, algorithms=["Ed25519"], registry=JWSRegistry(algorithms=["Ed25519"]))
        assert checked.protected == {"alg": "Ed25519", "kid": kid}
