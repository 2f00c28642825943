"""The broker's directory through power cuts and lost files, and a gate that forgets nothing it has to tell."""

import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509

from protocol.entries import ListVersions
from protocol.ids import Epoch, TerminalId
from protocol.instants import DAY_MS, HOUR_MS, MINUTE_MS, UtcMs
from protocol.state import State, encode_state
from server.broker import site as site_module
from server.broker.authority import AuthorityUnusable, open_authority
from server.broker.certificates import Pair, new_authority
from server.broker.configuration import ACCESS, CA, CERTIFICATE, CONFIG, KEY, PID, REVOKED, BrokerSettings
from server.broker.process import Broker, free_port
from server.broker.site import BrokerSite, BrokerUnreachable
from server.durable import replace_file
from server.enrolment.gate import Gate
from tests.brokers import now
from tests.server.machines import Machine
from tests.server.office import Desk, open_desk
from tests.server.test_enrolment import claim, enrolled
from tests.server.world import NOON, SITE


def made(directory: Path, authority: Pair | None = None, at: UtcMs = NOON) -> BrokerSite:
    site = BrokerSite(BrokerSettings(directory=directory, port=free_port()), authority or new_authority("Fanka", at))
    site.prepare(at)
    return site


def broker_certificate(directory: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate((directory / CERTIFICATE).read_bytes())


@pytest.mark.parametrize("is_late", [False, True], ids=["when it is written", "of one written before"])
def test_the_broker_s_account_reads_it_whatever_the_umask(tmp_path: Path, *, is_late: bool) -> None:
    before = os.umask(0o077)
    try:
        site = made(tmp_path / "broker")
        site.take_back((), NOON)
        for path in (tmp_path / "broker").iterdir() if is_late else ():
            path.chmod(0o600)
        assert not is_late or not site.prepare(NOON)
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "broker").iterdir()}
    for name in (CONFIG, CA, CERTIFICATE, ACCESS, REVOKED):
        assert modes[name] == 0o644, name
    assert {mode for name, mode in modes.items() if name.endswith(".key")} == {0o600}


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        await desk.put("/terminals/till-1", {"site": SITE})
        yield desk


def test_power_that_goes_while_the_authority_is_made_costs_nothing(tmp_path: Path) -> None:
    open_authority(tmp_path, NOON, may_create=True)
    (tmp_path / "ca.crt").unlink()
    again = open_authority(tmp_path, NOON, may_create=True)
    assert open_authority(tmp_path, NOON, may_create=False).certificate == again.certificate


def test_an_authority_that_is_gone_is_not_made_anew_behind_the_terminals_backs(tmp_path: Path) -> None:
    with pytest.raises(AuthorityUnusable, match="Put it back"):
        open_authority(tmp_path, NOON, may_create=False)
    assert not (tmp_path / "ca.key").exists()


def test_power_that_goes_between_a_key_and_its_certificate_costs_nothing(tmp_path: Path) -> None:
    site = made(tmp_path)
    replace_file(tmp_path / KEY, site.client("x", NOON, 1).key_pem(), 0o600)
    assert site.prepare(NOON) and not site.prepare(NOON)


def test_what_another_authority_of_the_same_name_has_signed_is_signed_anew(tmp_path: Path) -> None:
    made(tmp_path)
    site = made(tmp_path)
    broker_certificate(tmp_path).verify_directly_issued_by(site.authority.certificate)
    listed = x509.load_pem_x509_crl((tmp_path / REVOKED).read_bytes())
    assert listed.is_signature_valid(site.authority.key.public_key())


def test_the_address_it_listens_on_is_one_of_its_names(tmp_path: Path) -> None:
    authority = new_authority("Fanka", NOON)
    for host, here in (("0.0.0.0", "127.0.0.1"), ("10.1.2.3", "10.1.2.3")):
        site = BrokerSite(BrokerSettings(directory=tmp_path, port=8883, host=host), authority)
        site.prepare(NOON)
        assert site.here() == here
        names = broker_certificate(tmp_path).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert here in {str(address) for address in names.get_values_for_type(x509.IPAddress)}


