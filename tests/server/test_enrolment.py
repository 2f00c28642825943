"""A machine becomes a terminal with a claim code, two proven keys and a person's yes; and no other way."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from protocol.enrolment import KeyTier
from protocol.entries import ListVersions
from protocol.ids import Epoch, TerminalId
from protocol.instants import DAY_MS, HOUR_MS, MINUTE_MS, UtcMs
from protocol.messages import Grant, ServerTime, verified
from protocol.signing import SigningKey, to_base64url
from protocol.state import State, encode_state
from server.attempts import PER_MINUTE_MAX, Asked, Attempts, origin_of
from server.broker.certificates import request_pem
from server.enrolment.admission import admitted, revoked
from server.enrolment.rules import CLAIM_TRIES_MAX
from tests.server.desk import Clock
from tests.server.machines import Machine
from tests.server.office import Desk, open_desk
from tests.server.world import SITE

TID = "till-1"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        await desk.put(f"/terminals/{TID}", {"site": SITE})
        yield desk


async def claim(desk: Desk) -> str:
    code: str = (await desk.post(f"/terminals/{TID}/claims", who="tom", expect=201))["code"]
    return code


async def enrolled(desk: Desk, number: int = 1) -> Machine:
    machine = Machine(desk, number)
    await machine.begin(await claim(desk))
    await machine.prove()
    (waiting,) = await desk.get("/enrolments")
    await desk.post(f"/enrolments/{waiting['number']}/approve", {"words": machine.words}, who="tom")
    return machine


async def test_a_machine_becomes_a_terminal(desk: Desk) -> None:
    machine = Machine(desk)
    told = await machine.begin(await claim(desk))
    assert set(told["trust"]) == {"root", "keys"}
    assert (await machine.standing())["state"] == "begun" and await desk.get("/enrolments") == []
    await machine.prove()
    (waiting,) = await desk.get("/enrolments")
    assert (waiting["tid"], waiting["device"], waiting["words"]) == (TID, "pi-4711", machine.words)
    desk.clock.pass_ms(90_500)
    assert [one["waits_s"] - waiting["waits_s"] for one in await desk.get("/enrolments")] == [90]
    assert (await machine.standing())["certificate"] == ""
    await desk.post(f"/enrolments/{waiting['number']}/approve", {"words": machine.words}, who="tom")
    given = await machine.standing()
    assert given == await machine.standing(), "an answer that got lost is asked for again"
    certificate = x509.load_pem_x509_certificate(given["certificate"].encode())
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(told["authority"].encode()))
    assert certificate.subject.rfc4514_string() == f"CN={TID}", "the name is the register's, not the request's"
    assert certificate.public_key() == machine.tls.public_key()
    grant = verified(given["grant"].encode(), Grant, desk.house.keys.grant.public)
    assert (grant.tid, grant.epoch, grant.verify_key) == (TID, 1, machine.journal.public)
    assert set(given) == {"state", "tid", "certificate", "grant"}, "what it believes was told before the words"


async def test_a_code_enrols_one_machine(desk: Desk) -> None:
    code = await claim(desk)
    machine, thief = Machine(desk), Machine(desk, 2)
    await machine.begin(code)
    await machine.prove()
    (waiting,) = await desk.get("/enrolments")
    await desk.post(f"/enrolments/{waiting['number']}/approve", {"words": machine.words})
    assert (await thief.begin(code, 403))["detail"] == "this code was used; a code enrols one machine"
    await desk.post(f"/enrolments/{waiting['number']}/approve", {"words": machine.words}, expect=404)


async def test_a_code_tried_again_is_not_hidden_by_one_that_was_guessed(desk: Desk) -> None:
    code = await claim(desk)
    await claim(desk)
    for typed in (code, "00000-00000"):
        await Machine(desk).begin(typed, 403)
    seen = {known["about"]: known["text"] for known in await desk.get("/alarms?kind=claim_turned_away")}
    assert "has expired" in seen[TID] and "no terminal" in seen["server"] and len(seen) == 2


async def test_a_machine_that_may_make_money_takes_two_people(desk: Desk) -> None:
    rights = {"site": SITE, "can_load": True}
    await desk.put(f"/terminals/{TID}", rights, who="tom", expect=202)
    await desk.put(f"/terminals/{TID}", rights, who="bob")
    machine = Machine(desk)
    await machine.begin(await claim(desk))
    await machine.prove()
    (waiting,) = await desk.get("/enrolments")
    words, path = {"words": machine.words}, f"/enrolments/{waiting['number']}/approve"
    assert (await desk.post(path, words, who="tom", expect=202))["by"] == "tom"
    assert (await desk.post(path, words, who="tom", expect=202))["by"] == "tom", "he cannot be the second one"
    assert (await machine.standing())["state"] == "waiting"
    assert (await desk.post(path, words, who="bob"))["tid"] == TID
    assert (await machine.standing())["state"] == "approved"


async def test_other_words_turn_the_machine_away_and_leave_the_code_to_the_right_one(desk: Desk) -> None:
    """Nobody approves it afterwards with the words that the desk shows."""
    code = await claim(desk)
    for number in (1, 2):
        stranger = Machine(desk, number)
        await stranger.begin(code)
        await stranger.prove()
        (waiting,) = await desk.get("/enrolments")
        path = f"/enrolments/{waiting['number']}/approve"
        told = await desk.post(path, {"words": "lusab babad gutih tugad"}, who="tom", expect=403)
        assert (told["code"], told["title"]) == ("other_words", "Not allowed") and "same code" in told["detail"]
        assert (await stranger.standing())["state"] == "refused" and await desk.get("/enrolments") == []
        assert (await desk.post(path, {"words": stranger.words}, who="tom", expect=404))["code"] == "not_waiting"
    (alarm,) = await desk.get("/alarms?kind=other_words")
    assert alarm["about"] == TID and "turned away" in alarm["text"]
    right = Machine(desk, 3)
    await right.begin(code)
    await right.prove()
    (waiting,) = await desk.get("/enrolments")
    await desk.post(f"/enrolments/{waiting['number']}/approve", {"words": right.words}, who="tom")
    assert (await right.standing())["state"] == "approved"


async def test_a_key_by_hand_for_a_right_takes_two_people_who_mean_the_same_key(desk: Desk) -> None:
    plain, path = {"site": SITE, "can_issue": True}, f"/terminals/{TID}/epochs"
    one, other = ({"journal_key": to_base64url(Machine(desk, number).journal.public.raw)} for number in (1, 2))
    await desk.post(path, one, who="bob", expect=403)
    await desk.put(f"/terminals/{TID}", plain, who="tom", expect=202)
    await desk.put(f"/terminals/{TID}", plain, who="bob")
    assert (await desk.post(path, one, who="tom", expect=202))["proposed"] == "grant-epoch"
    assert (await desk.post(path, other, who="bob", expect=409))["code"] == "other_proposed", "that is another key"
    headers = {"Authorization": "Bearer bob-token"}
    gone = {"action": "grant-epoch", "subject": TID}
    await desk.client.post("/api/1/proposals/withdraw", json=gone, headers=headers)
    assert (await desk.post(path, other, who="bob", expect=202))["by"] == "bob"
    assert (await desk.post(path, other, who="tom", expect=403))["code"] == "not_allowed"
    granted = await desk.post(path, other)
    assert (await desk.post(path, other, who="tom"))["grant"] == granted["grant"], "the same key, the same grant"
    (epoch,) = (await desk.get(f"/terminals/{TID}"))["epochs"]
    assert epoch["epoch"] == 1


async def test_who_opens_a_code_again_puts_the_first_one_out(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """The desk sees one machine, and its words tell which."""
    code = await claim(desk)
    first, second = Machine(desk), Machine(desk, 2)
    await first.begin(code)
    await first.prove()
    await second.begin(code)
    await second.prove()
    (waiting,) = await desk.get("/enrolments")
    assert waiting["words"] == second.words and (await first.standing())["state"] == "refused"
    refused = await desk.post(f"/enrolments/{waiting['number']}/approve", {"words": first.words}, expect=403)
    (told, *_) = await desk.get("/trail", who="uma")
    subject = f"terminals/{TID}/enrolments/{waiting['number']}"
    assert (told["operator"], told["subject"], told["outcome"]) == ("ann", subject, "refused")
    (alarm,) = [known.getMessage() for known in caplog.records if "ALARM" in known.getMessage()]
    assert TID in alarm and not set(first.words.split()) & set(alarm.split())
    assert refused["code"] == "other_words" and (await second.standing())["state"] == "refused"


async def test_a_newer_code_puts_out_who_waits_under_the_older_one(desk: Desk) -> None:
    """The older one may have been read by somebody; nobody approves what came with it any more."""
    machine = Machine(desk)
    await machine.begin(await claim(desk))
    await machine.prove()
    await claim(desk)
    assert await desk.get("/enrolments") == [] and (await machine.standing())["state"] == "refused"
    await desk.post("/enrolments/1/approve", {"words": machine.words}, expect=404)


async def test_a_code_ends_by_time_by_tries_and_by_a_newer_one(desk: Desk) -> None:
    old, code = await claim(desk), await claim(desk)
    assert "expired" in (await Machine(desk).begin(old, 403))["detail"]
    for _ in range(CLAIM_TRIES_MAX):
        await Machine(desk).begin(code)
    assert "tried 5 times" in (await Machine(desk).begin(code, 403))["detail"]
    late = await claim(desk)
    desk.clock.pass_ms(48 * HOUR_MS)
    assert "expired" in (await Machine(desk).begin(late, 403))["detail"]
    unknown = await Machine(desk).begin("00000-00000", 403)
    assert unknown["detail"] == "no terminal is claimed with this code"


async def test_nobody_guesses_codes_faster_than_a_person_types(desk: Desk) -> None:
    machine = Machine(desk)
    mono = Clock(UtcMs(0))
    desk.house.enrolments._mono_ms = mono
    for _ in range(PER_MINUTE_MAX[Asked.ENROL]):
        await machine.begin("00000-00001", 403)
    code = await claim(desk)
    assert (await machine.begin(code, 429))["code"] == "too_often"
    desk.clock.pass_ms(-MINUTE_MS)
    assert (await machine.begin(code, 429))["code"] == "too_often", "a clock that is set changes nothing"
    mono.pass_ms(MINUTE_MS)
    await machine.begin(code)


async def test_what_one_asks_for_often_keeps_nobody_from_the_rest(desk: Desk) -> None:
    """A campus behind one address, all of whose clocks went with the power."""
    for _ in range(PER_MINUTE_MAX[Asked.TIME]):
        assert (await desk.client.post("/time", json={"nonce": to_base64url(bytes(32))})).status_code == 200
    assert (await desk.client.post("/time", json={"nonce": to_base64url(bytes(32))})).status_code == 429
    machine = await enrolled(desk)
    await machine.renew()


def test_attempts_are_counted_for_each_origin() -> None:
    attempts, most = Attempts(), PER_MINUTE_MAX[Asked.ENROL]
    neighbours = [f"2001:db8:1:2::{number:x}" for number in range(1, most + 1)]
    assert all(attempts.allows(Asked.ENROL, address, 0) for address in neighbours)
    assert not attempts.allows(Asked.ENROL, "2001:db8:1:2:ffff::9%eth0", 0), "the same network"
    assert attempts.allows(Asked.ENROL, "2001:db8:1:3::1", 0) and attempts.allows(Asked.ENROL, "nowhere", 0)
    assert origin_of("::ffff:10.1.2.3") == origin_of("10.1.2.3") == "10.1.2.3"


def test_a_crowd_of_origins_turns_nobody_away() -> None:
    attempts, most = Attempts(origins_max=10), PER_MINUTE_MAX[Asked.ENROL]
    for number in range(1_000):
        assert attempts.allows(Asked.ENROL, f"10.0.{number // 250}.{number % 250}", number)
    assert len(attempts._seen) <= 10
    for _ in range(most):
        assert attempts.allows(Asked.ENROL, "192.0.2.1", 1_000)
    assert not attempts.allows(Asked.ENROL, "192.0.2.1", 1_000)


async def test_keys_that_are_not_there_are_found_out(desk: Desk) -> None:
    machine, other = Machine(desk), Machine(desk, 2)
    await machine.begin(await claim(desk))
    other.ticket, other.nonce, other.trust = machine.ticket, machine.nonce, machine.trust
    await other.prove(403)
    nonce, trust = machine.nonce, machine.trust
    machine.nonce = bytes(32)
    await machine.prove(403)
    machine.nonce, machine.trust = nonce, bytes(32)
    await machine.prove(403)
    machine.trust = trust
    assert (await machine.standing())["state"] == "begun" and await desk.get("/enrolments") == []
    await machine.say("/enrol/standing", {"ticket": "A" * 32}, 404)


async def test_only_requests_for_keys_on_p_256_are_taken(desk: Desk) -> None:
    code = await claim(desk)
    curve = request_pem(ec.generate_private_key(ec.SECP384R1()), "x").decode()
    name = x509.Name([])
    long = rsa.generate_private_key(65537, 2048)
    built = x509.CertificateSigningRequestBuilder().subject_name(name).sign(long, hashes.SHA256())
    from cryptography.hazmat.primitives.serialization import Encoding

    for text in (curve, built.public_bytes(Encoding.PEM).decode(), "-----BEGIN X-----\n" + "A" * 64):
        assert (await Machine(desk).begin(code, 422, request=text))["code"] == "not_a_request"
    lines = Machine(desk).request.decode().splitlines()
    bent = "\n".join([*lines[:-2], "A" + lines[-2][1:], lines[-1]])
    assert (await Machine(desk).begin(code, 422, request=bent))["code"] == "not_a_request"
    await Machine(desk).begin(code)


async def test_the_desk_refuses_and_the_code_is_over(desk: Desk) -> None:
    code, machine = await claim(desk), Machine(desk)
    await machine.begin(code)
    await machine.prove()
    (waiting,) = await desk.get("/enrolments")
    await desk.client.post(
        f"/api/1/enrolments/{waiting['number']}/refuse", headers={"Authorization": "Bearer tom-token"}
    )
    assert (await machine.standing())["state"] == "refused"
    await machine.begin(code, 403)


async def test_who_may_claim_and_approve(desk: Desk) -> None:
    for who in ("eve", "cleo", "bob"):
        await desk.post(f"/terminals/{TID}/claims", who=who, expect=403)
        expected = 404 if who == "bob" else 403  # finance may be the second one
        await desk.post("/enrolments/1/approve", {"words": "lusab babad gutih tugad"}, who=who, expect=expected)
    await desk.post("/terminals/nobody-here/claims", expect=404)
    await desk.post("/enrolments/1/approve", {"words": "lusab babad gutih tugad"}, expect=404)


async def test_a_machine_made_anew_is_a_new_epoch(desk: Desk) -> None:
    await enrolled(desk)
    again = await enrolled(desk, 2)
    grant = verified((await again.standing())["grant"].encode(), Grant, desk.house.keys.grant.public)
    assert (grant.epoch, grant.prev_epoch) == (2, 1)


async def test_a_certificate_is_renewed_with_the_journal_key_alone(desk: Desk) -> None:
    machine = await enrolled(desk)
    desk.clock.pass_ms(300 * DAY_MS)
    made = x509.load_pem_x509_certificate((await machine.renew())["certificate"].encode())
    assert made.subject.rfc4514_string() == f"CN={TID}"
    assert (await machine.renew(403, by=SigningKey(bytes(32))))["code"] == "not_proven"
    assert (await machine.renew(403, epoch=2))["code"] == "not_in_good_standing"
    assert (await machine.renew(403, at=desk.clock() - HOUR_MS))["code"] == "wrong_time"
    await enrolled(desk, 2)
    assert (await machine.renew(403))["code"] == "not_in_good_standing", "an old epoch renews nothing"


async def other_tiers(desk: Desk) -> list[str]:
    return [known["text"] for known in await desk.get("/alarms?kind=other_tier")]


async def tiers(desk: Desk) -> list[int]:
    return [epoch["tier"] for epoch in (await desk.get(f"/terminals/{TID}"))["epochs"]]


async def test_whoever_approves_sees_where_the_key_is_kept(desk: Desk) -> None:
    machine = Machine(desk, tier=KeyTier.SAM)
    await machine.begin(await claim(desk))
    await machine.prove()
    (waiting,) = await desk.get("/enrolments")
    assert (waiting["tier"], waiting["tier_before"]) == (2, None)
    await desk.post(f"/enrolments/{waiting['number']}/approve", {"words": machine.words}, who="tom")
    assert await tiers(desk) == [2]
    anew = Machine(desk, 2)
    await anew.begin(await claim(desk))
    await anew.prove()
    (waiting,) = await desk.get("/enrolments")
    assert (waiting["tier"], waiting["tier_before"]) == (0, 2)
    assert await other_tiers(desk) == []
    await desk.post(f"/enrolments/{waiting['number']}/approve", {"words": anew.words}, who="tom")
    assert await tiers(desk) == [2, 0]
    assert await other_tiers(desk) == ["the journal key of epoch 2 is of tier 0, the one before of 2"]


async def test_a_tier_that_was_not_signed_for_is_not_taken(desk: Desk) -> None:
    machine = Machine(desk)
    await machine.begin(await claim(desk), tier=2)
    await machine.prove(403)
    await machine.begin(await claim(desk), 422, tier=3)


async def test_who_tells_of_another_tier_later_is_noticed(desk: Desk) -> None:
    machine = await enrolled(desk)
    await machine.renew()
    machine.tier = KeyTier.SEALED
    assert (await machine.renew(403))["code"] == "other_tier"
    assert await other_tiers(desk) == ["the journal key of epoch 1 was of tier 0, now it is told of 1"]
    await machine.renew(403, by=SigningKey(bytes(32)))
    await machine.begin(await claim(desk))
    await machine.prove()
    (waiting,) = await desk.get("/enrolments")
    told = await desk.post(f"/enrolments/{waiting['number']}/approve", {"words": machine.words}, who="tom", expect=403)
    assert told["code"] == "other_tier" and await tiers(desk) == [0]
    (alarm,) = await desk.get("/alarms?kind=other_tier")
    assert alarm["count"] == 2, "who has no key of the terminal raises none"


async def test_a_state_that_tells_of_another_tier_is_noticed(desk: Desk) -> None:
    await enrolled(desk)
    state = State(1, Epoch(1), ListVersions())
    await desk.house.states.take(TerminalId(TID), encode_state(state))
    await desk.house.states.take(TerminalId(TID), encode_state(State(0, Epoch(1), ListVersions(), tier=1)))
    await desk.house.states.take(TerminalId(TID), encode_state(State(1, Epoch(9), ListVersions(), tier=1)))
    assert await other_tiers(desk) == []
    await desk.house.states.take(TerminalId(TID), encode_state(State(1, Epoch(1), ListVersions(), tier=1)))
    assert await other_tiers(desk) == ["the journal key of epoch 1 was of tier 0, it says 1"]


async def test_the_time_is_told_to_whoever_asks_and_is_fresh(desk: Desk) -> None:
    machine, nonce = Machine(desk), to_base64url(bytes(range(32)))
    answer = await machine.say("/time", {"nonce": nonce}, 200)
    told = verified(answer["time"].encode(), ServerTime, desk.house.keys.ack.public)
    assert (told.nonce, told.at) == (nonce, desk.clock())


async def test_who_is_revoked_is_shut_out_with_every_certificate(desk: Desk) -> None:
    machine = await enrolled(desk)
    await machine.renew()
    async with desk.house.database.reading() as connection:
        assert await admitted(connection) == {TID: SITE} and await revoked(connection, desk.clock()) == []
    await desk.post(f"/terminals/{TID}/revoke", who="tom")
    assert (await machine.renew(403))["code"] == "not_in_good_standing"
    async with desk.house.database.reading() as connection:
        assert await admitted(connection) == {}
        assert len(await revoked(connection, desk.clock())) == 2
    await enrolled(desk, 2)
    async with desk.house.database.reading() as connection:
        assert await admitted(connection) == {TID: SITE}, "made anew, it is a terminal like any other"
        assert len(await revoked(connection, desk.clock())) == 2


async def test_no_ticket_and_no_code_is_kept_as_it_is(desk: Desk, tmp_path: Path) -> None:
    code = await claim(desk)
    machine = Machine(desk)
    await machine.begin(code)
    await machine.prove()
    held = b"".join(path.read_bytes() for path in tmp_path.rglob("*.db*"))  # noqa: ASYNC240  a test may wait
    assert machine.ticket.encode() not in held and code.replace("-", "").encode() not in held
