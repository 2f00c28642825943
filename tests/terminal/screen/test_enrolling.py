"""A technician makes a machine a terminal at its own panel, without a shell."""

import asyncio
import os
import signal
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
from terminal.enrol_screen import EnrolScreen
from terminal.enrolling import Begin, Enrolling, Leave, Step, address_of, begun, failed, pressed
from terminal.floor_commands import Speak
from terminal.identity import load_identity
from terminal.languages import Spoken
from terminal.presses import Do, Enter, Escape, Press, Rub, Type
from terminal.theme import ScreenSettings, Theme
from tests.terminal.enrolling_server import EnrollingServer, Said, a_server
from tests.terminal.web import answering

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
        assert after(failed(waiting, "no"), what)[0].step is Step.CODE
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
        assert "turned this machine away" in screen.now.why
        await technician.touch(Enter())
        state[0] = "approved"
        technician.keys(f"{CODE}\n")
        assert await asyncio.wait_for(technician.running, 10) is True


@pytest.mark.integration
def test_the_program_ends_at_sigterm_before_it_is_a_terminal(tmp_path: Path) -> None:
    """SDL would take the signal for itself; and nothing but the console's own words is on standard output."""
    command = [sys.executable, "-m", "terminal", "--config", str(settings(tmp_path))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ) as program:
        try:
            time.sleep(3)
            assert program.poll() is None
            program.send_signal(signal.SIGTERM)
            said, warned = program.communicate(timeout=10)
        finally:
            program.kill()
    assert (program.returncode, said, warned) == (0, b"", b"")