def test_a_broker_that_is_only_starting_is_not_ended_by_what_it_is_told(tmp_path: Path) -> None:
    """Until Mosquitto hears SIGHUP, that ends it; its number is on disk before."""
    site, deaf = made(tmp_path), tmp_path / "mosquitto"
    shutil.copy(shutil.which("sleep") or "", deaf)
    with subprocess.Popen([deaf, "5"]) as starting:
        (tmp_path / PID).write_text(str(starting.pid))
        while site.process() is None:  # the system names a program a moment after it has begun
            assert starting.poll() is None
        with pytest.raises(BrokerUnreachable, match="does not hear yet"):
            site.reload(patience_s=0.1)
        with pytest.raises(subprocess.TimeoutExpired):
            starting.wait(0.2)
        starting.kill()


def test_a_number_that_a_power_cut_has_left_is_nobody_else_s_end(tmp_path: Path) -> None:
    site = made(tmp_path)
    with subprocess.Popen(["sleep", "30"]) as other:
        (tmp_path / PID).write_text(str(other.pid))
        with pytest.raises(BrokerUnreachable, match="cannot be told"):
            site.reload()
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(0.2)
        other.kill()


async def test_a_full_disk_delays_a_revocation_no_longer_than_it_is_full(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await enrolled(desk)
    site = made(tmp_path / "broker")
    told: list[str] = []
    monkeypatch.setattr(BrokerSite, "reload", lambda self: told.append((tmp_path / "broker" / ACCESS).read_text()))
    monkeypatch.setattr(Gate, "_end_session", lambda *_: None)
    gate = Gate(desk.house.database, desk.house.states, site, desk.clock)
    await gate.look()
    await gate.look()
    assert len(told) == 1 and "user till-1\n" in told[0]
    await desk.post("/terminals/till-1/revoke", who="tom")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as filled:
        filled.setattr(site_module, "replace_file", full)
        with pytest.raises(OSError, match="No space"):
            await gate.look()
    await gate.look()
    assert len(told) == 2 and "user till-1\n" not in told[1]


async def test_certificates_and_revocations_are_made_anew_while_it_runs(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = made(tmp_path / "broker", at=desk.clock())
    reloads: list[int] = []
    monkeypatch.setattr(BrokerSite, "reload", lambda self: reloads.append(1))
    gate = Gate(desk.house.database, desk.house.states, site, desk.clock)
    for _ in range(60):
        desk.clock.pass_ms(7 * DAY_MS)
        monkeypatch.setattr(gate, "_looked_at", float("-inf"))
        await gate.look()
        left_ms = broker_certificate(tmp_path / "broker").not_valid_after_utc.timestamp() * 1_000 - desk.clock()
        assert left_ms > 100 * DAY_MS
        assert site.revocations_age_ms(desk.clock()) < DAY_MS
    assert len(reloads) == 60, "each time the list of revocations"


@pytest.mark.integration
async def test_a_revoked_terminal_s_live_session_is_ended_as_soon_as_the_broker_can_be_told(
    desk: Desk, tmp_path: Path
) -> None:
    """On a real Mosquitto, which is away at the moment of the revocation."""
    desk.clock.now = now()
    machine = Machine(desk)
    await machine.begin(await claim(desk))
    await machine.prove()
    await desk.post("/enrolments/1/approve", {"words": machine.words})
    site = made(tmp_path / "broker", at=now())
    gate = Gate(desk.house.database, desk.house.states, site, desk.clock)
    broker = Broker(site.settings)
    with pytest.raises(BrokerUnreachable):
        await gate.look()
    broker.start()
    await gate.look()
    assert gate._let_in == {TerminalId("till-1")}
    broker.kill()
    await desk.post("/terminals/till-1/revoke", who="tom")
    with pytest.raises(BrokerUnreachable):
        await gate.look()
    broker.start()
    await gate.look()
    assert not gate._let_in and not gate._to_end
    broker.stop()


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Whose sessions were ended, at a broker that is told everything."""
    found: list[str] = []
    monkeypatch.setattr(BrokerSite, "reload", lambda self: None)
    monkeypatch.setattr(Gate, "_end_session", lambda self, tid: found.append(tid))
    return found


async def test_a_revoked_terminal_is_not_shown_as_being_there(desk: Desk, tmp_path: Path, ended: list[str]) -> None:
    """Its last will comes too late: the broker lets nothing of it through any more."""
    await enrolled(desk)
    gate = Gate(desk.house.database, desk.house.states, made(tmp_path / "broker"), desk.clock)
    await gate.look()
    await desk.house.states.take(
        TerminalId("till-1"), encode_state(State(1, Epoch(1), ListVersions(), card_sets=(2, 1)))
    )
    await desk.post("/terminals/till-1/revoke", who="tom")
    said = await desk.get("/terminals/till-1/state")
    assert (said["online"], said["shut_out"], said["card_sets"]) == (False, "revoked", [2, 1])
    await gate.look()
    assert ended == ["till-1"]
    assert not (await desk.get("/terminals/till-1/state"))["online"]
    retained = encode_state(State(1, Epoch(1), ListVersions()))
    await desk.house.states.take(TerminalId("till-1"), retained)
    await enrolled(desk, 2)
    said = await desk.get("/terminals/till-1/state")
    assert (said["online"], said["shut_out"]) == (False, ""), "the old machine's last word is nobody's presence"
    await desk.house.states.take(TerminalId("till-1"), encode_state(State(1, Epoch(2), ListVersions())))
    assert (await desk.get("/states"))[0]["online"]


async def test_who_is_enrolled_anew_has_the_old_machine_s_session_ended_at_once(
    desk: Desk, tmp_path: Path, ended: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was stolen: it must not stay until the new machine happens to connect."""
    await enrolled(desk)
    site = made(tmp_path / "broker")
    gate = Gate(desk.house.database, desk.house.states, site, desk.clock)
    await gate.look()
    assert ended == [], "nothing was taken back at the first enrolment"
    await enrolled(desk, 2)
    for _ in range(2):
        await gate.look()
    assert ended == ["till-1"]
    await Gate(desk.house.database, desk.house.states, site, desk.clock).look()
    assert ended == ["till-1"] * 2, "a start may have come between"
    desk.clock.pass_ms(DAY_MS)
    monkeypatch.setattr(gate, "_looked_at", float("-inf"))
    await gate.look()
    await Gate(desk.house.database, desk.house.states, site, desk.clock).look()
    assert ended == ["till-1"] * 2


async def test_a_session_whose_certificate_was_taken_back_while_nobody_kept_the_gate_is_ended(
    desk: Desk, tmp_path: Path, ended: list[str]
) -> None:
    """A process of its own keeps it, and may be down for an hour while another one answers the desk."""
    await enrolled(desk)
    site = made(tmp_path / "broker")
    await Gate(desk.house.database, desk.house.states, site, desk.clock).look()
    desk.clock.pass_ms(MINUTE_MS)
    await desk.post("/terminals/till-1/revoke", who="tom")
    desk.clock.pass_ms(HOUR_MS)
    assert ended == []
    await Gate(desk.house.database, desk.house.states, site, desk.clock).look()
    assert ended == ["till-1"]


async def test_a_session_that_cannot_be_ended_is_tried_again_at_the_next_look(
    desk: Desk, tmp_path: Path, ended: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    await enrolled(desk)
    gate = Gate(desk.house.database, desk.house.states, made(tmp_path / "broker"), desk.clock)
    await gate.look()
    await desk.post("/terminals/till-1/revoke", who="tom")

    def away(*_: object) -> None:
        raise BrokerUnreachable("away")

    with monkeypatch.context() as gone:
        gone.setattr(Gate, "_end_session", away)
        with pytest.raises(BrokerUnreachable):
            await gate.look()
    await gate.look()
    assert ended == ["till-1"]


@pytest.mark.parametrize("damage", [b"", b"not a list", None])
async def test_a_list_of_revocations_that_is_damaged_is_signed_again_from_the_register(
    desk: Desk, tmp_path: Path, ended: list[str], damage: bytes | None
) -> None:
    await enrolled(desk)
    gate = Gate(desk.house.database, desk.house.states, made(tmp_path / "broker"), desk.clock)
    await desk.post("/terminals/till-1/revoke", who="tom")
    await gate.look()
    path = tmp_path / "broker" / REVOKED
    before = list(x509.load_pem_x509_crl(path.read_bytes()))
    assert len(before) == 1
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage)
    await gate.look()
    assert [known.serial_number for known in x509.load_pem_x509_crl(path.read_bytes())] == [before[0].serial_number]


async def test_an_access_list_that_somebody_who_had_slept_has_written_is_put_right(
    desk: Desk, tmp_path: Path, ended: list[str]
) -> None:
    await enrolled(desk)
    gate, path = (
        Gate(desk.house.database, desk.house.states, made(tmp_path / "broker"), desk.clock),
        tmp_path / "broker" / ACCESS,
    )
    await gate.look()
    old = path.read_bytes()
    await desk.post("/terminals/till-1/revoke", who="tom")
    await gate.look()
    new = path.read_bytes()
    replace_file(path, old)
    await gate.look()
    assert path.read_bytes() == new != old
