"""A certificate is renewed in time, by nothing but the site's own authority; and no answer ends a till."""

import asyncio
import io
import os
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from hardware.simulated.reader import SimulatedReader
from protocol.enrolment import claim_code
from protocol.instants import DAY_MS, ClockSource, MonoMs, Now, UtcMs
from protocol.messages import ServerTime, sign
from server.broker.certificates import Pair, for_broker, new_authority, new_key
from terminal.app import run
from terminal.claim import enrol, validity
from terminal.clock import MachineClock
from terminal.config import read_config
from terminal.console import Console
from terminal.identity import Identity, IdentityError
from terminal.languages import Spoken
from terminal.renewal import CertificateKeeper, is_due
from terminal.server_http import ServerAt, ask_time
from terminal.texts.en import SENTENCES
from tests.terminal.enrolling_server import AT, EnrollingServer, Said, a_server
from tests.terminal.test_app import written
from tests.terminal.web import answering, saying

SECOND = DAY_MS // 86_400
STRANGE = [
    b"SSH-2.0-OpenSSH_9.2\r\n",  # another program has the port
    b'HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{"certi',  # the network goes in the middle
    b'HTTP/1.1 500 x\r\nContent-Length: 5000\r\n\r\n{"certi',
    b"",
]


@pytest.fixture
def server() -> EnrollingServer:
    return a_server()


@pytest.fixture
def identity(tmp_path: Path, server: EnrollingServer) -> Identity:
    """An enrolled terminal in `data`."""
    with answering(server) as at:
        return enrol(tmp_path / "data", at, claim_code(7), "pi", lambda _: None)


class Keeping:
    """A keeper at an instant, and how often it renewed."""

    def __init__(self, data: Path, at: ServerAt, identity: Identity, now: int, *, unusable: bool = False) -> None:
        self.now, self.renewals, self.fault = now, 0, ""
        self.keeper = CertificateKeeper(data, at, identity, self._now, self._renewed, unusable=unusable)

    def _now(self) -> Now:
        return Now(UtcMs(self.now), MonoMs(0), ClockSource.SERVER)

    def _renewed(self) -> None:
        self.renewals += 1
        if self.fault:
            raise ssl.SSLError(self.fault)


def test_it_is_due_when_a_third_is_left() -> None:
    begins, ends = UtcMs(1_000), UtcMs(1_000 + 300)
    assert [is_due(begins, ends, UtcMs(now)) for now in (0, 1_199, 1_200, 1_300, 9_999)] == [False, False] + [True] * 3


