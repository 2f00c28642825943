"""Pages have all their sentences, in three languages that differ only in language, and all their signs."""

import re
import string
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import pytest
from fastapi.routing import APIRoute

from protocol.enrolment import KeyTier
from protocol.entries import Kind, ListVersions, Operation, Stage
from protocol.purse import CardClass, Technology
from server.accounts import rules
from server.alarms.rules import AlarmKind
from server.auth.rules import Role
from server.booking.rules import MOVEMENTS
from server.cards.rules import KEEP_LOADS_AWAY
from server.ingest.book import CardStatus, CaseClass, HoleStatus
from server.ledger.accounts import AccountKind
from server.ledger.rules import Resolution, Use
from server.reconcile.facts import Difference
from server.web.asked import KINDS
from server.web.language import SENTENCES, Language, chosen, say
from server.web.page import LOOKS
from server.web.pages.terminals import Shown
from server.web.places import PLACES
from server.web.routers import ROUTERS

WEB = Path(__file__).resolve().parents[2] / "server" / "web"
TEMPLATES = sorted((WEB / "templates").rglob("*.html"))
SOURCES = [*TEMPLATES, *sorted((WEB / "pages").glob("*.py")), WEB / "app.py", WEB / "page.py"]
MADE: dict[str, Sequence[str]] = {
    "place.": [place.key for place in PLACES],
    "role.": list(Role),
    "look.": LOOKS,
    "alarm.": list(AlarmKind),
    "state.": ["revoked", "lost", "replaced"],
    "kind.": list(Kind),
    "operation.": list(Operation),
    "step.": [*Operation, "pin"],
    "tier.": [f"{tier:d}" for tier in KeyTier],
    "hole.": [HoleStatus.ASKED, HoleStatus.OFFERED, HoleStatus.BOOKED],
    "terminals.show.": list(Shown),
    "list.": ListVersions.__struct_fields__,
    "stage.": list(Stage),
    "resolved.": list(Resolution),
    "use.": [use for use in Use if use is not Use.FIRST],
    "technology.": [*Technology, ""],
    "cards.class.": [str(int(one)) for one in CardClass],
    "account.": list(AccountKind),
    "movement.": list(MOVEMENTS),
    "proposal.": KINDS,
    "class.": [*Difference, *CaseClass],
    "todo.": list(CaseClass),
    "prices.class.": ["0", *(str(int(one)) for one in CardClass)],
    "cards.": list(CardStatus),
    "cards.case.": KEEP_LOADS_AWAY,
    "problem.": ["database_busy", "password_short", "password_long", "password_easy"],
}
"""Keys that are put together, and what is put behind them."""


def written(text: str) -> set[str]:
    return set(re.findall(r"""(?:\bt|\bsay)\(\s*['"]([a-z_.0-9]+[a-z0-9_])['"]""", text))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(WEB)))
def test_every_sentence_that_is_asked_for_is_there(path: Path) -> None:
    missing = written(path.read_text()) - SENTENCES.keys()
    assert not missing
    for key in re.findall(r"""\.done\(\s*['"]([a-z_]+)['"]""", path.read_text()):
        assert f"done.{key}" in SENTENCES


def test_sentences_that_are_put_together_are_there() -> None:
    wanted = {f"{start}{rest}" for start, rests in MADE.items() for rest in rests}
    assert not wanted - SENTENCES.keys()
    assert rules.password_fault("x", "ann") == "password_short"


@pytest.mark.parametrize("key", SENTENCES)
def test_a_sentence_says_the_same_in_three_languages(key: str) -> None:
    sentences = SENTENCES[key]
    holes = [{name for _, name, _, _ in string.Formatter().parse(text) if name} for text in sentences]
    assert holes[0] == holes[1] == holes[2], "what differs is named in all of them"
    assert len(sentences) == len(Language) and all(text and text == text.strip() for text in sentences)
    english, simplified, traditional = sentences
    assert not re.search(r"[\u4e00-\u9fff]", english)
    if re.search(r"[a-z]{3}", english):
        assert re.search(r"[\u4e00-\u9fff]", simplified) and re.search(r"[\u4e00-\u9fff]", traditional), "translated"


def test_every_sign_is_in_the_font() -> None:
    known = set((WEB / "source" / "icons.txt").read_text().split())
    used = set(
        chain.from_iterable(re.findall(r"\bicon-([a-z0-9-]*[a-z0-9])\b", path.read_text()) for path in TEMPLATES)
    )
    assert used | {place.icon for place in PLACES} <= known
    assert sorted(known) == (WEB / "source" / "icons.txt").read_text().split(), "in order, each once"


def test_nothing_in_a_template_needs_what_the_policy_forbids() -> None:
    for path in TEMPLATES:
        text = path.read_text()
        assert not re.search(r"\sstyle=|\son[a-z]+=|<style|javascript:|hx-on|\|\s*safe\b", text), path.name
        assert re.search(r"<script(?! src=)", text) is None, path.name
        for form in re.findall(r"<form[^>]*method=\"post\".*?</form>", text, re.DOTALL):
            assert 'name="csrf"' in form or "sign-in" in form, f"{path.name}: a form without its token"


def test_every_page_says_what_it_is_for() -> None:
    for router in ROUTERS:
        for route in router.routes:
            assert isinstance(route, APIRoute) and route.description, route


@pytest.mark.parametrize(
    ("cookie", "accepted", "expected"),
    [
        ("zh-Hant", "en", Language.ZH_HANT),
        ("", "zh-CN,zh;q=0.9,en;q=0.8", Language.ZH_HANS),
        ("", "zh-TW", Language.ZH_HANT),
        ("", "zh-Hant-HK;q=1", Language.ZH_HANT),
        ("klingon", "fr-FR, de;q=0.8, en;q=0.5", Language.EN),
        ("", "", Language.EN),
        ("", "fr, zh", Language.ZH_HANS),
    ],
)
def test_a_browser_gets_its_language(cookie: str, accepted: str, expected: Language) -> None:
    assert chosen(cookie, accepted) is expected
    assert say(expected, "layout.menu") == SENTENCES["layout.menu"][list(Language).index(expected)]
