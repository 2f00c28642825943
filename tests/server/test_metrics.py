"""What Prometheus is told, and who may ask."""

from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from protocol.entries import Kind, Reason
from protocol.messages import Hello, encode_batch, encode_hello
from protocol.signing import to_base64url
from server.config import MetricsSettings
from tests.server.office import Desk, open_desk
from tests.server.test_cards import enrol, send
from tests.server.world import SITE, Till

LOCAL = MetricsSettings(local=True)


async def ask(desk: Desk, settings: MetricsSettings = LOCAL, host: str = "127.0.0.1", **headers: str) -> httpx.Response:
    desk.house.app.state.metrics_settings = settings
    transport = httpx.ASGITransport(desk.house.app, client=(host, 5000))
    async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
        return await client.get("/metrics", headers=headers)


async def figures(desk: Desk) -> dict[str, float]:
    """Each sample by its name and labels."""
    answer = await ask(desk)
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/plain")
    return {
        sample.name + "".join(f" {value}" for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


async def test_strangers_see_nothing(tmp_path: Path) -> None:
    token = MetricsSettings(token_sha256=sha256(b"secret").hexdigest(), local=True)
    async with open_desk(tmp_path) as desk:
        assert (await ask(desk, MetricsSettings())).status_code == 404
        assert (await ask(desk, host="192.0.2.1")).status_code == 404
        proxied = await ask(desk, via="1.1 proxy")
        assert proxied.status_code == 404, "a proxy on this machine asks for somebody else"
        assert (await ask(desk)).status_code == 200
        assert (await ask(desk, token)).status_code == 404, "a token is asked of everybody"
        assert (await ask(desk, token, authorization="Bearer wrong")).status_code == 404
        assert (await ask(desk, token, "192.0.2.1", authorization="Bearer secret")).status_code == 200


async def test_what_was_done_and_how_things_are(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        till = Till(1)
        await enrol(desk, till)
        for _ in range(3):
            till.append(Kind.DRAWER_OPENED, Reason("change"))
        for _ in range(2):
            await send(desk, till)
        await desk.house.ingest.take(till.tid, encode_batch([b"a.b.c"]))
        await desk.put(f"/sites/{SITE}/prices", {"products": []})
        await desk.house.nightly.run_if_due()
        found = await figures(desk)
    expected = {
        "fanka_entries_taken_total": 3, "fanka_batches_total ack": 2, "fanka_batches_total refused": 0,
        "fanka_ingest_seconds_count": 3, "fanka_batches_total none": 1,
        "fanka_parked_entries": 0, "fanka_terminals online": 0,
        "fanka_terminals offline": 1, "fanka_open_alarms refused_batch": 1, "fanka_open_alarms disk_low": 0,
        "fanka_server_epoch": 1, "fanka_database_up": 1,
    }  # fmt: skip
    assert found.items() >= expected.items()
    assert found[f"fanka_list_version prices {SITE}"] > 0 and found["fanka_night_done_day"] > 20_000
    assert found["fanka_last_entry_timestamp_seconds"] == desk.clock() / 1_000


async def test_the_backlog_of_a_site_is_what_its_terminals_said_less_what_came(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        till = Till(1)
        await enrol(desk, till)
        assert (await figures(desk))[f"fanka_backlog_entries {SITE}"] == 0, "nobody has said anything"
        for _ in range(3):
            till.append(Kind.DRAWER_OPENED, Reason("change"))
        hello = Hello(till.epoch, till.tno, till.chain[-1].seq, to_base64url(till.chain[-1].hash))
        assert await desk.house.ingest.hello(till.tid, encode_hello(hello))
        assert (await figures(desk))[f"fanka_backlog_entries {SITE}"] == 3
        await send(desk, till)
        assert (await figures(desk))[f"fanka_backlog_entries {SITE}"] == 0


async def test_labels_do_not_grow_with_the_campus(tmp_path: Path) -> None:
    """There are as many as there are sites, lists of these and kinds of things."""
    async with open_desk(tmp_path) as desk:
        await enrol(desk, Till(1))
        before = len(await figures(desk))
        for number in range(2, 6):
            till = Till(number)
            await enrol(desk, till)
            till.append(Kind.DRAWER_OPENED, Reason("change"))
            await send(desk, till)
        assert len(await figures(desk)) == before


async def test_a_database_that_is_away_is_a_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_desk(tmp_path) as desk:

        def gone() -> None:
            raise OSError("gone")

        monkeypatch.setattr(type(desk.house.database), "reading", lambda _: gone())
        found = await figures(desk)
        assert found["fanka_database_up"] == 0 and "fanka_server_epoch" not in found
