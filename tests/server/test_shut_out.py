"""A terminal that was stolen, lost or made anew stays out with what it had, whatever is decided about it afterwards."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from protocol.signing import to_base64url
from server.enrolment import store
from server.enrolment.admission import admitted, revoked
from server.enrolment.tables import certificate
from server.enrolment.tables import claim as claims
from tests.server.machines import Machine
from tests.server.office import Desk, open_desk
from tests.server.postgres import new_database, private_postgres
from tests.server.test_enrolment import TID, claim, enrolled
from tests.server.world import SITE


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        await desk.put(f"/terminals/{TID}", {"site": SITE})
        yield desk


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    with private_postgres() as directory:
        yield directory


async def let_in(desk: Desk) -> list[str]:
    async with desk.house.database.reading() as connection:
        return list(await admitted(connection))


async def taken_back(desk: Desk) -> int:
    async with desk.house.database.reading() as connection:
        return len(await revoked(connection, desk.clock()))


async def by_two(desk: Desk, action: str) -> None:
    await desk.post(f"/terminals/{TID}/{action}", who="bob", expect=202)
    await desk.post(f"/terminals/{TID}/{action}")


async def test_a_revoked_terminal_that_is_declared_lost_stays_out(desk: Desk) -> None:
    thief = await enrolled(desk)
    await desk.post(f"/terminals/{TID}/revoke", who="tom")
    await by_two(desk, "declare-lost")
    assert await let_in(desk) == []
    await thief.renew(403)
    (epoch,) = (await desk.get(f"/terminals/{TID}"))["epochs"]
    assert (epoch["status"], epoch["revoked_at"]) == ("lost", desk.clock())


async def test_a_lost_terminal_is_out_and_can_be_revoked_as_well(desk: Desk) -> None:
    finder = await enrolled(desk)
    await by_two(desk, "declare-lost")
    assert await let_in(desk) == [] and await taken_back(desk) == 1
    await finder.renew(403)
    (epoch,) = (await desk.post(f"/terminals/{TID}/revoke", who="tom"))["epochs"]
    assert (epoch["status"], epoch["revoked_at"]) == ("lost", desk.clock())
    refused = await desk.post(f"/terminals/{TID}/reinstate", expect=409)
    assert refused["code"] == "not_revoked" and "stays lost" in refused["detail"]
    (epoch,) = (await desk.get(f"/terminals/{TID}"))["epochs"]
    assert (epoch["status"], epoch["revoked_at"]) == ("lost", desk.clock()), "nothing of it was taken back"
    assert await let_in(desk) == [], "who is found again is enrolled again"
    await enrolled(desk, 2)
    assert await let_in(desk) == [TID]


async def test_only_the_revoked_epochs_are_reinstated(desk: Desk) -> None:
    """One that was declared lost before the terminal was revoked stays kept aside."""
    await enrolled(desk)
    await by_two(desk, "epochs/1/declare-lost")
    await enrolled(desk, 2)
    await desk.post(f"/terminals/{TID}/revoke", who="tom")
    await desk.post(f"/terminals/{TID}/reinstate", who="bob", expect=202)
    done = await desk.post(f"/terminals/{TID}/reinstate")
    assert done["says"].startswith("reinstated: epoch 2;")
    lost, back = (await desk.get(f"/terminals/{TID}"))["epochs"]
    assert (lost["status"], lost["revoked_at"]) == ("lost", desk.clock())
    assert (back["status"], back["revoked_at"]) == ("active", 0)


async def test_the_certificate_of_a_lost_epoch_ends(desk: Desk) -> None:
    """Else who finds the SD card is this terminal at the broker as soon as a new one has come."""
    await enrolled(desk)
    await by_two(desk, "epochs/1/declare-lost")
    assert await taken_back(desk) == 1
    renewing = await enrolled(desk, 2)
    await renewing.renew(epoch=2)
    await by_two(desk, "epochs/1/declare-lost")
    assert await taken_back(desk) == 1 and await let_in(desk) == [TID]


@pytest.mark.parametrize("action", ["revoke", "declare-lost"])
async def test_a_journal_key_that_was_shut_out_is_enrolled_no_more(desk: Desk, action: str) -> None:
    machine = await enrolled(desk)
    if action == "revoke":
        await desk.post(f"/terminals/{TID}/revoke", who="tom")
    else:
        await by_two(desk, action)
    await machine.begin(await claim(desk))
    await machine.prove()
    (waiting,) = await desk.get("/enrolments")
    path = f"/enrolments/{waiting['number']}/approve"
    assert (await desk.post(path, {"words": machine.words}, expect=409))["code"] == "key_shut_out"
    assert (await machine.standing())["state"] == "waiting" and await let_in(desk) == []


async def test_a_machine_made_anew_ends_the_certificates_of_the_one_before(desk: Desk) -> None:
    before = await enrolled(desk)
    await before.renew()
    await enrolled(desk, 2)
    assert await taken_back(desk) == 2 and await let_in(desk) == [TID]


@pytest.mark.integration
async def test_a_renewal_during_a_revocation_leaves_no_good_certificate(
    cluster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_desk(tmp_path, new_database(cluster, "renewal")) as desk:
        await desk.put(f"/terminals/{TID}", {"site": SITE})
        thief = await enrolled(desk)
        revoking = list[asyncio.Task[Any]]()
        add = store.add_certificate

        async def slowly(*given: Any) -> None:
            revoking.append(asyncio.create_task(desk.post(f"/terminals/{TID}/revoke", who="tom")))
            await asyncio.wait(revoking, timeout=1)
            await add(*given)

        with monkeypatch.context() as patched:
            patched.setattr(store, "add_certificate", slowly)
            await thief.renew()
        await asyncio.gather(*revoking)
        async with desk.house.database.reading() as connection:
            rows = (await connection.execute(select(certificate.c.revoked_at))).all()
        assert len(rows) == 2 and all(row.revoked_at for row in rows)


@pytest.mark.integration
async def test_a_double_click_leaves_one_code(cluster: str, tmp_path: Path) -> None:
    async with open_desk(tmp_path, new_database(cluster, "claims")) as desk:
        await desk.put(f"/terminals/{TID}", {"site": SITE})
        await asyncio.gather(*(claim(desk) for _ in range(6)))
        async with desk.house.database.reading() as connection:
            rows = (await connection.execute(select(claims.c.ends_at))).all()
        assert sum(row.ends_at > desk.clock() for row in rows) == 1


async def test_an_epoch_granted_by_hand_ends_the_certificates_before_it(desk: Desk) -> None:
    machine = await enrolled(desk)
    same = {"journal_key": to_base64url(machine.journal.public.raw)}
    await desk.post(f"/terminals/{TID}/epochs", same)
    assert await taken_back(desk) == 0, "the same epoch was asked for again"
    other = {"journal_key": to_base64url(Machine(desk, 2).journal.public.raw)}
    await desk.post(f"/terminals/{TID}/epochs", other)
    assert await taken_back(desk) == 1 and await let_in(desk) == [TID]
