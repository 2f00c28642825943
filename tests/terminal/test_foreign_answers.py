"""What is no JSON of ours: an answer from whatever stands at the server's address, or a file that a dying card bent."""

from pathlib import Path

import pytest

from terminal.enrol_fault import EnrolFault, NotEnrolledYet
from terminal.pending import PENDING_FILE, Opened, read_pending
from terminal.preferences import PREFERENCES_FILE, Preferences, read_preferences
from terminal.server_address import SERVER_FILE, kept_address
from tests.terminal.web import saying

NO_JSON = {
    "no UTF-8": b'{"detail":"\xff"}',
    "no UTF-8 in what is known": b'{"ticket":"\xff","code":"\xff","language":"\xff","url":"\xff"}',
    "no UTF-8 in what is not known": b'{"more":"\xc3"}',
    "deeper than any reader goes": b'{"more":' + b"[" * 60_000,
    "deep and whole": b'{"more":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "no object": b"7",
    "nothing": b"",
}


@pytest.mark.parametrize("raw", NO_JSON.values(), ids=NO_JSON)
@pytest.mark.parametrize("status", [b"200 OK", b"404 Not Found"])
def test_whatever_answers_at_the_address_is_not_the_server(status: bytes, raw: bytes) -> None:
    with saying(b"HTTP/1.0 " + status + b"\r\n\r\n" + raw) as at, pytest.raises(NotEnrolledYet) as told:
        at.post("/enrol", {}, Opened)
    assert told.value.fault is EnrolFault.NOT_FANKA


@pytest.mark.parametrize("raw", NO_JSON.values(), ids=NO_JSON)
def test_a_bent_file_is_like_none(tmp_path: Path, raw: bytes) -> None:
    for name in (PENDING_FILE, PREFERENCES_FILE, SERVER_FILE):
        (tmp_path / name).write_bytes(raw)
    assert read_pending(tmp_path, "") is None
    assert read_preferences(tmp_path) == Preferences()
    assert kept_address(tmp_path) == ""
