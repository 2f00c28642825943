"""Somebody at a browser: signs in as people do, and looks at every page for what keeps others from using it."""

import json
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Response

from server.web.door import COOKIE
from tests.web.house import WebHouse

AXE = (Path(__file__).resolve().parents[2] / "server/web/node_modules/axe-core/axe.min.js").read_text()
WIDTHS = {"phone": (390, 844), "tablet": (820, 1180), "desktop": (1280, 900)}
LOOKS = ("light", "dark", "contrast")
SEEN = [
    pytest.param(width, look, marks=() if at == LOOKS.index(look) else pytest.mark.slow)
    for at, width in enumerate(WIDTHS)
    for look in LOOKS
]
"""Windows and colours: each of both with every change, all pairs of them before a release."""
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@dataclass
class Visitor:
    """One browser of its own, with no cookies of others."""

    house: WebHouse
    page: Page
    said: list[str] = field(default_factory=list[str])
    """What the browser's console got."""
    refused: list[str] = field(default_factory=list[str])
    """Requests that were answered with a problem: a browser writes these to its console by itself."""

    @staticmethod
    def open(browser: Browser, house: WebHouse, width: str = "desktop", **more: Any) -> "Visitor":
        wide, high = WIDTHS[width]
        context = browser.new_context(viewport={"width": wide, "height": high}, base_url=house.url, **more)
        visitor = Visitor(house, context.new_page())
        visitor.page.set_default_timeout(15_000)
        visitor.page.on("console", visitor._hears)
        visitor.page.on("pageerror", lambda error: visitor.said.append(f"error: {error}"))
        visitor.page.on("response", visitor._sees)
        return visitor

    def _hears(self, message: ConsoleMessage) -> None:
        self.said.append(f"{message.type}: {message.text}")

    def _sees(self, response: Response) -> None:
        if response.status >= 400:
            self.refused.append(f"{response.status} {response.request.method} {response.url}")

    def close(self) -> None:
        self.page.context.close()

    def sign_in(self, name: str) -> None:
        """Name, password, code."""
        person = self.house.people[name]
        self.page.goto("/desk/sign-in")
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Password").fill(person.password)
        self.page.get_by_role("button", name="Continue").click()
        self.page.get_by_label("Six digits").fill(self.house.code(name))
        self.page.get_by_role("button", name="Sign in").click()
        self.page.get_by_role("heading", name="Overview").wait_for()

    def come_in(self, name: str) -> None:
        """Signed in: with the session that this person has here since an earlier test, or else anew."""
        self.page.context.add_cookies(self.house.sessions.get(name, []))
        self.go("/overview")
        if not self.page.url.endswith("/overview"):
            self.sign_in(name)
            self.house.sessions[name] = [one for one in self.page.context.cookies() if one.get("name") == COOKIE]

    def unfold(self, folded: str) -> None:
        """Open all that this selector finds, as clicks do."""
        self.page.evaluate("folded => document.querySelectorAll(folded).forEach(one => { one.open = true })", folded)

    def go(self, path: str) -> None:
        """Type an address of the pages."""
        self.page.goto(f"/desk{path}")

    def choose(self, *, look: str = "", language: str = "") -> None:
        """Colours and language from the next page on, as the form at the foot of the menu keeps them."""
        wanted = {"fanka_look": look, "fanka_language": language}
        chosen = [{"name": name, "value": value, "url": self.house.url} for name, value in wanted.items() if value]
        self.page.context.add_cookies(chosen)  # type: ignore[arg-type]

    def expect_problem(self, status: int) -> AbstractContextManager[Any]:
        """Meanwhile one request is refused with this status."""
        return self.page.expect_response(lambda response: response.status == status)

    def check(self, what: str = "") -> None:
        """Zero violations, nothing wider than the window, and not a word on the console but of refused requests."""
        where = what or self.page.url
        if not self.page.evaluate("typeof axe === 'object'"):
            self.page.evaluate(AXE)
        found = self.page.evaluate(
            "rules => axe.run(document, {runOnly: rules}).then(found => found.violations)", _RULES
        )
        told = [(one["id"], [node["html"][:200] for node in one["nodes"]][:4]) for one in found]
        assert not told, f"{where}: {json.dumps(told, indent=1, ensure_ascii=False)}"
        wide = self.page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        assert wide[0] <= wide[1], f"{where}: {wide[0]} pixels wide in a window of {wide[1]}"
        loads = sum("Failed to load resource" in line for line in self.said)
        assert loads <= len(self.refused), f"{where}: {self.said}"
        assert loads == len(self.said), f"{where}: {self.said}"

    def tab_to(self, name: str, most: int = 80) -> None:
        """Reach a control with the Tab key alone, and see that it shows where one is."""
        for _ in range(most):
            self.page.keyboard.press("Tab")
            here = self.page.evaluate(
                """() => { const at = document.activeElement; const look = getComputedStyle(at);
                return [(at.getAttribute('aria-label') || at.labels?.[0]?.innerText || at.innerText || '').trim(),
                        look.outlineStyle !== 'none' || look.boxShadow !== 'none'] }"""
            )
            if here[0].startswith(name):
                assert here[1], f"nothing shows that {name} has the focus"
                return
        raise AssertionError(f"the Tab key never comes to {name}")
