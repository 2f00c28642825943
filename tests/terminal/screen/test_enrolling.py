"""A technician makes a machine a terminal at its own panel, without a shell."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")

import pygame
import pytest

from protocol.enrolment import claim_code
from terminal.config import read_config
from terminal.enrol import new_key
from terminal.enrol_fault import EnrolFault
from terminal.enrol_screen import EnrolScreen
from terminal.enrolling import Begin, Enrolling, Leave, Step, address_of, begun, failed, pressed
from terminal.floor_commands import Speak
from terminal.identity import load_identity
from terminal.languages import Spoken
from terminal.presses import Do, Enter, Escape, Press, Rub, Type
from terminal.scene import Text
from terminal.texts.en import SENTENCES
from terminal.theme import ScreenSettings, Theme
from tests.terminal.enrolling_server import EnrollingServer, Said, a_server
from tests.terminal.web import answering, saying

CODE = claim_code(7)
SETTINGS = 'directory = "data"\nmerchant = "m1"\n[reader]\nkind = "pn532"\npath = "/dev/null"\n[screen]\nvolume = 0\n'


def settings(tmp_path: Path) -> Path:
    path = tmp_path / "terminal.toml"
    path.touch(0o600)
    path.write_text(SETTINGS)
    return path


def after(now: Enrolling, *presses: Press) -> tuple[Enrolling, list[object]]:
    done = list[object]()
    for what in presses:
        now, asked = pressed(now, what)
        done += [asked] if asked is not None else []
    return now, done


def typed(text: str) -> list[Press]:
    return [Type(sign) for sign in text]


def test_an_address_is_asked_for_where_the_settings_have_none() -> None:
    assert begun("", Theme.DARK).step is Step.SERVER and begun("https://x", Theme.DARK).step is Step.CODE
    now, _ = after(begun("", Theme.LIGHT), *typed("fanka.examplex"), Rub(), Enter())
    assert (now.step, now.server, now.typed) == (Step.CODE, "https://fanka.example", "")
    assert address_of("http://10.0.0.1:8080") == "http://10.0.0.1:8080"
    assert after(begun("", Theme.LIGHT), Enter())[0].step is Step.SERVER
    assert after(now, Escape())[0] == Enrolling(Step.SERVER, now.server, typed=now.server), "it is put right there"


def test_a_code_is_read_as_people_write_it_and_asked_about_once() -> None:
    at = begun("https://x", Theme.LIGHT)
    assert after(at, *typed("4t7qx-w2m9k"), Enter())[1] == [Begin("4T7QXW2M9K")]
    wrong, asked = after(at, *typed("4T7"), Enter())
    assert wrong.is_wrong and wrong.typed == "4T7" and asked == []
    assert not after(wrong, Type("Q"))[0].is_wrong
    waiting, asked = after(at, *typed(CODE), Enter(), Enter(), Enter())
    assert waiting.step is Step.WAITING and len(asked) == 1 and "4T7" not in repr(wrong)


def test_waiting_is_left_and_what_failed_is_begun_again() -> None:
    waiting = Enrolling(Step.WAITING, "https://x", four_words="a b c d")
    left, asked = after(waiting, Escape())
    assert asked == [Leave()] and (left.step, left.four_words) == (Step.CODE, "")
    for what in (Enter(), Escape()):
        assert after(failed(waiting, EnrolFault.BUSY, "no"), what)[0] == Enrolling(Step.CODE, "https://x")
    assert after(waiting, Type("x"), Rub(), Do(Speak("zh-Hans")))[1] == [Speak("zh-Hans")]


class Technician:
    """Somebody with a finger and a keyboard."""

    def __init__(self, screen: EnrolScreen) -> None:
        self.screen, self.missing = screen, ""
        self.running = asyncio.create_task(screen.run(lambda: self.missing))

    async def until(self, fits: Callable[[], bool], what: str) -> None:
        for _ in range(1_000):
            if fits():
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"waited for {what}: {self.screen.now}")

    async def at(self, step: Step) -> None:
        await self.until(lambda: self.screen.now.step is step, step)

    async def touch(self, what: Press) -> None:
        def places() -> list[tuple[int, int]]:
            touches = self.screen.window.scene.touches if self.screen.window.scene else ()
            return [(one.box.x + 3, one.box.y + 3) for one in touches if one.press == what]

        await self.until(lambda: len(places()) == 1, f"{what} on the screen")
        pygame.event.post(pygame.event.Event(pygame.MOUSEBUTTONDOWN, pos=places()[0], button=1))

    def keys(self, text: str) -> None:
        for sign in text:
            key = pygame.K_RETURN if sign == "\n" else 0
            pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key, unicode=sign))


@pytest.fixture
async def technician(tmp_path: Path) -> AsyncIterator[Technician]:
    config = read_config(settings(tmp_path), with_card_keys=False)
    found = Technician(EnrolScreen(config, ScreenSettings(), Spoken("en")))
    yield found
    found.running.cancel()
    with suppress(asyncio.CancelledError):
        await found.running


def pending(server: EnrollingServer) -> list[str]:
    """The desk takes its time: the state that it answers until a test changes it."""
    state = ["waiting"]

    def bend(path: str, said: Said) -> None:
        if path == "/enrol/standing":
            said["state"] = state[0]

    server.bend = bend
    return state


async def test_from_an_address_and_a_code_to_a_terminal(technician: Technician, tmp_path: Path) -> None:
    server = a_server()
    state = pending(server)
    with answering(server) as at:
        technician.keys(":\n")
        await technician.until(lambda: technician.screen.now.is_wrong, "no address")
        await technician.touch(Rub())
        technician.keys(f"{at.url}\n")
        await technician.at(Step.CODE)
        for sign in CODE:
            await technician.touch(Type(sign))
            await technician.until(lambda: not pygame.event.peek(pygame.MOUSEBUTTONDOWN), "the touch")
        await technician.touch(Enter())
        await technician.until(lambda: bool(technician.screen.now.four_words), "the words")
        assert technician.screen.now.four_words == server.words
        await technician.touch(Do(Speak("zh-Hans")))
        technician.missing = "no card keys"
        state[0] = "approved"
        await technician.at(Step.KEYS)
        await technician.until(lambda: technician.screen.now.why == "no card keys", "what is missing")
        technician.missing = ""
        assert await asyncio.wait_for(technician.running, 10) is True
    assert load_identity(tmp_path / "data").grant.tid == server.tid


async def test_who_leaves_and_comes_back_goes_on_with_the_same_code(technician: Technician, tmp_path: Path) -> None:
    server = a_server()
    state, screen = pending(server), technician.screen
    with answering(server) as at:
        technician.keys(f"{at.url}\n{CODE}\n")
        await technician.until(lambda: bool(screen.now.four_words), "the words")
        request, words = server.request, screen.now.four_words
        await technician.touch(Escape())
        await technician.at(Step.CODE)
        technician.keys(f"{CODE}\n")
        await technician.until(lambda: screen.now.four_words == words, "the same words")
        assert server.request == request
        state[0] = "refused"
        await technician.at(Step.FAILED)
        assert screen.now.fault is EnrolFault.TURNED_AWAY and "turned this machine away" in screen.now.why
        await technician.touch(Enter())
        state[0] = "approved"
        technician.keys(f"{CODE}\n")
        assert await asyncio.wait_for(technician.running, 10) is True


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ({"status": 403, "code": "claim_closed", "detail": "this code was used"}, EnrolFault.CODE_CLOSED),
        ({"status": 422, "code": "not_a_code", "detail": "ten letters and digits"}, EnrolFault.CODE_CLOSED),
        ({"status": 404, "code": "no_such_enrolment", "detail": "begin again"}, EnrolFault.SAYS_NO),
        ({"status": 404, "code": "http_404", "detail": "Not Found"}, EnrolFault.NOT_FANKA),
        ({"status": 404}, EnrolFault.NOT_FANKA),
        ({"status": 200}, EnrolFault.NOT_FANKA),
        ({"status": 429, "code": "too_often", "detail": "wait a minute"}, EnrolFault.BUSY),
        ({"status": 503, "code": "database_busy", "detail": "nothing was done"}, EnrolFault.BUSY),
    ],
)
async def test_what_the_server_says_is_told_apart(technician: Technician, said: Said, fault: EnrolFault) -> None:
    with answering(lambda _path, _body: said) as at:
        assert await failing(technician, at.url) is fault
        assert SENTENCES[f"enrol_fault.{fault}"].format(server=at.url).split(".")[0] in words_on(technician)


async def failing(technician: Technician, url: str) -> EnrolFault | None:
    technician.keys(f"{url}\n{CODE}\n")
    await technician.at(Step.FAILED)
    await technician.until(lambda: SENTENCES["enrol.failed"] in words_on(technician), "the picture")
    return technician.screen.now.fault


def words_on(technician: Technician) -> str:
    scene = technician.screen.window.scene
    return " ".join(one.text for one in (scene.elements if scene else ()) if isinstance(one, Text))


async def test_why_no_server_answers_is_told_apart(technician: Technician) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert await failing(technician, f"http://127.0.0.1:{port}") is EnrolFault.NO_LISTENER


async def test_a_server_without_tls_is_told_how_to_be_reached(technician: Technician) -> None:
    with answering(lambda _path, _body: None) as at:
        assert await failing(technician, at.url.removeprefix("http://")) is EnrolFault.NO_TLS


async def test_a_port_of_another_program_is_told(technician: Technician) -> None:
    with saying(b"SSH-2.0-OpenSSH_9.2\r\n") as at:
        assert await failing(technician, at.url) is EnrolFault.NO_WEB_SERVER


async def test_a_journal_that_is_gone_is_told(technician: Technician, tmp_path: Path) -> None:
    new_key(tmp_path / "data")
    (tmp_path / "data" / "journal.db").unlink()
    assert await failing(technician, "http://127.0.0.1:9") is EnrolFault.JOURNAL
    assert str(tmp_path / "data" / "journal.db") in words_on(technician)


def until_it_hears(pid: int, number: signal.Signals) -> None:
    """A program is slow to start where others want the machine; it has begun when it takes the signal itself."""
    for _ in range(600):
        found = re.search(r"SigCgt:\s*([0-9a-f]+)", Path(f"/proc/{pid}/status").read_text())
        if found and int(found[1], 16) >> (number - 1) & 1:
            return
        time.sleep(0.05)
    raise AssertionError("it takes no signal")


@pytest.mark.integration
def test_the_program_ends_at_sigterm_before_it_is_a_terminal(tmp_path: Path) -> None:
    """SDL would take the signal for itself; and nothing but the console's own words is on standard output."""
    command = [sys.executable, "-m", "terminal", "--config", str(settings(tmp_path))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ) as program:
        try:
            until_it_hears(program.pid, signal.SIGTERM)
            program.send_signal(signal.SIGTERM)
            said, warned = program.communicate(timeout=10)
        finally:
            program.kill()
    assert (program.returncode, said, warned) == (0, b"", b"")
