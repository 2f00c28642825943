"""Lines for programs: one object each, with what they are about; and systemd is told when the server is ready."""

import json
import logging
import socket
from pathlib import Path

import pytest

from server.logs import HEADER, REQUEST, TID, JsonLines
from server.service_manager import tell
from tests.server.office import open_desk


def line(text: str, *arguments: object, failed: BaseException | None = None) -> dict[str, str]:
    info = (type(failed), failed, failed.__traceback__) if failed else None
    record = logging.LogRecord("server.x", logging.WARNING, __file__, 1, text, arguments, info)
    written = JsonLines().format(record)
    assert "\n" not in written
    found: dict[str, str] = json.loads(written)
    return found


def test_a_line_is_one_object_whatever_is_in_it() -> None:
    found = line("of %s", 'a\n{"level":"ERROR"}\u2028')
    assert (found["level"], found["logger"], found["text"]) == ("WARNING", "server.x", 'of a\n{"level":"ERROR"}\u2028')
    assert found["at"].endswith("Z") and not found.keys() & {"request", "tid", "trace"}


def test_a_line_says_which_request_and_which_terminal_it_is_about() -> None:
    request, tid = REQUEST.set("4f"), TID.set("till-1")
    try:
        raise OSError("the disk is full")
    except OSError as error:
        found = line("failed", failed=error)
    finally:
        REQUEST.reset(request)
        TID.reset(tid)
    assert (found["request"], found["tid"]) == ("4f", "till-1") and "the disk is full" in found["trace"]
    assert "request" not in line("later")


async def test_every_answer_has_a_number_that_its_log_lines_have_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_desk(tmp_path) as desk:
        answers = [await desk.client.get(path) for path in ("/health", "/api/1/cards", "/nowhere")]
        numbers = [answer.headers[HEADER] for answer in answers]
        assert len(set(numbers)) == 3 and [answer.status_code for answer in answers] == [200, 401, 404]
        seen: list[str] = []
        monkeypatch.setattr(type(desk.house.database), "reading", lambda _: seen.append(REQUEST.get()))
        answer = await desk.client.get("/ready")
        assert answer.status_code == 503 and seen == [answer.headers[HEADER]]


def test_systemd_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    tell("READY=1")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        tell("READY=1")
        assert manager.recv(100) == b"READY=1"
    tell("STOPPING=1")
