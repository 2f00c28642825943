"""A real Chromium for all tests of pages, and one filled server for each file of them."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.web.house import WebHouse, web_house
from tests.web.visitor import Visitor

CHROMIUM = "/usr/bin/chromium"
Visit = Callable[..., Visitor]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, which root may not use with its sandbox; what it opens is our own.

    Playwright has a loop of its own in this thread, so it ends with the file: tests of other files want theirs.
    """
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebHouse]:
    """A server of this file's own; the module's `prepare`, where it has one, fills it."""
    prepare = getattr(request.module, "prepare", None)
    with web_house(tmp_path_factory.mktemp("house"), prepare) as found:
        yield found


@pytest.fixture
def visit(browser: Browser, house: WebHouse) -> Iterator[Visit]:
    """`visit("ann", "phone")`: somebody signed in at a window of that width; "" for nobody."""
    opened: list[Visitor] = []

    def visit(name: str = "", width: str = "desktop", **more: object) -> Visitor:
        visitor = Visitor.open(browser, house, width, **more)
        opened.append(visitor)
        if name:
            visitor.come_in(name)
        return visitor

    yield visit
    for visitor in opened:
        visitor.close()