async def test_a_new_key_and_certificate_in_time(tmp_path: Path, server: EnrollingServer, identity: Identity) -> None:
    data = tmp_path / "data"
    begins, ends = validity(data)
    before = (data / "tls.pem").read_bytes()
    with answering(server) as at:
        keeping = Keeping(data, at, identity, ends - (ends - begins) // 3 - 1)
        await keeping.keeper.look()
        assert (data / "tls.pem").read_bytes() == before and keeping.renewals == 0
        keeping.now += 1
        await keeping.keeper.look()
    assert (data / "tls.pem").read_bytes() != before and keeping.renewals == 1
    assert (data / "tls.pem").stat().st_mode & 0o777 == 0o600
    usable(data)


async def test_what_cannot_make_a_line_is_renewed_at_once(
    tmp_path: Path, server: EnrollingServer, identity: Identity
) -> None:
    (tmp_path / "data" / "tls.pem").write_bytes(b"torn")
    with answering(server) as at:
        keeping = Keeping(tmp_path / "data", at, identity, AT, unusable=True)
        await keeping.keeper.look()
        await keeping.keeper.look()
    usable(tmp_path / "data")
    assert keeping.renewals == 1


def garbage_behind(_: str, said: Said) -> None:
    said["certificate"] += "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


async def test_only_the_certificate_itself_is_kept(tmp_path: Path, server: EnrollingServer, identity: Identity) -> None:
    server.bend = garbage_behind
    with answering(server) as at:
        keeping = Keeping(tmp_path / "data", at, identity, validity(tmp_path / "data")[1])
        await keeping.keeper.look()
    assert keeping.renewals == 1
    usable(tmp_path / "data")


def foreign(server: EnrollingServer) -> None:
    server.authority = a_server("foreign").authority


def namesake(server: EnrollingServer) -> None:
    server.authority = a_server().authority


def of_another(server: EnrollingServer) -> None:
    server.tid = "till-9"


def for_another_key(server: EnrollingServer) -> None:
    old = server.certificate()
    server.bend = lambda _, said: said.update(certificate=old)


def no_certificate(server: EnrollingServer) -> None:
    server.bend = lambda _, said: said.update(certificate="none")


@pytest.mark.parametrize("change", [foreign, namesake, of_another, for_another_key, no_certificate])
async def test_a_good_certificate_is_replaced_by_no_other(
    tmp_path: Path, server: EnrollingServer, identity: Identity, change: Callable[[EnrollingServer], None]
) -> None:
    data = tmp_path / "data"
    before = (data / "tls.pem").read_bytes()
    change(server)
    with answering(server) as at:
        keeping = Keeping(data, at, identity, validity(data)[1])
        await keeping.keeper.look()
    assert (data / "tls.pem").read_bytes() == before and keeping.renewals == 0


async def test_what_the_line_says_of_a_new_certificate_ends_nothing(
    tmp_path: Path, server: EnrollingServer, identity: Identity
) -> None:
    with answering(server) as at:
        keeping = Keeping(tmp_path / "data", at, identity, validity(tmp_path / "data")[1])
        keeping.fault = "no start line"
        await keeping.keeper.look()
    assert keeping.renewals == 1


@pytest.mark.parametrize("said", STRANGE)
async def test_no_strange_answer_leaves_the_keeper_or_the_question_for_the_time(
    tmp_path: Path, identity: Identity, said: bytes
) -> None:
    with saying(said) as at:
        await Keeping(tmp_path / "data", at, identity, validity(tmp_path / "data")[1]).keeper.look()
        with pytest.raises(IdentityError):
            await asyncio.to_thread(ask_time, at, identity.trust)


@pytest.mark.parametrize(
    "url", ["http://[fanka", "http://fanka:80x", "http://fanka campus", "fanka", "http://" + "x" * 99]
)
async def test_no_wrong_address_leaves_the_keeper(tmp_path: Path, identity: Identity, url: str) -> None:
    await Keeping(tmp_path / "data", ServerAt(url), identity, validity(tmp_path / "data")[1]).keeper.look()


async def test_a_strange_answer_ends_no_till_and_a_good_one_mends_it(
    tmp_path: Path, server: EnrollingServer, identity: Identity
) -> None:
    """Without a certificate that can be used there is no line; another one is asked for all the same."""
    tls = tmp_path / "data" / "tls.pem"
    tls.write_bytes(b"torn")
    with saying(STRANGE[0]) as at:
        await start_and_quit(tmp_path, at, lambda: False)
    assert tls.read_bytes() == b"torn" and identity.grant.tid == server.tid
    with answering(server) as at:
        await start_and_quit(tmp_path, at, lambda: tls.read_bytes() != b"torn")
    usable(tmp_path / "data")


async def test_settings_without_a_server_renew_where_it_was_enrolled(tmp_path: Path, server: EnrollingServer) -> None:
    """The address that was typed at the panel or after --enrol; and the settings' own one goes before it."""
    data = tmp_path / "data"
    with answering(server) as at:
        enrol(data, at, claim_code(7), "pi", lambda _: None)
        assert read_config(written(tmp_path)).server_url == at.url
        (data / "tls.pem").write_bytes(b"torn")
        await start_and_quit(tmp_path, None, lambda: (data / "tls.pem").read_bytes() != b"torn")
    usable(data)
    path = written(tmp_path)
    path.write_text(path.read_text().replace("[reader]", '[server]\nurl = "https://other.example"\n[reader]'))
    assert read_config(path).server_url == "https://other.example"


@pytest.mark.parametrize("kept", [b"{", b"{}", b'{"url": "http://[fanka"}', b'{"url": ""}'])
def test_an_address_that_is_none_stops_no_start(
    tmp_path: Path, kept: bytes, identity: Identity, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "data" / "server.json").write_bytes(kept)
    assert read_config(written(tmp_path)).server_url == ""
    assert bool(caplog.text) == (b'""' not in kept)


async def start_and_quit(tmp_path: Path, at: ServerAt | None, enough: Callable[[], bool]) -> None:
    """Start a terminal, type `quit` after a second or earlier, and see it end in order."""
    path = written(tmp_path)
    table = f'[server]\nurl = "{at.url}"\n' if at else ""
    tables = f'[broker]\nhost = "127.0.0.1"\nport = 1\n{table}[reader]'
    path.write_text(path.read_text().replace("[reader]", tables))
    reading, writing = os.pipe()
    out = io.BytesIO()
    console = Console(SENTENCES, out)
    program = asyncio.create_task(run(read_config(path), Spoken("en"), console, reading, SimulatedReader()))
    for _ in range(50):
        await asyncio.sleep(0.02)
        if program.done() or enough():
            break
    os.write(writing, b"quit\n")
    await asyncio.wait_for(program, 10)
    os.close(writing)
    os.close(reading)
    assert b"The program ends" in out.getvalue()


def usable(data: Path) -> None:
    """A pair as TLS needs it."""
    ssl.create_default_context(cafile=data / "ca.crt").load_cert_chain(data / "tls.pem")


@pytest.mark.parametrize("ahead", [0, 30 * DAY_MS])
def test_the_time_is_asked_for_over_https_with_a_wrong_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, identity: Identity, server: EnrollingServer, ahead: int
) -> None:
    """The web server's certificate is out of date by our clock, like the broker's: that is why we ask."""
    now = MachineClock().utc_ms()
    at = UtcMs(now + ahead)
    authority, key = new_authority("web", UtcMs(now - DAY_MS)), new_key()
    pair = Pair(for_broker(authority, ["127.0.0.1"], key.public_key(), at), key)
    (tmp_path / "web-ca.pem").write_bytes(authority.certificate_pem())
    (tmp_path / "web.pem").write_bytes(pair.key_pem() + pair.certificate_pem())
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "web-ca.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "web.pem")
    with answering(lambda _, body: {"time": sign(ServerTime(body["nonce"], at), server.key).decode()}, tls) as web:
        assert ask_time(web, identity.trust) == at
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "data" / "ca.crt"))
    with answering(lambda *_: {}, tls) as web, pytest.raises(IdentityError, match="certificate is not to be believed"):
        ask_time(web, identity.trust)
